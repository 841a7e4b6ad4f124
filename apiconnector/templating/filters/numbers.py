"""Filters for numbers, true and false. Sums are exact: 12.35 times 100 is 1235."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Final

from apiconnector.templating.filters.base import NUMBER, TEXT, Argument, Filter, Kinds, UnfitError, is_number

#: More digits than any amount has, so that nothing is rounded on the way. The float at the end has 17 of them.
_EXACT: Final = Context(prec=700)
_MOST_PLACES: Final = 20
_WHOLE = re.compile(r"\s*([+-]?[0-9]{1,300})\s*")
_NUMBER = re.compile(r"\s*([+-]?(?:[0-9]{1,300}(?:\.[0-9]{0,300})?|\.[0-9]{1,300})(?:[eE][+-]?[0-9]{1,3})?)\s*")
_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0", ""})

NUMERIC = Kinds("a number, or text that is one", lambda value: isinstance(value, str) or is_number(value))
#: ``int`` also makes 1 and 0 of true and false.
COUNTABLE = Kinds("a whole number, text that is one, true or false", lambda value: isinstance(value, str | int | float))
DECIDED = Kinds("true, false or null", lambda value: value is None or isinstance(value, bool))


def _decimal(value: Any) -> Decimal:
    """The number that is written, not the nearest of those a float can be."""
    if isinstance(value, str):
        found = _NUMBER.fullmatch(value)
        if found is None:
            comma = "; decimals are written with a dot" if "," in value else ""
            raise UnfitError(f"takes a number, and this text is none{comma}")
        return Decimal(found[1])
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def _add(value: float, other: float) -> float:
    if isinstance(value, int) and isinstance(other, int):
        return value + other
    return float(_EXACT.add(_decimal(value), _decimal(other)))


def _multiply(value: float, other: float) -> float:
    if isinstance(value, int) and isinstance(other, int):
        return value * other
    return float(_EXACT.multiply(_decimal(value), _decimal(other)))


def _int(value: Any) -> int:
    if isinstance(value, str):
        found = _WHOLE.fullmatch(value)
        if found is None:
            _decimal(value)
            raise UnfitError(
                "takes a whole number, and this has decimals or an exponent; floatformat:0 before it rounds"
            )
        return int(found[1])
    if isinstance(value, float) and not value.is_integer():
        raise UnfitError("takes a whole number, and this has decimals; floatformat:0 before it rounds")
    return int(value)


def _float(value: Any) -> float:
    return float(_decimal(value))


def _is_places(argument: Any) -> None:
    if not isinstance(argument, int) or abs(argument) > _MOST_PLACES:
        raise UnfitError(f"takes behind the colon the number of decimals, from -{_MOST_PLACES} to {_MOST_PLACES}")


def _floatformat(value: Any, places: int = -1) -> str:
    """As Django's, without localization: a negative number of decimals leaves them out where there are none."""
    number = _decimal(value)
    if not number.is_finite() or abs(number.adjusted()) > _EXACT.prec // 2:
        raise UnfitError("takes a number of fewer digits")
    if places < 0 and number == number.to_integral_value():
        places = 0
    rounded = number.quantize(Decimal(1).scaleb(-abs(places)), ROUND_HALF_UP, _EXACT)
    # A rounded "-0" is written as 0.
    return f"{abs(rounded) if rounded.is_zero() else rounded:f}"


def _bool(value: str) -> bool:
    word = value.strip().lower()
    if word not in _TRUE | _FALSE:
        raise UnfitError("takes one of true, yes, on, 1, or of false, no, off, 0 and empty text; this is another")
    return word in _TRUE


def _has_choices(argument: str) -> None:
    if argument.count(",") not in {1, 2}:
        raise UnfitError("takes behind the colon two or three texts with commas: for true, for false, for null")


def _yesno(value: bool | None, choices: str) -> str:  # noqa: FBT001 - a value of the data
    yes, no, *unknown = choices.split(",")
    if value is None:
        return unknown[0] if unknown else no
    return yes if value else no


FILTERS = (
    Filter("add", _add, NUMBER, "a number", Argument(NUMBER, "add:3600")),
    Filter("bool", _bool, TEXT, "true or false"),
    Filter("float", _float, NUMERIC, "a number with decimals"),
    Filter("floatformat", _floatformat, NUMERIC, "text", Argument(NUMBER, "floatformat:2", _is_places, optional=True)),
    Filter("int", _int, COUNTABLE, "a whole number"),
    Filter("multiply", _multiply, NUMBER, "a number", Argument(NUMBER, "multiply:100")),
    Filter("yesno", _yesno, DECIDED, "text", Argument(TEXT, 'yesno:"Y,N"', _has_choices)),
)
