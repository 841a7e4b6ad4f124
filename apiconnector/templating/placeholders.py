"""Read placeholders: ``{{ name|filter }}`` in a text.

Django's ``FilterExpression`` reads what is between the braces; names are looked up by rules of this package.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.template.base import FilterExpression, Parser, Variable
from django.template.exceptions import TemplateSyntaxError
from django.utils.functional import Promise

from apiconnector.exceptions import TemplateError
from apiconnector.templating.filters import FILTERS, Fallback, Filter, UnfitError, unknown_filter
from apiconnector.templating.filters.base import is_writable
from apiconnector.templating.kinds import MAX_TEXT
from apiconnector.templating.lookup import Name, Operand
from apiconnector.templating.template import Placeholder, Step, Template
from apiconnector.templating.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The longest placeholder, in characters. Django's parser looks at some of them again and again.
MAX_PLACEHOLDER = 10_000
#: The most filters of a placeholder.
MAX_FILTERS = 20
#: The longest text that is kept compiled, in characters.
_MAX_CACHED = 10_000

_MARK = re.compile(r"\{[{%#]")
# Braces inside quotes belong to the quoted text.
_PLACEHOLDER = re.compile(
    r"""\{\{((?:"(?:\\.|[^"\\])*+"|'(?:\\.|[^'\\])*+'|[^"'}]|\}(?!\}))*+)\}\}""",
    re.DOTALL,
)

_NAME = re.compile(r"""[\w.]+|"[^"\\]*(?:\\.[^"\\]*)*"|'[^'\\]*(?:\\.[^'\\]*)*'""", re.DOTALL)
_SPACE_AFTER_COLON = re.compile(r"\|\s*\w+:\s")
#: Words of JSON. As arguments they are what they are in JSON; the names of data go first everywhere else.
_WORDS = {"true": True, "false": False, "null": None}


def compile_template(text: str) -> Template:
    """Read a text with placeholders; the same text is read once.

    Raises ``TemplateError`` for a placeholder that can't be read, a filter that doesn't exist, ``{%`` or
    ``{#``, an unclosed ``{{``, and more characters than ``MAX_TEXT`` in the text or ``MAX_PLACEHOLDER`` in a
    placeholder. A ``}}`` by itself is plain text; ``{{ "{{" }}`` gives two braces.
    """
    if len(text) > MAX_TEXT:
        raise TemplateError(f"The text is longer than {MAX_TEXT:,} characters.")
    return _cached(text) if len(text) <= _MAX_CACHED else _compiled(text)


def _compiled(text: str) -> Template:
    parts = tuple(_split(text))
    placeholders = [part for part in parts if isinstance(part, Placeholder)]
    return Template(
        parts,
        frozenset(name for placeholder in placeholders for name in placeholder.names()),
        frozenset(name for placeholder in placeholders for name in placeholder.required()),
    )


_cached = lru_cache(maxsize=1024)(_compiled)


def _split(text: str) -> Iterator[str | Placeholder]:
    end = 0
    while mark := _MARK.search(text, end):
        start = mark.start()
        if mark[0] != "{{":
            raise TemplateError(
                f"{mark[0]} at character {start + 1}: there are no tags and comments here, only placeholders."
            )
        found = _PLACEHOLDER.match(text, start)
        if found is None:
            raise TemplateError(f"The {{{{ at character {start + 1} is not closed, or a quote in it is not.")
        if start > end:
            yield text[end:start]
        source = found[1].strip()
        if len(source) > MAX_PLACEHOLDER:
            raise TemplateError(
                f"The placeholder at character {start + 1} is longer than {MAX_PLACEHOLDER:,} characters."
            )
        yield _placeholder(source)
        end = found.end()
    if end < len(text):
        yield text[end:]


class _FilterParser(Parser):
    """Django's parser, which ``FilterExpression`` asks for filters, with none but those of this package."""

    def find_filter(self, filter_name: str) -> Any:
        if filter_name not in FILTERS:
            raise TemplateSyntaxError(unknown_filter(shown(filter_name)))
        return FILTERS[filter_name]


class _Expression(FilterExpression):
    """Django's, which would ask how many arguments a Python function takes."""

    @staticmethod
    def args_check(name: str, func: Any, provided: Any) -> bool:
        argument = func.argument
        if provided and argument is None:
            raise TemplateSyntaxError(f"the filter {name} takes nothing behind a colon")
        if not provided and argument is not None and not argument.optional:
            raise TemplateSyntaxError(
                f"the filter {name} takes something right behind a colon, such as {argument.example}"
            )
        return True


_parser = _FilterParser([])


def _placeholder(source: str) -> Placeholder:
    if not source:
        raise TemplateError("A placeholder is empty: a name belongs between {{ and }}.")
    try:
        expression = _Expression(source, _parser)
        subject = _subject(expression.var)
        steps = _steps(expression.filters)
    except (TemplateSyntaxError, UnfitError) as error:
        reason = str(error)
        if reason.startswith(("Could not", "Invalid character")):  # Django's words say where, and not what to write
            reason = _why_unread(source)
        raise TemplateError(f"{{{{ {shown(source)} }}}} can't be read: {shown(reason, 500)}.") from None
    return Placeholder(subject, steps)


def _why_unread(source: str) -> str:
    name = _NAME.match(source)
    rest = source[name.end() :].strip() if name else ""
    match rest[:1]:
        case "(":
            return "nothing can be called; leave the brackets out"
        case "[":
            return "an item of a list is written with a dot, such as tags.0"
        case "-":
            return (
                'a name has letters, digits, _ and dots; a key with others is taken by get, as in data|get:"first-name"'
            )
    if name is None:
        return "it begins with neither a name nor a quoted text"
    if rest[:1] != "|":
        return 'behind the name only filters can follow, such as |default:"none"'
    if _SPACE_AFTER_COLON.search(rest):
        return "no space belongs behind the colon of a filter"
    return "a filter is written |name or |name:argument; there is one argument, and text in it has quotes"


def _subject(parsed: Any) -> Operand:
    operand = _operand(parsed)
    if isinstance(operand, int | float):
        # Else the value of a field that is called 12 would silently be the number.
        raise TemplateSyntaxError("it begins with a number; a name or a quoted text belongs there")
    return operand


def _steps(used: list[Any]) -> tuple[Step, ...]:
    if len(used) > MAX_FILTERS:
        raise TemplateSyntaxError(f"it has more than {MAX_FILTERS} filters")
    return tuple(_step(each, arguments) for each, arguments in used)


def _step(used: Filter | Fallback, arguments: list[tuple[bool, Any]]) -> Step:
    if not arguments or used.argument is None:
        return Step(used)
    ((_, parsed),) = arguments
    operand = _operand(parsed)
    if isinstance(operand, Name):
        if str(operand) not in _WORDS:
            return Step(used, operand)
        operand = _WORDS[str(operand)]
    try:
        used.argument.read(operand)
    except UnfitError as error:
        raise UnfitError(f"the filter {used.name} {error}") from None
    return Step(used, operand)


def _operand(parsed: Any) -> Operand:
    if isinstance(parsed, Promise):
        raise TemplateSyntaxError("there are no translations here; write the text without _()")
    if not isinstance(parsed, Variable):
        # Django marks literals as safe HTML; here they are text like any other.
        return "".join(parsed)
    if parsed.lookups is not None:
        if not all(parsed.lookups):
            raise TemplateSyntaxError("a dot has no name beside it")
        return Name(parsed.lookups)
    if not isinstance(parsed.literal, int | float) or not is_writable(parsed.literal):
        raise TemplateSyntaxError("a number is too large; write one that an API reads")
    return parsed.literal
