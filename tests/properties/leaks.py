"""Whether a secret shows: in an error and what hangs on it, in what was logged, in a page."""

from __future__ import annotations

import logging
import re
import traceback
from base64 import b64encode, urlsafe_b64encode
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

TESTS = Path(__file__).parent.parent


def forms(secret: str) -> set[str]:
    """A secret as it is written here and there. What is percent-encoded or escaped is decoded before it is searched."""
    raw = secret.encode("utf-8", "surrogatepass")
    return {
        secret,
        quote(raw, safe=""),
        quote_plus(raw, safe=""),
        b64encode(raw).decode().rstrip("="),
        urlsafe_b64encode(raw).decode().rstrip("="),
    }


def found(text: str, secrets: Iterable[str]) -> list[str]:
    """The secrets that a text gives away."""
    readings = (text, unescape(text), unquote(text))
    return [secret for secret in secrets if any(form in reading for form in forms(secret) for reading in readings)]


def shown(error: BaseException, *, with_locals: bool = True) -> str:
    """All that anybody could be shown of an error: its text, what it is chained to, and the locals of its frames.

    The frames of the tests are left out: they know the secrets by right.
    """
    parts: list[str] = []
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        one = pending.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        parts += [str(one), repr(one), *map(repr, one.args)]
        if with_locals:
            parts += _frames(one.__traceback__)
        pending += [one.__cause__, one.__context__]
    return "\n".join(parts)


def _frames(where: TracebackType | None) -> Iterator[str]:
    walked = [
        (frame, line) for frame, line in traceback.walk_tb(where) if TESTS not in Path(frame.f_code.co_filename).parents
    ]
    yield from traceback.StackSummary.extract(iter(walked), capture_locals=True).format()


def check_silent(error: BaseException, secrets: Iterable[str]) -> None:
    """Fail where an error gives a secret away."""
    leaked = found(shown(error), secrets)
    assert not leaked, f"{type(error).__name__} gives {leaked} away"


class _Recorder(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += [record.getMessage(), repr(record.args)]
        if record.exc_info and record.exc_info[1] is not None:
            self.lines.append(shown(record.exc_info[1]))


@contextmanager
def logged() -> Iterator[list[str]]:
    """Everything that any logger says inside the block, at any level."""
    recorder, root = _Recorder(), logging.getLogger()
    level = root.level
    quiet = [
        logger
        for logger in logging.root.manager.loggerDict.values()
        if isinstance(logger, logging.Logger) and logger.level > logging.DEBUG
    ]
    levels = [logger.level for logger in quiet]
    # In place of what listens already: pytest would show thousands of lines.
    handlers, root.handlers = root.handlers, [recorder]
    root.setLevel(logging.DEBUG)
    for logger in quiet:
        logger.setLevel(logging.DEBUG)
    try:
        yield recorder.lines
    finally:
        root.handlers = handlers
        root.setLevel(level)
        for logger, before in zip(quiet, levels, strict=True):
            logger.setLevel(before)


_TAG = re.compile(r"<[^>]*>")


def words_of(page: str) -> str:
    """What a page says, without its tags."""
    return unescape(_TAG.sub(" ", page))
