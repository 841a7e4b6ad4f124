"""What this process has opened is known, and taken out of log records and reports."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import threading
from base64 import b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import django
import pytest
import requests
from django.test import RequestFactory
from django.utils.html import escape
from django.utils.log import AdminEmailHandler
from django.views.debug import technical_500_response

from apiconnector import crypto, forms
from apiconnector.apps import ApiConnectorConfig
from apiconnector.exceptions import ConfigurationError, SecretUnreadable
from apiconnector.models import Connection
from apiconnector.redaction import REDACTED, RedactionFilter, clean_frames, get_logger, live, logs, redact, remember
from apiconnector.redaction.reports import RedactingReporter, RedactingReporterFilter, guard
from tests.frames import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.http import HttpResponse

CANARY = 'canary/väl"ue+1\\x'


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> live._Live:
    """A memory of its own for each test."""
    memory = live._Live()
    monkeypatch.setattr(live, "_live", memory)
    return memory


@pytest.fixture
def listening() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger of the site, and what its handler wrote; the handler was there when Django started."""
    logger, stream = logging.getLogger("site.of.tests"), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    logs.install()
    yield logger, stream
    logger.removeHandler(handler)


def test_what_no_handler_takes_is_redacted() -> None:
    """Django sets up no handler on the root: a site's own errors are written by the handler of last resort."""
    script = f"""
import logging, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
django.setup()
from apiconnector.redaction import remember
assert not logging.root.handlers
remember({CANARY!r})
logging.getLogger("site").error("failed with %s", {CANARY!r})
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"failed with {REDACTED}\n"


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "percent-encoded": lambda text: quote(text, safe=""),
    "percent-encoded twice": lambda text: quote(quote(text, safe=""), safe=""),
    "repr": lambda text: repr(text)[1:-1],
    "repr of bytes": lambda text: repr(text.encode())[2:-1],
    "HTML": escape,
    "Base64": lambda text: b64encode(text.encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_what_was_opened_is_taken_out(form: str) -> None:
    stored = crypto.seal(CANARY, column="a.B.c", hosts=[])
    text = f"before {FORMS[form](CANARY)} after"
    assert redact(text) == text
    crypto.Secret.from_stored(stored, column="a.B.c").reveal()
    assert redact(text) == f"before {REDACTED} after"


def test_what_was_typed_is_known_before_it_is_saved() -> None:
    Connection(api_key="canary-typed", secret_variables={"a": ["canary-inside"], "n": 5})
    assert redact("canary-typed canary-inside 5") == f"{REDACTED} {REDACTED} 5"


def test_an_identifier_is_no_secret(make_connection: Callable[..., Connection]) -> None:
    connection = make_connection(client_id="identifier-of-app", username="administrator", auth_method="basic")
    connection = Connection.objects.get(pk=connection.pk)
    assert connection.client_id.reveal() == "identifier-of-app"
    assert connection.username.reveal() == "administrator"
    assert redact("identifier-of-app administrator") == "identifier-of-app administrator"
    assert "is_identifier" not in str(Connection._meta.get_field("client_id").deconstruct())


def test_short_values_are_taken_out_behind_an_equals_sign_only() -> None:
    remember("true")
    remember("secret7")
    assert redact("true secret7 a=true&b=secret7&c=trueish") == f"true secret7 a={REDACTED}&b={REDACTED}&c=trueish"


def test_memory_is_bounded_and_what_is_used_again_stays(known: live._Live) -> None:
    remember("canary-in-use")
    for number in range(10 * live.MOST):
        remember(f"another-secret-{number}")
        if number % 100 == 0:
            remember("canary-in-use")
    assert redact("canary-in-use another-secret-1") == f"{REDACTED} another-secret-1"
    assert len(known._recent) + len(known._older) <= 2 * live.MOST + 1


def test_many_threads() -> None:
    found: list[str] = []

    def work(name: str) -> None:
        for number in range(500):
            remember(f"secret-{name}-{number}")
            found.append(redact(f"secret-{name}-{number}"))

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {REDACTED}


# Log records


def test_every_logger_of_the_site_is_covered(listening: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = listening
    remember(CANARY)
    logger.info("sent %s and %r", quote(CANARY), {"key": CANARY})
    logger.info("%(key)s", {"key": CANARY})
    logger.info("nothing of it: %d", 5)
    assert stream.getvalue().splitlines() == [
        f"sent {REDACTED} and {{'key': '{REDACTED}'}}",
        REDACTED,
        "nothing of it: 5",
    ]


def test_the_traceback_of_a_record_is_covered(listening: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = listening
    remember("canary-of-error")
    try:
        int("canary-of-error")
    except ValueError:
        logger.exception("It failed")
    assert "canary" not in stream.getvalue()
    assert f"'{REDACTED}'" in stream.getvalue()
    try:
        int("harmless")
    except ValueError:
        record = logger.makeRecord("x", logging.ERROR, "f", 1, "It failed", (), sys.exc_info())
    assert RedactionFilter().filter(record)
    assert record.exc_info is not None  # left alone: trackers want the frames


def test_a_record_whose_arguments_do_not_fit_is_left_to_the_handler() -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, "%d and %s", ("canary",), None)
    assert RedactionFilter().filter(record)


@pytest.mark.parametrize(
    "name", [*logs.LOGGERS, forms.__name__, "apiconnector.feeds.outbox", "apiconnector.feeds.delivery"]
)
def test_a_handler_that_comes_later_gets_clean_records_of_these(name: str) -> None:
    remember("canary-in-log")
    logger, stream = logging.getLogger(name), io.StringIO()
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        logger.debug("GET /?key=%s", "canary-in-log")
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert stream.getvalue() == f"GET /?key={REDACTED}\n"


def test_it_is_on_by_default_and_put_on_once() -> None:
    assert ApiConnectorConfig.name == "apiconnector"
    logs.install()
    for name in logs.LOGGERS:
        filters = [each for each in logging.getLogger(name).filters if isinstance(each, RedactionFilter)]
        assert len(filters) == 1
    assert get_logger("apiconnector.forms").filters == logging.getLogger("apiconnector.forms").filters


# Frames


@clean_frames
def handle(value: str) -> None:
    held = value * 2
    raise ConfigurationError(f"no key for {len(held)}")


def test_errors_leave_without_the_frames_that_hold_plain_text() -> None:
    with pytest.raises(ConfigurationError, match="no key for 14") as error:
        handle("canary" + "-")
    assert "canary" not in shown(error.value)


@pytest.mark.django_db
def test_sealing_without_a_key_shows_no_plain_text(settings: Any) -> None:
    settings.APICONNECTOR_KEYS = []
    connection = Connection(name="A", slug="a", base_url="https://a.example", api_key="can" + "ary")
    with pytest.raises(ConfigurationError) as error:
        connection.save()
    assert "can" + "ary" not in shown(error.value)
    with pytest.raises(ConfigurationError) as error:
        crypto.seal("can" + "ary", column="a.B.c", hosts=[])
    assert "can" + "ary" not in shown(error.value)


def test_opening_the_wrong_column_shows_no_plain_text() -> None:
    stored = crypto.seal("can" + "ary", column="a.B.c", hosts=[])
    with pytest.raises(SecretUnreadable) as error:
        crypto.unseal(stored, column="a.B.d")
    assert "can" + "ary" not in shown(error.value)


# Reports


def failing_view(request: Any) -> HttpResponse:
    local = "canary-in-frame"
    long = "x" * 4090 + "canary-in-frame"
    raise ValueError(f"wrong: {local} {len(long)}")


@pytest.mark.parametrize("accept", ["text/html", "text/plain"])
def test_the_debug_page(settings: Any, accept: str) -> None:
    settings.DEBUG = True
    request = RequestFactory().get("/?code=canary-in-frame", headers={"Accept": accept})
    request.COOKIES["nonce"] = "canary-in-frame"
    try:
        failing_view(request)
    except ValueError as error:
        kind, trace = type(error), (type(error), error, error.__traceback__)
    assert kind is ValueError
    page = technical_500_response(request, *trace).content.decode()
    assert "canary-in-frame" in page  # Django's own
    remember("canary-in-frame")
    guard(request)
    page = technical_500_response(request, *trace).content.decode()
    # The source lines of this very file are shown, too.
    assert page.count("canary-in-frame") == page.count("&quot;canary-in-frame&quot;") == 0
    assert page.count("xxxxcanary") == 0
    assert REDACTED in page


def test_a_mail_to_the_admins(settings: Any, mailoutbox: list[Any]) -> None:
    settings.ADMINS = [("A", "a@example.org")] if django.VERSION < (6, 0) else ["a@example.org"]
    handler = AdminEmailHandler(include_html=True)
    request = RequestFactory().post("/?code=canary-in-frame", {"key": "canary-in-frame"})
    remember("canary-in-frame")
    request.exception_reporter_filter = RedactingReporterFilter()
    handler.reporter_class = RedactingReporter
    try:
        failing_view(request)
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("django.request", logging.ERROR, "f", 1, "It failed: %s", ("/",), info)
    record.request = request
    handler.emit(record)
    (mail,) = mailoutbox
    whole = mail.subject + mail.body + "".join(content for content, _ in mail.alternatives)
    assert "ValueError" in whole
    assert "canary-in-frame" not in whole


def test_a_value_that_can_not_be_shown_is_left_to_django() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    def fail(odd: Odd) -> None:
        raise ValueError(type(odd).__name__)

    try:
        fail(Odd())
    except ValueError as error:
        reporter = RedactingReporter(None, type(error), error, error.__traceback__)
        reporter.filter = RedactingReporterFilter()
        assert "Odd" in reporter.get_traceback_html()


def test_urllib3_writes_no_credential_into_its_log(caplog: pytest.LogCaptureFixture) -> None:
    from tests.client.servers import api_server

    remember("canary-in-query")
    with api_server() as api, caplog.at_level(logging.DEBUG):
        requests.get(f"{api.url}/x?key=canary-in-query", timeout=5)
    assert "GET /x?key=[redacted]" in caplog.text
    assert "canary" not in caplog.text
