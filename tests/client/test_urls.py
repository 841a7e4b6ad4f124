from __future__ import annotations

import itertools
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import requests

from apiconnector.client import Destinations, Origin, validate_base_url
from apiconnector.exceptions import ConfigurationError, DestinationRefused
from tests.client import whatwg

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = "https://api.example.com/v1"
HERE = Destinations(BASE, ["files.example.net", "other.example.net:8443", ".cdn.example.org", ".bücher.example"])


@pytest.mark.parametrize(
    ("base", "path", "joined"),
    [
        (BASE, "x", f"{BASE}/x"),
        (BASE, "/x", f"{BASE}/x"),
        (f"{BASE}/", "x", f"{BASE}/x"),
        (f"{BASE}/", "/x", f"{BASE}/x"),
        (BASE, "x/", f"{BASE}/x/"),
        (BASE, "x//y", f"{BASE}/x//y"),
        (BASE, "", BASE),
        (f"{BASE}/", "", f"{BASE}/"),
        (BASE, "?page=2", f"{BASE}?page=2"),
        (BASE, "x?to=https://elsewhere.example/", f"{BASE}/x?to=https://elsewhere.example/"),
        (BASE, "x?path=../y&b=\\", f"{BASE}/x?path=../y&b=\\"),
        (f"{BASE}?key=1", "x", f"{BASE}/x"),
        (f"{BASE}?key=1", "", BASE),
        ("https://api.example.com", "x", "https://api.example.com/x"),
        (BASE, "people:search", f"{BASE}/people:search"),
        (BASE, "projects/group%2Fname", f"{BASE}/projects/group%2Fname"),
        (BASE, "a.b/..c/d../...", f"{BASE}/a.b/..c/d../..."),
        (BASE, "https://api.example.com/v2/x", "https://api.example.com/v2/x"),
        (BASE, "HTTPS://API.EXAMPLE.COM:443/x", "HTTPS://API.EXAMPLE.COM:443/x"),
        (BASE, "https://api.example.com./x", "https://api.example.com./x"),
    ],
)
def test_paths_go_below_the_base_url(base: str, path: str, joined: str) -> None:
    assert Destinations(base).join(path) == joined


@pytest.mark.parametrize(
    "path",
    [
        "//elsewhere.example/x",
        "///elsewhere.example/x",
        "https:elsewhere.example",
        "http:/elsewhere.example",
        "https://elsewhere.example/x",
        "http://api.example.com/x",
        "https://api.example.com:8443/x",
        "https://api.example.com.elsewhere.example/x",
        "https://xapi.example.com/x",
        "https://api.example.com@elsewhere.example/x",
        "https://user:pw@api.example.com/x",
        "https://@api.example.com/x",
        "https://elsewhere.example\\@api.example.com/x",
        "https://elsewhere.example#@api.example.com/x",
        "https://api.example.com\t.elsewhere.example/x",
        "https://api.example.com:99999/x",
        "https://api.example.com:0/x",
        "https://[::1/x",
        "https:///x",
        "ftp://api.example.com/x",
        "file:///etc/passwd",
        "\\\\elsewhere.example\\x",
        "/\\elsewhere.example",
        "a\\b",
        "a\nb",
        "a\tb",
        "a\0b",
        "..",
        "../x",
        "a/../b",
        "a/./b",
        "a/%2e%2e/b",
        "a/%2E./b",
        "a/..%2fb",
        "a%2f..%2fb",
        "a%5c..%5cb",
        "a/..;/b",
        "a/..?q=1",
        "https://api.example.com/v1/../x",
        "https://api.example.com/v1/%2e%2e/x",
    ],
)
def test_other_destinations_are_refused(path: str) -> None:
    with pytest.raises(DestinationRefused) as refused:
        HERE.join(path)
    assert not refused.value.sent


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://files.example.net/x", True),
        ("https://files.example.net:443/x", True),
        ("https://FILES.example.net./x", True),
        ("https://files.example.net:8443/x", False),
        ("http://files.example.net/x", False),
        ("http://files.example.net:443/x", False),
        ("https://sub.files.example.net/x", False),
        ("https://other.example.net:8443/x", True),
        ("https://other.example.net/x", False),
        ("https://a.cdn.example.org/x", True),
        ("https://a.b.cdn.example.org/x", True),
        ("https://cdn.example.org/x", True),
        ("https://evilcdn.example.org/x", False),
        ("https://a.cdn.example.org:8443/x", False),
        ("https://a.cdn.example.org.elsewhere.example/x", False),
        ("https://shop.xn--bcher-kva.example/x", True),
        ("https://shop.bücher.example/x", True),
        ("https://files.example.net/../x", False),
    ],
)
def test_allowed_hosts(url: str, allowed: bool) -> None:
    if allowed:
        HERE.check(url)
        assert HERE.join(url) == url
    else:
        with pytest.raises(DestinationRefused):
            HERE.check(url)


@pytest.mark.parametrize(
    "entry", ["https://files.example.net", "a/b", "*.example.net", "", ".", "..a", "a:x", "a:0", "u@a", "a b", "?", 7]
)
def test_a_bad_allowed_host_is_a_configuration_error(entry: str) -> None:
    with pytest.raises(ConfigurationError, match="Allowed hosts"):
        Destinations(BASE, [entry]).check("https://elsewhere.example/")


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("https://a.example", "https://A.EXAMPLE:443/path?q"),
        ("http://a.example", "http://a.example.:80"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://[::1]", "http://[0:0:0:0:0:0:0:1]:80/"),
        ("https://a.example:", "https://a.example"),
    ],
)
def test_equal_origins_compare_equal(one: str, same: str) -> None:
    assert Origin.of(one) == Origin.of(same)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://A.example:443/x", "https://a.example"),
        ("http://a.example:8080", "http://a.example:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_an_origin_is_shown_as_it_is_written(url: str, text: str) -> None:
    assert str(Origin.of(url)) == text


def test_what_counts_is_the_address_after_preparing() -> None:
    prepared = requests.Request("GET", f"{BASE}/a/%252e%252e/b").prepare()
    HERE.check(prepared.url or "")
    with pytest.raises(DestinationRefused):
        HERE.check(requests.Request("GET", f"{BASE}/a/%2e%2e/b").prepare().url or "")


@pytest.mark.parametrize("url", ["https://elsewhere.example/p?key=canary", "https://api.example.com/../?key=canary"])
def test_errors_do_not_hold_the_query(url: str) -> None:
    with pytest.raises(DestinationRefused) as refused:
        HERE.check(url, sent=True)
    assert "canary" not in str(refused.value)
    assert refused.value.sent


def test_neither_errors_nor_repr_hold_the_path_of_the_base_url() -> None:
    destinations = Destinations("https://api.example.com/bot-canary/")
    with pytest.raises(DestinationRefused) as refused:
        destinations.check("https://elsewhere.example/bot-canary/")
    assert "canary" not in f"{refused.value} {destinations!r}"


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("2130706433", "is a number"),
        ("0x7f.1:8443", "is a number"),
        ("127.0.0.1.", "is a number"),
        (".0.0.1", "is a number"),
        (".127.0.0.1", "no subdomains"),
        (".[::1]", "no subdomains"),
        ("[::1%eth0]", "zone"),
        ("\uff11\uff12\uff17.0.0.1", "host can't be read"),
        ("a..example", "host can't be read"),
        ("a.example:99999", "host or port"),
    ],
)
def test_a_bad_allowed_host_is_named_with_the_reason(entry: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        Destinations(BASE, ["files.example.net", entry]).check("https://elsewhere.example/")
    assert f"“{entry}”" in str(error.value)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("192.0.2.1", "https://192.0.2.1/x"),
        ("192.0.2.1:8443", "https://192.0.2.1:8443/x"),
        ("[2001:DB8::1]", "https://[2001:db8:0:0::1]/x"),
        ("[::ffff:192.0.2.1]", "https://[::FFFF:c000:201]/x"),
        ("localhost.", "https://localhost/x"),
        ("localhost", "https://LOCALHOST./x"),
        ("files.example.net.:443", "https://files.example.net/x"),
    ],
)
def test_allowed_addresses(entry: str, url: str) -> None:
    Destinations(BASE, [entry]).check(url)
    with pytest.raises(DestinationRefused):
        Destinations(BASE, []).check(url)


@pytest.mark.parametrize(
    "url",
    ["https://api.example.com", "http://localhost:8000/", "https://[::1]:8443/v1", "https://bücher.example/ä?a=b"],
)
def test_good_base_urls(url: str) -> None:
    validate_base_url(url)
    assert Destinations(url).join("x").endswith("/x")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "Enter an address"),
        ("api.example.com", "begin with https://"),
        ("/v1", "begin with https://"),
        ("ftp://api.example.com", "begin with https://"),
        ("https://", "no host"),
        ("https:///v1", "no host"),
        ("https://canary:pw@api.example.com", "user name"),
        ("https://api.example.com/#canary", "fragment"),
        ("https://api.example.com:canary", "host or port"),
        ("https://api.example.com:70000", "host or port"),
        ("https://api.example.com:0", "host or port"),
        ("https://[canary]/", "host or port"),
        ("https://[fe80::1%25eth0]/", "zone"),
        ("https://a..example/", "host"),
        ("https://api.example.com/\n", "line break"),
        ("https://api.example.com/a b", "space"),
        ("https://api.example.com/a/../b", "segment"),
        ("https://api.example.com\\b", "host"),
        ("https://api.example.com\\\u00fc.example/", "host"),
        ("https://api.example.com//v1", "two slashes"),
        ("https://api.example.com/v1\u00a0", "invisible"),
        ("https://api.example.com/\u200bv1", "invisible"),
        (" https://api.example.com/v1", "begin with https://"),
        ("http\u017f://api.example.com", "begin with https://"),
        ("https://ap%69.example.com", "host"),
        ("https://api.example.com:000443", "host or port"),
        ("https://api.example.com:\uff14\uff14\uff13", "host or port"),
        ("https://[v1.example.com]/", "host or port"),
        ("https://[api.example.com]/", "host or port"),
        ("https://[127.0.0.1]/", "host or port"),
        ("https://elsewhere[::1]/", "host or port"),
        ("https://[::1]elsewhere/", "host or port"),
        (f"https://{'a' * 64}.example", "host"),
        (f"https://{'a.' * 127}example", "host"),
        ("https://2130706433/v1", "is a number"),
        ("https://127.1", "is a number"),
        ("https://0x7f.0.0.1", "is a number"),
        ("https://127.0.0.1.", "is a number"),
        ("https://api.example.0x", "is a number"),
        ("https://api.09", "is a number"),
        ("https://\uff11\uff12\uff17.0.0.1", "host"),
        ("https://127\u30020\u30020\u30021", "host"),
        ("https://api.example.com/a\\b", "backslash"),
    ],
)
def test_bad_base_urls(url: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as error:
        validate_base_url(url)
    assert "canary" not in str(error.value)


def test_a_bad_base_url_surfaces_at_the_first_use() -> None:
    destinations = Destinations("nowhere")
    assert "unusable" in repr(destinations)
    for use in (lambda: destinations.join("x"), lambda: destinations.check("https://a.example")):
        with pytest.raises(ConfigurationError):
            use()


# Hosts that are numbers

ADDRESSES = ("127.0.0.1", "10.0.0.1", "169.254.169.254", "0.1.0.8", "255.255.255.255", "8.8.8.8", "192.168.8.9")
RADIXES = ("{}", "{:#x}", "0{:o}", "0X{:X}", "0{}")


def numeric_forms() -> Iterator[str]:
    """Ways to write IPv4 addresses, most of which ``inet_aton`` of C and browsers read."""
    for address in ADDRESSES:
        octets = [int(octet) for octet in address.split(".")]
        for count in range(1, 5):
            last = int.from_bytes(bytes(octets[count - 1 :]))
            for radixes in itertools.product(RADIXES, repeat=count):
                parts = [radix.format(part) for radix, part in zip(radixes, [*octets[: count - 1], last], strict=True)]
                yield ".".join(parts)
                yield ".".join(parts) + "."


def meanings(host: str) -> set[str]:
    """What the C library and a browser take a host for."""
    found = set()
    with suppress(OSError):
        found.add(socket.inet_ntoa(socket.inet_aton(host)))
    with suppress(whatwg.UnreadableError):
        found.add(whatwg.read(f"http://{host}/").host)
    return found


def test_an_ipv4_address_has_one_form_only() -> None:
    canonical = misleading = 0
    for host in dict.fromkeys(numeric_forms()):
        meant = meanings(host)
        if host in ADDRESSES:
            canonical += 1
            assert meant == {host} == {Origin.of(f"http://{host}").host}
            continue
        misleading += bool(meant)
        for use in (Origin.of, Destinations(BASE, ADDRESSES).check):
            with pytest.raises((ValueError, DestinationRefused), match="is a number"):
                use(f"https://{host}/x")
    assert canonical == len(ADDRESSES)
    assert misleading > 5000


@pytest.mark.parametrize(
    "host",
    ["1.example", "0x7f.example", "127.0.0.1.example", "1e3", "a.0xg", "123a", "0b1", "1-2", "1_2", "x0", "1.0x1g"],
)
def test_names_with_numbers_in_them_are_names(host: str) -> None:
    assert Origin.of(f"https://{host}").host == host


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("[::1]", "::1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("[2001:DB8::A]", "2001:db8::a"),
        ("[2001:db8:0:0:1:0:0:1]", "2001:db8::1:0:0:1"),
        ("[::ffff:127.0.0.1]", "::ffff:7f00:1"),
        ("[::FFFF:7F00:1]", "::ffff:7f00:1"),
        ("[0:0:0:0:0:ffff:127.0.0.1]", "::ffff:7f00:1"),
        ("[::ffff:0.0.0.0]", "::ffff:0:0"),
        ("[::127.0.0.1]", "::7f00:1"),
        ("[64:ff9b::8.8.8.8]", "64:ff9b::808:808"),
    ],
)
def test_an_ipv6_address_has_one_form_too(written: str, host: str) -> None:
    origin = Origin.of(f"https://{written}:8443/x")
    assert origin.host == host
    assert Origin.of(str(origin)) == origin
    assert str(origin) == f"https://[{host}]:8443"
    assert origin != Origin.of("https://127.0.0.1:8443")


@pytest.mark.parametrize(
    "written",
    [
        *(
            "[::ffff:0177.0.0.1]",
            "[::ffff:127.1]",
            "[::ffff:2130706433]",
            "[1::2::3]",
            "[:::1]",
            "[::g]",
            "[]",
            "[::1",
            "::1]",
        ),
        *(
            "[\uff11::]",
            "[::1]x",
            "[::1]:80:80",
            "[ ::1]",
            "[::1%251]",
            "[1:2:3:4:5:6:7:8:9]",
            "[12345::]",
            "[1.2.3.4]",
        ),
    ],
)
def test_what_is_no_ipv6_address_is_unreadable(written: str) -> None:
    with pytest.raises(ValueError, match="host"):
        Origin.of(f"https://{written}/")


@pytest.mark.parametrize("path", ["50%", "%zz/a%20b", "100%/x?q=%", "%"])
def test_a_stray_percent_sign_does_not_change_the_base(path: str) -> None:
    destinations = Destinations("https://api.example.com/a%20b/%2Fc")
    prepared = requests.Request("GET", destinations.join(path)).prepare()
    assert (prepared.url or "").startswith("https://api.example.com/a%20b/%2Fc/")
    assert destinations.join("%zz/a%20b").endswith("/%25zz/a%20b")
