"""What a filter is: what it takes, what it gives, and what is wrong where something doesn't fit."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from apiconnector.templating.kinds import MAX_TEXT, as_text, kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: The most items of a list that a filter gives.
MAX_ITEMS: Final = 10_000
#: Binary digits of the largest number that a filter gives: more than any API reads.
_MAX_BITS: Final = 1024


class UnfitError(Exception):
    """What a filter is given doesn't fit. The words hold no part of it: it may be a secret."""


class Kinds(NamedTuple):
    """The kinds of values that a filter takes, in words, with the function that tells them."""

    words: str
    fits: Callable[[Any], bool]
    #: Makes what fits into what the filter's function takes. Raises ``ValueError`` or ``UnfitError``.
    convert: Callable[[Any], Any] | None = None
    #: What to do about a value of another kind.
    advice: Mapping[str, str] = MappingProxyType({})

    def read(self, value: Any) -> Any:
        """The value as the filter's function takes it. Raises ``UnfitError``."""
        if not self.fits(value):
            found = kind(value)
            advice = f"; {self.advice[found]}" if found in self.advice else ""
            raise UnfitError(f"takes {self.words}, not {found}{advice}")
        if self.convert is None:
            return value
        try:
            return self.convert(value)
        except ValueError:
            pass
        # Raised outside the except clause: the error may hold the value.
        raise UnfitError(f"takes {self.words}, not a number of so many digits")


def is_number(value: Any) -> bool:
    """Whether a value is a number, which true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_writable(number: float) -> bool:
    """Whether JSON has a number, and APIs read it: NaN, infinite ones and those of hundreds of digits are none."""
    return number.bit_length() <= _MAX_BITS if isinstance(number, int) else math.isfinite(number)


#: What to do about null, a list or an object where one value is wanted.
ONE_VALUE: Final = {
    "null": 'default:"" before it stands in for null',
    "a list": 'first, or join:", ", before it makes one value of a list',
    "an object": "name one of its keys",
}
TEXT = Kinds("text", lambda value: isinstance(value, str | int | float), as_text, ONE_VALUE)
NUMBER = Kinds("a number", is_number, advice={**ONE_VALUE, "text": "int or float before it makes a number of text"})
ANY = Kinds("anything", lambda _: True)


class Argument(NamedTuple):
    """What stands behind the colon of a filter."""

    kinds: Kinds
    #: For the docs and for errors, as it is written.
    example: str
    #: Raises ``UnfitError`` for what the filter can't use though it is of the right kind.
    check: Callable[[Any], object] | None = None
    optional: bool = False

    def read(self, value: Any) -> Any:
        """The argument as the filter's function takes it. Raises ``UnfitError``."""
        if not self.kinds.fits(value):
            raise UnfitError(f"takes {self.kinds.words} behind the colon, not {kind(value)}")
        argument = self.kinds.read(value)
        if self.check is not None:
            self.check(argument)
        return argument


class Filter(NamedTuple):
    """What can follow a name: ``{{ name|filter:argument }}``.

    ``apply`` is given the value, and the argument where there is one. It raises ``UnfitError``.
    """

    name: str
    apply: Callable[..., Any]
    takes: Kinds
    #: In words.
    gives: str
    argument: Argument | None = None

    def __call__(self, value: Any, *argument: Any) -> Any:
        """The filtered value. Raises ``UnfitError``."""
        value = self.takes.read(value)
        if argument and self.argument is not None:
            result = self.apply(value, self.argument.read(*argument))
        else:
            result = self.apply(value)
        if isinstance(result, str) and len(result) > MAX_TEXT:
            raise UnfitError(f"would give more than {MAX_TEXT:,} characters")
        if is_number(result) and not is_writable(result):
            raise UnfitError("would give a number that is too large")
        return result


class Fallback(NamedTuple):
    """A filter that puts something in the place of nothing. Its argument is looked up only when it is needed."""

    name: str
    replaces: Callable[[Any], bool]
    takes: Kinds
    gives: str
    argument: Argument
