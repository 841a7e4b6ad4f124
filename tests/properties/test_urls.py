"""Whatever a path, a redirect or a host is: nothing is addressed to another origin than the connection's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st
from requests.auth import AuthBase
from urllib3.util import parse_url

from apiconnector.client import ApiSession, Destinations, Origin, validate_base_url
from apiconnector.client.redirects import next_hop
from apiconnector.client.request import ApiRequest
from apiconnector.exceptions import ConfigurationError, DestinationRefused
from tests.properties.leaks import found, shown
from tests.properties.profiles import share
from tests.properties.strategies import Long, blobs, json_values, long_texts, texts

CANARY = "canary-in-the-path"
#: What a request may raise for an address: our own errors, and those of requests.
REFUSED = (DestinationRefused, ConfigurationError, requests.RequestException)


@pytest.fixture(autouse=True)
def _trusted(settings: Any) -> None:
    """The rule of the origin is what counts here: no host is refused for being private, nor for plain http."""
    settings.APICONNECTOR_TRUSTED_HOSTS = [".example", ".com", "localhost", "0.0.0.0/0", "::/0"]


@dataclass(frozen=True)
class Base:
    scheme: str
    host: str
    port: int | None
    path: str
    #: The host as it goes over the wire.
    ascii: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}{f':{self.port}' if self.port else ''}{self.path}"

    @property
    def origin(self) -> tuple[str, str, int]:
        return (self.scheme.lower(), self.ascii, self.port or {"http": 80, "https": 443}[self.scheme.lower()])


HOSTS = st.sampled_from(
    [
        ("api.example.com", "api.example.com"),
        ("API.Example.COM", "api.example.com"),
        ("api.example.com.", "api.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("localhost", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[2001:DB8::0:1]", "2001:db8::1"),
        ("a_b.example", "a_b.example"),
    ]
)
BASES = st.builds(
    lambda scheme, host, port, path: Base(scheme, host[0], port, path, host[1]),
    st.sampled_from(["https", "http", "HTTPS"]),
    HOSTS,
    st.sampled_from([None, None, 443, 80, 8443, 1, 65535]),
    st.sampled_from(["", "/", "/v1", "/v1/", "/a%20b", "/v1/ä", "/~x;y=1"]),
)
ELSEWHERE = (
    "evil.example", "//evil.example", "\\\\evil.example", "/\\evil.example", "https://evil.example", "https:evil.example", "https:/evil.example",
    "https:///evil.example", "@evil.example", ":x@evil.example", ":443@evil.example", ".evil.example", "%2eevil.example", "\t//evil.example", "http://api.example.com",
    "https://api.example.com", "HTTPS://API.EXAMPLE.COM.", "https://api.example.com:443", "https://api.example.com:8443", "https://api.example.com:0443",
    "https://api.example.com:443x", "https://api.example.com\\@evil.example", "https://api.example.com#@evil.example", "https://api.example.com?@evil.example",
    "https://api.example.com%2f@evil.example", "https://api.example.com\u3002evil.example", "https://api\uff0eexample.com", "https://\uff45vil.example",
    "https://[::1]", "https://[::ffff:127.0.0.1]", "https://[fe80::1%25eth0]", "https://2130706433", "https://0x7f.1", "https://127.1", "https://\u2460.example",
    "https://api.example.com\x00.evil.example", "https://evil.example\u2028", "ftp://api.example.com", "javascript:x", "file:///etc/passwd", "mailto:x@evil.example",
    "..", "../", "/..;/", "%2e%2e/", "%2E%2E%2F", "%252e%252e", "..%5c", "..\\", "/.%00./", ".\u0307", "\uff0e\uff0e", "a/../../b", "//", "///", "?", "#", "?a=//evil.example",
    f"/{CANARY}", f"?k={CANARY}", f"https://user:{CANARY}@api.example.com/",
)  # fmt: skip  # in rows
PATHS = st.lists(st.one_of(st.sampled_from(ELSEWHERE), texts(2)), max_size=4).map("".join)


STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Stamp(AuthBase):
    """Marks a request that it may carry the credential."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = "stamped"
        return request


def read_by_all(url: str) -> set[tuple[str, str, int]]:
    """The origin as the standard library and urllib3, which connects, read it."""
    ports = {"http": 80, "https": 443}
    parts, parsed = urlsplit(url), parse_url(url)
    readings = set()
    for scheme, host, port in ((parts.scheme, parts.hostname, parts.port), (parsed.scheme, parsed.host, parsed.port)):
        assert scheme in ports, url
        assert host, url
        name = host.strip("[]").lower().removesuffix(".")
        readings.add((scheme, Origin.of(url).host if ":" in name else name, port or ports[scheme]))
    return readings


def check_place(url: str, base: Base) -> None:
    assert read_by_all(url) == {base.origin}
    assert "@" not in urlsplit(url).netloc
    assert url.isascii()
    assert not any(ord(character) <= 32 for character in url)
    path = urlsplit(url).path
    assert "\\" not in unquote(path) or "%5c" in path.lower()
    for segment in path.split("/"):
        assert unquote(segment) not in {".", ".."}, "a server would take it for a step up"


def check_refusal(error: Exception) -> None:
    if isinstance(error, DestinationRefused | ConfigurationError):
        assert not found(shown(error, with_locals=False), [CANARY])


@share(6)
@given(BASES, PATHS)
@example(Base("https", "api.example.com", None, "", "api.example.com"), "\ud800")
@example(Base("https", "api.example.com", None, "", "api.example.com"), "https://api.example.com\udfff/")
def test_a_path_stays_at_its_origin(base: Base, path: str) -> None:
    session = ApiSession(destinations=Destinations(base.url), auth=Stamp())
    try:
        request = session.prepare_request(requests.Request("GET", path))
    except REFUSED as error:
        check_refusal(error)
        return
    assert request.headers["Authorization"] == "stamped"
    assert request.url is not None
    check_place(request.url, base)


@share(1)
@given(BASES, st.text("abcz019-_.~", min_size=1, max_size=12).filter(lambda text: text.strip(".")))
def test_a_plain_path_goes_below_the_base(base: Base, path: str) -> None:
    """Else refusing everything would do."""
    session = ApiSession(destinations=Destinations(base.url), auth=Stamp())
    for written in (path, f"/{path}"):
        request = session.prepare_request(requests.Request("GET", written))
        assert urlsplit(str(request.url)).path.endswith(f"/{path}")
        check_place(str(request.url), base)


@share(3)
@given(BASES, PATHS, st.one_of(json_values(texts(2)), texts(2), blobs(10)), st.booleans())
def test_parameters_change_nothing_but_the_query(base: Base, path: str, params: Any, as_default: bool) -> None:
    session = ApiSession(
        destinations=Destinations(base.url), auth=Stamp(), default_params={"d": params} if as_default else {}
    )
    try:
        bare = ApiSession(destinations=Destinations(base.url), auth=Stamp()).prepare_request(
            requests.Request("GET", path)
        )
        request = session.prepare_request(requests.Request("GET", path, params={} if as_default else params))
    except (*REFUSED, TypeError, ValueError) as error:
        # What requests can't read as parameters is the caller's mistake, and its own error says so.
        check_refusal(error)
        return
    assert request.url is not None
    check_place(request.url, base)
    if not STRAY_PERCENT.search(f"{path}{params}"):  # for one of those requests encodes every "%" of an address again
        assert urlsplit(request.url)[:3] == urlsplit(str(bare.url))[:3]


@share(6)
@given(
    BASES,
    st.one_of(
        PATHS.map(lambda text: text.encode("utf-8", "replace")),
        blobs(),
        PATHS.map(lambda text: text.encode("latin-1", "replace")),
    ),
    st.sampled_from([301, 302, 303, 307, 308, 300, 304]),
    st.sampled_from(["GET", "HEAD", "POST", "DELETE"]),
)
def test_a_redirect_stays_at_its_origin(base: Base, location: bytes, status: int, method: str) -> None:
    destinations = Destinations(base.url)
    request = ApiRequest()
    request.prepare(method=method, url=destinations.join("a/b"), headers={"Authorization": "stamped"}, data=b"body")
    response = requests.Response()
    response.status_code = status
    # As http.client hands headers over.
    response.headers["Location"] = location.decode("latin-1")
    response.request = request
    try:
        hop = next_hop(request, response, destinations)
    except DestinationRefused as error:
        assert error.sent
        check_refusal(error)
        return
    if hop is None:
        return
    assert method in {"GET", "HEAD"} or status in {307, 308}
    assert hop.url is not None
    check_place(hop.url, base)
    assert hop.method == method
    assert (hop.body is None) == (status == 303)


@share(6)
@given(st.one_of(PATHS, st.builds(lambda base, path: base.url + path, BASES, PATHS)))
@example("https://\ud800")
def test_any_text_as_an_address(url: str) -> None:
    try:
        origin = Origin.of(url)
    except ValueError as error:
        assert not found(shown(error, with_locals=False), [CANARY])
    else:
        assert Origin.of(str(origin)) == origin
        assert read_by_all(str(origin)) == {(origin.scheme, origin.host, origin.port)}
    try:
        validate_base_url(url)
    except ConfigurationError as error:
        assert not found(shown(error, with_locals=False), [CANARY])
        str(error).encode()
    else:
        # What is accepted when it is typed can be used.
        session = ApiSession(destinations=Destinations(url), auth=Stamp())
        try:
            assert session.prepare_request(requests.Request("GET", "x")).url
        except DestinationRefused as error:
            assert "APICONNECTOR_TRUSTED_HOSTS" in str(error)


ENTRIES = st.one_of(
    st.tuples(st.sampled_from(["", "."]), HOSTS, st.sampled_from([None, 443, 8443])),
    st.tuples(st.sampled_from(["", "."]), st.just(("example.com", "example.com")), st.sampled_from([None, 443])),
)


@share(4)
@given(
    ENTRIES,
    st.one_of(
        HOSTS, st.sampled_from([(f"{sub}example.com", f"{sub}example.com") for sub in ("", "a.", "a.b.", "evil", "-")])
    ),
    st.sampled_from(["http", "https"]),
    st.sampled_from([None, 443, 8443]),
)
def test_an_allowed_host_admits_what_it_names(
    entry: tuple[str, tuple[str, str], int | None], host: tuple[str, str], scheme: str, port: int | None
) -> None:
    dot, (name, ascii_name), own_port = entry
    text = f"{dot}{name}{f':{own_port}' if own_port else ''}"
    url = f"{scheme}://{host[0]}{f':{port}' if port else ''}/x"
    is_meant = (
        scheme == "https"
        and (port or 443) == (own_port or 443)
        and (host[1] == ascii_name or (dot == "." and host[1].endswith(f".{ascii_name}")))
    )
    try:
        Destinations("https://own.example", [text]).check(url)
    except ConfigurationError:
        return  # an entry that can't be written so, such as a suffix of an address
    except DestinationRefused:
        assert not is_meant
    else:
        assert is_meant


@share(4)
@given(st.lists(st.one_of(PATHS, json_values(texts(1))), max_size=3), PATHS)
def test_any_allowed_hosts(entries: list[Any], path: str) -> None:
    destinations = Destinations("https://own.example/v1", entries)
    try:
        destinations.check(destinations.join(path))
    except (DestinationRefused, ConfigurationError) as error:
        check_refusal(error)


@share(0.3)
@given(
    long_texts(1_000_000),
    st.sampled_from(["%s", "/%s", "https://%s/", "https://own.example/%s", "https://own.example:%s/", "?%s"]),
)
def test_long_addresses(long: Long, around: str) -> None:
    text = around.replace("%s", long.text)
    for refuse in (
        Destinations("https://own.example/v1").join,
        Destinations("https://own.example").check,
        validate_base_url,
    ):
        try:
            refuse(text)
        except (DestinationRefused, ConfigurationError) as error:
            assert len(str(error)) < 2000
