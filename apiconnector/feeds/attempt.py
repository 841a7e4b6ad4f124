"""One attempt: send the request of a run once, and write down what was sent and answered."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
from django.utils import timezone

from apiconnector.client import Wire
from apiconnector.exceptions import ApiConnectorError, ConfigurationError, ExpressionError
from apiconnector.feeds import verdict
from apiconnector.feeds.rendering import FeedRequest, method_of, render
from apiconnector.feeds.verdict import End, Verdict
from apiconnector.models import expiry
from apiconnector.templating import search

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from apiconnector.models import Feed, FeedRun
    from apiconnector.redaction import Redactor

#: Characters of a body kept in an attempt, and of an answer kept as the run's data.
KEPT_BODY = 10_000
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


def send(feed: Feed, run: FeedRun, *, before_first_byte: Callable[[], object] | None = None) -> Attempt:
    """Send a run once. Never raises for what the remote does, nor for what is not configured."""
    connection = feed.connection
    started, clock = timezone.now(), time.monotonic()
    wire = Wire(before_first_byte=before_first_byte)
    has_key = bool(feed.idempotency_header)
    answer: requests.Response | None = None
    failed: requests.PreparedRequest | None = None
    request: FeedRequest | None = None
    try:
        if not connection.is_active:
            raise ConfigurationError(f"The connection “{connection}” is switched off.")
        with render(feed, run, connection) as request, connection.session(wire=wire) as api:
            if before_first_byte is not None:
                run.request = request.frozen()
            answer = api.request(request.method, request.path, timeout=feed.timeout, **request.arguments)
    except (ApiConnectorError, requests.RequestException) as error:
        judged = verdict.of_error(error, method_of(feed, run), written=wire.written, has_key=has_key)
        failed = getattr(error, "request", None)
    else:
        is_expired = expiry.means_expired(connection, answer)
        judged = verdict.of_answer(
            method_of(feed, run), answer.status_code, answer.headers, has_key=has_key, is_expired=is_expired
        )
    duration_ms = round((time.monotonic() - clock) * 1000)
    redact = connection.redactor(is_fresh=True)
    data = redact.scrub(_body(answer)) if answer is not None else None
    values: dict[str, Any] = {}
    if answer is not None and judged.end is End.SUCCEEDED:
        values, judged = _pick(feed, answer, data, judged, redact)
    status_code = answer.status_code if answer is not None else None
    record: dict[str, Any] = {
        "at": started.isoformat(),
        "request": _request(answer.request if answer is not None else failed, redact),
        "response": _response(answer, redact),
        "status_code": status_code,
        "duration_ms": duration_ms,
        "error": judged.error,
        "message": judged.message,
    }
    if request is not None and request.shown_body is not None and record["request"]:
        record["request"]["body"] = _kept(request.shown_body, redact)
    return Attempt(judged, record, status_code, duration_ms, data, values)


def _body(answer: requests.Response) -> Any:
    """The parsed body: JSON where it is JSON, else text; None for an empty one and for one too large to keep."""
    if not answer.content or len(answer.content) > KEPT_DATA:
        return None
    try:
        return json.loads(answer.content, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        return answer.text


def _refuse_constant(name: str) -> Any:
    """NaN and Infinity are no JSON: such a body is kept as text."""
    raise ValueError(name)


def _finite(text: str) -> float:
    """A number that JSON can hold again: 1e400 would become infinity."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _pick(
    feed: Feed, answer: requests.Response, data: Any, judged: Verdict, redact: Redactor
) -> tuple[dict[str, Any], Verdict]:
    """The values the feed keeps; one that can't be evaluated is said, and the run has still succeeded."""
    root = {
        "status": answer.status_code,
        "headers": _lower(_headers(answer.headers, redact)),
        "body": data,
    }
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


def _request(request: requests.PreparedRequest | None, redact: Redactor) -> dict[str, Any] | None:
    if request is None:
        return None
    return {
        "method": request.method,
        "url": redact(request.url or ""),
        "headers": _headers(request.headers, redact),
        "body": _kept(request.body, redact),
    }


def _response(answer: requests.Response | None, redact: Redactor) -> dict[str, Any] | None:
    if answer is None:
        return None
    return {
        "status_code": answer.status_code,
        "reason": redact(answer.reason or ""),
        "headers": _headers(answer.headers, redact),
        "body": _kept(answer.content, redact),
    }


def _headers(headers: Mapping[str, Any], redact: Redactor) -> dict[str, str]:
    shown = {
        name: "[redacted]" if name.lower() in _HIDDEN_HEADERS else _decoded(value) for name, value in headers.items()
    }
    # All at once first: hardly ever is there anything to take out.
    together = "\n".join(shown.values())
    return shown if redact(together) == together else {name: redact(value) for name, value in shown.items()}


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _decoded(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _kept(body: Any, redact: Redactor) -> str:
    # Redacted before it is cut: half a credential would not be recognised.
    text = redact(_decoded(body or ""))
    return text if len(text) <= KEPT_BODY else f"{text[:KEPT_BODY]}… ({len(text):,} characters in all)"
