"""Compiled templates: what placeholders become, given names and their values. Nothing is escaped or localized."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from apiconnector.exceptions import TemplateError
from apiconnector.redaction import clean_frames
from apiconnector.templating.empty import STANDS_FOR, Empty, is_nothing
from apiconnector.templating.files import FileContent, is_file
from apiconnector.templating.filters import Fallback, Filter, UnfitError
from apiconnector.templating.kinds import MAX_TEXT, as_text
from apiconnector.templating.lookup import MISSING, Name, Operand, look_up, resolve
from apiconnector.templating.plain import SIMPLE, plain
from apiconnector.templating.words import shown

#: ``encode(value, text)``: what stands in the text for a placeholder, given its value and that as plain text.
Encode = Callable[[Any, str], str]

_NO_ARGUMENT: Any = object()


class Step(NamedTuple):
    """A filter with its argument, if it has one."""

    filter: Filter | Fallback
    argument: Operand = _NO_ARGUMENT

    def apply(self, value: Any, context: Mapping[str, Any]) -> Any:
        """What the filter makes of a value. Raises ``UnfitError``, and ``TemplateError`` for an unknown argument."""
        if isinstance(self.filter, Fallback):
            # Looked up only when needed: a fallback that is missing too matters only then.
            return resolve(self.argument, context) if self.filter.replaces(value) else value
        if value is MISSING:
            raise UnfitError("is given nothing, for nothing is there; default before it stands in for that")
        if self.argument is _NO_ARGUMENT:
            return self.filter(value)
        return self.filter(value, resolve(self.argument, context))


class Placeholder(NamedTuple):
    """One ``{{ … }}``: a name or a quoted text, and the filters its value goes through."""

    subject: Operand
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return f"{{{{ {shown(str(self.subject))} }}}}"

    def names(self) -> Iterator[str]:
        """Every name that is looked up, those of the filters' arguments too."""
        for operand in (self.subject, *(step.argument for step in self.steps)):
            if isinstance(operand, Name):
                yield str(operand)

    def required(self) -> Iterator[str]:
        """The names that have to be there: all but the one that a default stands in for."""
        for operand in (None if self.has_default() else self.subject, *(step.argument for step in self.steps)):
            if isinstance(operand, Name):
                yield str(operand)

    def value(self, context: Mapping[str, Any]) -> Any:
        """The value as JSON data of its own.

        Raises ``TemplateError`` for an unknown name, a value that a filter doesn't take and one that is no JSON.
        """
        return self._plain(self._filtered(context) if self.steps else resolve(self.subject, context))

    def value_or_nothing(self, context: Mapping[str, Any], *, in_text: bool) -> tuple[Any, bool]:
        """The value, and whether it counts as none: it is missing or empty, and no default stands in.

        A filter that can't take an empty value leaves it empty. ``in_text`` a missing name is null, which the filter
        ``json`` writes. Raises what ``value`` raises for everything else.
        """
        value = look_up(self.subject, context)
        if value is MISSING and in_text:
            value = None
        is_chosen = False
        for step in self.steps:
            if isinstance(step.filter, Fallback):
                is_chosen = is_chosen or step.filter.replaces(value)
            try:
                value = step.apply(value, context)
            except UnfitError as error:
                if is_chosen or not is_nothing(value):
                    raise TemplateError(f"{self}: the filter {step.filter.name} {error}.") from None
        if not is_chosen and is_nothing(value):
            return None, True
        return self._plain(value), False

    def _plain(self, value: Any) -> Any:
        if type(value) in SIMPLE:
            return value
        if type(value) is FileContent:
            return value.marker
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
        if isinstance(value, list):
            raise TemplateError(
                f'{self} is a list, which has no text: let it stand alone, or put the filter join:", " behind it.'
            )
        if is_file(value):
            raise TemplateError(
                f"{self} is a file, which has no text: put the filter base64 behind it, or name one of name, size "
                "and content_type."
            )
        if isinstance(value, dict):
            raise TemplateError(
                f"{self} is an object, which has no text: let it stand alone, name one of its keys, "
                "or put the filter json behind it."
            )
        try:
            return as_text(value)
        except ValueError:
            pass
        # Raised outside the except clause: so that nothing of the number is chained.
        raise TemplateError(f"{self} is a number of more digits than can be written.")

    def has_default(self) -> bool:
        """Whether a default stands in for a missing name."""
        return bool(self.steps) and isinstance(self.steps[0].filter, Fallback)

    def _filtered(self, context: Mapping[str, Any]) -> Any:
        value = look_up(self.subject, context) if self.has_default() else resolve(self.subject, context)
        for step in self.steps:
            try:
                value = step.apply(value, context)
            except UnfitError as error:
                raise TemplateError(f"{self}: the filter {step.filter.name} {error}.") from None
        if value is MISSING:
            raise TemplateError(
                f"{self}: the filter {step.filter.name} finds nothing there; default behind it stands in."
            )
        return value


class Template(NamedTuple):
    """A compiled text: its literal stretches and placeholders in order. It can be shared between threads."""

    parts: tuple[str | Placeholder, ...]
    #: The full dotted names of all placeholders and filter arguments.
    names: frozenset[str]
    #: Those among them that have to be there.
    required: frozenset[str]

    @clean_frames
    def render(self, context: Mapping[str, Any], *, encode: Encode | None = None) -> Any:
        """Fill the placeholders; a template that is nothing but one keeps the type of its value.

        ``encode`` is asked only where text is filled. Raises ``TemplateError`` for an unknown name, a value
        that doesn't fit, and a text longer than ``MAX_TEXT`` characters.
        """
        return self.filled(context, encode)

    @clean_frames
    def render_text(self, context: Mapping[str, Any], encode: Encode | None = None) -> str:
        """Fill the placeholders and give text in any case. Raises what ``render`` raises."""
        return self.filled_text(context, encode)

    def filled(self, context: Mapping[str, Any], encode: Encode | None = None) -> Any:
        """As ``render``, for use inside this package: its errors hold frames with the values."""
        if len(self.parts) == 1:
            (part,) = self.parts
            return part.value(context) if isinstance(part, Placeholder) else part
        return self.filled_text(context, encode)

    def filled_by(self, rule: Empty, context: Mapping[str, Any]) -> Any:
        """As ``filled``, with a rule for what is missing or empty: ``OMITTED`` for a placeholder to be left out.

        Among other text it counts as empty text.
        """
        alone = self.parts[0] if len(self.parts) == 1 else None
        if not isinstance(alone, Placeholder):
            return self.filled_text_by(rule, context)
        value, is_empty = alone.value_or_nothing(context, in_text=False)
        if not is_empty:
            return value
        if rule is Empty.REFUSE:
            raise _refused(alone)
        return STANDS_FOR[rule]

    def filled_text_by(self, rule: Empty, context: Mapping[str, Any]) -> str:
        """As ``filled_text``, with a rule for what is missing or empty, which counts as empty text or is refused."""
        return "".join(text for _, text in self._limited(self._texts_by(rule, context)))

    def _texts_by(self, rule: Empty, context: Mapping[str, Any]) -> Iterator[tuple[str | Placeholder, str]]:
        for part in self.parts:
            if isinstance(part, str):
                yield part, part
                continue
            value, is_empty = part.value_or_nothing(context, in_text=True)
            if is_empty and rule is Empty.REFUSE:
                raise _refused(part)
            yield part, "" if is_empty else part.text(value)

    def filled_text(self, context: Mapping[str, Any], encode: Encode | None = None) -> str:
        """As ``render_text``, for use inside this package."""
        return "".join(text for _, text in self.pieces(context, encode))

    def pieces(
        self, context: Mapping[str, Any], encode: Encode | None = None
    ) -> Iterator[tuple[str | Placeholder, str]]:
        """Each part with the text it becomes. Raises what ``render`` raises."""
        return self._limited(self._texts(context, encode))

    def _texts(self, context: Mapping[str, Any], encode: Encode | None) -> Iterator[tuple[str | Placeholder, str]]:
        for part in self.parts:
            if isinstance(part, Placeholder):
                value = part.value(context)
                text = part.text(value)
                yield part, encode(value, text) if encode else text
            else:
                yield part, part

    @staticmethod
    def _limited(texts: Iterator[tuple[str | Placeholder, str]]) -> Iterator[tuple[str | Placeholder, str]]:
        size = 0
        for part, text in texts:
            size += len(text)
            if size > MAX_TEXT:
                raise TemplateError(f"The text would be longer than {MAX_TEXT:,} characters.")
            yield part, text


def _refused(placeholder: Placeholder) -> TemplateError:
    return TemplateError(
        f"{placeholder} is missing or empty, and this feed refuses empty values; the filter default stands in for one."
    )
