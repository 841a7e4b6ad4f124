"""``{% load apiconnector_feeds %}``: what feeds look up, in templates."""

from __future__ import annotations

from typing import Any

from django import template

from apiconnector.feeds import lookups

register = template.Library()


@register.simple_tag
def feed_values(slug: str, timeout: float = 2.0, cache: float = 300, **data: Any) -> dict[str, Any]:
    """What a GET feed keeps of the answer: ``{% feed_values "countries" language="en" as found %}``.

    ``timeout`` (seconds a page waits at most) and ``cache`` (seconds until it is looked up again) are not sent. Empty
    where it was never found, which is logged.

    Raises ``ValueError`` for a ``timeout`` that is no positive number and a ``cache`` that is none.
    """
    found = lookups.for_page(slug, data, timeout=timeout, keep=cache)
    return {} if found is None else found.values
