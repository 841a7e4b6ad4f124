"""What a run keeps of its attempts: how much of each, and what goes once everything has arrived.

``attempts`` is a list. Each entry has the same keys: ``at``, ``request``, ``response``, ``status_code``,
``duration_ms``, ``error``, ``message`` and ``token``; beside attempts there are lines on what a person did, and on an
attempt that was cut off with its worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.utils import timezone

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from apiconnector.models import Feed, FeedRun

#: Characters of one body that are kept at most, whatever the feed says.
MOST_OF_BODY: Final = 200_000
#: Entries of one run, and characters of their bodies together: the oldest go first.
MOST_ENTRIES, MOST_IN_ALL = 100, 4_000_000
#: What a header may have, in characters, and all of them together.
MOST_OF_HEADER, MOST_OF_HEADERS = 2_000, 50_000
#: A credential is no longer than this: where a body is cut, so much of it is looked through beyond.
_LONGEST_SECRET = 20_000
#: Kinds of the lines.
REPLAYED, DECIDED, INTERRUPTED, STOPPED = "replayed", "decided", "interrupted", "stopped"
#: What an entry says of the token: the API refused it; there was none, for somebody has to act, or for the token
#: endpoint gave none.
REFUSED, MISSING, AWAY = "refused", "missing", "away"
#: Emptied once a run of a feed without bodies has succeeded.
EMPTIED: Final = ("input", "item", "request")
_LET_GO = "(let go: the run has had too many attempts to keep all)"


def limit_of(feed: Feed) -> int:
    """How many characters of each body a feed's runs keep; 0 for none, nor what was submitted."""
    return min(feed.body_limit, MOST_OF_BODY)


def body(content: Any, limit: int, redact: Callable[[str], str], *, is_whole: bool = True) -> str:
    """So many characters of a body, redacted; with a note of its size where that is not all.

    ``is_whole``: whether ``content`` is all there was to read.
    """
    if not limit or not content:
        return ""
    # Redacted before it is cut: half a credential would not be recognised. Nor is all of a huge one looked through.
    window = limit + 2 * _LONGEST_SECRET
    if len(content) > (4 * window if isinstance(content, bytes) else window):
        unit, size = ("bytes" if isinstance(content, bytes) else "characters"), len(content)
        seen = redact(decoded(content[: 4 * window])[:window])
        of_all = f"{size:,} {unit} in all" if is_whole else f"more than {size:,} {unit}, of which no more were read"
        return f"{seen[: max(0, min(limit, len(seen) - _LONGEST_SECRET))]}… ({of_all})"
    text = redact(decoded(content))
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters in all)"


def decoded(value: Any) -> str:
    """Bytes or anything else as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def cut_headers(headers: dict[str, str]) -> dict[str, str]:
    """Headers that fit into a record: a server may send megabytes of them."""
    kept: dict[str, str] = {}
    left = MOST_OF_HEADERS
    for name, value in headers.items():
        if left <= 0:
            kept["…"] = f"({len(headers):,} headers in all)"
            break
        text = value if len(value) <= MOST_OF_HEADER else f"{value[:MOST_OF_HEADER]}…"
        kept[name[:MOST_OF_HEADER]] = text
        left -= len(name) + len(text)
    return kept


def line(kind: str, message: str, at: datetime | None = None) -> dict[str, Any]:
    """An entry that says what a person did with a run, or what befell it. ``at``: when; None is now."""
    return {
        "at": (at or timezone.now()).isoformat(),
        "request": None,
        "response": None,
        "status_code": None,
        "duration_ms": None,
        "error": kind,
        "message": message,
        "token": "",
    }


def added(entries: Any, entry: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries with another one, and not more of them than a run keeps."""
    known = entries if isinstance(entries, list) else []
    if not known:
        return [entry]
    kept = [*known[-MOST_ENTRIES + 1 :], entry]
    left = MOST_IN_ALL
    for number in range(len(kept) - 1, -1, -1):
        left -= _size(kept[number])
        if left < 0:
            kept[number] = _without_bodies(kept[number])
    return kept


def _size(entry: Any) -> int:
    sides = (entry.get(name) for name in ("request", "response")) if isinstance(entry, dict) else ()
    return sum(len(side.get("body") or "") for side in sides if isinstance(side, dict))


def _without_bodies(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry with its bodies let go; ``entry`` has some."""
    sides = {name: entry[name] for name in ("request", "response") if isinstance(entry.get(name), dict)}
    return {**entry, **{name: {**side, "body": side.get("body") and _LET_GO} for name, side in sides.items()}}


def empty(run: FeedRun) -> None:
    """Forget what was submitted and what was sent; that it was, when, and how it was answered stays."""
    run.input, run.item, run.request = {}, None, None
    run.attempts = [{**entry, "request": None, "emptied": True} for entry in run.attempts]


def is_emptied(run: FeedRun) -> bool:
    """Whether what was submitted is not there any more."""
    entries = run.attempts if isinstance(run.attempts, list) else []
    return any(isinstance(entry, dict) and entry.get("emptied") for entry in entries)
