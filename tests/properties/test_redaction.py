"""Whatever the secret, and however it is written: it is not in a text any more, and nothing else is gone."""

from __future__ import annotations

import json
import logging
from base64 import b64encode, urlsafe_b64encode
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from hypothesis import assume, given
from hypothesis import strategies as st

from apiconnector.redaction import REDACTED, RedactionFilter, Redactor, remember
from tests.properties.profiles import share
from tests.properties.strategies import ANY_CHARACTER, Long, long_texts, texts

if TYPE_CHECKING:
    from collections.abc import Callable


def raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


#: The ways in which a credential travels or is printed.
WAYS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "percent": lambda text: quote(raw(text), safe=""),
    "percent, slashes kept": lambda text: quote(raw(text)),
    "percent, lower case": lambda text: "".join(
        chr(byte) if chr(byte).isascii() and chr(byte).isalnum() else f"%{byte:02x}" for byte in raw(text)
    ),
    "plus": lambda text: quote_plus(raw(text)),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON, not ASCII": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON, slashes escaped": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "HTML": escape,
    "percent, twice": lambda text: quote(quote(raw(text), safe=""), safe=""),
    "repr": lambda text: repr(text)[1:-1],
    "repr of bytes": lambda text: repr(raw(text))[2:-1],
    "Base64": lambda text: b64encode(raw(text)).decode(),
    "Base64 of URLs": lambda text: urlsafe_b64encode(raw(text)).decode().rstrip("="),
    "Base64, percent": lambda text: quote(b64encode(raw(text)).decode(), safe=""),
}
SECRETS = st.one_of(
    st.text(ANY_CHARACTER, min_size=4, max_size=40),
    st.text("abcABC0189+/=-_.~ %&:\\\"'\n", min_size=4, max_size=40),
    st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=4, max_size=200),
    texts().filter(lambda text: len(text) >= 4),
)


def overlaps_the_mark(text: str) -> bool:
    """Whether the mark itself, or it and what stands beside it, could be taken for the secret."""
    return any(
        REDACTED.endswith(text[:size]) or REDACTED.startswith(text[-size:]) for size in range(1, len(text) + 1)
    ) or (text in REDACTED)


def check_gone(secret: str, written: str, before: str, after: str, redacted: str) -> None:
    assume(not overlaps_the_mark(secret))
    assume(not overlaps_the_mark(written))
    assert REDACTED in redacted
    assert written not in redacted, "it is still there"
    assert secret not in redacted


@share(5)
@given(
    SECRETS,
    st.sampled_from(sorted(WAYS)),
    st.sampled_from(["", " ", "a", "?k=", '"', "Bearer ", "\n", "=", "%"]),
    texts(2),
)
def test_a_secret_is_gone_however_it_is_written(secret: str, way: str, before: str, after: str) -> None:
    written = WAYS[way](secret)
    redacted = Redactor([secret])(before + written + after)
    check_gone(secret, written, before, after, redacted)


@share(3)
@given(st.text(ANY_CHARACTER.filter(lambda c: c != ":"), max_size=20), SECRETS, st.booleans(), texts(2))
def test_a_pair_is_gone_from_the_header_that_carries_it(user: str, password: str, urlsafe: bool, after: str) -> None:
    encode = urlsafe_b64encode if urlsafe else b64encode
    written = encode(raw(f"{user}:{password}")).decode().rstrip("=")
    redacted = Redactor([password], basic=[(user, password)])(f"Basic {written} {after}")
    assert written not in redacted


@share(3)
@given(st.lists(SECRETS, min_size=1, max_size=5), st.data())
def test_several_secrets_at_once(secrets: list[str], data: st.DataObject) -> None:
    assume(not any(overlaps_the_mark(secret) for secret in secrets))
    parts = [WAYS[data.draw(st.sampled_from(sorted(WAYS)))](secret) for secret in secrets]
    redacted = Redactor(secrets)(" | ".join(parts))
    for secret in secrets:
        assert secret not in redacted


WORDS = st.text("abcdefghijklmnop /?&=:;,.<>()[]{}\n\t!#*@^|~`$é\U0001f600\ud800", max_size=200)


@share(4)
@given(st.lists(st.text("QRSTUVWXYZ23456", min_size=4, max_size=40), max_size=4), WORDS)
def test_a_text_without_a_secret_stays_as_it_is(secrets: list[str], text: str) -> None:
    redact = Redactor(secrets, basic=[(secret, secret) for secret in secrets])
    assert redact(text) == text
    assert redact.scrub({"a": [text, 1, None, True, 1.5]}) == {"a": [text, 1, None, True, 1.5]}


def leaves(value: Any) -> str:
    """All texts of JSON data."""
    return json.dumps(value, ensure_ascii=False)


@share(3)
@given(
    st.text("QRSTUVWXYZ23456", min_size=4, max_size=40),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.just("SECRET"), st.just("a SECRET b"), WORDS),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(st.one_of(WORDS, st.just("SECRET"), st.just("xSECRET")), inner, max_size=4),
        ),
        max_leaves=12,
    ),
)
def test_data_is_scrubbed_in_texts_and_keys(secret: str, value: Any) -> None:
    data = json.loads(json.dumps(value).replace("SECRET", secret))
    scrubbed = Redactor([secret]).scrub(data)
    assert secret not in leaves(scrubbed)
    if secret not in leaves(data):
        assert scrubbed == data


@share(0.2)
@given(SECRETS, long_texts(1_000_000))
def test_long_texts(secret: str, long: Long) -> None:
    redact = Redactor([secret])
    redacted = redact(f"{long.text} {secret}")
    assert overlaps_the_mark(secret) or secret not in redacted
    assert isinstance(redact.scrub([long.text]), list)


@share(2)
@given(
    SECRETS.filter(lambda text: len(text) >= 8),
    st.sampled_from(sorted(WAYS)),
    st.sampled_from(["%s", "a %s b", "%(a)s", "%d", "%", "{}", ""]),
    st.booleans(),
)
def test_no_log_record_holds_a_secret(secret: str, way: str, message: str, with_error: bool) -> None:
    assume(not overlaps_the_mark(secret))
    remember(secret)
    written = WAYS[way](secret)
    arguments: Any = {"a": written} if "%(a)s" in message else (written,)
    error = (ValueError, ValueError(written), None) if with_error else None
    record = logging.LogRecord("x", logging.INFO, __file__, 1, message, (arguments,), error)
    assert RedactionFilter().filter(record)
    try:
        said = logging.Formatter().format(record)
    except (TypeError, ValueError):
        return  # arguments that don't fit are the caller's mistake, and reported by the handler
    assert secret not in said
