"""Inputs that nobody meant: texts, JSON, bytes, as they come from forms, browsers and servers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

#: Any code point, halves of surrogate pairs too.
ANY_CHARACTER = st.characters(exclude_categories=())
#: What a database, an HTTP header, a template, a URL or a page could take for something else.
FRAGMENTS = (
    "\x00", "\r\nX-Injected: 1", "\n", "\r", "\t", "\x0b", "\x1b[31m", "\x7f", "\x85", "\xa0", "\u2028", "\u202e", "\ufeff",
    "\ud800", "\udfff", "\U0001f600", "ß", "\u0130", "\ufb00", "\uff19", "é",
    "{{", "}}", "{%", "{#", "{{ name }}", "{{ data }}", "{{ a.0.b }}", '{{ "x" }}', "{{ x|default:1 }}", "`", "[*]", "[]", "@",
    "%00", "%2e%2e", "%2f", "%5c", "%25", "%", "%zz", "%s", "{0}", "{x!r}", "..", ".", "/", "//", "\\", ":", "@", "?", "#", "&", ";", "=", "+",
    " ", "'", '"', "<script>alert(1)</script>", "</textarea>", "<!--", "<", ">", "javascript:", "http://", "https://", "fernet:",
    "null", "NaN", "Infinity", "1e999", "-0", "0", "true", "[redacted]",
)  # fmt: skip  # in rows


def texts(max_parts: int = 5) -> st.SearchStrategy[str]:
    """Any text, with what is known to be awkward mixed in."""
    part = st.one_of(st.sampled_from(FRAGMENTS), st.text(ANY_CHARACTER, max_size=8), st.text("ab01-_.", max_size=8))
    return st.lists(part, max_size=max_parts).map("".join)


def encodable(max_parts: int = 5) -> st.SearchStrategy[str]:
    """The same without halves of surrogate pairs: what a form or a JSON document in UTF-8 can hold as it is."""
    return texts(max_parts).map(lambda text: text.encode(errors="replace").decode())


@dataclass(frozen=True)
class Long:
    """A text that is long because a part of it is repeated. An example shows the part, and not the megabyte."""

    before: str
    part: str
    times: int
    after: str

    @property
    def text(self) -> str:
        return self.before + self.part * self.times + self.after


@st.composite
def long_texts(draw: st.DrawFn, longest: int = 100_000) -> Long:
    """What takes a regular expression or a parser more than its share of time."""
    part = draw(st.one_of(st.sampled_from(FRAGMENTS), st.text(ANY_CHARACTER, min_size=1, max_size=3)))
    times = draw(st.one_of(st.integers(1, longest // len(part)), st.just(longest // len(part))))
    return Long(draw(texts(2)), part, times, draw(texts(2)))


NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from([0, 1, -1, 0.0, -0.0, 3600, 10**400, 2**63, 1e308, 124234123534, 4e-320]),
)


def json_values(leaves: st.SearchStrategy[str] | None = None, max_leaves: int = 12) -> st.SearchStrategy[Any]:
    """Anything that ``json.loads`` can give, NaN among it."""
    text = texts(3) if leaves is None else leaves
    return st.recursive(
        st.one_of(st.none(), st.booleans(), NUMBERS, text),
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(text, inner, max_size=4)),
        max_leaves=max_leaves,
    )


def json_objects(leaves: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[dict[str, Any]]:
    """An object of such values."""
    text = texts(3) if leaves is None else leaves
    return st.dictionaries(text, json_values(leaves), max_size=4)


#: JSON texts that a parser or a database may choke on.
ODD_JSON = (
    "", " ", "{", "[" * 3000, '{"a":' * 3000, '{"a": NaN}', '{"a": -Infinity}', '{"a": 1e999}', '{"a": 1, "a": 2}', "[1,]",
    '{"a": "\\ud800"}', '{"\\u0000": "\\u0000"}', '{"a": %s}' % ("9" * 5000), "null", "true", "0", '""', "[]", "{}", "[[]]",
    '[["a", "b"], ["a", "b"]]', '[["a"]]', '{"": ""}', '{"a": null}', '{"a": [[[["{{ b }}"]]]]}', "'x'", '\ufeff{"a": 1}',
    "[" * 60 + "]" * 60, "[" * 120 + "]" * 120, "[" * 600 + "]" * 600,
)  # fmt: skip  # in rows


def json_texts(leaves: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[str]:
    """What somebody types into a field for JSON."""
    return st.one_of(
        st.builds(json.dumps, json_values(leaves)),
        st.builds(lambda value: json.dumps(value, ensure_ascii=False), json_objects(encodable(3))),
        st.sampled_from(ODD_JSON),
        encodable(),
    )


def blobs(max_size: int = 64) -> st.SearchStrategy[bytes]:
    """Any bytes, and awkward texts in several encodings."""
    encodings = st.sampled_from(["utf-8", "utf-16", "latin-1", "utf-16-be", "utf-32"])
    return st.one_of(
        st.binary(max_size=max_size), st.builds(lambda text, code: text.encode(code, "replace"), texts(), encodings)
    )
