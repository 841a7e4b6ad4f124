"""Which addresses this server's requests may reach: public ones, and what ``APICONNECTOR_TRUSTED_HOSTS`` names.

Whoever may edit a connection would otherwise reach whatever this server reaches: its own services, the machines beside
it, the metadata of its cloud (server-side request forgery). A name is judged by the addresses it has when the
connection is made, and the address that was judged is the one connected to: a name that has another address a moment
later (DNS rebinding) gains nothing. Plain http is for trusted hosts only.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from apiconnector import conf
from apiconnector.client.urls import Origin
from apiconnector.exceptions import DestinationRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Not public, by the special-purpose registries of IANA (RFC 6890), which the standard library knows in other versions
#: from one patch release to the next.
_CLOSED_4: Final = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved and broadcast
        "168.63.129.16/32",  # public by number, but Azure's own service inside each of its virtual machines
    )
)
#: All that is public is in here, ...
_OPEN_6: Final = ipaddress.IPv6Network("2000::/3")
#: ... but for protocol assignments (Teredo among them), documentation and 6to4, which holds an IPv4 address.
_CLOSED_6: Final = tuple(
    ipaddress.IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
#: IPv4 addresses as a network with IPv6 alone sees them (RFC 6052).
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
#: Names that lead nowhere outside (RFC 6761, 6762, 8375, and ".internal").
_LOCAL_NAMES: Final = (".localhost", ".local", ".internal", ".home.arpa")
#: How long the judgement of a name that somebody else will look up is kept, in seconds.
_KEPT: Final = 300
_REMEDY: Final = (
    "Nothing was sent. If this server may go there, name the host in the setting APICONNECTOR_TRUSTED_HOSTS."
)


class Egress:
    """What may be reached with these entries of ``APICONNECTOR_TRUSTED_HOSTS``."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        self._names: set[str] = set()
        self._suffixes: list[str] = []
        for entry in trusted:
            try:
                self._networks.append(ipaddress.ip_network(entry))
            except ValueError:
                name = entry.lower().removesuffix(".")
                # As in Django's ALLOWED_HOSTS, a suffix also names the host itself.
                self._names.add(name.removeprefix("."))
                if name.startswith("."):
                    self._suffixes.append(name)

    def trusts(self, host: str) -> bool:
        """Whether a host, a name or an address, is trusted by itself."""
        if address := _address(host):
            return self._trusts_address(address)
        return host in self._names or any(host.endswith(suffix) for suffix in self._suffixes)

    def problem(self, origin: Origin) -> str:
        """Why nothing may be sent to an origin, as far as can be told before resolving it; else empty."""
        if self._networks and _address(origin.host) is None:
            return ""  # its addresses decide
        return self.problem_unresolved(origin)

    def problem_unresolved(self, origin: Origin) -> str:
        """The same where nothing is known of its addresses: no network can be the reason to trust a name."""
        if self.trusts(origin.host):
            return ""
        if address := _address(origin.host):
            if not _is_public(address):
                return f"{origin.host} is a private, local or reserved address."
        elif f".{origin.host}".endswith(_LOCAL_NAMES):
            return f"{origin.host} is a name inside a local network."
        if origin.scheme == "http":
            return f"{origin} is plain http, which anybody on the way can read: use https."
        return ""

    def judge(self, scheme: str, host: str, addresses: Iterable[str]) -> str:
        """Why nothing may be sent to a host with these addresses; else empty. One bad address spoils them all."""
        if self.trusts(host):
            return ""
        found = [ipaddress.ip_address(address.partition("%")[0]) for address in addresses]
        if scheme == "http" and not all(self._trusts_address(address) for address in found):
            return f"http://{host} is plain http, which anybody on the way can read: use https."
        if not all(_is_public(address) or self._trusts_address(address) for address in found):
            return f"{host} leads to a private, local or reserved address."
        return ""

    def _trusts_address(self, address: Address) -> bool:
        return any(
            form in network
            for form in {address, _unwrapped(address)}
            for network in self._networks
            if form.version == network.version
        )


def policy() -> Egress:
    """What may be reached with the settings as they are."""
    return _policy(conf.trusted_hosts())


@lru_cache(maxsize=16)
def _policy(trusted: tuple[str, ...]) -> Egress:
    return Egress(trusted)


def check(url: str) -> None:
    """Raise ``DestinationRefused`` for an address that nothing may be sent to, without resolving its name."""
    end = url.find("/", len("https://"))
    if problem := _checked(conf.trusted_hosts(), url if end < 0 else url[:end]):
        raise DestinationRefused(problem)


@lru_cache(maxsize=1024)
def _checked(trusted: tuple[str, ...], url: str) -> str:
    try:
        origin = Origin.of(url)
    except ValueError as error:
        return f"The address can't be used: {error}. Nothing was sent."
    problem = _policy(trusted).problem(origin)
    return f"{problem} {_REMEDY}" if problem else ""


def resolve(scheme: str, host: str, port: int) -> list[str]:
    """The addresses of a host, all of which may be connected to.

    Raises ``DestinationRefused`` where one may not, and ``socket.gaierror`` where there is none.
    """
    addresses = _addresses(host, port)
    if problem := policy().judge(scheme, host.lower().removesuffix("."), addresses):
        raise DestinationRefused(f"{problem} {_REMEDY}")
    return addresses


def check_looked_up_elsewhere(url: str) -> None:
    """Raise ``DestinationRefused`` for a name that has, as seen from here, an address that may not be reached.

    For a proxy, and for connections that are not ours: they look the name up again, and may find something else. A name
    that is not known here is judged as it is written: whether it leads to a network that is trusted is more than this
    server can tell.
    """
    origin = Origin.of(url)
    if problem := _judged(conf.trusted_hosts(), origin, int(time.monotonic() / _KEPT)):
        raise DestinationRefused(f"{problem} {_REMEDY}")


@lru_cache(maxsize=1024)
def _judged(trusted: tuple[str, ...], origin: Origin, period: int) -> str:
    del period  # a part of the key: each of them is judged anew
    policy = _policy(trusted)
    try:
        addresses = _addresses(origin.host, origin.port)
    except socket.gaierror:
        return policy.problem_unresolved(origin)
    return policy.judge(origin.scheme, origin.host, addresses)


def _addresses(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that means it."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_public(address: Address) -> bool:
    address = _unwrapped(address)
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _CLOSED_4)
    return address in _OPEN_6 and not any(address in network for network in _CLOSED_6)
