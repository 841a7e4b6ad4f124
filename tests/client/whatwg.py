"""How a browser reads an http address: the URL standard of WHATWG, as far as origin and path go.

A third opinion beside ``urllib.parse`` and urllib3, written from the standard and not from the app.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

import idna

_DEFAULT_PORTS = {"http": 80, "https": 443}
# "Forbidden domain code points", https://url.spec.whatwg.org/#forbidden-domain-code-point
_FORBIDDEN = re.compile(r"[\x00-\x20#/:<>?@\[\\\]^|%\x7f]")


class Reading(NamedTuple):
    scheme: str
    host: str
    port: int
    path: str


class UnreadableError(ValueError):
    """A browser goes nowhere."""


def read(url: str) -> Reading:
    """Parse an absolute address; ``UnreadableError`` for a failure, and for another scheme than http(s)."""
    url = re.sub(r"[\t\r\n]", "", re.sub(r"\A[\x00-\x20]+|[\x00-\x20]+\Z", "", url))
    if not (start := re.match(r"([A-Za-z][A-Za-z0-9+.-]*):[/\\]*", url)) or start[1].lower() not in _DEFAULT_PORTS:
        raise UnreadableError
    scheme = start[1].lower()
    authority, rest = _cut(url[start.end() :], r"[/\\?#]")
    host, port = _host_and_port(authority.rpartition("@")[2])
    path, _ = _cut(rest, r"[?#]")
    return Reading(scheme, _host(host), _port(port, scheme), _path(path))


def _cut(text: str, at: str) -> tuple[str, str]:
    found = re.search(at, text)
    end = found.start() if found else len(text)
    return text[:end], text[end:]


def _host_and_port(text: str) -> tuple[str, str]:
    found = re.fullmatch(r"(\[[^\]]*\]?[^:]*|[^:]*)(?::(.*))?", text, re.DOTALL)
    if not found:
        raise UnreadableError
    return found[1], found[2] or ""


def _port(digits: str, scheme: str) -> int:
    if digits and not re.fullmatch(r"[0-9]+", digits):
        raise UnreadableError
    port = int(digits[-400:]) if digits else _DEFAULT_PORTS[scheme]
    if port > 65535:
        raise UnreadableError
    return port


def _host(text: str) -> str:
    if text.startswith("["):
        if not text.endswith("]") or "%" in text:
            raise UnreadableError
        try:
            address = ipaddress.IPv6Address(text[1:-1])
        except ValueError:
            raise UnreadableError from None
        return ":".join(f"{int(address) >> shift & 0xFFFF:x}" for shift in range(112, -1, -16))
    domain = unquote_to_bytes(text.encode("utf-8", "replace")).decode("utf-8", "replace")
    if domain.isascii():
        domain = domain.lower()
    else:
        try:
            domain = idna.encode(domain, uts46=True).decode()
        except UnicodeError:
            raise UnreadableError from None
    if not domain or _FORBIDDEN.search(domain):
        raise UnreadableError
    labels = domain.split(".")
    if labels[-1] == "" and len(labels) > 1:
        labels.pop()
    if re.fullmatch(r"[0-9]+|0[xX][0-9a-fA-F]*", labels[-1]):
        return _ipv4(labels)
    return domain


def _ipv4(labels: list[str]) -> str:
    numbers = [_number(label) for label in labels]
    if len(numbers) > 4 or any(number > 255 for number in numbers[:-1]) or numbers[-1] >= 256 ** (5 - len(numbers)):
        raise UnreadableError
    total = numbers[-1] + sum(number * 256 ** (3 - place) for place, number in enumerate(numbers[:-1]))
    return str(ipaddress.IPv4Address(total))


def _number(text: str) -> int:
    base = 10
    if text[:2].lower() == "0x":
        text, base = text[2:] or "0", 16
    elif len(text) > 1 and text.startswith("0"):
        text, base = text[1:], 8
    try:
        # int() takes more than the standard's digits.
        return int(text, base) if re.fullmatch(r"[0-9a-fA-F]+", text) else int("")
    except ValueError:
        raise UnreadableError from None


def _path(text: str) -> str:
    segments: list[str] = []
    parts = re.split(r"[/\\]", text[1:])
    for place, part in enumerate(parts):
        plain = re.sub("%2e", ".", part, flags=re.IGNORECASE)
        is_last = place == len(parts) - 1
        if plain == "..":
            del segments[-1:]
        if plain not in {".", ".."}:
            segments.append(part)
        elif is_last:
            segments.append("")
    return "/" + "/".join(segments)
