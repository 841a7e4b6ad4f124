"""The body of a feed as a table: a target such as ``customer.address[0].city`` beside what is sent there.

Between JSON and the rows nothing is lost: order, numbers, constants, empty lists and objects.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from apiconnector.templating.plain import MAX_DEPTH
from apiconnector.templating.words import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A target, and a text with placeholders, a constant, or an empty list or object.
Row = tuple[str, Any]
_Steps = tuple[str | int, ...]

#: A name that needs no quotes: what separates steps is not in it, and nobody overlooks it.
_BARE: Final = re.compile(r'[^\s."\[\]\\\x00-\x1f]+')
_STEP: Final = re.compile(
    r"""(?P<dot>\.?)(?:(?P<bare>[^\s."\[\]\\\x00-\x1f]+)|(?P<quoted>"(?:[^"\\]|\\.)*"))|\[(?P<index>[0-9]{1,6})\]""",
    re.DOTALL,
)


class TargetError(ValueError):
    """A table that makes no JSON: what is wrong, and in which row, counted from 0."""

    def __init__(self, message: str, row: int) -> None:
        super().__init__(message)
        self.row = row


def targets(body: Any) -> list[Row]:
    """The rows of a JSON value, in its order; of one that is no object or list a single one, whose target is empty."""
    rows: list[Row] = []
    _collect(body, "", rows)
    return [] if rows == [("", {})] else rows


def _collect(value: Any, target: str, rows: list[Row]) -> None:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            written = name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)
            _collect(item, f"{target}.{written}" if target else written, rows)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            _collect(item, f"{target}[{index}]", rows)
    else:
        rows.append((target, value))


class _Node:
    """An object or a list that is being put together, and the row that began it."""

    def __init__(self, row: int) -> None:
        self.row = row
        self.members: dict[str | int, _Node | tuple[int, Any]] = {}

    @property
    def is_list(self) -> bool:
        return isinstance(next(iter(self.members)), int)


def from_targets(rows: Sequence[Row | None]) -> Any:
    """The JSON value that rows make, in whatever order the items of a list come; without rows an empty object.

    None is a row that was left empty: it makes nothing, and is counted where an error names a row.

    A target is names with dots between them, and ``[0]`` for an item of a list. A name with a dot, bracket, quote or
    space is written as JSON writes text: ``"a.b"``. Raises ``TargetError`` for a target that can't be read, one that
    is there twice, one below another, a value that is both object and list, and a list with a hole.
    """
    root = _Node(0)
    for number, row in enumerate(rows):
        if row is not None:
            target, value = row
            _put(root, ("", *_steps(target, number)), value, target, number)
    if not root.members:
        return {}
    return _built(root.members[""], "")


def _steps(target: str, row: int) -> _Steps:
    steps: list[str | int] = []
    position = 0
    while position < len(target):
        found = _STEP.match(target, position)
        # The first name has no dot before it, every other one has.
        if found is None or (found["index"] is None and bool(found["dot"]) != bool(steps)):
            raise TargetError(_unreadable(target, position), row)
        if found["index"] is not None:
            steps.append(int(found["index"]))
        elif found["bare"] is not None:
            steps.append(found["bare"])
        else:
            steps.append(_unquoted(found["quoted"], target, row))
        position = found.end()
    if len(steps) > MAX_DEPTH:
        raise TargetError(f"{shown(target)}: has more than {MAX_DEPTH} steps.", row)
    return tuple(steps)


def _unquoted(quoted: str, target: str, row: int) -> str:
    try:
        return str(json.loads(quoted, strict=False))
    except ValueError:
        raise TargetError(f"{shown(target)}: between the quotes, quotes and \\ have a \\ before them.", row) from None


def _unreadable(target: str, position: int) -> str:
    rest = shown(target[position:], 20)
    return (
        f"{shown(target)}: can't be read from “{rest}” on; a target is written customer.address[0].city, and a name "
        'with a dot, bracket, quote or space in quotes: "a.b".'
    )


def _put(root: _Node, steps: _Steps, value: Any, target: str, row: int) -> None:
    node = root
    for depth, step in enumerate(steps):
        if node.members and isinstance(step, int) != node.is_list:
            raise TargetError(
                f"{shown(target)}: row {node.row + 1} makes {'a list' if node.is_list else 'an object'} of "
                f"{_named(steps[:depth])}; it can't be both.",
                row,
            )
        is_last = depth == len(steps) - 1
        known = node.members.get(step)
        if known is None:
            inner: _Node | tuple[int, Any] = (row, value) if is_last else _Node(row)
            node.members[step] = inner
            if isinstance(inner, _Node):
                node = inner
            continue
        if isinstance(known, tuple):
            what = "is there already" if is_last else f"is below {_named(steps[: depth + 1])}, which has a value"
            raise TargetError(f"{shown(target) or 'The body'}: {what} in row {known[0] + 1}.", row)
        if is_last:
            raise TargetError(f"{shown(target) or 'The body'}: row {known.row + 1} has a value below it.", row)
        node = known


def _named(steps: _Steps) -> str:
    written = "".join(f"[{step}]" if isinstance(step, int) else f".{shown(step)}" for step in steps[1:])
    return f"“{shown(written.removeprefix('.'))}”" if written else "the body"


def _built(member: _Node | tuple[int, Any], target: str) -> Any:
    if isinstance(member, tuple):
        return member[1]
    if not member.is_list:
        return {name: _built(inner, f"{target}.{shown(str(name))}") for name, inner in member.members.items()}
    items = []
    for index in range(len(member.members)):
        if index not in member.members:
            highest = max(number for number in member.members if isinstance(number, int))
            raise TargetError(
                f"{shown(target.removeprefix('.'))}[{index}] is missing, for there is one with [{highest}]: items are "
                "numbered from 0, without a hole.",
                member.row,
            )
        items.append(_built(member.members[index], f"{target}[{index}]"))
    return items
