from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from requests import Request

from apiconnector.client.urls import Origin
from apiconnector.exceptions import TemplateError
from apiconnector.templating import check_url, fill_url
from tests.frames import shown

CONTEXT: dict[str, Any] = {
    "instance_url": "https://acme.my.example.com",
    "base": "https://api.example.com/v1/",
    "local": "http://127.0.0.1:8000",
    "six": "https://[2001:db8::1]:8443/x",
    "whole": "https://login.example.com/?oauth=token&x=a%20b",
    "odd": "HTTPS://Example.COM/a;b=c/~d/(e)%2Ff",
    "shop": "acme-2",
    "port": 8443,
    "tenant": "a/b c?d#e@f",
    "z": "1&y=2 %",
    "empty": "",
    "full": "acme.myshopify.com",
    "number": 7,
    "data": {"id": "ü"},
}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param("https://api.example.com/v1?x=y", "https://api.example.com/v1?x=y", id="nothing to fill"),
        pytest.param("{{ instance_url }}", "https://acme.my.example.com", id="origin"),
        pytest.param("{{ instance_url }}/services/data", "https://acme.my.example.com/services/data", id="origin, path"),
        pytest.param("{{ instance_url }}?x={{ z }}", "https://acme.my.example.com?x=1%26y%3D2%20%25", id="origin, query"),
        pytest.param("{{ base }}", "https://api.example.com/v1/", id="whole address"),
        pytest.param("{{ base }}/x/{{ tenant }}", "https://api.example.com/v1/x/a%2Fb%20c%3Fd%23e%40f", id="two slashes become one"),
        pytest.param("{{ base }}?x=1", "https://api.example.com/v1/?x=1", id="whole address, query"),
        pytest.param("{{ local }}/x", "http://127.0.0.1:8000/x", id="http and port"),
        pytest.param("{{ six }}/y", "https://[2001:db8::1]:8443/x/y", id="IPv6"),
        pytest.param("{{ whole }}", "https://login.example.com/?oauth=token&x=a%20b", id="a query, alone"),
        pytest.param("{{ odd }}", "HTTPS://Example.COM/a;b=c/~d/(e)%2Ff", id="odd but fit"),
        pytest.param('{{ missing|default:"https://eu.example.com" }}/x', "https://eu.example.com/x", id="default"),
        pytest.param("https://{{ shop }}.myshopify.com/admin", "https://acme-2.myshopify.com/admin", id="label"),
        pytest.param("https://api-{{ shop }}.example.com", "https://api-acme-2.example.com", id="part of a label"),
        pytest.param("https://{{ shop }}/", "https://acme-2/", id="whole host"),
        pytest.param("https://www.zohoapis.{{ number }}x", None, id="glued to the end"),
        pytest.param('https://accounts.example.{{ tld|default:"eu" }}/x', "https://accounts.example.eu/x", id="last label"),
        pytest.param('https://{{ full|split:"."|first }}.myshopify.com', "https://acme.myshopify.com", id="of a whole host"),
        pytest.param("https://{{ shop }}.example.com:{{ port }}/x", "https://acme-2.example.com:8443/x", id="port"),
        pytest.param("https://[::1]:{{ port }}", "https://[::1]:8443", id="IPv6 with port"),
        pytest.param("https://api.example.com/{{ tenant }}/x?y={{ z }}", "https://api.example.com/a%2Fb%20c%3Fd%23e%40f/x?y=1%26y%3D2%20%25", id="path and query"),
        pytest.param("https://api.example.com/v{{ number }}/{{ data.id }}", "https://api.example.com/v7/%C3%BC", id="part of a segment"),
        pytest.param("https://api.example.com/x?y={{ empty }}&z={{ z }}", "https://api.example.com/x?y=&z=1%26y%3D2%20%25", id="empty in the query"),
        pytest.param("https://api.example.com/v{{ empty }}/x", "https://api.example.com/v/x", id="empty beside something"),
        pytest.param("https://api.example.com?x={{ base }}", "https://api.example.com?x=https%3A%2F%2Fapi.example.com%2Fv1%2F", id="an address in the query"),
        pytest.param("https://api.example.com/x?y={{ z }}/../{{ number }}//?", "https://api.example.com/x?y=1%26y%3D2%20%25/../7//?", id="dots in the query"),
        pytest.param("HTTP://bücher.example/{{ number }}", "HTTP://bücher.example/7", id="the template's own host"),
    ],
)  # fmt: skip  # in rows
def test_fills(url: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(TemplateError):
            fill_url(url, CONTEXT)
        return
    check_url(url)

    assert fill_url(url, CONTEXT) == expected
    assert Origin.of(expected)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        pytest.param("", "The address is empty; write one such as https://api.example.com.", id="empty"),
        pytest.param("api.example.com/x", "An address begins with https://, or with a placeholder", id="no scheme"),
        pytest.param("/x", "An address begins with https://", id="path"),
        pytest.param("//example.com", "An address begins with https://", id="no scheme, two slashes"),
        pytest.param("ftp://example.com", "An address begins with https://", id="another scheme"),
        pytest.param("https:/example.com", "An address begins with https://", id="one slash"),
        pytest.param("javascript:x//{{ a }}", "An address begins with https://", id="javascript"),
        pytest.param("http{{ s }}://example.com", "An address begins with https://", id="a scheme with a placeholder"),
        pytest.param(" https://example.com", "An address has a space or an invisible character", id="space"),
        pytest.param("https://exam\u200bple.com", "a space or an invisible character", id="invisible"),
        pytest.param("https://example.com/a b", "leave it out, or write %20.", id="space in the path"),
        pytest.param("https://example.com\r\n/x", "a space or an invisible character", id="line break"),
        pytest.param("https://example.com\\x", "An address has a backslash", id="backslash"),
        pytest.param("https://example.com/x#{{ a }}", "An address has a # here; what follows is never sent", id="fragment"),
        pytest.param("https://{{ a }}:{{ b }}@example.com", "An address has no user name or password", id="user info"),
        pytest.param("https://example.com@{{ a }}", "choose a method of authentication", id="user info before a placeholder"),
        pytest.param("https://{{ a }}@{{ b }}/", "no user name or password", id="user info between"),
        pytest.param("https://", "An address has no host behind https://", id="no host"),
        pytest.param("https:///{{ a }}", "An address has no host", id="no host, path"),
        pytest.param("https://:{{ a }}/", "An address has no host", id="no host, port"),
        pytest.param("https://?x={{ a }}", "An address has no host", id="no host, query"),
        pytest.param("https://api.example.com{{ path }}", "so that a value makes another host of it: write a / or a dot", id="no slash"),
        pytest.param("https://api.example.com{{ path }}:80/x", "makes another host of it", id="no slash, port"),
        pytest.param("https://example.{{ a }}om", "makes another host of it", id="the end of the host"),
        pytest.param("{{ a }}{{ b }}", "{{ b }} follows a whole address: write a / or ? between the two.", id="two"),
        pytest.param("{{ a }}x", "write a / or ? behind it.", id="text behind the beginning"),
        pytest.param("{{ a }}.example.com", "A part of a host is written https://{{ name }}.example.com.", id="a host without a scheme"),
        pytest.param("{{ a }}:{{ port }}/x", "write a / or ? behind it.", id="a port behind the beginning"),
        pytest.param("{{ a }}@example.com", "write a / or ? behind it.", id="user info at the beginning"),
        pytest.param("{{ a }}#x", "An address has a # here", id="fragment behind the beginning"),
        pytest.param("{{ a }}//x", "begins with two slashes: write one.", id="two slashes behind the beginning"),
        pytest.param("https://example.com//x", "begins with two slashes: write one.", id="two slashes"),
        pytest.param("https://example.com/x/../{{ a }}", "has a '.' or '..' segment, which leads elsewhere: leave it out.", id="dots"),
        pytest.param("https://example.com/%2E./{{ a }}", "has a '.' or '..' segment", id="encoded dots"),
        pytest.param("https://example.com/x/.", "has a '.' or '..' segment", id="dot at the end"),
        pytest.param("https://example.com/{{ a", "{{ at character 21 is not closed", id="unclosed"),
        pytest.param("https://example.com/{{ a|uper }}", "there is no filter 'uper'", id="filter"),
        pytest.param("https://example.com/" + "x" * 8000, "An address has 8,020 characters; at most 8,000 are sent.", id="long"),
    ],
)  # fmt: skip  # in rows
def test_refused_when_saved(url: str, words: str) -> None:
    with pytest.raises(TemplateError) as caught:
        check_url(url)

    assert words in str(caught.value)
    with pytest.raises(TemplateError):
        fill_url(url, {"a": "x", "b": "x", "s": "s", "path": "x", "port": 80})


@pytest.mark.parametrize(
    ("url", "value", "words"),
    [
        pytest.param("{{ a }}", "", "{{ a }} has to be a whole address such as https://api.example.com: it is empty.", id="whole: empty"),
        pytest.param("{{ a }}", "example.com", "it doesn't begin with https://. A part of a host is written https://{{ name }}.example.com.", id="whole: no scheme"),
        pytest.param("{{ a }}", "ftp://example.com", "it doesn't begin with https://", id="whole: another scheme"),
        pytest.param("{{ a }}", " https://example.com", "it doesn't begin with https://", id="whole: space before"),
        pytest.param("{{ a }}", "https:example.com", "it doesn't begin with https://", id="whole: no slashes"),
        pytest.param("{{ a }}", "https:\\\\example.com", "it doesn't begin with https://", id="whole: backslashes"),
        pytest.param("{{ a }}", "https://user:s3cr3t@example.com", "it has an @", id="whole: user info"),
        pytest.param("{{ a }}", "https://example.com/@x", "it has an @", id="whole: @ in the path"),
        pytest.param("{{ a }}", "https://example.com#@evil", "it has an @", id="whole: @ in the fragment"),
        pytest.param("{{ a }}", "https://example.com/#x", "it has a #", id="whole: fragment"),
        pytest.param("{{ a }}", "https://example.com\\@evil.example", "it has an @", id="whole: backslash and @"),
        pytest.param("{{ a }}", "https://example.com\\.evil.example", "characters that don't belong there", id="whole: backslash"),
        pytest.param("{{ a }}", "https://exa\tmple.com", "characters that don't belong there", id="whole: tab"),
        pytest.param("{{ a }}", "https://example.com/\r\nX-Injected: s3cr3t", "characters that don't belong there", id="whole: line break"),
        pytest.param("{{ a }}", "https://example.com\n", "characters that don't belong there", id="whole: line break at the end"),
        pytest.param("{{ a }}", "https://example.com/\x00", "characters that don't belong there", id="whole: NUL"),
        pytest.param("{{ a }}", "https://exämple.com", "characters that don't belong there", id="whole: other alphabets"),
        pytest.param("{{ a }}", "https://evil\u3002example", "characters that don't belong there", id="whole: a dot of another alphabet"),
        pytest.param("{{ a }}", "https://example.com/\ud800", "characters that don't belong there", id="whole: surrogate"),
        pytest.param("{{ a }}", "https://ex%61mple.com", "characters that don't belong there", id="whole: encoded host"),
        pytest.param("{{ a }}", "https://example.com/%zz", "characters that don't belong there", id="whole: stray percent"),
        pytest.param("{{ a }}", "https://", "characters that don't belong there", id="whole: no host"),
        pytest.param("{{ a }}", "https:///x", "characters that don't belong there", id="whole: no host, path"),
        pytest.param("{{ a }}", "https://example.com:x", "characters that don't belong there", id="whole: odd port"),
        pytest.param("{{ a }}", "https://example.com//evil.example", "empty, '.' or '..' segment", id="whole: two slashes"),
        pytest.param("{{ a }}", "https://example.com/a//", "empty, '.' or '..' segment", id="whole: two slashes at the end"),
        pytest.param("{{ a }}", "https://example.com/a/../b", "empty, '.' or '..' segment", id="whole: dots"),
        pytest.param("{{ a }}", "https://example.com/%2e%2E/b", "empty, '.' or '..' segment", id="whole: encoded dots"),
        pytest.param("{{ a }}", "https://example.com/x%2F..%2Fb", "empty, '.' or '..' segment", id="whole: encoded slashes"),
        pytest.param("{{ a }}", "https://example.com/..;x/b", "empty, '.' or '..' segment", id="whole: dots with parameters"),
        pytest.param("{{ a }}/x", "https://example.com/?y=", "it has a query (what follows the ?), behind which nothing can be put", id="whole: query"),
        pytest.param("{{ a }}?x=1", "https://example.com?", "it has a query", id="whole: empty query"),
        pytest.param("{{ a }}", ["https://example.com"], "{{ a }} is a list", id="whole: list"),
        pytest.param("{{ a }}", None, "{{ a }} is null", id="whole: null"),
        pytest.param("{{ a }}", "https://example.com/" + "x" * 8000, "at most 8,000 are sent", id="whole: long"),
        *(
            pytest.param("https://{{ a }}.example.com/x", value, "{{ a }} stands inside the host, where only letters a to z, digits and - fit.", id=f"host: {value!a:.20}")
            for value in ("", "evil.com/", "a.b", "evil.com#", "evil.com?", "a@evil.com", "a:b", "evil\\", "a b", "a\n", "a_b", "é", "\u0430", "%61", "[::1]", "a" * 64, "//", "..", "https://evil", "x\ud800", "٣")
        ),
        *(
            pytest.param("https://example.com:{{ a }}/x", value, "{{ a }} stands for the port, which is a number from 1 to 65535.", id=f"port: {value!a:.20}")
            for value in ("", "80@evil.com", "80/", "0", "65536", "-1", "80 ", "80\n", "٨٠", 1.5, True, "999999999")
        ),
        pytest.param("https://example.com/{{ a }}/x", "", "{{ a }} is empty, which leaves an empty segment", id="path: empty"),
        pytest.param("https://example.com/{{ a }}", "", "{{ a }} is empty", id="path: empty at the end"),
        pytest.param("https://example.com/{{ a }}?x=1", "", "{{ a }} is empty", id="path: empty before the query"),
        pytest.param("https://example.com/{{ a }}/x", ".", "would be '.' or '..'", id="path: dot"),
        pytest.param("https://example.com/x/{{ a }}", "..", "would be '.' or '..'", id="path: dots"),
        pytest.param("https://example.com/.{{ a }}", ".", "would be '.' or '..'", id="path: half of the dots"),
        pytest.param("https://example.com/{{ a }}", "a/../b", "would have a '.' or '..' segment", id="path: dots inside"),
        pytest.param("https://example.com/{{ a }}", "..\\", "would have a '.' or '..' segment", id="path: dots and a backslash"),
        pytest.param("https://example.com/{{ a }}", "\ud800", "{{ a }} has characters that UTF-8 can't write", id="path: surrogate"),
        pytest.param("https://example.com/{{ a }}", {"x": 1}, "{{ a }} is an object", id="path: object"),
        pytest.param("https://example.com/{{ a }}", "x" * 8000, "would have 8,020 characters; at most 8,000", id="path: long"),
        pytest.param("https://example.com/?{{ a }}", None, "{{ a }} is null", id="query: null"),
        pytest.param("https://{{ missing }}.example.com/", "x", "unknown name 'missing'", id="unknown"),
    ],
)  # fmt: skip  # in rows
def test_refused_when_filled(url: str, value: Any, words: str) -> None:
    with pytest.raises(TemplateError) as caught:
        fill_url(url, {"a": value})

    assert words in str(caught.value)
    assert "s3cr3t" not in shown(caught.value)


HOSTILE = [
    *("", ".", "..", "/", "//", "///", "\\", "\\\\", "@", "#", "?", "&", ":", ";", "%", "%2f", "%2e%2e", "%00", "%5c", "|", "[", "]", "{", "}"),
    *("//evil.example", "/\\evil.example", "\\\\evil.example", "@evil.example", ":80@evil.example", "#@evil.example", "?@evil.example", ".evil.example"),
    *("evil.example", "evil.example/", "evil.example#", "evil.example?", "https://evil.example", "https://evil.example/", "http:evil.example"),
    *("../..", "../../evil", "..;/", "%2e%2e%2f", "a/../../b", "./", "a/.", "a\\..\\b", "..%2f", "%252e%252e"),
    *(" ", "\t", "\r\n", "\nHost: evil.example", "\x00", "\x7f", "\u2028", "\u3002", "\uff0e", "\uff0f", "\u2215", "\u200b", "\ud800", "é", "٣"),
    *("x", "x-y", "127.0.0.1", "2130706433", "0x7f000001", "localhost", "xn--a", "-", "--", "1", "8080", "null", "true", "{{ b }}", "a" * 63, "a" * 64),
]  # fmt: skip  # in rows
TEMPLATES = [
    *("https://{{ a }}.example.com/x", "https://api-{{ a }}.example.com/x?y=z", "https://api.example.com:{{ a }}/x", "https://api.example.com/{{ a }}/x"),
    *("https://api.example.com/v{{ a }}?q", "https://api.example.com/x?y={{ a }}", "https://api.example.com?{{ a }}", "https://{{ a }}.a{{ a }}.example.com/{{ a }}?{{ a }}"),
    *("{{ base }}/{{ a }}", "{{ base }}?x={{ a }}", "{{ base }}/x/{{ a }}.json"),
]  # fmt: skip  # in rows


@pytest.mark.parametrize("template", TEMPLATES)
def test_no_value_leads_elsewhere(template: str) -> None:
    plain = urlsplit(template.replace("{{ a }}", "8").replace("{{ base }}", "https://api.example.com/base"))
    sent = 0
    for value in HOSTILE:
        try:
            filled = fill_url(template, {"a": value, "base": "https://api.example.com/base"})
        except TemplateError:
            continue
        found = [urlsplit(filled)]
        try:
            Origin.of(filled)
        except ValueError:
            assert "a" * 63 in filled.partition(".")[0]  # with what is before it, too long for a label
        else:
            sent += 1
            # What requests makes of it is what is sent.
            found.append(urlsplit(Request("GET", filled).prepare().url or ""))
        for each in found:
            assert each.scheme == "https"
            assert each.username is None
            assert each.fragment == ""
            assert (each.hostname or "").count(".") == (plain.hostname or "").count(".")
            assert (each.hostname or "").endswith("example.com")
            assert (each.path or "/").count("/") == (plain.path or "/").count("/")
            assert bool(each.query) == bool(plain.query) or value == ""
            assert each.query.count("&") == plain.query.count("&")
            assert not any(unquote(part) in {".", ".."} for part in each.path.split("/"))
    assert sent > 1


def test_a_whole_value_goes_where_everybody_reads_it() -> None:
    gone_through = 0
    for value in HOSTILE:
        for whole in (
            f"https://api.example.com{value}",
            f"https://{value}.example.com",
            f"https://{value}@example.com",
            f"https:{value}",
        ):
            try:
                filled = fill_url("{{ a }}/x", {"a": whole})
            except TemplateError:
                continue
            gone_through += 1
            try:
                origin = Origin.of(filled)
            except ValueError:
                continue  # the caller's check
            prepared = urlsplit(Request("GET", filled).prepare().url or "")
            assert prepared.hostname == urlsplit(filled).hostname
            assert (prepared.hostname or "").removesuffix(".") == origin.host
            assert prepared.path == urlsplit(filled).path
    assert gone_through > 10
