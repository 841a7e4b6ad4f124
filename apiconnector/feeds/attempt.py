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
from apiconnector.exceptions import ApiConnectorError, ConfigurationError, ExpressionError
from apiconnector.feeds import verdict
from apiconnector.feeds.rendering import render
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
    #: Of the answer, their names in lower case, as they came.
    headers: dict[str, str] = field(default_factory=dict, repr=False)


def send(feed: Feed, run: FeedRun, *, before_first_byte: Callable[[], object] | None = None) -> Attempt:
    """Send a run once. Never raises for what the remote does, nor for what is not configured."""
    connection = feed.connection
    started, clock = timezone.now(), time.monotonic()
    wire = Wire(before_first_byte=before_first_byte)
    has_key = bool(feed.idempotency_header)
    answer: requests.Response | None = None
    failed: requests.PreparedRequest | None = None
    try:
        if not connection.is_active:
            raise ConfigurationError(f"The connection “{connection}” is switched off.")
        request = render(feed, run, connection)
        with connection.session(wire=wire) as api:
            api.max_body = MAX_BODY
            answer = api.request(request.method, request.path, timeout=feed.timeout, **request.arguments)
    except (ApiConnectorError, requests.RequestException) as error:
        judged = verdict.of_error(error, feed.method, written=wire.written, has_key=has_key)
        failed = getattr(error, "request", None)
    else:
        is_expired = expiry.means_expired(connection, answer)
        judged = verdict.of_answer(
            feed.method, answer.status_code, answer.headers, has_key=has_key, is_expired=is_expired
        )
    duration_ms = round((time.monotonic() - clock) * 1000)
    redact = connection.redactor(is_fresh=True)
    has_rules = bool(feed.success_when or feed.response_values)
    data = redact.scrub(_body(answer, MAX_BODY if has_rules else KEPT_DATA)) if answer is not None else None
    values: dict[str, Any] = {}
    if answer is not None and judged.end is End.SUCCEEDED and has_rules:
        root = {
            "status": answer.status_code,
            "headers": _lower(_headers(answer.headers, redact)),
            "body": data,
        }
        refused = verdict.of_rule(feed.success_when, root) if feed.success_when else None
        values, judged = ({}, refused) if refused else _pick(feed, root, judged)
    if answer is not None and len(answer.content) > KEPT_DATA:
        data, judged = None, verdict.of_size(judged, len(answer.content), is_whole=len(answer.content) <= MAX_BODY)
    status_code = answer.status_code if answer is not None else None
    record = {
        "at": started.isoformat(),
        "request": _request(answer.request if answer is not None else failed, redact),
        "response": _response(answer, redact),
        "status_code": status_code,
        "duration_ms": duration_ms,
        "error": judged.error,
        "message": judged.message,
    }
    headers = {name.lower(): _decoded(value) for name, value in answer.headers.items()} if answer is not None else {}
    return Attempt(judged, record, status_code, duration_ms, data, values, headers)


def _body(answer: requests.Response, most: int) -> Any:
    """The parsed body: JSON where it is JSON, else text; None for an empty one, and for more bytes than ``most``."""
    if not answer.content or len(answer.content) > most:
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
