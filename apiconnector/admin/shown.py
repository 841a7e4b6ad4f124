"""What was sent and answered, made readable: exact, escaped, and small enough for a page."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.template.loader import render_to_string
from django.utils.formats import date_format
from django.utils.html import format_html

if TYPE_CHECKING:
    from django.utils.safestring import SafeString

    from apiconnector.models.endings import Ending

#: Characters of one text that a page shows, and levels of JSON that are indented.
_MOST, _DEEPEST = 100_000, 30
_PIECES = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s"{}\[\],:]+')
#: What became of the connection's token, by the word that an attempt keeps.
_TOKEN = {
    "refreshed": "The token was refreshed for this attempt.",
    "refused": "The API refused the token.",
    "missing": "There was no token to send.",
    "away": "The token endpoint has given no token since then.",
}
_OPENING, _CLOSING = frozenset("{["), frozenset("}]")


def json_block(value: Any) -> SafeString:
    """A value that was kept as JSON."""
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False)
    except RecursionError:
        text = "(nested too deep to be shown)"
    return format_html('<pre class="apiconnector-json">{}</pre>', _fit(text))


def exchange_block(record: Any) -> SafeString:
    """One attempt of a run: when, the request, the answer, how long it took, and what was wrong."""
    return render_to_string("apiconnector/exchange.html", {"attempt": _attempt(record), "bodies": True})


def summary_block(record: Any) -> SafeString:
    """The same for whoever may not see what was sent: no address, no header, no body."""
    return render_to_string("apiconnector/exchange.html", {"attempt": _attempt(record), "bodies": False})


def request_block(method: str, url: str, headers: Any, body: str) -> SafeString:
    """A request as it would be sent."""
    request = _request({"method": method, "url": url, "headers": headers, "body": body})
    return render_to_string("apiconnector/request.html", {"request": request})


def answer_block(request: str, status_code: int | None, headers: Any, body: str) -> SafeString:
    """A request and its answer, folded, for a message."""
    answer = {"status": status_code, "headers": _headers(headers), "body": _body(body)}
    return render_to_string("apiconnector/answer.html", {"request": _fit(request), "answer": answer})


def moment(at: datetime) -> str:
    """A time in the short format of the language: a column of it is narrow, and may be broken in two lines."""
    from apiconnector.models.endings import local

    return date_format(local(at), "SHORT_DATETIME_FORMAT")


def ending_mark(ending: Ending, now: datetime) -> str:
    """The day of an end; where it is near, in a colour and with a sign before it."""
    from apiconnector.models.endings import local

    # What ends at midnight ends on the day before.
    day = date_format(local(ending.at - timedelta(microseconds=1)), "SHORT_DATE_FORMAT")
    tone = "bad" if ending.is_over(now) else "open" if ending.is_near(now) else ""
    if not tone:
        return format_html('<span title="{}">{}</span>', ending.before, day)
    return format_html(
        '<span class="apiconnector-ends apiconnector-{}" title="{}">{}</span>', tone, ending.reason(now), day
    )


def duration(milliseconds: int | None) -> str:
    """A time as people say it: ``340 ms``, ``1.2 s``, ``2 min 5 s``; empty for none."""
    if milliseconds is None:
        return ""
    if milliseconds < 1_000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    return f"{minutes} min {seconds} s"


def indented(text: str) -> str:
    """JSON text on several lines; any other text as it is.

    Only the space between the parts is changed: numbers, escapes, order and repeated names are what was sent.
    """
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    written: list[str] = []
    depth, before = 0, ""
    for piece in _PIECES.findall(text):
        if piece in _CLOSING:
            depth -= 1
            if before not in _OPENING:
                written.append(_line(depth))
        elif before in _OPENING or before == ",":
            written.append(_line(depth))
        written.append(" " if before == ":" else "")
        written.append(piece)
        depth += piece in _OPENING
        before = piece
    return "".join(written)


def _line(depth: int) -> str:
    return "\n" + "  " * min(depth, _DEEPEST)


def _attempt(record: Any) -> dict[str, Any]:
    from apiconnector.feeds import recorded

    lines = {recorded.REPLAYED, recorded.DECIDED, recorded.INTERRUPTED, recorded.STOPPED}

    found = record if isinstance(record, dict) else {}
    request, response = found.get("request"), found.get("response")
    return {
        "at": _moment(found.get("at")),
        "duration": duration(found.get("duration_ms")) if isinstance(found.get("duration_ms"), int) else "",
        "message": _fit(found.get("message") or ""),
        "error": _fit(found.get("error") or ""),
        "status_code": found.get("status_code"),
        "token": _TOKEN.get(str(found.get("token")), ""),
        "is_line": found.get("error") in lines,
        "is_emptied": found.get("emptied") is True,
        "no_body": "The feed keeps no bodies." if found.get("bodies") is False else "No body.",
        "request": _request(request) if isinstance(request, dict) else None,
        "response": _response(response) if isinstance(response, dict) else None,
    }


def _request(request: dict[str, Any]) -> dict[str, Any]:
    return {
        "line": _fit(f"{request.get('method', '')} {request.get('url', '')}"),
        "headers": _headers(request.get("headers")),
        "body": _body(request.get("body")),
    }


def _response(response: dict[str, Any]) -> dict[str, Any]:
    return {
        "line": _fit(f"{response.get('status_code', '')} {response.get('reason') or ''}".strip()),
        "headers": _headers(response.get("headers")),
        "body": _body(response.get("body")),
    }


def _headers(headers: Any) -> str:
    pairs = headers.items() if hasattr(headers, "items") else ()
    return _fit("\n".join(f"{name}: {value}" for name, value in pairs))


def _body(body: Any) -> str:
    return _fit(indented(str(body))) if body else ""


def _moment(text: Any) -> Any:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return text or ""


def _fit(value: Any) -> str:
    """A text that any page can hold: half a surrogate pair is written as its escape."""
    text = str(value)
    if len(text) > _MOST:
        text = f"{text[:_MOST]}… ({len(text):,} characters in all)"
    return text.encode(errors="backslashreplace").decode()
