"""Send a connection's test request, and pick label and account out of its answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import requests

from apiconnector.exceptions import ApiConnectorError, ConfigurationError, ExpressionError, RequestRefused
from apiconnector.models import expiry, names
from apiconnector.redaction import REDACTED
from apiconnector.templating import compile_template, names_in, search, truth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apiconnector.dialect import Explained, TestRequest
    from apiconnector.models.connection import Connection
    from apiconnector.redaction import Redactor

#: Characters of an answer that a test's result shows; of one with more bytes than the second, it shows none.
_SHOWN_BODY, _READ_BODY = 4_000, 1_000_000
#: Characters of a code that nothing is known of.
_SHOWN_CODE = 50


@dataclass(frozen=True)
class TestResult:
    """What a test request brought; ``label`` and ``account_id`` are picked from the answer as the connection says.

    ``request`` (method and URL), ``headers`` and ``body`` hold no credential of the connection; the body is cut.
    """

    __test__ = False  # pytest would take it for a class of tests

    ok: bool
    status_code: int | None
    message: str
    label: str = ""
    account_id: str = ""
    request: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


def run_test(connection: Connection) -> TestResult:
    """Send a connection's test request; see ``Connection.test()``."""
    try:
        declared = connection.read_dialect().test_request
        with connection.session() as api:
            answer = api.request(connection.test_method, connection.test_path, **_arguments(connection, declared))
    except (RequestRefused, ConfigurationError) as error:
        return TestResult(ok=False, status_code=None, message=str(error))
    except requests.RequestException as error:
        return TestResult(ok=False, status_code=None, message=_no_answer(error))
    except ValueError:  # the HTTP library's, of a method that is none
        message = "The test request can't be made: check its method."
        return TestResult(ok=False, status_code=None, message=message)
    message = f"The API answered {answer.status_code} {answer.reason or ''}".rstrip() + "."
    accepted = answer.status_code in declared.statuses if declared.statuses else answer.ok
    reason = _broken_rule(declared.success_when, answer) if accepted else _advice(answer.status_code)
    if reason or not accepted:
        words = " ".join(filter(None, (message, _explanation(declared.explain, answer), reason)))
        result = TestResult(ok=False, status_code=answer.status_code, message=words)
    else:
        result = _picked(connection, answer, message)
    redact = connection.redactor()
    return replace(
        result,
        message=redact(result.message),
        request=redact(f"{answer.request.method} {answer.url}"),
        headers={
            name: REDACTED if name.lower() == "set-cookie" else redact(value) for name, value in answer.headers.items()
        },
        body=_beginning(answer, redact),
    )


def _beginning(answer: requests.Response, redact: Redactor) -> str:
    """The beginning of an answer as text."""
    size = f"{len(answer.content):,} bytes"
    if len(answer.content) > _READ_BODY:
        return f"(too large to be shown: {size})"
    try:
        text = answer.content.decode(answer.encoding or "utf-8", "replace")
    except (LookupError, ValueError):  # an encoding that Python does not know, or that decodes nothing
        text = answer.content.decode("utf-8", "replace")
    if "\x00" in text:
        return f"(not a text: {size})"
    # Redacted before it is cut: half a credential would not be recognised.
    text = redact(text)
    return text if len(text) <= _SHOWN_BODY else f"{text[:_SHOWN_BODY]}… (cut: {size} in all)"


def _arguments(connection: Connection, declared: TestRequest) -> dict[str, Any]:
    """What the test request carries beside its method and path."""
    if not (declared.params or declared.headers or declared.body is not None):
        return {}
    known = names.for_sending(connection, _token_named(connection, declared))
    params = names.filled(connection, dict(declared.params), known)
    headers = names.filled(connection, dict(declared.headers), known)
    body = names.filled(connection, declared.body, known)
    found: dict[str, Any] = {
        "params": params,
        "headers": {name: str(value) for name, value in headers.items() if value is not None},
    }
    if body is not None and declared.format == "query":
        found["params"] = params | body
    elif body is not None:
        found["json" if declared.format == "json" else "data"] = body
    return {name: value for name, value in found.items() if value}


def _token_named(connection: Connection, declared: TestRequest) -> dict[str, str]:
    """The access token, where the templates name it. Raises what a request raises where there is none."""
    named = names_in([dict(declared.params), dict(declared.headers), declared.body])
    if "access_token" not in named or not connection.method.uses_token:
        return {}
    return {"access_token": connection.token_source().access_token()}


def _broken_rule(rule: str, answer: requests.Response) -> str:
    """Why an answer is no success by the rule of the dialect; empty where it is one."""
    if not rule:
        return ""
    try:
        if truth(search(rule, expiry.root_of(answer, expiry.body_of(answer)))):
            return ""
    except ExpressionError as error:
        return f"Whether that is a success can't be told: {error}"
    return f"That is no success by the rule of the dialect: {rule}"


def _explanation(declared: Explained | None, answer: requests.Response) -> str:
    """What the API's own code in an answer means, by the dialect; empty where there is none."""
    if declared is None:
        return ""
    try:
        found = search(declared.path, expiry.root_of(answer, expiry.body_of(answer)))
    except ExpressionError:
        return ""
    if isinstance(found, bool) or not isinstance(found, str | int | float) or found == "":
        return ""
    code = str(found)
    if words := declared.words.get(code, ""):
        return f"Code {code}: {words}"
    return (
        f"The code {''.join(filter(str.isprintable, code))[:_SHOWN_CODE]} is not among those that the dialect explains."
    )


def _picked(connection: Connection, answer: requests.Response, message: str) -> TestResult:
    root = {**expiry.root_of(answer, expiry.body_of(answer)), "values": dict(connection.kept_values)}
    label = account_id = ""
    try:
        if connection.label_template:
            template = compile_template(connection.label_template)
            label = _shown(connection, template.render_text(names.for_browser(connection, root)))
        if connection.account_id_path:
            found = search(connection.account_id_path, root)
            account_id = "" if found is None else _shown(connection, str(found))
    except ApiConnectorError as error:
        message = f"{message} But what was to be picked from the answer is not there: {error}"
    return TestResult(ok=True, status_code=answer.status_code, message=message, label=label, account_id=account_id)


def _shown(connection: Connection, text: str) -> str:
    """What an answer says, fit for a page and a column: no credential, one printable line."""
    return "".join(character for character in connection.redactor()(text) if character.isprintable())[:255]


def _no_answer(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "The API did not answer in time. Try again, or raise the connection's time-out."
    if isinstance(error, requests.exceptions.SSLError):
        return "No secure connection could be made: the certificate of the API was not accepted."
    return "The API could not be reached. Check the host of the base URL and the network of this server."


def _advice(status_code: int) -> str:
    return {
        401: "It refused the credential: check it, or authorize again.",
        403: "The credential is known but may not do this: check scope and permissions at the provider.",
        404: "Nothing is there: check base URL and test path.",
        429: "Too many requests: try again later.",
    }.get(status_code, "Try again later." if status_code >= 500 else "")
