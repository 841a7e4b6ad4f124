"""JMESPath expressions: pick values from JSON data and decide by them.

The language is that of https://jmespath.org/specification.html, with its own functions only. Error messages
hold the expression and never the data.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jmespath
from jmespath.exceptions import (
    ArityError,
    IncompleteExpressionError,
    JMESPathError,
    JMESPathTypeError,
    LexerError,
    ParseError,
    UnknownFunctionError,
)

from apiconnector.exceptions import ExpressionError
from apiconnector.templating.interpreter import BoundedInterpreter, TooMuchWorkError
from apiconnector.templating.plain import plain
from apiconnector.templating.words import shown

#: The longest expression, in characters.
MAX_LENGTH = 500

_QUOTED = re.compile(r""""(?:\\.|[^"\\])*+"|'(?:\\.|[^'\\])*+'|`((?:\\.|[^`\\])*+)`""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression. It can be shared between threads."""

    text: str
    _parsed: Any = field(repr=False, compare=False)


def compile_expression(text: str) -> Expression:
    """Read an expression; the same text is read once.

    Raises ``ExpressionError`` with the position of what can't be read, and for more than ``MAX_LENGTH``
    characters.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"An expression has {len(text)} characters; at most {MAX_LENGTH} are read.")
    return _compile(text)


def search(expression: str | Expression, root: Any) -> Any:
    """Evaluate an expression on JSON data; the result is JSON data of its own, null where nothing is found.

    Raises ``ExpressionError`` when the expression can't be read, when a function is unknown or is given what
    it doesn't take, when the result is no JSON or nested too deeply, and when evaluating it would take more work, or
    make more data, than anybody needs for an answer of a megabyte.
    """
    if isinstance(expression, str):
        expression = compile_expression(expression)
    try:
        return plain(BoundedInterpreter().evaluate(expression._parsed.parsed, root))  # noqa: SLF001 - its own
    except (JMESPathError, TypeError, ValueError, ArithmeticError, RecursionError, TooMuchWorkError) as error:
        reason = _why_failed(error)
    # Raised outside the except clause: some of these errors hold the data.
    raise ExpressionError(f"The expression {_named(expression.text)} failed: {reason}.")


def truth(value: Any) -> bool:
    """Whether a result counts as true: all but null, false, "", [] and {}; 0 is true.

    These are the "false" values of the JMESPath specification.
    """
    return value is not None and value is not False and value not in ("", [], {})


@lru_cache(maxsize=1024)
def _compile(text: str) -> Expression:
    if not text.strip():
        raise ExpressionError("An expression is empty.")
    _check_literals(text)
    try:
        return Expression(text, jmespath.compile(text))
    except (JMESPathError, RecursionError) as error:
        reason = _why_unread(error)
    raise ExpressionError(f"The expression {_named(text)} can't be read: {reason}.")


def _check_literals(text: str) -> None:
    """Refuse a literal that is no JSON: the library reads it as text, with a warning that this will end."""
    for found in _QUOTED.finditer(text):
        literal = found[1]
        if literal is None:
            continue
        try:
            json.loads(literal.replace("\\`", "`"))
        except (ValueError, RecursionError):
            raise ExpressionError(
                f"The expression {_named(text)} can't be read: between the backticks at character "
                f"{found.start() + 1} there is no JSON; a text is written in single quotes."
            ) from None


def _named(text: str) -> str:
    return shown(text, MAX_LENGTH)


def _why_unread(error: Exception) -> str:
    match error:
        case RecursionError():
            return "it is nested too deeply"
        case IncompleteExpressionError() | ParseError(token_type="EOF"):
            return "it ends too early"
        case LexerError():
            return f"{_named(error.message)} at character {error.lex_position + 1}"
        case ParseError():
            return f"unexpected '{_named(str(error.token_value))}' at character {error.lex_position + 1}"
    return "it is no JMESPath"


def _why_failed(error: Exception) -> str:
    match error:
        case JMESPathTypeError():
            expected = " or ".join(error.expected_types)
            return f"the function {error.function_name}() takes {expected}, not {error.actual_type}"
        case ArityError() | UnknownFunctionError():
            return _named(str(error))
        case TooMuchWorkError():
            return "it takes more work, or makes more data, than an expression may"
        case RecursionError():
            return "the data or the expression is nested too deeply"
    return "a value can't be used there, or the result is no plain JSON"
