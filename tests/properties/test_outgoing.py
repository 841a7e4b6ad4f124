"""Whatever is asked of a session, the first time or again: the request is the one that requests itself makes."""

from __future__ import annotations

from typing import Any

import requests
from hypothesis import given
from hypothesis import strategies as st

from apiconnector.client import ApiSession, Destinations
from apiconnector.client.plain import Anonymous

BASE = "https://api.example.com/v1"
PATHS = (
    "x",
    "x/",
    "a b",
    "a%20b",
    "a%2fb",
    "50%",
    "ü",
    "%C3%BC",
    "x?q=1",
    "x?",
    "x#f",
    "x;p=1",
    "a~b",
    "a+b",
    "(x)",
    "",
    "/x",
    f"{BASE}/x",
    "a//b",
    "x?q=%zz",
)
TEXTS = st.one_of(
    st.sampled_from(["", "a", "a b", "a&b=c", "50%", "%20", "ü", "~", "+", "a/b", "#", "?"]), st.text(max_size=4)
)
VALUES = st.one_of(
    TEXTS,
    st.integers(-9, 99),
    st.booleans(),
    st.none(),
    st.binary(max_size=3),
    st.lists(TEXTS, max_size=2),
    st.floats(allow_nan=False),
)
PARAMS = st.one_of(
    st.none(),
    st.dictionaries(TEXTS, VALUES, max_size=3),
    st.lists(st.tuples(TEXTS, VALUES), max_size=3),
    st.sampled_from(["", "a=1", "a=b c", "50%", "a=%20", "?x", b"a=1", b"a=\xc3\xbc", [("a", "1"), ("a", "2")]]),
)  # fmt: skip  # in rows
NAMES = st.sampled_from(["X-A", "x-a", "Accept", "accept", "User-Agent", "X-B", b"X-C"])
HEADERS = st.one_of(st.none(), st.dictionaries(NAMES, st.sampled_from(["1", "", "a b", None, b"2"]), max_size=3))


def as_requests_makes_it(path: str, params: Any, headers: Any, session_headers: Any) -> Any:
    plain = requests.Session()
    plain.auth = Anonymous()
    if isinstance(params, bytes):  # which requests takes for ASCII, and breaks on; a session takes them for UTF-8
        params = params.decode()
    for name, value in (session_headers or {}).items():
        plain.headers[name] = value
    return outcome(
        lambda: plain.prepare_request(
            requests.Request("GET", Destinations(BASE).join(path), params=params, headers=headers)
        )
    )


def outcome(make: Any) -> Any:
    try:
        made = make()
    except (requests.RequestException, UnicodeError) as error:
        return UnicodeError if isinstance(error, UnicodeError) else requests.RequestException
    return made.method, made.url, list(made.headers.items()), made.body, made.hooks, made._cookies.get_dict()


@given(st.lists(st.tuples(st.sampled_from(PATHS), PARAMS, HEADERS), min_size=1, max_size=4), HEADERS)
def test_a_request_is_what_requests_makes_of_it(asked: list[tuple[str, Any, Any]], session_headers: Any) -> None:
    """The first time, when it is worked out, and again, when it is remembered."""
    with ApiSession(destinations=Destinations(BASE), auth=Anonymous()) as session:
        for name, value in (session_headers or {}).items():
            session.headers[name] = value
        for path, params, headers in asked * 2:
            expected = as_requests_makes_it(path, params, headers, session_headers)
            got = outcome(
                lambda path=path, params=params, headers=headers: session.prepare_request(
                    requests.Request("GET", path, params=params, headers=headers)
                )
            )
            assert got == expected
