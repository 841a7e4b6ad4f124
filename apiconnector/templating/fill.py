"""Fill the placeholders of nested JSON and of paths.

JSON is filled leaf by leaf and never as text, so a value can't break out of its place. Errors name that
place, such as ``customer.address[0].city``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from apiconnector.exceptions import TemplateError
from apiconnector.redaction import clean_frames
from apiconnector.templating.empty import OMITTED, Empty
from apiconnector.templating.kinds import MAX_TEXT
from apiconnector.templating.placeholders import compile_template
from apiconnector.templating.plain import MAX_DEPTH, TOO_DEEP
from apiconnector.templating.segments import check_segments, encoded
from apiconnector.templating.template import Placeholder, Template
from apiconnector.templating.weight import Scale
from apiconnector.templating.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: The largest JSON that is made from a template, in characters and members: some placeholders of full length.
MAX_FILLED = 10 * MAX_TEXT

Place = tuple[str | int, ...]


@clean_frames
def fill(value: Any, context: Mapping[str, Any], rule: Empty | None = None) -> Any:
    """Fill every text of a JSON value, and every key that holds ``{{``; the rest stays as it is.

    ``rule`` says what becomes of a text that is one placeholder for what is missing, null, ``""``, ``[]`` or ``{}``.
    What ``omit`` leaves empty is left out, too, but for the whole; where the whole is one placeholder, it is
    ``OMITTED``. Without a rule a missing name is an error, and the others are what they are.

    Raises ``TemplateError`` with the place of the text that can't be filled, for two keys that come out the
    same, for what is no JSON or nested more than ``MAX_DEPTH`` levels deep, and for more than ``MAX_FILLED``
    characters in all.
    """
    return _fill(value, context, (), _Room(), rule)


@clean_frames
def fill_pairs(value: Any, context: Mapping[str, Any], rule: Empty | None = None) -> list[tuple[str, Any]]:
    """Fill an object or a list of pairs, and give its pairs; one whose value is left out is not there.

    Raises what ``fill`` raises.
    """
    room = _Room()
    if isinstance(value, dict):
        return list(_fill_object(value, context, (), room, rule).items())
    pairs = []
    for index, (name, content) in enumerate(value):
        filled = _fill(content, context, (index, 1), room, rule)
        if filled is not OMITTED:
            pairs.append((str(_fill(name, context, (index, 0), room, None)), filled))
    return pairs


def check(value: Any) -> None:
    """Compile every template of a JSON value.

    Raises ``TemplateError`` with the place of one that can't be read, and for what is no JSON or too deep.
    """
    for _ in templates_of(value):
        pass


def names_in(value: Any) -> frozenset[str]:
    """Collect the dotted names that the templates of a JSON value look up. Raises what ``check`` raises."""
    return frozenset().union(*(template.names for _, template in templates_of(value)))


def check_path(path: str) -> None:
    """Read the template of a path below a base address, as it is saved.

    Raises ``TemplateError`` for one that can't be read, and for a ``.`` or ``..`` segment of its own.
    """
    known = "".join("x" if isinstance(part, Placeholder) else part for part in compile_template(path).parts)
    check_segments(_before_query(known), [])


@clean_frames
def fill_path(path: str, context: Mapping[str, Any], *, may_be_empty: bool = True) -> str:
    """Fill a path; each value stays inside its segment, all but unreserved characters percent-encoded.

    Unreserved are letters, digits and ``-._~`` (RFC 3986 section 2.3). A value after the template's own ``?``
    is encoded the same way and may be empty. Raises ``TemplateError`` for what ``render_text`` can't fill, a
    value that leaves a segment empty, and a segment that is ``.`` or ``..`` (RFC 3986 section 3.3): the
    request would go elsewhere. Unless a value ``may_be_empty``, one that is in the path itself is refused, too, if no
    default gives it.
    """
    filled = ""
    empty: list[tuple[int, Placeholder]] = []
    for part, text in compile_template(path).pieces(context):
        if isinstance(part, Placeholder):
            if not text:
                empty.append((len(filled), part))
            filled += encoded(part, text)
        else:
            filled += text
    # Values are encoded, so the first of these is the template's own.
    own = _before_query(filled)
    if empty and not may_be_empty:
        for index, placeholder in empty:
            if index <= len(own) and not placeholder.has_default():
                raise TemplateError(f"{placeholder} is empty, and has its place in the path.")
    check_segments(own, empty)
    return filled


def _before_query(path: str) -> str:
    return re.split(r"[?#]", path, maxsplit=1)[0]


class _Room:
    """What is left of ``MAX_FILLED``: one value in many places is written many times."""

    def __init__(self) -> None:
        self._left = MAX_FILLED
        self._scale = Scale()

    def take_text(self, text: str) -> str:
        self._take(1 + len(text))
        return text

    def take(self, value: Any) -> Any:
        self._take(1 + len(value) if isinstance(value, str) else self._scale.weight(value))
        return value

    def _take(self, weight: int) -> None:
        self._left -= weight
        if self._left < 0:
            raise TemplateError(f"The filled data would be longer than {MAX_FILLED:,} characters.")


def _fill(value: Any, context: Mapping[str, Any], place: Place, room: _Room, rule: Empty | None) -> Any:
    match value:
        case str():
            if "{" not in value:  # most are plain text, which needs no compiling
                return room.take_text(value)
            try:
                template = compile_template(value)
                filled = template.filled(context) if rule is None else template.filled_by(rule, context)
                return filled if filled is OMITTED else room.take(filled)
            except TemplateError as error:
                raise at(place, error) from None
        case list():
            _check_depth(place)
            items = [_fill(item, context, (*place, index), room, rule) for index, item in enumerate(value)]
            return items if rule is not Empty.OMIT else _left(items, value, place)
        case dict():
            return _left(_fill_object(value, context, place, room, rule), value, place)
        case None | bool() | int() | float():
            return value
    raise _not_json(value, place)


def _left(filled: Any, template: Any, place: Place) -> Any:
    """What is left of a list or object; nothing where all that was in it was left out, unless it is the whole."""
    if isinstance(filled, list):
        filled = [item for item in filled if item is not OMITTED]
    return OMITTED if template and not filled and place else filled


def _fill_object(
    value: dict[Any, Any], context: Mapping[str, Any], place: Place, room: _Room, rule: Empty | None
) -> dict[str, Any]:
    _check_depth(place)
    filled: dict[str, Any] = {}
    names = set()
    for key, item in value.items():
        inner = _inner(place, key)
        name = key
        if "{{" in key:
            try:
                name = room.take_text(compile_template(key).filled_text(context))
            except TemplateError as error:
                raise at(inner, error) from None
        if name in names:
            raise at(inner, "another key comes out the same.")
        names.add(name)
        content = _fill(item, context, inner, room, rule)
        if content is not OMITTED:
            filled[name] = content
    return filled


def templates_of(value: Any, place: Place = ()) -> Iterator[tuple[Place, Template]]:
    """The compiled templates of a JSON value, keys too, each with its place. Raises what ``check`` raises."""
    match value:
        case str():
            try:
                yield place, compile_template(value)
            except TemplateError as error:
                raise at(place, error) from None
        case list():
            _check_depth(place)
            for index, item in enumerate(value):
                yield from templates_of(item, (*place, index))
        case dict():
            _check_depth(place)
            for key, item in value.items():
                inner = _inner(place, key)
                if "{{" in key:
                    yield from templates_of(key, inner)
                yield from templates_of(item, inner)
        case None | bool() | int() | float():
            pass
        case _:
            raise _not_json(value, place)


def _check_depth(place: Place) -> None:
    if len(place) >= MAX_DEPTH:
        raise TemplateError(f"The {TOO_DEEP}.")


def _inner(place: Place, key: Any) -> Place:
    if not isinstance(key, str):
        raise at(place, "a key is no text, which JSON doesn't have.")
    return (*place, key)


def _not_json(value: Any, place: Place) -> TemplateError:
    return at(place, f"a value is of the type {type(value).__name__}, which JSON doesn't have.")


def at(place: Place, reason: TemplateError | str) -> TemplateError:
    """An error with its place, such as ``customer.address[0].city: …``."""
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{shown(step)}" for step in place)
    return TemplateError(f"{shown(steps.removeprefix('.'), 300)}: {reason}" if place else str(reason))
