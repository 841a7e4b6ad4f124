"""Fill the placeholders of a whole address, so that no value changes where it leads."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from apiconnector.exceptions import TemplateError
from apiconnector.redaction import clean_frames
from apiconnector.templating.placeholders import compile_template
from apiconnector.templating.places import Place, places_of
from apiconnector.templating.segments import check_segments, encoded, leads_elsewhere
from apiconnector.templating.template import Placeholder, Template

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

#: The longest address, in characters: what RFC 9110 section 4.1 asks everybody to take.
MAX_URL: Final = 8_000

_HOST_VALUE = re.compile(r"[A-Za-z0-9-]{1,63}")
_PORT_VALUE = re.compile(r"[0-9]{1,5}")
_HIGHEST_PORT: Final = 65535
_BEGINS = re.compile(r"https?://", re.IGNORECASE)
# The characters of RFC 3986, without user info and "@"; the host in ASCII.
_WHOLE = re.compile(
    r"""https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?
    (?P<path>(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*)*)
    (?P<query>\?(?:[A-Za-z0-9._~!$&'()*+,;=:/?-]|%[0-9A-Fa-f]{2})*)?""",
    re.IGNORECASE | re.VERBOSE,
)
_ORIGIN = re.compile(r"https?://[^/?]*", re.IGNORECASE)


class _Address(NamedTuple):
    """A compiled template, with the place of each part."""

    template: Template
    places: tuple[Place, ...]
    #: Whether a slash follows the placeholder that begins the address.
    slash_follows: bool


def check_url(url: str) -> None:
    """Read the template of an address, as it is saved.

    Raises ``TemplateError`` for one that can't become an address, whatever the values: it begins with ``https://`` or
    ``http://``, or with a placeholder for the whole of it or its origin, and has no user name, fragment, white space,
    backslash, or ``.`` or ``..`` segment.
    """
    _read(url)


def secrets_before_path(url: str, secrets: Collection[str]) -> list[str]:
    """Which of the names in ``secrets`` an address uses in its host. Raises what ``check_url`` raises."""
    address = _read(url)
    return sorted(
        {
            name
            for part, place in zip(address.template.parts, address.places, strict=True)
            if isinstance(part, Placeholder) and place in {Place.BEGINNING, Place.HOST, Place.PORT}
            for name in part.names()
            if name.partition(".")[0] in secrets
        }
    )


@clean_frames
def fill_url(url: str, context: Mapping[str, Any]) -> str:
    """Fill the template of an address: ``{{ instance_url }}/data``, ``https://{{ shop }}.example.com/{{ id }}``.

    A value at the beginning is an http(s) address in ASCII, which goes in as it is: without user name and fragment, and
    with a query only if nothing follows. If it ends with a slash and one follows, they become one. In the host a value
    is of letters, digits and ``-``; as a port, a number. In the path it is percent-encoded as one segment, which can't
    be empty; in the query it is percent-encoded.

    Raises ``TemplateError`` for a value that doesn't fit its place, for a path with a ``.`` or ``..`` segment, for more
    than ``MAX_URL`` characters, and for what ``check_url`` and ``Template.render_text`` refuse.

    Whether the host can be one, and whether it may be reached, is left to the caller: ``apiconnector.client`` reads the
    result with ``Origin.of``, and ``Destinations`` compares it.
    """
    address = _read(url)
    filled = ""
    empty: list[tuple[int, Placeholder]] = []
    for (part, text), place in zip(address.template.pieces(context), address.places, strict=True):
        if isinstance(part, Placeholder):
            if not text and place is Place.PATH:
                empty.append((len(filled), part))
            filled += _fitted(part, text, place, address)
        else:
            filled += text
    if len(filled) > MAX_URL:
        raise TemplateError(f"An address would have {len(filled):,} characters; at most {MAX_URL:,} are sent.")
    origin = _ORIGIN.match(filled)
    begins = origin.end() if origin else 0
    path = filled[begins:].partition("?")[0]
    check_segments(path, [(index - begins, placeholder) for index, placeholder in empty])
    if leads_elsewhere(path):
        raise TemplateError("The path of an address would have a '.' or '..' segment, which leads elsewhere.")
    return filled


def _read(url: str) -> _Address:
    if len(url) > MAX_URL:
        raise TemplateError(f"An address has {len(url):,} characters; at most {MAX_URL:,} are sent.")
    return _cached(url)


@lru_cache(maxsize=1024)
def _cached(url: str) -> _Address:
    template = compile_template(url)
    second = template.parts[1] if len(template.parts) > 1 else ""
    return _Address(template, places_of(template.parts), isinstance(second, str) and second.startswith("/"))


def _fitted(placeholder: Placeholder, text: str, place: Place, address: _Address) -> str:
    match place:
        case Place.BEGINNING:
            whole = _whole(placeholder, text, alone=len(address.places) == 1)
            return whole.removesuffix("/") if address.slash_follows else whole
        case Place.HOST:
            if not _HOST_VALUE.fullmatch(text):
                raise TemplateError(
                    f"{placeholder} stands inside the host, where only letters a to z, digits and - fit. "
                    "For a whole address begin the template with the placeholder, without https://. "
                    """Of a whole host, split:"."|first behind the name gives the part before the first dot."""
                )
            return text
        case Place.PORT:
            if not _PORT_VALUE.fullmatch(text) or not 0 < int(text) <= _HIGHEST_PORT:
                raise TemplateError(f"{placeholder} stands for the port, which is a number from 1 to {_HIGHEST_PORT}.")
            return text
    return encoded(placeholder, text)


def _whole(placeholder: Placeholder, text: str, *, alone: bool) -> str:
    """A value that is an address, as it is."""
    if not text:
        reason = "it is empty"
    elif not _BEGINS.match(text):
        reason = "it doesn't begin with https://. A part of a host is written https://{{ name }}.example.com"
    elif "@" in text:
        reason = "it has an @, as before it user names stand; in a path or query that is %40"
    elif "#" in text:
        reason = "it has a #, and what follows is never sent; in a path or query that is %23"
    elif (found := _WHOLE.fullmatch(text)) is None:
        reason = "it has characters that don't belong there; in a path or query they are percent-encoded"
    elif found["query"] is not None and not alone:
        reason = "it has a query (what follows the ?), behind which nothing can be put; leave the query out of it"
    elif "//" in found["path"] or leads_elsewhere(found["path"]):
        reason = "its path has an empty, '.' or '..' segment"
    else:
        return text
    raise TemplateError(f"{placeholder} has to be a whole address such as https://api.example.com: {reason}.")
