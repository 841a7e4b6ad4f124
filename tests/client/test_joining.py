"""Whatever a path is made of, a request reaches the connection's own origin, below its base path, or nothing at all."""

from __future__ import annotations

import ipaddress
import itertools
import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
import requests
from urllib3.util import parse_url

from apiconnector.client import ApiSession, Destinations
from apiconnector.exceptions import DestinationRefused
from tests.client import whatwg
from tests.client.conftest import Bearer
from tests.client.origins import TRUSTED, Names, Recorder, Request, make_certificate, recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


PIECES = (
    # another host
    *("//elsewhere.test", "///elsewhere.test", "/\\elsewhere.test", "\\/elsewhere.test", "\\\\elsewhere.test", "\\"),
    *("elsewhere.test", ".elsewhere.test", "%2eelsewhere.test", "%2f%2felsewhere.test", "%5c%5celsewhere.test"),
    # the same with a full stop, slashes and an at sign of other scripts
    *("\u3002elsewhere.test", "\uff0eelsewhere.test", "\uff0f\uff0felsewhere.test", "\uff3celsewhere.test", "\uff0f"),
    *("\uff20elsewhere.test", "\u2024\u2024/", "\u2025/", "\uff0e\uff0e/"),
    # user info
    *(
        "@",
        "@elsewhere.test/",
        ":80@elsewhere.test",
        "user@",
        "user:pw@",
        "%40elsewhere.test",
        "elsewhere.test#@",
        "?@",
    ),
    # a scheme
    *("http:", "https:", "http:/", "http://", "https://", "HTTPS://elsewhere.test", "http:\\\\elsewhere.test"),
    *(
        "http\u017f://",
        "ftp://elsewhere.test",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:,x",
        "mailto:a@b.test",
    ),
    # a port
    *(":", ":80", ":8443", ":0", ":99999", ":080", ":443:", ":+1", ":\uff18\uff10", ":-1", ":1e3", ": 80"),
    # what parsers drop, end a line at or decode
    *("\t", "\n", "\r\n", "\r\nHost: elsewhere.test\r\n", "\0", "\x0b", "\x1f", "\x7f", "\x85", "\u2028", "\ufeff"),
    *(" ", "\u00a0", "\u3000", "\u200b", "\u00ad", "%09", "%0a", "%0d%0aHost:%20elsewhere.test", "%00", "%20", "%7f"),
    *("%", "%zz", "%u002e", "%c0%ae%c0%ae/", "%25", "%252f", "\ud800", "\udc2e", "\U0001f600"),
    # up
    *(".", "..", "./", "../", "/..", "/../", "/./", "...", ".../", "..;/", ";/../", "..;a=b/", "..?", "..#", "a..b"),
    *("%2e", "%2e%2e", "%2E%2E/", ".%2e/", "%2e./", "%252e%252e/", "..%2f", "..%5c", "..\\", "%2e%2e;/", "%2e%2e%2f"),
    *("%5c..", "%2f..", "..%00/", "..%20/", ".. /", "/%2e%2e%5c..", "..%3b/", "..%3f", "..%23", "..//", "//.."),
    # letters that become or look like others (long s, Kelvin, dotted I, a Cyrillic a), and what no host has
    *(
        "\u00df",
        "\u017f",
        "\u212a",
        "\u0130",
        "\u0430",
        "xn--",
        "xn--80ak6aa92e",
        "_",
        "*",
        "[",
        "]",
        "[::1]",
        "[v1.a]",
    ),
    *("|", "^", "<", '"', "`", "{", "}"),
    # numbers
    *("0x7f.1", "0177.0.0.1", "2130706433", "127.1", "\uff11\uff12\uff17.0.0.1", ".1", ".0x1", "1"),
    # harmless
    *("x", "x/y", "a:b", "a b", "\u00e9", "?q=1", "#part", "?q=../..//elsewhere.test\\@", ";v=1"),
    *("~", "'", "&", "=", "+", "!", ""),
)
POSITIONS = (
    *("{piece}", "/{piece}", "//{piece}", "{piece}x", "x{piece}", "x/{piece}", "x/{piece}/y", "x{piece}/y"),
    *("x?{piece}", "?{piece}", "#{piece}", "x#{piece}"),
    *("/{piece}/elsewhere.test/x", "{piece}//elsewhere.test/x", "{piece}\\elsewhere.test", "{piece}/../x"),
    *("{origin}{piece}", "{origin}{piece}/x", "{origin}/{piece}", "{origin}/v1/{piece}/y", "{origin}/v1/x{piece}"),
    *("{origin}?{piece}", "{origin}#{piece}", "{piece}{origin}/x", "{piece}://{host}:{port}/x"),
    *("{scheme}{piece}://{host}:{port}/x", "{scheme}:{piece}//{host}:{port}/x", "{scheme}://{piece}{host}:{port}/x"),
    *("{scheme}://{piece}@{host}:{port}/x", "{scheme}://{host}{piece}:{port}/x", "{scheme}://{host}:{piece}/x"),
    *("{scheme}://elsewhere.test{piece}{host}:{port}/x", "{scheme}:{piece}elsewhere.test/x", "{scheme}:{piece}x"),
    "{origin}{piece}elsewhere.test/x",
)


@dataclass(frozen=True)
class Base:
    scheme: str
    written: str
    host: str
    path: str
    port: int = 0  # that of the server

    def __str__(self) -> str:
        return f"{self.scheme}://{self.written}{self.path}"


BASES = (
    Base("http", "127.0.0.1", "127.0.0.1", "/v1"),
    Base("http", "localhost", "localhost", ""),
    Base("http", "LocalHost.", "localhost", "/v1/?key=1"),
    Base("http", "[::1]", "0:0:0:0:0:0:0:1", "/v1"),
    Base("http", "[::FFFF:127.0.0.1]", "0:0:0:0:0:ffff:7f00:1", "/"),
    Base("http", "bücher.test", "xn--bcher-kva.test", "/a/b%20c"),
    Base("HTTPS", "API.test", "api.test", "/v1/"),
    # Nobody knows this name, and whose address is asked for is what counts.
    Base("https", "nowhere.test", "nowhere.test", "/v1", port=443),
)


@dataclass
class World:
    names: Names
    plain: Recorder
    secured: Recorder
    bundle: str

    def server(self, base: Base) -> Recorder:
        return self.plain if base.scheme == "http" else self.secured

    def port(self, base: Base) -> int:
        return base.port or self.server(base).port

    def session(self, base: Base, **kwargs: Any) -> ApiSession:
        url = f"{base.scheme}://{base.written}:{self.port(base)}{base.path}"
        session = ApiSession(destinations=Destinations(url), auth=Bearer(), timeout=5.0, **kwargs)
        session.verify = self.bundle
        session.trust_env = False  # saves looking for proxies and certificates ten thousand times
        return session

    def strays(self, base: Base) -> set[tuple[str, int]]:
        """Whose address was asked for, beside the base's own."""
        port = self.port(base)
        own = {(written, port) for written in (base.host, base.written.lower().strip("[].").rstrip("."), "127.0.0.1")}
        return set(self.names.asked) - own


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Recorder, Recorder, str]]:
    certificate = make_certificate(tmp_path_factory.mktemp("tls"), "api.test")
    with recorder() as plain, recorder(certificate.context) as secured:
        yield plain, secured, str(certificate.bundle)


@pytest.fixture
def world(servers: tuple[Recorder, Recorder, str], monkeypatch: pytest.MonkeyPatch, settings: Any) -> World:
    settings.APICONNECTOR_TRUSTED_HOSTS = TRUSTED
    names = Names(unknown=frozenset({"nowhere.test"}))
    monkeypatch.setattr("socket.getaddrinfo", names)
    plain, secured, bundle = servers
    for server in (plain, secured):
        server.requests.clear()
    return World(names, plain, secured, bundle)


def paths(world: World, base: Base) -> list[str]:
    where = {
        "scheme": base.scheme,
        "host": base.written,
        "port": world.port(base),
        "origin": f"{base.scheme}://{base.written}:{world.port(base)}",
    }
    made = (position.format(piece=piece, **where) for position, piece in itertools.product(POSITIONS, PIECES))
    return list(dict.fromkeys(made))


def chosen(world: World, base: Base) -> list[str]:
    """Every second path for the name that nobody knows, every fifth for the servers: others for each."""
    every = paths(world, base)
    return random.Random(str(base)).sample(every, len(every) // (2 if base.port else 5))


def readings(url: str) -> Iterator[tuple[str, str, int, str]]:
    """Scheme, host, port and path of an address, as three parsers understand it."""
    parts = urlsplit(url)
    yield parts.scheme, plain_host(parts.hostname or ""), parts.port or PORTS[parts.scheme], parts.path
    parsed = parse_url(url)
    scheme = parsed.scheme or ""
    yield scheme, plain_host((parsed.host or "").strip("[]")), parsed.port or PORTS[scheme], parsed.path or ""
    assert parsed.auth is None
    browser = whatwg.read(url)
    yield browser.scheme, plain_host(browser.host), browser.port, browser.path


PORTS = {"http": 80, "https": 443}


def plain_host(host: str) -> str:
    if ":" in host:
        number = int(ipaddress.IPv6Address(host))
        return ":".join(f"{number >> shift & 0xFFFF:x}" for shift in range(112, -1, -16))
    return host.removesuffix(".")


def segments(path: str) -> list[str]:
    """What a server makes of a path that decodes it first, takes backslashes for slashes, and drops parameters."""
    return [segment.partition(";")[0] for segment in re.split(r"[/\\]", unquote(path))]


def astray(base: Base, port: int, path: str, url: str) -> str:
    """What is wrong with the address that a path led to; empty where nothing is."""
    below = [segment for segment in segments(base.path.partition("?")[0]) if segment]
    for scheme, host, at_port, read_path in readings(url):
        if (scheme, host, at_port) != (base.scheme.lower(), base.host, port):
            return f"{url!a} is elsewhere: {host!a}"
        found = segments(read_path)
        if {".", ".."} & set(found):
            return f"{url!a} leads up"
        if not ABSOLUTE.match(path) and [segment for segment in found if segment][: len(below)] != below:
            return f"{url!a} is not below {base.path}"
    return ""


ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def misdelivered(base: Base, port: int, url: str, received: Request) -> str:
    """What is wrong with a request as a server got it."""
    host, _, at = received.headers["host"].rpartition(":")
    if (plain_host(host.strip("[]").lower()), int(at)) != (base.host, port):
        return f"{url!a} was sent for {received.headers['host']!a}"
    if received.target != requests.Request("GET", url).prepare().path_url:
        return f"{url!a} was sent as {received.target!a}"
    if received.headers["authorization"] != "Bearer token-1" or received.body:
        return f"{url!a} was sent with more or less than was asked"
    return ""


def tried(session: ApiSession, path: str) -> str | None:
    """The address that a request for a path was sent to; None where it was refused."""
    try:
        return session.get(path).request.url or ""
    except DestinationRefused as error:
        if error.sent:
            raise
        return None
    except requests.ConnectionError as error:  # the name that nobody knows
        return (error.request and error.request.url) or ""
    except Exception as error:
        raise AssertionError(ascii(path)) from error


@pytest.mark.parametrize("base", BASES, ids=str)
def test_every_path_stays_or_is_refused(world: World, base: Base) -> None:
    problems: list[str] = []
    refused = sent = 0
    port, server = world.port(base), world.server(base)
    with world.session(base) as session:
        for path in chosen(world, base):
            before = len(server.requests)
            url = tried(session, path)
            received = server.requests[before:]
            if url is None:
                refused += 1
                found = "was sent and refused" if received else ""
            else:
                sent += 1
                joined = whatwg.read(session.destinations.join(path))
                found = astray(base, port, path, url)
                if (joined.scheme, plain_host(joined.host), joined.port) != (base.scheme.lower(), base.host, port):
                    found = "is joined to another origin"
                elif not found and not base.port:
                    found = misdelivered(base, port, url, *received)
            if found:
                problems.append(f"{path!a}: {found}")
    print(f"{base}: {refused} refused, {sent} sent")
    assert problems[:20] == []
    assert world.strays(base) == set()
    assert world.names.asked
    assert refused > 400
    assert sent > 400


# Every way in

WAYS: dict[str, Callable[[ApiSession, str], requests.Response]] = {
    "get": lambda session, path: session.get(path),
    "request": lambda session, path: session.request("get", path),
    "bytes": lambda session, path: session.request("GET", path.encode()),
    "text of a class of its own": lambda session, path: session.get(Text(path)),
    "a lazy text": lambda session, path: session.get(Lazy(path)),  # type: ignore[arg-type]  # as reverse_lazy() is
    "a changing text": lambda session, path: session.get(Changing(f"x{path}")),
    "prepared": lambda session, path: session.send(session.prepare_request(requests.Request("GET", path))),
    "with parameters": lambda session, path: session.get(path, params={}),
}


class Text(str):
    __slots__ = ()


class Lazy:
    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text


class Changing(str):
    """Shows another face to ``str()``."""

    __slots__ = ()

    def __str__(self) -> str:
        return self[1:]


def test_every_way_in_comes_to_the_same(world: World) -> None:
    base = BASES[0]
    outcomes: dict[str, list[str]] = {way: [] for way in WAYS}
    some = [path for path in random.Random(7).sample(paths(world, base), 200) if path.isascii()]
    with world.session(base) as session:
        for path, (way, send) in itertools.product(some, WAYS.items()):
            before = len(world.plain.requests)
            try:
                send(session, path)
            except DestinationRefused as error:
                assert len(world.plain.requests) == before
                outcomes[way].append(str(error))
            else:
                outcomes[way].append(world.plain.requests[-1].target)
                assert len(world.plain.requests) == before + 1
    assert all(outcomes[way] == outcomes["get"] for way in WAYS)
    assert 50 < sum(target.startswith("/") for target in outcomes["get"]) < len(some) - 50
    assert world.strays(base) == set()


def test_requests_prepared_elsewhere_stay_too(world: World) -> None:
    base, refused = BASES[0], 0
    port = world.port(base)
    with world.session(base) as session:
        for path in filter(ABSOLUTE.match, paths(world, base)):
            try:
                prepared = requests.Request("GET", path).prepare()
            except (requests.RequestException, ValueError):
                continue
            try:
                session.send(prepared)
            except DestinationRefused:
                refused += 1
            else:
                assert astray(base, port, path, prepared.url or "") == ""
    assert refused > 300
    assert len(world.plain.requests) > 300
    assert not any("authorization" in request.headers for request in world.plain.requests)
    assert world.strays(base) == set()


def test_an_address_written_by_hand_is_checked_as_it_is(world: World) -> None:
    """The transport parses ``request.url`` once more, and nothing has prepared it."""
    base, sent = BASES[0], 0
    port = world.port(base)
    with world.session(base) as session:
        for path in random.Random(8).sample(list(filter(ABSOLUTE.match, paths(world, base))), 800):
            prepared = requests.Request("GET", f"http://127.0.0.1:{port}/").prepare()
            prepared.url = path
            try:
                session.send(prepared)
            except DestinationRefused:
                continue
            except requests.RequestException:
                continue  # nor can it be sent
            sent += 1
            assert astray(base, port, path, path) == ""
    assert sent > 100
    assert len(world.plain.requests) == sent
    assert world.strays(base) == set()


@pytest.mark.parametrize("nothing", [None, "", b""])
def test_nothing_is_the_base_url(world: World, nothing: Any) -> None:
    with world.session(BASES[0]) as session:
        session.get(nothing)
    assert [request.target for request in world.plain.requests] == ["/v1"]


ODD_PARAMS: tuple[Any, ...] = (
    None,
    {},
    [],
    "",
    b"",
    {"a": "//elsewhere.test"},
    {"a": ["..", "%2e%2e", "\\"]},
    {"\r\nHost: elsewhere.test\r\n": "\r\n\r\nGET / HTTP/1.1"},
    {"a": None, "b": ""},
    {"": ""},
    {"a": b"\xff\x00"},
    {b"a": 1, 2: "b"},
    {"é": "ü", "\U0001f600": "\u2028"},
    [("a", "1"), ("a", "2"), (b"b", b"3")],
    (("a", "#@elsewhere.test"),),
    "a=b#@elsewhere.test",
    "//elsewhere.test/?x",
    "\\elsewhere.test",
    "?&=%&%zz",
    " a\t\r\nb ",
    "@elsewhere.test",
    b"a=b&c=%2e%2e",
    b"a=\xff\xfe",
    "ü".encode(),
)


@pytest.mark.parametrize("defaults", [{}, {"key": "//elsewhere.test\r\n", "b": "2"}], ids=["bare", "defaults"])
def test_parameters_change_the_query_alone(world: World, defaults: dict[str, str]) -> None:
    base = BASES[0]
    with world.session(base, default_params=defaults) as session:
        for path, params in itertools.product(("x", "x?a=b", "x#part", "?", "#", ""), ODD_PARAMS):
            answer = session.get(path, params=params)
            assert astray(base, world.port(base), path, answer.request.url or "") == ""
            received = world.plain.requests[-1]
            assert received.target.partition("?")[0] == ("/v1/x" if path.startswith("x") else "/v1")
            assert set(received.headers) == {
                *("host", "user-agent", "accept-encoding", "accept", "connection", "authorization")
            }
            if defaults and "=" not in str(params):
                assert "key=%2F%2Felsewhere.test%0D%0A" in received.target
    assert len(world.plain.requests) == 6 * len(ODD_PARAMS)
    assert world.strays(base) == set()


@pytest.mark.parametrize("given", [{b"b": "3"}, [(b"b", "3")], b"b=3"], ids=["mapping", "pairs", "text"])
def test_names_given_as_bytes_win_over_defaults(world: World, given: Any) -> None:
    defaults = {"key": "1", "b": "2"}
    with world.session(BASES[0], default_params=defaults, default_body=defaults) as session:
        session.post("x", params=given, data={"c": "4"} if isinstance(given, bytes) else given)
    (received,) = world.plain.requests
    assert received.target == "/v1/x?key=1&b=3"
    assert received.body == (b"key=1&b=2&c=4" if isinstance(given, bytes) else b"key=1&b=3")
