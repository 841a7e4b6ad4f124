"""What a job says: tables and lines for people, JSON for scripts, and progress beside both."""

from __future__ import annotations

import json
import shutil
import textwrap
from typing import TYPE_CHECKING, Any

from django.utils import timezone

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from django.core.management.base import CommandParser, OutputWrapper

#: A column that is neither the first (what commands are given) nor the last (which wraps) is cut at this width.
_WIDEST = 36
#: The last column is never narrower than this.
_NARROWEST = 24
_GAP = "  "
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


class Output:
    """Results go to standard output, everything else to standard error: what is piped on is the result alone."""

    def __init__(self, stdout: OutputWrapper, stderr: OutputWrapper, *, as_json: bool) -> None:
        self._stdout, self._stderr = stdout, stderr
        self.as_json = as_json

    def line(self, text: str) -> None:
        """Print one line of the result, and hand it on at once: somebody may be waiting for it."""
        self._stdout.write(clean(text))
        self._stdout.flush()

    def note(self, text: str) -> None:
        """Say on standard error how it goes."""
        self._stderr.write(clean(text), str)
        self._stderr.flush()

    def fail(self, text: str) -> None:
        """Say on standard error, in one line, why it did not work."""
        self._stderr.write(clean(text))

    def json(self, value: Any) -> None:
        """Print JSON, and nothing but ASCII, whatever the terminal is set to."""
        self._stdout.write(json.dumps(value, indent=2, default=_encoded))

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Print aligned columns; the last one wraps."""
        for line in _table([[header.upper() for header in headers], *rows], _width()):
            self._stdout.write(line)

    def fields(self, pairs: Iterable[tuple[str, Any]]) -> None:
        """Print names and values, one below the other."""
        for line in _table(pairs, _width()):
            self._stdout.write(line)


def add_format(parser: CommandParser) -> None:
    """Add ``--format`` to a job that has something to list."""
    parser.add_argument("--format", choices=("table", "json"), default="table", help="How to print it (table).")


def clean(value: Any) -> str:
    """Text for one line of a terminal: without line breaks and escape sequences, which may come from a provider."""
    return "".join(character if character.isprintable() else " " for character in _text(value))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def moment(value: datetime | None) -> str:
    """A time to the second, in the site's time zone; empty for none."""
    if value is None:
        return ""
    local = timezone.localtime(value) if timezone.is_aware(value) else value
    return f"{local:%Y-%m-%d %H:%M:%S %Z}".rstrip()


def distance(value: datetime | None) -> str:
    """How far off a time is, in its largest two units: "in 2 h 5 min", "3 d 1 h ago"; empty for none."""
    if value is None:
        return ""
    seconds = (value - timezone.now()).total_seconds()
    rest, numbers = int(abs(seconds)), []
    for size, unit in _UNITS:
        number, rest = divmod(rest, size)
        numbers.append((number, unit))
    first = next((at for at, (number, _) in enumerate(numbers) if number), len(numbers) - 1)
    words = " ".join(f"{number} {unit}" for number, unit in numbers[first : first + 2])
    return f"in {words}" if seconds > 0 else f"{words} ago"


def counted(number: int, noun: str) -> str:
    """A number and its noun: "1 run", "2 runs"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _width() -> int:
    return min(max(shutil.get_terminal_size((100, 24)).columns, 80), 120)


def _table(rows: Iterable[Sequence[Any]], width: int) -> list[str]:
    cells = [[clean(cell) for cell in row] for row in rows]
    if not cells:
        return []
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)][:-1]
    widths[1:] = [min(each, _WIDEST) for each in widths[1:]]
    indent = sum(widths) + len(_GAP) * len(widths)
    rest = max(width - indent, _NARROWEST)
    lines = []
    for *front, last in cells:
        begin = "".join(_cut(cell, size).ljust(size) + _GAP for cell, size in zip(front, widths, strict=True))
        first, *more = textwrap.wrap(last, rest, break_long_words=False, break_on_hyphens=False) or [""]
        lines.append((begin + first).rstrip())
        lines += [" " * indent + each for each in more]
    return lines


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _encoded(value: Any) -> str:
    """What JSON has no word for: times, in ISO 8601."""
    return str(value.isoformat())
