"""Whatever a form handler submits: it is kept as JSON that every database takes, or refused with our own error."""

from __future__ import annotations

import datetime
import decimal
import enum
import io
import json
from collections import OrderedDict, UserDict
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile, File
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.functional import lazystr
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from hypothesis import example, given
from hypothesis import strategies as st

from apiconnector.exceptions import InvalidFeedData
from apiconnector.feeds.data import MAX_SIZE, plain_data
from apiconnector.feeds.files import without_references
from apiconnector.feeds.uploads import Uploads
from apiconnector.models import Connection, Feed, FeedRun
from apiconnector.shortcuts import submit
from tests.properties.database import rolled_back
from tests.properties.leaks import found, shown
from tests.properties.profiles import share
from tests.properties.strategies import ANY_CHARACTER, NUMBERS, Long, long_texts, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: What nobody may find in an error: a value that was submitted.
CANARY = "canary-submitted-value"


class Colour(enum.Enum):
    RED = "red"
    NESTED = ("a", {"b": 1.5})
    BYTES = b"x"


class Rude:
    """An object none of whose methods can be relied upon."""

    def _refuse(self, *_: Any) -> Any:
        raise RuntimeError(CANARY)

    __str__ = __bool__ = __len__ = __iter__ = __eq__ = _refuse
    __hash__ = object.__hash__


class Unprintable:
    """What it holds is in its ``repr``, or there is none."""

    def __init__(self, text: str = "") -> None:
        self.text = text

    def __repr__(self) -> str:
        if not self.text:
            raise RuntimeError(CANARY)
        return self.text


class RudeText(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError(CANARY)


class OddText(str):
    __slots__ = ()

    def __str__(self) -> str:
        return CANARY


class OddNumber(int):
    def __int__(self) -> int:
        return 10**5000

    def __repr__(self) -> str:
        return "not a number"


class OddFloat(float):
    def __float__(self) -> float:
        return float("nan")

    def __repr__(self) -> str:
        return "not a number"


class RudeMapping(UserDict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError(CANARY)


class EndlessMapping(UserDict[str, Any]):
    def items(self) -> Any:
        return ((f"key{number}", "x" * 1000) for number in iter(int, 1))


class Zone(datetime.tzinfo):
    """A time zone that does not know itself."""

    def utcoffset(self, at: datetime.datetime | None) -> Any:
        return datetime.timedelta(days=9)

    def dst(self, at: datetime.datetime | None) -> None:
        return None

    def tzname(self, at: datetime.datetime | None) -> None:
        return None


def endless() -> list[Any]:
    items: list[Any] = []
    items.append({"again": items})
    return items


def deep(levels: int) -> Any:
    value: Any = CANARY
    for _ in range(levels):
        value = {"a": [value]}
    return value


def wide() -> Any:
    """A list that holds itself many times over: small in memory, endless when written."""
    value: Any = [CANARY]
    for _ in range(40):
        value = [value, value]
    return value


def rude_generator() -> Iterator[str]:
    yield CANARY
    raise RuntimeError(CANARY)


#: Made anew for each example; found by name, because some can't be printed.
ODD: dict[str, Callable[[], Any]] = {
    "bytes": CANARY.encode,
    "bytearray": lambda: bytearray(b"x"),
    "memoryview": lambda: memoryview(b"x"),
    "complex": lambda: 1j,
    "ellipsis": lambda: ...,
    "class": lambda: Rude,
    "rude": Rude,
    "unprintable": Unprintable,
    "function": lambda: len,
    "enum": lambda: Colour.RED,
    "nested enum": lambda: Colour.NESTED,
    "enum of bytes": lambda: Colour.BYTES,
    "model": lambda: User(username=CANARY),
    "manager": lambda: User.objects,
    "query": User.objects.all,
    "file": lambda: ContentFile(b"x", name=CANARY),
    "file without a name": lambda: File(io.BytesIO(b"x")),
    "file that is none": lambda: File(cast("Any", Rude()), name=CANARY),
    "reference to a file": lambda: {"$file": CANARY},
    "longest time": lambda: datetime.timedelta.max,
    "shortest time": lambda: datetime.timedelta.min,
    "last day": lambda: datetime.date.max,
    "odd zone": lambda: datetime.datetime(2030, 1, 1, tzinfo=Zone()),
    "odd time zone": lambda: datetime.time(1, tzinfo=Zone()),
    "safe text": lambda: mark_safe("<b>"),
    "translation": lambda: gettext_lazy("Save"),
    "lazy text": lambda: lazystr(CANARY),
    "rude lazy text": lambda: lazystr(Rude()),
    "rude text": lambda: RudeText("x"),
    "odd text": lambda: OddText("x"),
    "odd number": lambda: OddNumber(1),
    "odd float": lambda: OddFloat(1.0),
    "rude mapping": lambda: RudeMapping(a=1),
    "endless mapping": lambda: EndlessMapping(a=1),
    "endless list": endless,
    "deep": lambda: deep(24),
    "too deep": lambda: deep(30),
    "very deep": lambda: deep(2000),
    "wide": wide,
    "generator": rude_generator,
    "range": lambda: range(3),
    "frozen set": lambda: frozenset({1, "b"}),
    "set of enums": lambda: {Colour.RED},
    "error": lambda: RuntimeError(CANARY),
    "ordered": lambda: OrderedDict(b=1, a=2),
    "query string": lambda: QueryDict("a=1&a=2&b="),
    "several values": lambda: MultiValueDict({"a": [], "b": [Rude()], "c": ["x"]}),
    "1000 digits": lambda: 10**999,
    "5000 digits": lambda: -(10**5000),
    "too long": lambda: "x" * (MAX_SIZE + 1),
    "long name": lambda: {"x" * 2000: Rude()},
    "name with half a pair": lambda: {"\ud800": Rude()},
    "name with control characters": lambda: {"a\n\u202e\x00": b""},
    "object as name": lambda: {Rude(): 1},
    "unprintable name": lambda: {Unprintable(): 1},
    "number as name": lambda: {1: 2},
    "rude name": lambda: {RudeText("x"): 1},
    "odd name": lambda: {OddText("x"): 1},
    "tuple as name": lambda: {("a", CANARY): 1},
}  # fmt: skip  # in rows


@dataclass(frozen=True)
class Odd:
    """Stands for an object of ``ODD`` inside an example."""

    name: str


def built(value: Any) -> Any:
    """An example with the odd objects put in."""
    match value:
        case Odd():
            return ODD[value.name]()
        case MultiValueDict():
            return MultiValueDict({name: built(inner) for name, inner in value.lists()})
        case dict():
            return {name: built(inner) for name, inner in value.items()}
        case MappingProxyType():
            return MappingProxyType({name: built(inner) for name, inner in value.items()})
        case list() | tuple():
            return type(value)(built(inner) for inner in value)
    return value


def decimals() -> st.SearchStrategy[decimal.Decimal]:
    special = [
        "NaN",
        "sNaN",
        "-Infinity",
        "1E+1000000",
        "1E-1000000",
        "-0",
        "1.0",
        "1e2",
        "9" * 2000,
        "0." + "1" * 2000,
    ]
    return st.one_of(st.decimals(), st.sampled_from(special).map(decimal.Decimal))


def objects() -> st.SearchStrategy[Any]:
    leaves = st.one_of(
        st.none(), st.booleans(), NUMBERS, texts(3), decimals(), st.sampled_from(sorted(ODD)).map(Odd), st.datetimes(), st.dates(), st.times(),
        st.timedeltas(), st.uuids(), st.binary(max_size=4), st.complex_numbers(),
    )  # fmt: skip  # in rows
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.lists(inner, max_size=3).map(tuple),
            st.dictionaries(st.one_of(texts(2), st.integers(), st.none()), inner, max_size=4),
            st.dictionaries(texts(2), inner, max_size=4).map(MappingProxyType),
            st.dictionaries(texts(2), st.lists(inner, max_size=3), max_size=3).map(MultiValueDict),
        ),
        max_leaves=8,
    )


def submissions() -> st.SearchStrategy[Any]:
    keys = st.one_of(texts(2), st.text(ANY_CHARACTER, max_size=4))
    return st.one_of(st.dictionaries(keys, objects(), max_size=4), objects())


@pytest.mark.parametrize(
    "name", [Unprintable(), Unprintable(CANARY), Unprintable("x" * 10_000)], ids=["none", "secret", "long"]
)
def test_names_that_can_not_be_shown(name: Unprintable) -> None:
    for data in ({name: 1}, {"a": {name: 1}}, {"a": name}, name):
        with pytest.raises(InvalidFeedData) as caught:
            plain_data(data)
        check_refusal(caught.value)


def check_refusal(error: InvalidFeedData) -> None:
    said = str(error)
    said.encode()
    assert len(said) < 1000, "an error that nobody can read"
    assert not found(shown(error, with_locals=False), [CANARY])


@share(4)
@given(submissions(), st.booleans())
@example(Odd("endless mapping"), False)
def test_it_is_json_or_refused(submitted: Any, has_files: bool) -> None:
    try:
        plain = plain_data(built(submitted), Uploads() if has_files else None)
    except InvalidFeedData as error:
        check_refusal(error)
        return
    check_plain(plain)


def check_plain(plain: Any) -> None:
    assert type(plain) is dict
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False)
    text.encode()
    assert len(text) <= 30 * MAX_SIZE
    assert json.loads(text) == plain
    for kind in kinds(plain):
        assert kind in {dict, list, str, int, float, bool, type(None)}


def kinds(value: Any) -> Iterator[type]:
    yield type(value)
    inner: Any = ()
    if isinstance(value, dict):
        inner = [*value, *value.values()]
    elif isinstance(value, list):
        inner = value
    for one in inner:
        yield from kinds(one)


@share(0.5)
@given(long_texts(3 * MAX_SIZE), st.sampled_from(["value", "name", "list", "number"]))
def test_large_data(long: Long, where: str) -> None:
    text = long.text
    shapes: dict[str, Mapping[str, Any]] = {
        "value": {"a": text},
        "name": {text: 1},
        "list": {"a": [text] * 3},
        "number": {"a": decimal.Decimal(f"0.{'1' * len(text)}")},
    }
    try:
        check_plain(plain_data(shapes[where]))
    except InvalidFeedData as error:
        check_refusal(error)


@pytest.mark.django_db
@share(0.7)
@given(st.dictionaries(texts(2), objects(), max_size=3))
def test_what_is_kept_comes_back_from_the_database(example: Any) -> None:
    data = built(example)
    with rolled_back():
        connection = Connection.objects.create(name="A", slug="a", base_url="https://a.example")
        feed = Feed.objects.create(name="F", slug="f", connection=connection, trigger="t")
        try:
            (run,) = submit("t", data)
        except InvalidFeedData as error:
            check_refusal(error)
            # No SQL was tried: the transaction goes on.
            assert not FeedRun.objects.filter(feed=feed).exists()
        else:
            # Files are the same but for their keys.
            expected = without_references(plain_data(data, Uploads()))
            assert without_references(FeedRun.objects.get(pk=run.pk).input) == expected
