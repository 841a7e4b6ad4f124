"""The filters of placeholders: ``{{ name|filter:argument }}``.

Those that Django has too do the same here, as far as they are pure: nothing is localized or marked safe, and
what doesn't fit is an error where Django's give empty text. Left out is what can fill memory (``ljust``, ``rjust``,
``center``, ``stringformat``) and what reads attributes or calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from apiconnector.templating.filters import dates, lists, numbers, text
from apiconnector.templating.filters.base import ANY, Argument, Fallback, Filter, UnfitError
from apiconnector.templating.lookup import MISSING
from apiconnector.templating.words import did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FILTERS", "Fallback", "Filter", "UnfitError", "unknown_filter"]

_FALLBACKS = (
    Fallback(
        "default",
        # Django's own also replaces 0 and false, which are answers.
        lambda value: value is MISSING or value is None or value == "",
        ANY,
        "the value; the argument for what is missing, null or empty text",
        Argument(ANY, 'default:"none"'),
    ),
    Fallback(
        "default_if_none",
        lambda value: value is MISSING or value is None,
        ANY,
        "the value; the argument for what is missing or null",
        Argument(ANY, "default_if_none:0"),
    ),
)

FILTERS: Final[Mapping[str, Filter | Fallback]] = {
    each.name: each for each in (*_FALLBACKS, *text.FILTERS, *numbers.FILTERS, *dates.FILTERS, *lists.FILTERS)
}

#: What filters of other languages are called here.
_ELSEWHERE: Final = {
    "safe": "nothing is escaped here: leave it out",
    **dict.fromkeys(("e", "xml", "html", "escapexml"), "write escape"),
    "escapejs": "write json",
    "replace": 'write split:"old"|join:"new"',
    "trim": "write strip",
    "round": "write floatformat:0, and int behind it for a number",
    **dict.fromkeys(("strftime", "date_format"), 'write date:"Y-m-d"'),
    **dict.fromkeys(("timestamp", "unix"), "write epoch"),
    **dict.fromkeys(("tojson", "to_json", "json_encode"), "write json"),
    **dict.fromkeys(("append", "prepend"), "write concat"),
    **dict.fromkeys(("capitalize", "ucfirst"), "write capfirst"),
    **dict.fromkeys(("stringformat", "ljust", "rjust", "center"), "it could fill the memory"),
}


def unknown_filter(name: str) -> str:
    """What to say of a filter that doesn't exist."""
    advice = f"; {_ELSEWHERE[name]}" if name in _ELSEWHERE else did_you_mean(name, FILTERS)
    return f"there is no filter '{name}'{advice}; available are: {listed(FILTERS)}"
