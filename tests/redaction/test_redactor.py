from __future__ import annotations

import html
import json
import time
from base64 import b64encode, urlsafe_b64encode
from hashlib import sha512
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest

from apiconnector.redaction import REDACTED, Redactor

if TYPE_CHECKING:
    from collections.abc import Callable

AWKWARD = 's3cr+t/väl "ue\\?&=😀~.'
HOW: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "quote": lambda text: quote(text, safe=""),
    "quote, slashes kept": quote,
    "quote, lower-case": lambda text: quote(text, safe="").replace("%C3%A4", "%c3%a4").replace("%2B", "%2b"),
    "quote_plus": quote_plus,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON, not ASCII": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON with escaped slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "Base64": lambda text: b64encode(text.encode()).decode(),
    "Base64 for URLs": lambda text: urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "Base64 in a query": lambda text: quote(b64encode(text.encode()).decode(), safe=""),
}


@pytest.mark.parametrize("value", [AWKWARD, "plainsecret", "a.b-c_d~e", "????", "with space", "ÿþ>>>???"])
@pytest.mark.parametrize("how", HOW)
def test_each_form_of_a_value_is_replaced(how: str, value: str) -> None:
    text = f"before {HOW[how](value)} after"
    assert Redactor([value])(text) == f"before {REDACTED} after"


def test_basic_pairs_are_replaced_as_sent() -> None:
    redact = Redactor([], basic=[("ada", "pässword"), ("", ""), ("key", "")])
    assert redact(f"Basic {b64encode('ada:pässword'.encode()).decode()}") == f"Basic {REDACTED}"
    assert redact(f"Basic {b64encode(b'key:').decode()}") == f"Basic {REDACTED}"
    assert redact("ada") == "ada"


def test_the_longest_value_wins() -> None:
    redact = Redactor(["secret", "secret-and-more"])
    assert redact("secret-and-more secret secret-and") == f"{REDACTED} {REDACTED} {REDACTED}-and"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("https://a.example/?k=ab&x=1", f"https://a.example/?k={REDACTED}&x=1"),
        ("https://a.example/?x=1&k=ab", f"https://a.example/?x=1&k={REDACTED}"),
        ("k=abc", "k=abc"),
        ("cab ab", "cab ab"),
    ],
)
def test_short_values_are_replaced_only_as_the_whole_value_of_a_parameter(text: str, redacted: str) -> None:
    assert Redactor(["ab"])(text) == redacted


def test_no_values_change_nothing() -> None:
    redact = Redactor(["", ""])
    assert redact("text=") == "text="
    assert redact.scrub({"a": ["", None, 1]}) == {"a": ["", None, 1]}


def test_values_are_texts_and_not_patterns() -> None:
    assert Redactor(["a.*b"])("aXXb a.*b") == f"aXXb {REDACTED}"


@pytest.mark.parametrize(
    ("data", "scrubbed"),
    [
        ({"a": "x secret x", "secret": [1, "secret"]}, {"a": f"x {REDACTED} x", REDACTED: [1, REDACTED]}),
        ([{"deep": [["secret"]]}, None, True, 1.5], [{"deep": [[REDACTED]]}, None, True, 1.5]),
        ({"pin": "77", "said": "77 times"}, {"pin": REDACTED, "said": "77 times"}),
        ({"id": 123456, "other": 1234567}, {"id": REDACTED, "other": 1234567}),
        ("secret", REDACTED),
    ],
)
def test_scrub_looks_through_json(data: Any, scrubbed: Any) -> None:
    assert Redactor(["secret", "77", "123456"]).scrub(data) == scrubbed


def test_scrub_keeps_the_value_of_each_key() -> None:
    scrubbed = Redactor(["secret", "other"]).scrub({"secret": 1, "other": 2, REDACTED: 3})
    assert scrubbed == {REDACTED: 1, f"{REDACTED} 1": 2, f"{REDACTED} 2": 3}


def test_scrub_survives_deep_nesting() -> None:
    data: Any = "secret"
    for _ in range(100_000):
        data = [data]
    assert Redactor(["secret"]).scrub(data) == REDACTED
    while isinstance(data, list):  # taken apart by hand: freeing it at once would recurse too
        data = data.pop()


def test_repr_shows_no_value() -> None:
    assert "secret" not in repr(Redactor(["secret"], basic=[("user", "secret")]))


@pytest.mark.parametrize(
    "value",
    [
        AWKWARD,
        "\\\\server\\share",
        '"quoted"',
        "it's",
        "a\\\\\\b",
        "\\",
        "\x85nel-canary",
        "0\\\x1f0",
        'a\\\nb\\é\\"',
        "x" * 63 + "\\\x1fy",
    ],
)
def test_what_is_escaped_again_and_again(value: str) -> None:
    text = value if len(value) > 3 else f"{value}abc"
    shown = text
    for level in range(4):
        assert Redactor([text])(f"before {shown} after") == f"before {REDACTED} after", level
        shown = json.dumps(shown)[1:-1] if level % 2 else repr(shown)[1:-1]
    assert Redactor([text])(html.escape(text)) == REDACTED


@pytest.mark.parametrize(
    "text", ["\\" * 1_000_000, "\\u005c" * 100_000, "%5c" * 100_000, '\\"' * 100_000, "a\\" * 100_000]
)
def test_no_text_takes_long(text: str) -> None:
    redact = Redactor(['"begins with', "\\\\begins with", "\\", "a\\\\\\\\b", "%5c%5c%5cx"])
    assert redact(text) == text


def test_values_that_begin_alike() -> None:
    values = [f"token-of-{number}-x" for number in range(2000)]
    assert Redactor(values)("a token-of-77-x and token-of-78-y") == f"a {REDACTED} and token-of-78-y"


def test_a_long_token_is_replaced_whole_or_not_at_all() -> None:
    header = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6IjEyMzQ1Njc4OTAifQ."
    token, other = header + "payload-a" * 40 + ".signature/+=", header + "payload-b" * 40 + ".signature/+="
    redact = Redactor([token])
    for shown in (
        token,
        quote(token, safe=""),
        json.dumps(json.dumps(token))[3:-3],
        b64encode(token.encode()).decode(),
    ):
        assert redact(f"a {shown} b {other} c {token[:200]}") == f"a {REDACTED} b {other} c {token[:200]}"
    assert Redactor([token, other])(f"{other} {token}") == f"{REDACTED} {REDACTED}"


@pytest.mark.parametrize("last", ["b", "c"])
def test_a_text_made_to_waste_time(last: str) -> None:
    """It begins the token again and again, and never ends it."""
    token = ("a" * 20 + "-") * 1500 + "b"
    text = ("a" * 20 + "-") * 20_000 + token[-22:-1] + last
    assert token not in Redactor([token])(text)
    encoded = ("a" * 20 + "%2D") * 20_000
    Redactor([token])(encoded)
    Redactor(["ab" * 31 + "c" + "d" * 500])("ab" * 500_000)


def test_a_provider_that_gave_many_tokens_wastes_no_time_with_them() -> None:
    """It repeats all of them, and then what all begin with, again and again; what is not looked at is not shown."""
    header = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6IjEyMzQ1Njc4OTAifQ.eyJpc3MiOiJh"
    tokens = [header + sha512(str(number).encode()).hexdigest() * 5 for number in range(500)]
    text = " ".join(tokens) + f" {header}" * 10_000 + tokens[0]
    began = time.monotonic()
    redacted = Redactor(tokens)(text)
    assert time.monotonic() - began < 10
    assert not any(token in redacted for token in tokens)
    assert redacted.startswith(" ".join([REDACTED] * 500))


def test_a_text_that_is_shorter_than_the_value() -> None:
    """Any number of backslashes is taken for any other: they double on the way in, and are halved on the way out."""
    redact = Redactor(["canary\\\\\\\\value"])
    assert redact("canary\\value") == "[redacted]"
    assert redact.scrub({"a": ["canary\\\\value"]}) == {"a": ["[redacted]"]}
    assert redact("canary") == "canary"
