"""Choices of a form field that an API knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from apiconnector.exceptions import ExpressionError
from apiconnector.feeds import lookups
from apiconnector.forms.submitting import logger
from apiconnector.templating import compile_expression, search, truth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from apiconnector.feeds.lookups import Found

#: More than anybody chooses from.
MAX_CHOICES: Final = 5_000

Choices = list[tuple[str, str]]


def feed_choices(
    slug: str,
    *,
    value: str = "@",
    label: str = "@",
    items: str = "",
    data: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None,
    timeout: float = 2.0,
    cache: float = 300,
) -> Callable[[], Choices]:
    """The choices that the GET feed ``slug`` finds: ``forms.ChoiceField(choices=feed_choices("countries", …))``.

    They are looked up by each form that needs them, and kept in the cache for ``cache`` seconds; a page waits for the
    API ``timeout`` seconds at most. Where it does not answer in time, the choices are what they were before, else none,
    which is logged.

    The list is what the feed keeps of the answer: the only one of its ``response_values``, or the one that ``items``
    names; the answer itself where it keeps nothing. ``value`` and ``label`` are expressions on an item, such as
    ``"code"`` and ``"name"``; what has no value or no label is left out. ``data`` fills the feed, and may be a
    function.

    Raises ``ExpressionError`` for an expression that can't be read. What it returns raises ``ValueError`` for a
    ``timeout`` that is no positive number and a ``cache`` that is none.
    """
    for expression in (value, label):
        compile_expression(expression)
    pairs = f"[*].[{value}, {label}]"
    compile_expression(pairs)

    def choices() -> Choices:
        given = data() if callable(data) else data
        found = lookups.for_page(slug, given, timeout=timeout, keep=cache)
        return [] if found is None else _read(slug, found, items, pairs)

    return choices


def _read(slug: str, found: Found, items: str, pairs: str) -> Choices:
    if items:
        listed = found.values.get(items)
    else:
        listed = next(iter(found.values.values())) if len(found.values) == 1 else found.data
    if not isinstance(listed, list):
        where = f"“{items}”" if items else "what it keeps of the answer"
        logger.error("The feed “%s” gives no choices: %s is no list.", slug, where)
        return []
    if len(listed) > MAX_CHOICES:
        logger.error("The feed “%s” gives %d choices; a page shows the first %d.", slug, len(listed), MAX_CHOICES)
        listed = listed[:MAX_CHOICES]
    try:
        found_pairs = search(pairs, listed)
    except ExpressionError as error:
        logger.error("The feed “%s” gives no choices: %s", slug, error)
        return []
    return [(str(value), str(label)) for value, label in found_pairs if _is_shown(value) and _is_shown(label)]


def _is_shown(given: Any) -> bool:
    return isinstance(given, str | int | float) and truth(given)
