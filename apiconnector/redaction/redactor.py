"""Take credentials out of a text, by their values and in the forms in which they travel."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

REDACTED: Final = "[redacted]"
#: A shorter value is part of too many words to be replaced wherever it stands.
SHORT: Final = 4
_BACKSLASHES: Final = re.compile(r"\\+")
#: Characters of a form that are looked for at once, and how many forms may be tried in vain where one of them begins.
_PIECE: Final = 64
_MOST_MISSES: Final = 10_000
#: Never ends in a backslash: the next character may be written as one with it.
_STRETCH: Final = re.compile(rf"(?s:.{{1,{_PIECE}}}(?:(?<=\\).)?)")
_PADDING: Final = r"(?:=|%3[Dd]){0,2}"
#: Texts are escaped more than once on their way, such as JSON inside of JSON: any number of backslashes may stand where
#: one does. Any number that happens, that is: without a bound, a text of backslashes alone would take for ever.
_SOME, _ANY = r"\\{1,64}+", r"\\{0,64}+"
_MORE_FORMS: Final = {" ": [r"\+"], "/": ["_"], "+": ["-"], "'": ["&\\#39;"], '"': ["&\\#34;"]}


class Form(NamedTuple):
    """One text to look for. ``words`` are its stretches of letters and digits, the same in every encoding."""

    text: str
    words: tuple[str, ...]
    ending: str = ""
    #: Replaced only as a whole value behind ``=``.
    is_short: bool = False


def forms_of(value: str, *, shortest: int = SHORT) -> tuple[Form, ...]:
    """What to look for to find a value: itself, and its Base64."""
    if not value:
        return ()
    if len(value) < shortest:
        return (Form(value, _words(value), is_short=True),)
    return (Form(value, _words(value)), base64_form(value))


def base64_form(value: str) -> Form:
    """What to look for to find the Base64 of a value, with the padding or without."""
    encoded = b64encode(value.encode("utf-8", "surrogatepass")).decode().rstrip("=")
    return Form(encoded, _words(encoded), _PADDING)


def replaced(text: str, forms: Iterable[Form]) -> str:
    """Return ``text`` with ``[redacted]`` in place of each form, in any encoding; of several that fit, the longest."""
    # Most texts hold no credential, and a search for their words says so at once, where making the regular expression
    # of a long token takes a millisecond.
    likely = [
        form for form in forms if not form.words or (form.words[0] in text and all(word in text for word in form.words))
    ]
    if not likely:
        return text
    found = {form for form in likely if _beginning((form,)).search(text)}
    if not found:
        return text
    ordered = tuple(sorted(found, key=lambda form: (form.is_short, -len(form.text), form.text)))
    kept: list[str] = []
    done = position = misses = 0
    while begin := _beginning(ordered).search(text, position):
        end = max(_end(form, text, begin.start()) for form in ordered)
        if end < 0:
            misses += len(ordered)
            if misses <= _MOST_MISSES:
                position = begin.start() + 1
                continue
            # A text that begins a token again and again, and never ends it, is made to waste time.
            end = len(text)
        kept += [text[done : begin.start()], REDACTED]
        done = position = end
    return "".join([*kept, text[done:]])


def _end(form: Form, text: str, start: int) -> int:
    """Where a form ends that begins at ``start``; -1 where it does not stand there."""
    begin = _beginning((form,)).match(text, start)
    if begin is None:
        return -1
    end = begin.end()
    pieces = _pieces(form.text)[1:]
    rest = "".join(pieces)
    if text.startswith(rest, end):  # as it is: nearly always
        end += len(rest)
    else:
        for piece in pieces:
            more = _piece(piece).match(text, end)
            if more is None:
                return -1
            end = more.end()
    padding = re.compile(form.ending).match(text, end) if form.ending and pieces else None
    return padding.end() if padding else end


class Redactor:
    """Replaces each value by ``[redacted]``: as it is, percent-encoded, escaped for JSON, Python or HTML, in Base64.

    ``basic`` are pairs of user name and password, replaced as HTTP Basic sends them (RFC 7617). The longest
    value that fits is replaced. A value of fewer than four characters is replaced only where it is a whole
    value after ``=``, as in a query or a form, and in ``scrub`` where it is a whole text.
    """

    def __init__(self, values: Iterable[str], *, basic: Iterable[tuple[str, str]] = ()) -> None:
        self._values = frozenset(value for value in values if value)
        forms = {form for value in self._values for form in forms_of(value)}
        forms |= {base64_form(f"{user}:{password}") for user, password in basic if password or user}
        self._forms = tuple(forms)
        #: Encoding makes nothing shorter, but for backslashes in a row, any number of which is taken for any other.
        self._shortest = min((len(_BACKSLASHES.sub("\\\\", form.text)) for form in forms), default=0)

    def __call__(self, text: str) -> str:
        """Return ``text`` without the values."""
        return text if len(text) < self._shortest else replaced(text, self._forms)

    def scrub(self, data: Any) -> Any:
        """Return JSON data without the values, also in keys; what is nested too deeply is replaced whole."""
        try:
            return self._scrubbed(data)
        except RecursionError:
            return REDACTED

    def _scrubbed(self, data: Any) -> Any:
        # Loops, no comprehensions: those would use up the stack twice as fast.
        if isinstance(data, str):
            return REDACTED if data in self._values else self(data)
        if isinstance(data, dict):
            members: dict[Any, Any] = {}
            for key, value in data.items():
                name = shown = self._scrubbed(key)
                while name in members:  # two names that were credentials keep their values
                    name = f"{shown} {len(members)}"
                members[name] = self._scrubbed(value)
            return members
        if isinstance(data, list | tuple):
            items = []
            for item in data:
                items.append(self._scrubbed(item))  # noqa: PERF401 - see above
            return items
        if isinstance(data, int | float) and not isinstance(data, bool) and str(data) in self._values:
            return REDACTED
        return data


@lru_cache(maxsize=2048)
def _pieces(text: str) -> tuple[str, ...]:
    """A text in stretches that are looked for one after the other, so that no text makes a search take long."""
    return tuple(_STRETCH.findall(_BACKSLASHES.sub("\\\\", text)))


@lru_cache(maxsize=2048)
def _piece(text: str) -> re.Pattern[str]:
    return re.compile(_encoded(text))


def _encoded(text: str) -> str:
    """A regular expression for a text in any encoding."""
    before = ("", *text[:-1])
    return "".join(
        _any_encoding(character, behind_backslash=previous == "\\")
        for previous, character in zip(before, text, strict=True)
    )


@lru_cache(maxsize=2048)
def _beginning(forms: tuple[Form, ...]) -> re.Pattern[str]:
    """The first piece of any of these."""
    parts = []
    for form in forms:
        pieces = _pieces(form.text)
        encoded = _encoded(pieces[0])
        if form.is_short:
            encoded = rf"(?<==){encoded}(?![^&;#,\s\"'<>)\]}}])"
        parts.append(encoded if len(pieces) > 1 else encoded + form.ending)
    return re.compile("|".join(parts))


def _words(text: str) -> tuple[str, ...]:
    # The longest first: it is the least likely to be there by chance.
    return tuple(sorted(set(re.findall(r"[A-Za-z0-9]+", text)), key=len, reverse=True))


@lru_cache(maxsize=512)
def _any_encoding(character: str, *, behind_backslash: bool = False) -> str:
    """A regular expression for one character in each form it may have; for a backslash, for any number of them.

    The backslashes that escape a character behind a backslash are taken for more of that one.
    """
    if character.isascii() and character.isalnum():
        return character
    raw = character.encode("utf-8", "surrogatepass")
    percent = _any_case("".join(f"%{byte:02x}" for byte in raw))
    percent = f"{percent}|{percent.replace('%', '%25')}"  # the second: an address inside the query of another one
    if character == "\\":
        return rf"(?:(?:{percent})++|(?:{_SOME}(?:u005[cC])?+){{1,8}}+)"
    units = "".join(f"\\u{unit:04x}" for unit in _utf16(character))
    escaped = {json.dumps(character)[1:-1], repr(raw)[2:-1], repr(character)[1:-1], units}
    forms = [
        _ANY + re.escape(character),
        percent,
        re.escape(escape(character)),
        *_MORE_FORMS.get(character, []),
        *sorted(
            (_ANY if behind_backslash else _SOME) + _any_case(text[1:]).replace(r"\\", _SOME)
            for text in escaped
            if text.startswith("\\")
        ),
    ]
    return f"(?:{'|'.join(dict.fromkeys(forms))})"


def _utf16(character: str) -> list[int]:
    units = character.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]


def _any_case(text: str) -> str:
    return "".join(f"[{c}{c.upper()}]" if c in "abcdef" else re.escape(c) for c in text)
