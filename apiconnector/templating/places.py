"""Where in an address each placeholder of a template stands (RFC 3986 section 3)."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from apiconnector.exceptions import TemplateError
from apiconnector.templating.segments import leads_elsewhere
from apiconnector.templating.template import Placeholder

if TYPE_CHECKING:
    from collections.abc import Iterable

_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_END_OF_AUTHORITY = re.compile(r"[/?]")
#: Stands for a value that is not known yet. It can't be part of a template's text: control characters are refused.
_VALUE: Final = "\x00"


class Place(Enum):
    """A place in an address."""

    BEGINNING = auto()
    #: Right behind a placeholder for the whole address.
    BEHIND_BEGINNING = auto()
    HOST = auto()
    PORT = auto()
    PATH = auto()
    QUERY = auto()


def places_of(parts: Iterable[str | Placeholder]) -> tuple[Place, ...]:
    """The place where each part of a template begins.

    Raises ``TemplateError`` for what can't become an address, whatever the values.
    """
    reader = _Reader()
    places = tuple(reader.read(part) for part in parts)
    reader.finish()
    return places


class _Reader:
    """Goes through the parts from the left."""

    def __init__(self) -> None:
        self._place = Place.BEGINNING
        #: What was read of host and port, and of the path. A placeholder for the whole has a host of its own.
        self._authority: str | None = None
        self._path = ""

    def read(self, part: str | Placeholder) -> Place:
        place = self._place
        if isinstance(part, Placeholder):
            self._read_placeholder(part)
        else:
            _check_characters(part)
            self._read_text(part)
        return place

    def _read_placeholder(self, placeholder: Placeholder) -> None:
        match self._place:
            case Place.BEGINNING:
                self._place = Place.BEHIND_BEGINNING
            case Place.BEHIND_BEGINNING:
                raise TemplateError(f"{placeholder} follows a whole address: write a / or ? between the two.")
            case Place.HOST | Place.PORT:
                self._authority = f"{self._authority}{_VALUE}"
            case Place.PATH:
                self._path += _VALUE

    def _read_text(self, text: str) -> None:
        if self._place is Place.BEGINNING:
            scheme = _SCHEME.match(text)
            if scheme is None:
                raise TemplateError(
                    "An address begins with https://, or with a placeholder for the whole of it, "
                    "such as {{ instance_url }}/data."
                )
            self._place = Place.HOST
            self._authority = ""
            text = text[scheme.end() :]
        elif self._place is Place.BEHIND_BEGINNING:
            if text[0] not in "/?":
                raise TemplateError(
                    "A placeholder that begins an address stands for the whole of it or its origin: "
                    "write a / or ? behind it. A part of a host is written https://{{ name }}.example.com."
                )
            self._place = Place.PATH
        if self._place in {Place.HOST, Place.PORT}:
            end = _END_OF_AUTHORITY.search(text)
            self._read_authority(text[: end.start()] if end else text)
            if end is None:
                return
            self._place = Place.PATH
            text = text[end.start() :]
        if self._place is Place.PATH:
            path, mark, _ = text.partition("?")
            self._path += path
            if mark:
                self._place = Place.QUERY

    def _read_authority(self, text: str) -> None:
        if "@" in text:
            raise TemplateError(
                "An address has no user name or password (what is before the @): "
                "choose a method of authentication, and enter them there."
            )
        self._authority = f"{self._authority}{text}"
        if ":" in self._authority.rpartition("]")[2]:
            self._place = Place.PORT

    def finish(self) -> None:
        if self._place is Place.BEGINNING:
            raise TemplateError("The address is empty; write one such as https://api.example.com.")
        if self._authority is not None:
            _check_host(self._authority)
        if self._path.startswith("//"):
            raise TemplateError("The path of an address begins with two slashes: write one.")
        if leads_elsewhere(self._path.replace(_VALUE, "x")):
            raise TemplateError(
                "The path of an address has a '.' or '..' segment, which leads elsewhere: leave it out."
            )


def _check_characters(text: str) -> None:
    if "#" in text:
        raise TemplateError("An address has a # here; what follows is never sent: leave it out, or write %23.")
    if "\\" in text:
        raise TemplateError("An address has a backslash, which programs read in different ways: write /, or %5C.")
    if any(character.isspace() or not character.isprintable() for character in text):
        raise TemplateError("An address has a space or an invisible character: leave it out, or write %20.")


def _check_host(authority: str) -> None:
    host = authority if authority.startswith("[") else authority.partition(":")[0]
    if not host:
        raise TemplateError("An address has no host behind https://: write one such as https://api.example.com.")
    *before, last = host.split(".")
    if before and _VALUE in last and last != _VALUE:
        # Else "example.com{{ path }}" would be the host example.comevil for somebody.
        raise TemplateError(
            "The host of an address ends with letters and a placeholder, so that a value makes another host of it: "
            "write a / or a dot between the two."
        )
