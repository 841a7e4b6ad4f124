"""JMESPath expressions: pick values from JSON data and decide by them.

The language is that of https://jmespath.org/specification.html, with its own functions only. Error messages
hold the expression and never the data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from jmespath.exceptions import JMESPathTypeError

from apiconnector.exceptions import ExpressionError
from apiconnector.redaction import clean_frames
from apiconnector.templating.interpreter import BoundedInterpreter, TooMuchWorkError
from apiconnector.templating.parser import MistakeError, Node, parse
from apiconnector.templating.plain import plain
from apiconnector.templating.words import shown

#: The longest expression, in characters.
MAX_LENGTH = 500

#: Characters of an expression that are shown around a mistake.
_SHOWN = 72

#: Nodes whose first part is given the data, and the others what that makes of it; and those that are all of the data.
_STEPS = frozenset(
    {"subexpression", "pipe", "projection", "value_projection", "filter_projection", "index_expression", "flatten"}
)
_WHOLE = frozenset({"current", "identity"})
_TYPES = {
    "string": "text",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
    "array-number": "a list of numbers",
    "array-string": "a list of texts",
}
#: The library calls the types of items in a list by Python's names.
_TYPES_OF_ITEMS = {
    "str": "text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "NoneType": "null",
    "list": "a list",
    "dict": "an object",
}


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression. It can be shared between threads."""

    text: str
    _tree: Any = field(repr=False, compare=False)


def compile_expression(text: str) -> Expression:
    """Read an expression; the same text is read once.

    Raises ``ExpressionError`` for what can't be read, for functions that don't exist or are given too much or too
    little, and for more than ``MAX_LENGTH`` characters. Where the place is known its text has three lines: what is
    wrong, the expression, and a caret below the character.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"An expression has {len(text)} characters; at most {MAX_LENGTH} are read.")
    return _compile(text)


@clean_frames
def search(expression: str | Expression, root: Any, *, megabytes: int = 1) -> Any:
    """Evaluate an expression on JSON data; the result is JSON data of its own, null where nothing is found.

    ``megabytes``: of what size the data was, for data that is larger and shall be read all the same.

    Raises ``ExpressionError`` when the expression can't be read, when a function is given what it doesn't take,
    when the result is no JSON or nested too deeply, and when evaluating it would take more work, or make more
    data, than anybody needs for an answer of so many megabytes.
    """
    if isinstance(expression, str):
        expression = compile_expression(expression)
    interpreter = BoundedInterpreter(megabytes)
    try:
        return plain(interpreter.evaluate(expression._tree, root))  # noqa: SLF001 - its own
    except (TypeError, ValueError, ArithmeticError, RecursionError, TooMuchWorkError) as error:
        reason = _why_failed(error, interpreter.failed)
    # Raised outside the except clause: some of these errors hold the data.
    where = f" at character {interpreter.failed['start'] + 1}" if interpreter.failed else ""
    raise ExpressionError(f"The expression {_named(expression.text)} failed{where}: {reason}.")


def looks_at(expression: str, name: str) -> bool:
    """Whether an expression looks at this member of the data it is given; false for one that can't be read."""
    try:
        return _looks_at(compile_expression(expression)._tree, name)  # noqa: SLF001 - its own
    except ExpressionError:
        return False


def _looks_at(tree: Node, name: str) -> bool:
    kind, parts = tree["type"], tree["children"]
    if kind == "field":
        return bool(tree["value"] == name)
    if kind == "expref":
        return False  # of each item
    if kind in _STEPS and parts[0]["type"] not in _WHOLE:
        return _looks_at(parts[0], name)  # what follows looks at what that gives
    return any(_looks_at(part, name) for part in parts)


def truth(value: Any) -> bool:
    """Whether a result counts as true: all but null, false, "", [] and {}; 0 is true.

    These are the "false" values of the JMESPath specification.
    """
    return value is not None and value is not False and value not in ("", [], {})


@lru_cache(maxsize=1024)
def _compile(text: str) -> Expression:
    if not text.strip():
        raise ExpressionError("An expression is empty; @ stands for all of the data.")
    try:
        return Expression(text, parse(text))
    except MistakeError as error:
        reason, position = error.reason, error.position
    if position is None:
        raise ExpressionError(f"The expression {_named(text)} can't be read: {reason}.")
    raise ExpressionError(
        f"The expression can't be read at character {position + 1}: {reason}.\n{_pointed_at(text, position)}"
    )


def _pointed_at(text: str, position: int) -> str:
    """Two lines: a part of the text around a place, and a caret below it."""
    start = max(0, min(position - _SHOWN // 2, len(text) - _SHOWN))
    before = "…" if start else ""
    after = "…" if len(text) > start + _SHOWN else ""
    line = f"{before}{_named(text[start : start + _SHOWN])}{after}"
    return f"{line}\n{' ' * (len(before) + position - start)}^"


def _named(text: str) -> str:
    return shown(text, MAX_LENGTH)


def _why_failed(error: Exception, node: Node | None) -> str:
    """What to say of an error, given the call or comparison that it came from."""
    match error:
        case TooMuchWorkError():
            return "it takes more work, or makes more data, than an expression may; pick less, such as the first rows"
        case RecursionError():
            return "the data is nested too deeply"
        case JMESPathTypeError():
            return _wrong_type(error)
    if node is None:
        return f"its result is no plain JSON: {error}"
    if node["type"] == "comparator":
        return "a text and a number have no order; to_number() makes a number of a text"
    return f"{node['value']}() can't use what it is given"


def _wrong_type(error: JMESPathTypeError) -> str:
    expected = " or ".join(_TYPES[kind] for kind in error.expected_types)
    if error.actual_type in _TYPES_OF_ITEMS:
        actual = f"a list with {_TYPES_OF_ITEMS[error.actual_type]} in it"
    else:
        actual = _TYPES.get(error.actual_type, "that")
    advice = "; nothing was found there: (name || `0`) stands in for it" if error.actual_type == "null" else ""
    return f"{error.function_name}() takes {expected}, not {actual}{advice}"
