"""Where a connection's requests may go: its own origin and its allowed hosts, compared as parsed."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from requests import PreparedRequest, RequestException

from apiconnector.exceptions import ConfigurationError, DestinationRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SCHEME_ALONE = re.compile(r"https?:(?!//)", re.IGNORECASE)
# Parsers drop tabs and line breaks without a word, or end a line at them.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)")
# Narrower than RFC 3986 section 3.2: no user info, and in a name nothing that parsers decode, drop or end it at, which
# leaves letters, digits, dot, hyphen and underscore of ASCII. Said by what is left out: that is compiled in no time.
_AUTHORITY = re.compile(r"(?:\[([^\[\]]*)\]|([^\x00-,/:-@\[-^`{-\x7f]*))(?::([0-9]{0,5}))?")
# "." and ".." as servers see them: plain or percent-encoded once, between slashes, encoded slashes or
# backslashes, or with path parameters behind them ("/..;/").
_DOT_SEGMENT = re.compile(r"(?:^|/|\\|%2f|%5c)(?:\.|%2e){1,2}(?=/|\\|%2f|%5c|;|%3b|$)", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_LONGEST_HOST = 253
_HIGHEST_PORT = 65535
# What the URL standard of WHATWG calls "ends in a number": a host it, and the resolver of C, takes for an IPv4 address.
_ENDS_IN_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\Z")
_HOW_TO_ALLOW = (
    'Allowed hosts are written "host", "host:port" or ".example.com" (with its subdomains), without https://'
)
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ALLOWED_HOST = re.compile(r"\.?[^\s/?#@\\*.][^\s/?#@\\*]*")


class _UnusableError(ValueError):
    """An address that can't be used, in words fit for any reader: they hold no part of it but the scheme."""


@dataclass(frozen=True)
class Origin:
    """Scheme, host and port of an address (RFC 6454 section 4), normalised for comparing."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """Parse the origin of an absolute http(s) address.

        The host is lower-cased, in its ASCII form (IDNA) and without the trailing dot, an IPv6 address in its
        shortest form; the port is always there. Raises ``ValueError`` for anything else, for user info, for
        characters that parsers disagree about, and for an IPv4 address in any form but four decimal numbers;
        its text does not repeat the address.
        """
        if _CONTROL.search(url):
            raise _UnusableError("it contains a control character, tab or line break")
        address = _ADDRESS.match(url)
        scheme = address[1].lower() if address else ""
        if address is None or scheme not in _DEFAULT_PORTS:
            raise _UnusableError("it does not begin with https:// (or http://)")
        if "@" in address[2]:
            raise _UnusableError("it contains a user name or password")
        authority = _AUTHORITY.fullmatch(address[2])
        if authority is None:
            raise _UnusableError("its host or port can't be read")
        in_brackets, name, digits = authority.groups()
        port = int(digits) if digits else _DEFAULT_PORTS[scheme]
        if not 0 < port <= _HIGHEST_PORT:
            raise _UnusableError("its host or port can't be read")
        return cls(scheme, _normalised_name(name) if in_brackets is None else _normalised_ipv6(in_brackets), port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}")


def _normalised_ipv6(text: str) -> str:
    if "%" in text:
        raise _UnusableError("its host is an address with a zone")
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise _UnusableError("its host or port can't be read") from None
    if address.ipv4_mapped is not None:
        # Not by the library: how it writes these changed with Python 3.13, and hosts are kept and compared.
        return f"::ffff:{int(address) >> 16 & 0xFFFF:x}:{int(address) & 0xFFFF:x}"
    return address.compressed


def _normalised_name(given: str) -> str:
    if not given:
        raise _UnusableError("it has no host")
    host = (given if given.isascii() else _in_ascii(given)).lower().removesuffix(".")
    if not _HOST.fullmatch(host) or len(host) > _LONGEST_HOST:
        raise _UnusableError("its host can't be read")
    if _ENDS_IN_NUMBER.search(host) and not _is_ipv4(given):
        raise _UnusableError(
            "its host is a number, which programs read in different ways; "
            "an IPv4 address is written as four decimal numbers, such as 192.0.2.1"
        )
    return host


def _in_ascii(name: str) -> str:
    # By the code that will prepare the requests, so that both come to the same name.
    prepared = PreparedRequest()
    try:
        prepared.prepare_url(f"https://{name}/", None)
    except (RequestException, ValueError):
        raise _UnusableError("its host can't be read") from None
    return urlsplit(prepared.url or "").hostname or ""


def _is_ipv4(text: str) -> bool:
    """Whether a text is an IPv4 address as everybody reads it (RFC 6943 section 3.1.1)."""
    try:
        return str(ipaddress.IPv4Address(text)) == text
    except ValueError:
        return False


@dataclass(frozen=True)
class _AllowedHost:
    host: str
    port: int
    with_subdomains: bool

    @classmethod
    def parse(cls, entry: object) -> _AllowedHost:
        if not isinstance(entry, str) or not _ALLOWED_HOST.fullmatch(entry):
            raise ConfigurationError(f"{_HOW_TO_ALLOW}.")
        try:
            origin = Origin.of(f"https://{entry.removeprefix('.')}")
        except _UnusableError as problem:
            raise ConfigurationError(f"{_HOW_TO_ALLOW}. “{entry}” can't be used: {problem}.") from None
        with_subdomains = entry.startswith(".")
        if with_subdomains and (":" in origin.host or _is_ipv4(origin.host)):
            raise ConfigurationError(f"{_HOW_TO_ALLOW}. “{entry}” can't be used: an address has no subdomains.")
        return cls(origin.host, origin.port, with_subdomains)

    def admits(self, origin: Origin) -> bool:
        if origin.scheme != "https" or origin.port != self.port:
            return False
        return origin.host == self.host or (self.with_subdomains and origin.host.endswith(f".{self.host}"))


def validate_base_url(url: str) -> None:
    """Raise ``ConfigurationError``, which says what is wrong, for an address no request can go to."""
    if not isinstance(url, str) or not url:
        raise ConfigurationError("Enter an address such as https://api.example.com/v1.")
    try:
        Origin.of(url)
    except _UnusableError as problem:
        raise ConfigurationError(f"This address can't be used: {problem}.") from None
    if "#" in url:
        raise ConfigurationError("This address can't be used: it has a fragment (what follows #), which is never sent.")
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ConfigurationError("This address can't be used: it contains a space or an invisible character.")
    path = urlsplit(url).path
    if path.startswith("//"):
        # Before 2.34 requests sends it with one slash.
        raise ConfigurationError("This address can't be used: its path begins with two slashes.")
    if "\\" in path or _DOT_SEGMENT.search(path):
        raise ConfigurationError("This address can't be used: its path has a backslash, or a “.” or “..” segment.")


class Destinations:
    """The addresses one connection may send to.

    ``base_url`` is where relative paths go below; its query is not used. ``allowed_hosts`` are
    ``host[:port]`` or ``.suffix[:port]``, reached by https only, on port 443 unless given; as in Django's
    ``ALLOWED_HOSTS`` a suffix also admits the name itself.

    Both may be given as functions. Nothing is read before the first use, so that a bad address surfaces at the request:
    every method raises ``ConfigurationError`` for one.
    """

    def __init__(
        self, base_url: str | Callable[[], str], allowed_hosts: Sequence[str] | Callable[[], Sequence[str]] = ()
    ) -> None:
        self._given_url = base_url
        self._given_hosts = allowed_hosts
        #: Addresses that were checked and prepared for sending, by the path they were asked for with.
        self.prepared: dict[str, str] = {}

    @cached_property
    def _base_url(self) -> str:
        return self._given_url() if callable(self._given_url) else self._given_url

    def __repr__(self) -> str:
        # Not the path: it may hold a key.
        try:
            return f"<Destinations {self.origin}>"
        except ConfigurationError:
            return "<Destinations of an unusable base URL>"

    @cached_property
    def origin(self) -> Origin:
        """The connection's own origin."""
        validate_base_url(self._base_url)
        return Origin.of(self._base_url)

    @cached_property
    def _base(self) -> str:
        validate_base_url(self._base_url)
        return self._base_url.partition("?")[0]

    @cached_property
    def _own_prefix(self) -> str:
        return f"{self.origin}/"

    @cached_property
    def _allowed(self) -> tuple[_AllowedHost, ...]:
        entries = self._given_hosts() if callable(self._given_hosts) else self._given_hosts
        return tuple(_AllowedHost.parse(entry) for entry in entries)

    def join(self, path: str) -> str:
        """The address of ``path``: ``x`` and ``/x`` go below the base URL, an absolute one stays as it is.

        Empty: the base URL itself. Raises ``DestinationRefused`` for an address elsewhere, ``//host``, a
        backslash or a ``.`` or ``..`` segment in the path (also percent-encoded), user info and control
        characters.
        """
        if not path:
            return self._base
        if _ABSOLUTE.match(path):
            self.check(path)
            return path
        if path.startswith("//") or _SCHEME_ALONE.match(path):
            raise DestinationRefused("A path can't begin with // or with a scheme alone. Nothing was sent.")
        if _CONTROL.search(path):
            raise DestinationRefused("The path contains a control character, tab or line break. Nothing was sent.")
        end = re.search(r"[?#]", path)
        path, rest = (path[: end.start()], path[end.start() :]) if end else (path, "")
        _refuse_traversal(path, sent=False)
        if not path:
            return self._base + rest
        # One stray "%" in a path makes requests encode all of them again, also those of the base URL.
        path = _STRAY_PERCENT.sub("%25", path.removeprefix("/"))
        return f"{self._base.rstrip('/')}/{path}{rest}"

    def check(self, url: str, *, sent: bool = False) -> None:
        """Raise ``DestinationRefused`` unless a request may go to this absolute address.

        Meant for the address as prepared: requests undoes the encoding of ``%2e``. ``sent`` goes into the
        error: a redirect led there. The text never holds more of the address than its origin.
        """
        if not url.startswith(self._own_prefix):
            self.check_origin(url, sent=sent)
        if _CONTROL.search(url):
            raise DestinationRefused("The address contains a control character, tab or line break.", sent=sent)
        _refuse_traversal(urlsplit(url).path, sent=sent)

    def check_origin(self, url: str, *, sent: bool = False) -> None:
        """Raise ``DestinationRefused`` for an address of another origin, or of one that can't be read."""
        try:
            origin = Origin.of(url)
        except _UnusableError as problem:
            raise DestinationRefused(
                f"The address can't be used: {problem}. Nothing was sent there.", sent=sent
            ) from None
        if origin == self.origin or any(allowed.admits(origin) for allowed in self._allowed):
            return
        raise DestinationRefused(
            f"{origin} is neither the connection's own address ({self.origin}) nor an allowed host "
            "(those are reached by https only). Nothing was sent there.",
            sent=sent,
        )


def _refuse_traversal(path: str, *, sent: bool) -> None:
    if "\\" in path or _DOT_SEGMENT.search(path):
        raise DestinationRefused(
            "The path has a backslash, or a “.” or “..” segment, which could lead somewhere else.",
            sent=sent,
        )
