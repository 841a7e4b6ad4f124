"""The hosts a connection names, written in one way, and what is new among them.

An entry is ``host:port`` where it is reached by https, ``http://host:port`` in plain text, and ``.host:port`` with all
its subdomains. What can't be read as a host is an entry too, which nothing but the same text has: it can't be sent to,
and it can't take the place of a host unnoticed.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from apiconnector.exceptions import TemplateError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from apiconnector.client import Origin

#: The columns of a connection that hold an address its secrets may be sent to.
ADDRESS_FIELDS = ("base_url", "authorization_url", "token_url", "refresh_url", "revocation_url")
#: All columns that decide where its secrets may be sent.
HOST_FIELDS = (*ADDRESS_FIELDS, "allowed_hosts", "variables", "dialect")

_UNREADABLE = "?"
#: Stands before a text that is not to be read as a host: no address has this character.
_NOT_A_HOST = "\0"
#: In place of the addresses of a dialect that can't be read.
UNREADABLE_DIALECT = f"{_NOT_A_HOST}dialect"
_PLAIN_TEXT = "http://"
# The host of an address is decided as soon as its path, query or fragment begins.
_DECIDED = re.compile(r"[^/?#]*//[^/?#]*[/?#]")
_LABEL = re.compile(r"[A-Za-z0-9-]+")


class Named(NamedTuple):
    """The hosts a connection names, and the columns that name each."""

    hosts: frozenset[str]
    columns: Mapping[str, tuple[str, ...]]


@lru_cache(maxsize=1024)
def named(addresses: tuple[tuple[str, str], ...], allowed: tuple[str, ...]) -> Named:
    """The hosts of addresses, each with its column, and of allowed hosts; an empty address names none."""
    columns = defaultdict(list)
    for column, address in addresses:
        if address:
            columns[of_address(address)].append(column)
    for entry in allowed:
        columns[_of_allowed(entry)].append("allowed_hosts")
    return Named(frozenset(columns), {host: tuple(dict.fromkeys(names)) for host, names in columns.items()})


def of_address(address: str) -> str:
    """The entry of an address."""
    from apiconnector.client import Origin

    try:
        return _written(Origin.of(address))
    except ValueError:
        return _unreadable(address)


def _of_allowed(entry: str) -> str:
    from apiconnector.client import Origin

    dot = "." if entry.startswith(".") else ""
    try:
        return dot + _written(Origin.of(f"https://{entry.removeprefix('.')}"))
    except ValueError:
        return _unreadable(entry)


def _written(origin: Origin) -> str:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return f"{_PLAIN_TEXT if origin.scheme == 'http' else ''}{host}:{origin.port}"


def _unreadable(text: str) -> str:
    # Not the text: it may hold a password, and entries are shown.
    return _UNREADABLE + hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def new_among(hosts: frozenset[str], known: frozenset[str]) -> frozenset[str]:
    """The hosts that none of the known ones covers: the same one, or one with subdomains, by https on the same port."""
    if hosts <= known:
        return frozenset()
    suffixes = [host for host in known if host.startswith(".")]
    return frozenset(host for host in hosts - known if not any(_admits(suffix, host) for suffix in suffixes))


def _admits(suffix: str, host: str) -> bool:
    # As in Django's ALLOWED_HOSTS a suffix also admits the name itself. Allowed hosts are reached by https only.
    return not host.startswith(_PLAIN_TEXT) and (host.endswith(suffix) or host == suffix.removeprefix("."))


def in_words(hosts: Iterable[str], columns: Mapping[str, Iterable[str]]) -> str:
    """Hosts for people: each with the labels of the columns that name it."""
    words = set()
    for host in hosts:
        name = "something that can't be read as a host" if host.startswith(_UNREADABLE) else host
        words.add(f"{name} ({', '.join(columns[host])})")
    return ", ".join(sorted(words))


def texts(value: Any) -> tuple[str, ...]:
    """Allowed hosts as texts. What is no text, or no list at all, is turned into a text that is no host."""
    if not isinstance(value, list | tuple):
        return (text(value),) if value else ()
    return tuple(text(entry) for entry in value)


def text(value: Any) -> str:
    """A value that should be text; another one becomes a text that is no host."""
    return value if isinstance(value, str) else f"{_NOT_A_HOST}{value!r}"


def filled(template: str, names: Mapping[str, Any], *, is_address: bool, missing: Collection[str] = frozenset()) -> str:
    """Fill the placeholders of an address or an allowed host, as far as they decide which host that is.

    A value that is the whole entry, or begins an address, goes in as it is; inside a host it has to be letters, digits
    and hyphens. What can't be filled becomes a text that is no host, and empty where it waits for one of the names
    that are ``missing`` so far.
    """
    try:
        return _filled(template, names, is_address=is_address)
    except TemplateError:
        return "" if _needs(template, missing) else _NOT_A_HOST + template


def _needs(template: str, missing: Collection[str]) -> bool:
    from apiconnector.templating import compile_template

    if not missing:
        return False
    try:
        required = compile_template(template).required
    except TemplateError:
        return False
    return any(name.partition(".")[0] in missing for name in required)


def _filled(template: str, names: Mapping[str, Any], *, is_address: bool) -> str:
    from apiconnector.templating import compile_template

    compiled = compile_template(template)
    may_begin = is_address or len(compiled.parts) == 1
    before = ""

    def checked(_: Any, piece: str) -> str:
        if (before or not may_begin) and not _LABEL.fullmatch(piece):
            raise TemplateError("A part of a host is letters, digits and hyphens.")
        return piece

    for _, piece in compiled.pieces(names, checked):
        before += piece
        if is_address and _DECIDED.match(before):
            break
    return before
