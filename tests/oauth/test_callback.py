"""What the browser brings back, whatever it is."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import pytest

from apiconnector.oauth import Callback, parse_callback

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "nothing": ("", {}),
    "only separators": ("&&&", {}),
    "code and state": ("code=abc&state=xyz", {"code": "abc", "state": "xyz"}),
    "unknown parameters": ("iframe=break&code=abc&session_state=1&state=xyz&scope=a", {"code": "abc", "state": "xyz"}),
    "an issuer": (
        "code=a&state=x&iss=https%3A%2F%2Fp.example%2Ft",
        {"code": "a", "state": "x", "iss": "https://p.example/t"},
    ),
    "an encoded code": ("code=4%2F0A%2Ab%21&state=x", {"code": "4/0A*b!", "state": "x"}),
    "an unencoded code": ("code=4/0A*b!==&state=x", {"code": "4/0A*b!==", "state": "x"}),
    "encoding is undone once": ("code=a%252Fb&state=x", {"code": "a%2Fb", "state": "x"}),
    "a broken escape": ("code=a%zz%4&state=x", {"code": "a%zz%4", "state": "x"}),
    "an encoded name": ("c%6Fde=abc&state=x", {"code": "abc", "state": "x"}),
    "invalid UTF-8": ("code=a%ff&state=x", {"code": "a\ufffd", "state": "x"}),
    "a lone surrogate": ("code=a\ud800&state=x", {"code": "a?", "state": "x"}),
    "no state": ("code=abc", {"code": "abc"}),
    "no equals sign": ("code&state", {}),
    "denied": ("error=access_denied&state=x", {"error": "access_denied", "state": "x"}),
    "an error with all its members": (
        "error=invalid_scope&error_description=No+such%20scope&error_uri=https://p.example/e&state=x",
        {
            "error": "invalid_scope",
            "error_description": "No such scope",
            "error_uri": "https://p.example/e",
            "state": "x",
        },
    ),
    "error_code and error_message": (
        "error_code=1349048&error_message=App%20not%20set%20up&state=x",
        {"error": "1349048", "error_description": "App not set up", "state": "x"},
    ),
    "error beside error_reason": (
        "error=access_denied&error_reason=user_denied&state=x",
        {"error": "access_denied", "error_description": "user_denied", "state": "x"},
    ),
    "error_reason alone": ("error_reason=user_denied", {"error": "user_denied", "error_description": "user_denied"}),
    "error_message alone": ("error_message=Go+away", {"error": "Go away", "error_description": "Go away"}),
    "a description beside a code is no error": (
        "code=a&error_description=fine",
        {"code": "a", "error_description": "fine"},
    ),
    "an error code of 0 is none": ("code=a&error_code=0", {"code": "a"}),
    "control characters": (
        "error=a%00b%1B[31m&error_description=one%0D%0Atwo%E2%80%AEthree",
        {"error": "ab[31m", "error_description": "one  twothree"},
    ),
    "a script for an error page": ("error=x&error_uri=javascript:alert(1)", {"error": "x"}),
    "code twice": ("code=a&code=a&state=x", {"state": "x", "repeated": ("code",)}),
    "state twice": ("code=a&state=x&state=y", {"code": "a", "repeated": ("state",)}),
    "state twice, once encoded": ("code=a&state=x&st%61te=y", {"code": "a", "repeated": ("state",)}),
    "state twice, once blank": ("code=a&state=&state=y", {"code": "a", "repeated": ("state",)}),
    "error and iss twice": ("iss=a&error=x&error=y&iss=b&state=x", {"state": "x", "repeated": ("error", "iss")}),
    "other names twice": ("code=a&state=x&scope=1&scope=2", {"code": "a", "state": "x"}),
    "100 parameters": ("&".join(["x=1"] * 99) + "&code=a", {"code": "a"}),
    "101 parameters": ("&".join(["x=1"] * 100) + "&code=a", {"too_long": True}),
    "64 KiB": ("code=" + "a" * (64 * 1024 - 5), {"code": "a" * (64 * 1024 - 5)}),
    "more than 64 KiB": ("code=" + "a" * (64 * 1024 - 4), {"too_long": True}),
    "more than 64 KiB as bytes": ("code=" + "ä" * 33 * 1024, {"too_long": True}),
}


@pytest.mark.parametrize("name", CASES)
def test_callbacks(name: str) -> None:
    query, fields = CASES[name]
    assert parse_callback(query) == Callback(**fields)


def test_what_is_shown_is_short() -> None:
    callback = parse_callback(f"error={'e' * 5000}&error_description={quote('ä' * 5000)}")
    assert len(callback.error) == 200
    assert callback.error_description == "ä" * 1000


def test_code_and_state_are_not_in_the_repr() -> None:
    assert "canary" not in repr(parse_callback("code=canary-code&state=canary-state"))


def test_the_words_of_an_error_repeat_neither_code_nor_state() -> None:
    callback = parse_callback(
        "code=the-code-value&state=the-state-value&error=the-code-value&error_description=see+the-state-value!"
    )
    assert (callback.error, callback.error_description) == ("[redacted]", "see [redacted]!")
    # Of a code of a letter or two every word would be full.
    assert parse_callback("code=a&error_description=a+fine+day").error_description == "a fine day"


def test_a_long_code_and_long_words_take_no_time() -> None:
    begun = time.perf_counter()
    parse_callback("code=" + "a" * 30_000 + "b&error_description=" + "a" * 30_000)
    assert time.perf_counter() - begun < 10  # it takes no time; else minutes
