"""One attempt: send the request of a run once, and write down what was sent and answered."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests
from django.utils import timezone

from apiconnector.client import MAX_BODY, Wire
from apiconnector.exceptions import (
    ApiConnectorError,
    AuthorizationRequired,
    ConfigurationError,
    ExpressionError,
    TokenRequestFailed,
)
from apiconnector.feeds import recorded, verdict
from apiconnector.feeds.rendering import FeedRequest, method_of, render
from apiconnector.feeds.verdict import End, Verdict
from apiconnector.models import endings, expiry
from apiconnector.templating import search

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from apiconnector.models import Connection, Feed, FeedRun
    from apiconnector.redaction import Redactor

#: Bytes of an answer kept as the run's data.
KEPT_DATA = 1_000_000
_HIDDEN_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})


@dataclass(frozen=True)
class Attempt:
    """How one attempt went. ``record`` is what the run keeps of it, redacted."""

    verdict: Verdict
    record: dict[str, Any]
    status_code: int | None
    duration_ms: int
    data: Any = None
    values: dict[str, Any] | None = None
    #: Of the answer, their names in lower case, as they came.
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    #: The feed keeps no bodies, nor what was submitted once it has arrived.
    is_private: bool = False


def send(feed: Feed, run: FeedRun, *, before_first_byte: Callable[[], object] | None = None) -> Attempt:
    """Send a run once. Never raises for what the remote does, nor for what is not configured."""
    connection = feed.connection
    started, clock = timezone.now(), time.monotonic()
    generation = _generation(connection)
    wire = Wire(before_first_byte=before_first_byte)
    has_key = bool(feed.idempotency_header)
    answer: requests.Response | None = None
    failed: requests.PreparedRequest | None = None
    request: FeedRequest | None = None
    missing, is_refused = "", False
    try:
        if not connection.is_active:
            raise ConfigurationError(f"The connection “{connection}” is switched off.")
        with render(feed, run, connection) as request, connection.session(wire=wire) as api:
            if before_first_byte is not None:
                run.request = request.frozen()
            api.max_body = MAX_BODY
            answer = api.request(request.method, request.path, timeout=feed.timeout, **request.arguments)
    except (ApiConnectorError, requests.RequestException) as error:
        judged = verdict.of_error(error, method_of(feed, run), written=wire.written, has_key=has_key)
        failed = getattr(error, "request", None)
        if isinstance(error, AuthorizationRequired | TokenRequestFailed):
            missing = recorded.MISSING if judged.again_in is None else recorded.AWAY
    else:
        is_refused = expiry.means_expired(connection, answer)
        judged = verdict.of_answer(
            method_of(feed, run), answer.status_code, answer.headers, has_key=has_key, is_expired=is_refused
        )
    duration_ms = round((time.monotonic() - clock) * 1000)
    redact = connection.redactor(is_fresh=True)
    has_rules = bool(feed.success_when or feed.response_values)
    data = redact.scrub(_body(answer, MAX_BODY if has_rules else KEPT_DATA)) if answer is not None else None
    shown = _headers(answer.headers, redact) if answer is not None else {}
    values: dict[str, Any] = {}
    if answer is not None and has_rules and verdict.asks_rule(judged, feed.success_when):
        values, judged = _ruled(feed, {"status": answer.status_code, "headers": shown, "body": data}, judged)
    if answer is not None and len(answer.content) > KEPT_DATA:
        data, judged = None, verdict.of_size(judged, len(answer.content), is_whole=len(answer.content) <= MAX_BODY)
    status_code = answer.status_code if answer is not None else None
    limit = recorded.limit_of(feed)
    record = {
        "at": started.isoformat(),
        "request": _request(
            answer.request if answer is not None else failed, redact, limit, request.shown_body if request else None
        ),
        "response": _response(answer, shown, redact, limit),
        "status_code": status_code,
        "duration_ms": duration_ms,
        "error": judged.error,
        "message": judged.message,
        "token": missing or _token_event(connection, generation, is_refused=is_refused),
    }
    headers: dict[str, str] = {}
    if answer is not None and before_first_byte is not None:  # whoever sends again asks them when
        headers = {name.lower(): recorded.decoded(value) for name, value in answer.headers.items()}
    if not limit:
        record["bodies"] = False
    return Attempt(judged, record, status_code, duration_ms, data, values, headers, is_private=not limit)


def _generation(connection: Connection) -> int | None:
    """Which token the connection has, by what is known here: a session that looks it up or renews it says so there."""
    token = endings.token_of(connection)
    return None if token is None else token.generation


def _token_event(connection: Connection, before: int | None, *, is_refused: bool) -> str:
    """What became of the connection's token: it was ``refreshed``, or the API ``refused`` it; else nothing."""
    now = _generation(connection)
    if is_refused and now is not None:
        return recorded.REFUSED
    return "refreshed" if now != before else ""


def _body(answer: requests.Response, most: int) -> Any:
    """The parsed body: JSON where it is JSON, else text; None for an empty one, and for more bytes than ``most``."""
    if not answer.content or len(answer.content) > most:
        return None
    try:
        return json.loads(answer.content, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        return expiry.text_of(answer)


def _refuse_constant(name: str) -> Any:
    """NaN and Infinity are no JSON: such a body is kept as text."""
    raise ValueError(name)


def _finite(text: str) -> float:
    """A number that JSON can hold again: 1e400 would become infinity."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _ruled(feed: Feed, answer: dict[str, Any], judged: Verdict) -> tuple[dict[str, Any], Verdict]:
    """The values of an answer, and what the success rule of the feed makes of it."""
    root = {**answer, "headers": {name.lower(): value for name, value in answer["headers"].items()}}
    is_error = judged.end is not End.SUCCEEDED
    refused = verdict.of_rule(feed.success_when, root) if feed.success_when else None
    if refused is not None:
        return {}, judged if is_error else refused
    return _pick(feed, root, Verdict(End.SUCCEEDED, judged.outcome) if is_error else judged)


def _pick(feed: Feed, root: dict[str, Any], judged: Verdict) -> tuple[dict[str, Any], Verdict]:
    """The values the feed keeps; one that can't be evaluated is said, and the run has still succeeded."""
    values: dict[str, Any] = {}
    problems = []
    for name, expression in feed.response_values.items():
        try:
            values[name] = search(expression, root)
        except ExpressionError as error:
            problems.append(f"{name}: {error}")
    if problems:
        judged = Verdict(judged.end, judged.outcome, "response_values", " ".join(problems))
    return values, judged


def _request(
    request: requests.PreparedRequest | None, redact: Redactor, limit: int, shown_body: str | None
) -> dict[str, Any] | None:
    if request is None:
        return None
    return {
        "method": request.method,
        "url": redact(request.url or ""),
        "headers": _headers(request.headers, redact),
        "body": recorded.body(request.body if shown_body is None else shown_body, limit, redact),
    }


def _response(
    answer: requests.Response | None, headers: dict[str, str], redact: Redactor, limit: int
) -> dict[str, Any] | None:
    if answer is None:
        return None
    return {
        "status_code": answer.status_code,
        "reason": redact(answer.reason or ""),
        "headers": headers,
        "body": recorded.body(answer.content, limit, redact, is_whole=len(answer.content) <= MAX_BODY),
    }


def _headers(headers: Mapping[str, Any], redact: Redactor) -> dict[str, str]:
    shown = {
        name: "[redacted]" if name.lower() in _HIDDEN_HEADERS else recorded.decoded(value)
        for name, value in headers.items()
    }
    # All at once first: hardly ever is there anything to take out.
    together = "\n".join(shown.values())
    if redact(together) != together:
        shown = {name: redact(value) for name, value in shown.items()}
    return shown if len(together) <= recorded.MOST_OF_HEADER else recorded.cut_headers(shown)
