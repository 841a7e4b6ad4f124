"""Read JMESPath: to the library's tree, with the place of each mistake, and what can be checked before there is data.

The tree is that of the ``jmespath`` library, whose nodes here also know where in the text they ``start``.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

from jmespath import lexer
from jmespath import parser as library
from jmespath.exceptions import IncompleteExpressionError, JMESPathError, LexerError, ParseError
from jmespath.functions import Functions

from apiconnector.templating.words import did_you_mean, listed, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

Node = dict[str, Any]

#: How deep the parts of an expression may be inside each other, steps of a chain such as ``a | b | c`` too.
MAX_NESTING: Final = 100

#: The functions of https://jmespath.org/specification.html, whatever else the library may come to know.
FUNCTIONS: Final = frozenset(
    {
        *("abs", "avg", "ceil", "contains", "ends_with", "floor", "join", "keys", "length", "map", "max", "max_by"),
        *("merge", "min", "min_by", "not_null", "reverse", "sort", "sort_by", "starts_with", "sum"),
        *("to_array", "to_number", "to_string", "type", "values"),
    }
)

_TOO_DEEP = "it is nested too deeply; write it in fewer steps"
_QUOTED = re.compile(r""""(?:\\.|[^"\\])*+"|'(?:\\.|[^'\\])*+'|`((?:\\.|[^`\\])*+)`""", re.DOTALL)
_NEEDS_NO_QUOTES = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = {"and": "&&", "or": "||", "not": "!", "is": "==", "eq": "==", "in": "contains(list, item)"}


class MistakeError(ValueError):
    """What is wrong with the text of an expression: a reason in words, and the index of the character."""

    def __init__(self, reason: str, position: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.position = position


def parse(text: str) -> Node:
    """The tree of an expression. Raises ``MistakeError``."""
    _check_literals(text)
    try:
        _check_brackets(lexer.Lexer().tokenize(text))
        tree: Node = _Parser().parse(text).parsed
    except (JMESPathError, RecursionError) as error:
        mistake = _mistake(text, error)
    else:
        _check(tree)
        return tree
    raise mistake


class _Parser(library.Parser):  # type: ignore[misc]  # jmespath ships no types
    """Notes where functions, comparisons and names start."""

    # The library keeps trees for everybody; those have no places.
    _CACHE: ClassVar[dict[str, Any]] = {}

    def _token_led_lparen(self, left: Node) -> Node:
        start = self._lookahead_token(-2)["start"]
        return {**super()._token_led_lparen(left), "start": start}

    def _parse_comparator(self, left: Node, comparator: str) -> Node:
        start = self._lookahead_token(-1)["start"]
        return {**super()._parse_comparator(left, comparator), "start": start}

    def _parse_slice_expression(self) -> Node:
        start = self._lookahead_token(-1)["start"]
        return {**super()._parse_slice_expression(), "start": start}

    def _token_nud_expref(self, token: Node) -> Node:
        return {**super()._token_nud_expref(token), "start": token["start"]}

    def _token_nud_unquoted_identifier(self, token: Node) -> Node:
        return {**super()._token_nud_unquoted_identifier(token), "start": token["start"]}

    def _token_nud_quoted_identifier(self, token: Node) -> Node:
        return {**super()._token_nud_quoted_identifier(token), "start": token["start"], "quoted": True}


def _check_literals(text: str) -> None:
    """Refuse a literal that is no JSON: the library reads it as text, with a warning that this will end."""
    for found in _QUOTED.finditer(text):
        literal = found[1]
        if literal is None:
            continue
        try:
            json.loads(literal.replace("\\`", "`"))
        except (ValueError, RecursionError):
            raise MistakeError(
                "between the backticks there is no JSON; a text is written in single quotes", found.start()
            ) from None


def _check_brackets(tokens: Iterator[Node]) -> None:
    # They leave no trace in the tree, and how deep the library gets depends on how deep its caller is.
    depth = 0
    for token in tokens:
        if token["type"] in {"lparen", "lbracket", "lbrace", "filter"}:
            depth += 1
        elif token["type"] in {"rparen", "rbracket", "rbrace"}:
            depth -= 1
        if depth > MAX_NESTING:
            raise RecursionError


def _check(tree: Node) -> None:
    """What the library would find out only when the expression is evaluated, or never."""
    waiting = [(tree, 1, False)]
    while waiting:
        node, depth, argument = waiting.pop()
        if depth > MAX_NESTING:
            raise MistakeError(_TOO_DEEP)
        match node["type"]:
            case "function_expression":
                _check_call(node)
            case "comparator":
                for side in node["children"]:
                    _check_side(side)
            case "expref" if not argument:
                raise MistakeError(
                    "& belongs only before what map(), sort_by(), min_by() and max_by() take", node["start"]
                )
            case "slice":
                if node["children"][2] == 0:
                    raise MistakeError("a slice has the step 0; write 1, or -1 for backwards", node["start"])
                continue  # its children are numbers
        is_call = node["type"] == "function_expression"
        waiting += [(child, depth + 1, is_call) for child in node["children"]]


def _check_call(node: Node) -> None:
    name, arguments = node["value"], node["children"]
    if name not in FUNCTIONS:
        raise MistakeError(
            f"there is no function {shown(name)}(){did_you_mean(name, FUNCTIONS)}; there are {listed(FUNCTIONS)}",
            node["start"],
        )
    signature = Functions.FUNCTION_TABLE[name]["signature"]
    variadic = bool(signature[-1].get("variadic"))
    if len(arguments) < len(signature) or (len(arguments) > len(signature) and not variadic):
        many = f"{len(signature)} value{'s' if len(signature) > 1 else ''}"
        raise MistakeError(
            f"{name}() takes {'at least ' if variadic else ''}{many}, not {len(arguments)}", node["start"]
        )
    for index, argument in enumerate(arguments):
        wanted = signature[min(index, len(signature) - 1)]["types"] == ["expref"]
        if wanted != (argument["type"] == "expref"):
            ordinal = "first" if index == 0 else "second"
            raise MistakeError(
                f"the {ordinal} value of {name}() is an expression with & before it, such as &name"
                if wanted
                else f"{name}() takes no expression with &; leave the & out",
                node["start"],
            )


def _check_side(side: Node) -> None:
    """Refuse names where a value was meant: they would be looked up, found nowhere, and compared as null."""
    if side["type"] != "field":
        return
    name = side["value"]
    if side.get("quoted"):
        if _NEEDS_NO_QUOTES.fullmatch(name):
            raise MistakeError(
                f"double quotes make {shown(name)} the name of a field; a text is written in single quotes, "
                "and this name needs none",
                side["start"],
            )
    elif name in {"true", "false", "null"}:
        raise MistakeError(
            f"{name} by itself is the name of a field; the value is written between backticks: `{name}`", side["start"]
        )


def _mistake(text: str, error: Exception) -> MistakeError:
    match error:
        case RecursionError():
            return MistakeError(_TOO_DEEP)
        case IncompleteExpressionError() | ParseError(token_type="EOF"):
            return MistakeError("it ends too early; something is missing", len(text))
        case LexerError():
            return _unknown_character(text, error.lex_position)
        case ParseError(msg=str(message)) if message.startswith("Quoted identifier"):
            return MistakeError("the name of a function is written without quotes", 0)
        case ParseError():
            return _unexpected(text, str(error.token_value), error.lex_position)
    return MistakeError("it is no JMESPath")


def _unknown_character(text: str, position: int) -> MistakeError:
    match text[position]:
        case "'" | '"' | "`" as quote:
            if _QUOTED.match(text, position):
                return MistakeError("what is between the double quotes can't be read; \\ is written \\\\", position)
            return MistakeError(f"the {quote} is not closed", position)
        case "=":
            return MistakeError("one = means nothing; equal is written ==", position)
        case "-" if text[position - 1 : position].isalnum():
            return MistakeError('a name with a dash is written in double quotes, such as "content-type"', position)
    return MistakeError(
        f"'{shown(text[position])}' means nothing; a name with other than the letters a to z, digits and _ "
        "is written in double quotes, a text in single quotes",
        position,
    )


def _unexpected(text: str, token: str, position: int) -> MistakeError:
    reason = f"'{shown(token)}' is not expected there"
    if token in _WORDS:
        reason += f"; instead of the word write {_WORDS[token]}"
    elif token.lstrip("-").isdigit() and text[position - 1 : position] != "[":
        reason += f"; a number is written between backticks: `{shown(token)}`"
    return MistakeError(reason, position)
