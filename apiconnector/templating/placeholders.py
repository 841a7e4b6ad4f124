"""Placeholders: ``{{ name|filter }}`` in a text, and what they become.

Django's ``FilterExpression`` reads what is between the braces; names are looked up by rules of this package.
Nothing is escaped or localized.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from django.template.base import FilterExpression, Parser, Variable
from django.template.exceptions import TemplateSyntaxError
from django.utils.functional import Promise

from apiconnector.exceptions import TemplateError
from apiconnector.templating.lookup import MISSING, Name, Operand, kind, look_up, resolve
from apiconnector.templating.plain import plain
from apiconnector.templating.words import shown

#: The longest template, and the longest text put together from one, in characters.
MAX_TEXT = 1_000_000

#: The longest placeholder, in characters. Django's parser looks at some of them again and again.
MAX_PLACEHOLDER = 10_000

#: ``encode(value, text)``: what stands in the text for a placeholder, given its value and that as plain text.
Encode = Callable[[Any, str], str]

_MARK = re.compile(r"\{[{%#]")
# Braces inside quotes belong to the quoted text.
_PLACEHOLDER = re.compile(
    r"""\{\{((?:"(?:\\.|[^"\\])*+"|'(?:\\.|[^'\\])*+'|[^"'}]|\}(?!\}))*+)\}\}""",
    re.DOTALL,
)

Filter = Callable[[Any, Callable[[], Any]], Any]


def _default(value: Any, fallback: Callable[[], Any]) -> Any:
    # Django's own also replaces 0 and False, which are answers.
    return fallback() if value is MISSING or value is None or value == "" else value


def _default_if_none(value: Any, fallback: Callable[[], Any]) -> Any:
    return fallback() if value is MISSING or value is None else value


_FILTERS: Mapping[str, Filter] = {"default": _default, "default_if_none": _default_if_none}


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One ``{{ … }}``: a name or a quoted text, and the filters its value goes through."""

    subject: Operand
    filters: tuple[tuple[Filter, Operand], ...]

    def __str__(self) -> str:
        return f"{{{{ {shown(str(self.subject))} }}}}"

    def names(self) -> Iterator[str]:
        """Every name that is looked up, those of the filters' arguments too."""
        for operand in (self.subject, *(argument for _, argument in self.filters)):
            if isinstance(operand, Name):
                yield str(operand)

    def value(self, context: Mapping[str, Any]) -> Any:
        """The value as JSON data of its own.

        Raises ``TemplateError`` for an unknown name and for a value that is no JSON.
        """
        if self.filters:
            value = look_up(self.subject, context)
            for apply, argument in self.filters:
                # Asked for only when needed: a fallback that is missing too matters only then.
                value = apply(value, partial(resolve, argument, context))
        else:
            value = resolve(self.subject, context)
        try:
            return plain(value)
        except ValueError as error:
            raise TemplateError(f"{self}: {error}.") from None

    def text(self, value: Any) -> str:
        """Write one of its values inside text: text as it is, true, false and numbers as JSON writes them.

        Raises ``TemplateError`` for null, a list or an object.
        """
        if isinstance(value, str):
            return value
        if value is None:
            raise TemplateError(f'{self} is null, which has no text; the filter default:"" gives it one.')
        if isinstance(value, list | dict):
            raise TemplateError(f"{self} is {kind(value)}, which has no text: it can only stand alone.")
        return json.dumps(value)


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled text: its literal stretches and placeholders in order. It can be shared between threads."""

    parts: tuple[str | Placeholder, ...]
    #: The full dotted names of all placeholders and filter arguments.
    names: frozenset[str]

    def render(self, context: Mapping[str, Any], *, encode: Encode | None = None) -> Any:
        """Fill the placeholders; a template that is nothing but one keeps the type of its value.

        ``encode`` is asked only where text is filled. Raises ``TemplateError`` for an unknown name, a value
        that doesn't fit, and a text longer than ``MAX_TEXT`` characters.
        """
        match self.parts:
            case (Placeholder() as placeholder,):
                return placeholder.value(context)
        return self.render_text(context, encode)

    def render_text(self, context: Mapping[str, Any], encode: Encode | None = None) -> str:
        """Fill the placeholders and give text in any case. Raises what ``render`` raises."""
        return "".join(text for _, text in self.pieces(context, encode))

    def pieces(
        self, context: Mapping[str, Any], encode: Encode | None = None
    ) -> Iterator[tuple[str | Placeholder, str]]:
        """Each part with the text it becomes. Raises what ``render`` raises."""
        size = 0
        for part in self.parts:
            if isinstance(part, Placeholder):
                value = part.value(context)
                text = part.text(value)
                if encode:
                    text = encode(value, text)
            else:
                text = part
            size += len(text)
            if size > MAX_TEXT:
                raise TemplateError(f"The text would be longer than {MAX_TEXT:,} characters.")
            yield part, text


def compile_template(text: str) -> Template:
    """Read a text with placeholders; the same text is read once.

    Raises ``TemplateError`` for a placeholder that can't be read, a filter that doesn't exist, ``{%`` or
    ``{#``, an unclosed ``{{``, and more characters than ``MAX_TEXT`` in the text or ``MAX_PLACEHOLDER`` in a
    placeholder. A ``}}`` by itself is plain text; ``{{ "{{" }}`` gives two braces.
    """
    if len(text) > MAX_TEXT:
        raise TemplateError(f"The text is longer than {MAX_TEXT:,} characters.")
    return _compile(text)


@lru_cache(maxsize=1024)
def _compile(text: str) -> Template:
    parts = tuple(_split(text))
    names = frozenset(name for part in parts if isinstance(part, Placeholder) for name in part.names())
    return Template(parts, names)


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
    """Django's parser, which ``FilterExpression`` asks for filters, with none but those of this module."""

    def find_filter(self, filter_name: str) -> Filter:
        if filter_name not in _FILTERS:
            raise TemplateSyntaxError(
                f"filter '{filter_name}' is not available; available are: {', '.join(sorted(_FILTERS))}"
            )
        return _FILTERS[filter_name]


_parser = _FilterParser([])


def _placeholder(source: str) -> Placeholder:
    if not source:
        raise TemplateError("A placeholder is empty: a name belongs between {{ and }}.")
    try:
        expression = FilterExpression(source, _parser)
        subject = _subject(expression.var)
        filters = tuple((apply, _operand(argument)) for apply, ((_, argument),) in expression.filters)
    except TemplateSyntaxError as error:
        reason = shown(str(error), 200)
        raise TemplateError(f"{{{{ {shown(source)} }}}} can't be read: {reason}.") from None
    return Placeholder(subject, filters)


def _subject(parsed: Any) -> Operand:
    operand = _operand(parsed)
    if isinstance(operand, int | float):
        # Else the value of a field that is called 12 would silently be the number.
        raise TemplateSyntaxError("it begins with a number; a name or a quoted text belongs there")
    return operand


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
    if not isinstance(parsed.literal, int | float) or not math.isfinite(parsed.literal):
        raise TemplateSyntaxError("a number is too large")
    return parsed.literal
