"""The ``Link`` header (RFC 8288 section 3)."""

from __future__ import annotations

import re
from typing import Final

#: One link: its target in angle brackets, and the parameters behind it. Values may be quoted, with commas in them.
_LINK: Final = re.compile(r'\s*<([^>]*)>((?:[^",]|"(?:[^"\\]|\\.)*")*)(?:,|$)')
_PARAMETER: Final = re.compile(r';\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]+)))?')
#: A longer header is no list of links.
MAX_LENGTH: Final = 16_000


def next_link(header: str, rel: str) -> str | None:
    """The target of the first link with this relation; None where there is none.

    A relation may be one of several in a parameter, in capitals or not; links about another document (``anchor``) don't
    count. What can't be read ends the list.
    """
    if len(header) > MAX_LENGTH:
        return None
    position = 0
    while position < len(header) and (link := _LINK.match(header, position)):
        position = link.end()
        parameters: dict[str, str] = {}
        for name, quoted, plain in _PARAMETER.findall(link[2]):
            # Of a parameter that is there twice the first counts (section 3.3).
            parameters.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) or plain)
        if rel.lower() in parameters.get("rel", "").lower().split() and "anchor" not in parameters:
            return link[1].strip()
    return None
