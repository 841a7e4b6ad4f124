"""Answers that hold a token: however they are labelled, encoded and spelled."""

from __future__ import annotations

import codecs
from datetime import datetime, timedelta
from typing import Any

import pytest

from apiconnector.oauth import Answer
from tests.oauth.answers import NOW, answer, ask

PLAIN: dict[str, Any] = {"access_token": "at"}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"access_token": "at"}', id="JSON"),
        pytest.param(b' \r\n{"access_token": "at"}\n', id="JSON with space around it"),
        pytest.param(codecs.BOM_UTF8 + b'{"access_token": "at"}', id="JSON with a byte order mark"),
        pytest.param('{"access_token": "at"}'.encode("utf-16"), id="JSON in UTF-16"),
        pytest.param(b'{"access_token": "at", "note": "\xff\xfe"}', id="JSON with invalid UTF-8"),
        pytest.param(b"access_token=at&token_type=bearer", id="form data"),
        pytest.param(b"access_token=%61t&scope=repo%2Cgist", id="form data, encoded"),
        pytest.param(codecs.BOM_UTF8 + b"access_token=at\n", id="form data with a byte order mark"),
        pytest.param(b"access_token=at&note=%ff", id="form data with invalid UTF-8"),
        pytest.param(b"access_token=at&error=", id="form data with an empty error"),
    ],
)
@pytest.mark.parametrize("label", ["application/json", "text/html", "application/x-www-form-urlencoded", ""])
def test_the_content_type_does_not_decide(body: bytes, label: str) -> None:
    assert ask(Answer(200, {"content-type": label}, body)).access_token == "at"


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_any_2xx_is_a_success(status: int) -> None:
    assert ask(answer(PLAIN, status)).access_token == "at"


@pytest.mark.parametrize(
    "extra",
    [
        {"error": None},
        {"error": False},
        {"error": ""},
        {"error": 0},
        {"errors": []},
        {"error": {}},
        {"errcode": 0, "errmsg": "ok"},
        {"status": "success", "message": "fine", "code": 200},
        {"ok": True},
    ],
    ids=str,
)
def test_what_is_no_error(extra: dict[str, Any]) -> None:
    assert ask(answer(PLAIN | extra)).access_token == "at"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (3600, 3600),
        ("3600", 3600),
        (" 3600 ", 3600),
        (3599.5, 3599.5),
        ("3599.0", 3599),
        (1, 1),
        (0, None),
        (-1, None),
        ("-3600", None),
        (124234123534, None),
        (1e300, None),
        (4e-7, None),
        ("1e999", None),
        (10**400, None),
        (float("nan"), None),
        (float("inf"), None),
        ("NaN", None),
        ("", None),
        ("never", None),
        (None, None),
        (True, None),
        ([3600], None),
        ({"seconds": 3600}, None),
        (100 * 365 * 86400, 100 * 365 * 86400),
        (101 * 366 * 86400, None),
    ],
    ids=repr,
)
@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("expires_in", "expires_at"),
        ("refresh_token_expires_in", "refresh_expires_at"),
        ("refresh_expires_in", "refresh_expires_at"),
        ("x_refresh_token_expires_in", "refresh_expires_at"),
        ("refresh_expires", "refresh_expires_at"),
    ],
)
def test_lifetimes(name: str, attribute: str, value: Any, seconds: float | None) -> None:
    expected = None if seconds is None else NOW + timedelta(seconds=seconds)
    token = ask(answer(PLAIN | {name: value}))
    assert getattr(token, attribute) == expected
    other = "expires_at" if attribute == "refresh_expires_at" else "refresh_expires_at"
    assert getattr(token, other) is None


def test_the_first_readable_refresh_lifetime_counts() -> None:
    token = ask(answer(PLAIN | {"refresh_token_expires_in": "?", "refresh_expires_in": 60, "refresh_expires": 9}))
    assert token.refresh_expires_at == NOW + timedelta(seconds=60)


def test_a_naive_now_gives_a_naive_end() -> None:
    naive = datetime(2030, 1, 1)  # noqa: DTZ001 - a site with USE_TZ = False has them
    assert ask(answer(PLAIN | {"expires_in": 60}), now=naive).expires_at == naive + timedelta(seconds=60)


@pytest.mark.parametrize(
    ("members", "scope"),
    [
        ({}, None),
        ({"scope": None}, None),
        ({"scope": 5}, None),
        ({"scope": ""}, ""),
        ({"scope": "a b"}, "a b"),
        ({"scope": "a,b"}, "a,b"),
        ({"scope": ["a", "b"]}, "a b"),
        ({"scope": ["a", None, 1, "b"]}, "a b"),
        ({"scope": []}, ""),
        ({"scope": "a\x00\nb"}, "a b"),
    ],
    ids=str,
)
def test_scopes(members: dict[str, Any], scope: str | None) -> None:
    assert ask(answer(PLAIN | members)).scope == scope


@pytest.mark.parametrize(
    ("value", "expected"),
    [("bearer", "bearer"), ("bot", "bot"), ("User Access Token", "User Access Token"), (None, ""), (7, "")],
)
def test_token_types(value: Any, expected: str) -> None:
    assert ask(answer(PLAIN | {"token_type": value})).token_type == expected
    assert ask(answer(PLAIN)).token_type == ""


@pytest.mark.parametrize(
    ("value", "expected"), [("rt", "rt"), ("", ""), (None, ""), (False, ""), (5, ""), ({}, "")], ids=repr
)
def test_refresh_tokens(value: Any, expected: str) -> None:
    assert ask(answer(PLAIN | {"refresh_token": value})).refresh_token == expected
    assert ask(answer(PLAIN)).refresh_token == ""


@pytest.mark.parametrize("name", ["scope", "token_type"])
def test_no_token_and_no_secret_is_kept_readable_beside_it(name: str) -> None:
    tokens = {"access_token": "issued-access-token", "refresh_token": "issued/refresh+token"}
    for secret in (
        *tokens.values(),
        "refresh-value",
        "client-secret-value",
        "CLIENT-SECRET-VALUE",
        "issued%2Frefresh%2Btoken",
    ):
        token = ask(answer(tokens | {name: f"read {secret} write"}))
        assert getattr(token, name) == "read [redacted] write"
    # A short one may be part of a word.
    assert getattr(ask(answer({"access_token": "read", name: "read-only"})), name) == "read-only"


def test_the_longest_token_and_odd_ones() -> None:
    for token in ("x" * 64 * 1024, "a b", "-._~+/==", "eyJ.eyJ.sig", "'\"<>&%"):
        assert ask(answer({"access_token": token})).access_token == token


def test_raw_is_the_whole_answer() -> None:
    body = PLAIN | {"instance_url": "https://x.example", "nested": {"a": [1, 2.5, None]}}
    assert ask(answer(body)).raw == body
    assert ask(answer("access_token=at&uid=7")).raw == {"access_token": "at", "uid": "7"}


def test_a_deeply_nested_member_is_no_trouble() -> None:
    body = '{"access_token": "at", "error": null, "x": ' + "[" * 500 + "]" * 500 + "}"
    assert ask(answer(body)).access_token == "at"
