"""Whatever is put into a header, by whoever: it is refused, or it is one line on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from django.core.exceptions import ValidationError
from hypothesis import event, example, given
from hypothesis import strategies as st
from requests.auth import AuthBase

from apiconnector.client import ApiSession, Destinations
from apiconnector.exceptions import ApiConnectorError, InvalidFeedData
from apiconnector.feeds import delivery
from apiconnector.models import Connection, Feed, FeedRun
from apiconnector.shortcuts import run_feed, submit
from tests.properties.database import rolled_back
from tests.properties.leaks import check_silent, found, logged, shown
from tests.properties.profiles import share
from tests.properties.strategies import blobs, json_values, texts
from tests.properties.wire import Script, proper, scripted

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A credential to which the awkward parts are added.
CANARY = "canary-credential-of-headers"
BREAKS = ("\r\nX-Injected: 1", "\nX-Injected: 1", "\rX-Injected: 1", "\r\n\r\nGET /injected HTTP/1.1", "\x00", "\x0b", "\x0c", "\x1c", "\x85X-Injected: 1", "\u2028", "\r\n ", "\n\t", "\u010aX-Injected: 1", "\u560aX-Injected")  # fmt: skip  # in rows
VALUES = st.one_of(
    st.sampled_from(["1", "application/json", "a, b", " padded ", "ä", "\u20ac", ""]),
    st.builds("{}{}{}".format, st.sampled_from(["", "a", "ä"]), st.sampled_from(BREAKS), st.sampled_from(["", "b"])),
    texts(3),
)
NAMES = st.one_of(
    st.sampled_from(["X-A", "x-b", "Content-Type", "Accept", "User-Agent", "Authorization", "Idempotency-Key", "Cookie", "Te"]),
    st.builds("{}{}".format, st.sampled_from(["X", ""]), st.sampled_from([*BREAKS, ":", " ", "X-A: 1\r\nX-B", "ä", "(", "_", ""])),
    texts(2),
)  # fmt: skip  # in rows
HEADERS = st.dictionaries(NAMES, VALUES, max_size=3)


@pytest.fixture(scope="module")
def server() -> Iterator[Script]:
    with scripted() as script:
        script.play = proper(headers=b"Connection: close\r\n")
        yield script


def check_wire(server: Script, names: set[str]) -> None:
    """What was received is one request, with the headers it was to have and no other."""
    for request in server.received:
        event("sent")
        head, _, body = request.partition(b"\r\n\r\n")
        line, *fields = head.split(b"\r\n")
        assert line.count(b" ") == 2
        assert line.endswith(b" HTTP/1.1")
        for part in (line, *fields):
            assert not set(part) & {0, 10, 13}, "a line break inside a line"
        allowed = {name.lower().encode("latin-1", "replace") for name in names} | {
            b"host", b"user-agent", b"accept-encoding", b"accept", b"connection", b"content-length", b"content-type", b"authorization", b"transfer-encoding",
        }  # fmt: skip  # in rows
        assert {field.partition(b":")[0].lower() for field in fields} <= allowed
        assert b"x-injected" not in {field.partition(b":")[0].lower() for field in fields}
        lengths = [field.partition(b":")[2] for field in fields if field.lower().startswith(b"content-length:")]
        assert len(body) == int(lengths[0]) if lengths else not body


class Fixed(AuthBase):
    """Sends a text that was typed."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._text
        return request


@share(3)
@given(
    HEADERS,
    st.one_of(
        HEADERS,
        st.dictionaries(st.one_of(NAMES, blobs(6)), st.one_of(VALUES, blobs(8), json_values(VALUES)), max_size=2),
    ),
    VALUES,
    st.sampled_from(["GET", "POST", "get", "X-A", ""]),
)
@example({}, {}, f"Bearer {CANARY}\r\nX-Injected: 1", "GET")
@example({}, {"X-A": "\ud800"}, "Bearer a", "GET")
def test_a_session_sends_whole_headers_or_none(
    server: Script, defaults: dict[str, str], own: dict[Any, Any], typed: str, method: str
) -> None:
    server.received.clear()
    credential = f"Bearer {CANARY}{typed}"
    with logged() as lines:
        session = ApiSession(
            destinations=Destinations(server.url), auth=Fixed(credential), default_headers=defaults, timeout=5
        )
        try:
            answer = session.request(method, "x", headers=own)
        except (ApiConnectorError, requests.RequestException) as error:
            assert server.received == []
            assert CANARY not in shown(error, with_locals=False)
        else:
            assert answer.status_code == 200
            assert len(server.received) == 1
    names = {name if isinstance(name, str) else name.decode("latin-1") for name in (*defaults, *own)}
    check_wire(server, names)
    assert not found("\n".join(lines), [CANARY])


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "default_headers": st.one_of(HEADERS, json_values(VALUES)),
        "credential_name": st.one_of(NAMES),
        "credential_prefix": VALUES,
        "credential_in": st.sampled_from(["header", "query", "body", "none"]),
        "variables": st.dictionaries(st.sampled_from(["a", "b"]), VALUES),
        "secret_variables": st.dictionaries(st.sampled_from(["s"]), VALUES.map(lambda text: CANARY + text)),
        "default_params": st.dictionaries(NAMES, VALUES, max_size=2),
    },
)
METHODS = ("none", "basic", "bearer", "api_key")


@pytest.mark.django_db
@share(1.5)
@given(FIELDS, st.sampled_from(METHODS), VALUES, st.booleans())
@example(
    {"default_headers": {"X-A": "{{ s }}"}, "secret_variables": {"s": f"{CANARY}\r\nX-Injected: 1"}}, "none", "", False
)
@example({"default_headers": {"X-A": "{{ a }}"}, "variables": {"a": "1\r\nX-Injected: 1"}}, "none", "", False)
@example({"default_headers": {"X-{{ a }}": "1"}, "variables": {"a": "A: 1\r\nX-Injected"}}, "none", "", False)
@example({"default_params": {"p": "{{ s }}"}, "secret_variables": {"s": f"{CANARY}\ud800"}}, "none", "", False)
@example({"default_body": {"p": "{{ s }}"}, "secret_variables": {"s": f"{CANARY}\ud800"}}, "none", "", False)
def test_a_connection_sends_whole_headers_or_none(
    server: Script, fields: dict[str, Any], method: str, typed: str, templated: bool
) -> None:
    server.received.clear()
    secret = CANARY + typed
    values: dict[str, Any] = {"username": secret, "password": secret, "api_key": secret, **fields}
    if templated:
        values["default_headers"] = {"X-A": "{{ a }}", "X-{{ b }}": "{{ api_key }}{{ s|default:'' }}"}
        values["default_params"] = {"p": "{{ s|default:'' }}", "q": "{{ a|default:'' }}"}
        values["variables"] = {"a": "", "b": "B"} | fields.get("variables", {})
    with rolled_back():
        connection = Connection(name="A", slug="a", base_url=server.url, auth_method=method)
        try:
            for name, value in values.items():
                setattr(connection, name, value)
            connection.full_clean()
        except ValidationError as error:
            assert CANARY not in str(error)
            return
        connection.save()
        with logged() as lines:
            try:
                connection.session().get("x")
            except (ApiConnectorError, requests.RequestException) as error:
                assert server.received == []
                check_silent(error, [CANARY])
            connection.test()
    names = [*connection.default_headers, connection.credential_name, "x-api-key"]
    check_wire(server, {*names, *(f"X-{value}" for value in connection.variables.values())})
    assert not found("\n".join(lines), [CANARY])


PAIRS = st.one_of(HEADERS, st.lists(st.tuples(NAMES, VALUES).map(list), max_size=3))


@pytest.mark.django_db
@share(1.5)
@given(PAIRS, st.one_of(st.just("Idempotency-Key"), NAMES), st.one_of(VALUES, st.none()), VALUES)
@example({"X-A": "{{ v }}"}, "Idempotency-Key", None, "1\r\nX-Injected: 1")
@example({"X-{{ v }}": "1"}, "", None, "A: 1\r\nX-Injected")
@example({}, "Idempotency-Key", "a\r\nX-Injected: 1", "")
def test_a_feed_sends_whole_headers_or_none(
    server: Script, headers: Any, key_header: str, key: str | None, value: str
) -> None:
    server.received.clear()
    with rolled_back():
        connection = Connection.objects.create(
            name="A", slug="a", base_url=server.url, auth_method="bearer", api_key=CANARY
        )
        feed = Feed(
            name="F", slug="f", connection=connection, trigger="t", path="x", headers=headers, idempotency_header=key_header,
            body_format="json", body={"v": "{{ v }}"},
        )  # fmt: skip  # in rows
        try:
            feed.full_clean()
        except ValidationError:
            return
        feed.save()
        with logged() as lines:
            run_it(feed, key, value)
    written = headers if isinstance(headers, dict) else dict(headers)
    names = [name.replace("{{ v }}", value) for name in written]
    check_wire(server, {*names, key_header})
    assert not found("\n".join(lines), [CANARY])


def run_it(feed: Feed, key: str | None, value: str) -> None:
    try:
        done = run_feed("f", {"v": value})
        (kept,) = submit("t", {"v": value}, idempotency_key=key)
    except InvalidFeedData:
        return
    delivery.process(kept)
    for run in (done, FeedRun.objects.get(pk=kept.pk)):
        assert run.status in {"succeeded", "failed", "pending"}
        assert run.error != "internal"
        assert not found(f"{run.error_message} {run.attempts}", [CANARY])
