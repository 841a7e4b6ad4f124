"""Whatever is put into an encrypted column, and in whatever way: it comes back, or is refused, and never lies open."""

from __future__ import annotations

import copy
import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet
from django.core import serializers
from django.core.exceptions import FieldError, ValidationError
from django.db import DatabaseError, models
from django.db import connection as database
from django.db.models import Case, F, Func, OuterRef, Q, Subquery, Value, When
from django.db.models.expressions import CombinedExpression, ExpressionWrapper, RawSQL
from django.db.models.functions import Cast, Coalesce, Concat, Lower, NullIf
from hypothesis import assume, example, given
from hypothesis import strategies as st

from apiconnector.crypto import PREFIX, Secret, seal
from apiconnector.exceptions import ApiConnectorError, SecretUnreadable
from apiconnector.models import Connection, Token
from tests.properties.database import rolled_back
from tests.properties.leaks import forms, found, shown
from tests.properties.profiles import share
from tests.properties.strategies import ANY_CHARACTER, Long, blobs, json_values, long_texts, texts

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db
#: Part of every secret, so that it can be looked for.
CANARY = "canary-of-encrypted-columns"
TEXTS = st.one_of(texts(), st.text(ANY_CHARACTER, max_size=20)).map(lambda text: CANARY + text)
OBJECTS = st.dictionaries(texts(2), json_values(st.one_of(texts(2), st.just(CANARY))), max_size=4).map(
    lambda found: {"s": CANARY, **found}
)
COLUMNS = ("client_id", "client_secret", "username", "password", "api_key")


def make(**fields: Any) -> Connection:
    return Connection.objects.create(**{"name": "A", "slug": "a", "base_url": "https://a.example", **fields})


def rows() -> list[dict[str, Any]]:
    """What the database holds, past every field of Django's."""
    with database.cursor() as cursor:
        found_rows = []
        for table in ("apiconnector_connection", "apiconnector_token"):
            cursor.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in cursor.description]
            found_rows += [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        return found_rows


def check_closed() -> None:
    """Nothing that is stored gives the secret away; what is in the encrypted columns is empty or ciphertext."""
    for row in rows():
        assert not found(" ".join(map(str, row.values())), [CANARY])
        for name in (*COLUMNS, "secret_variables", "access_token", "refresh_token"):
            assert row.get(name, "") == "" or row[name].startswith(PREFIX)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same, NaN and the types of numbers included."""
    return json.dumps(one) == json.dumps(other)


@share(3)
@given(st.sampled_from(COLUMNS), TEXTS)
def test_any_text_comes_back(column: str, text: str) -> None:
    with rolled_back():
        connection = make(**{column: text})
        assert getattr(connection, column).reveal() == text
        assert getattr(Connection.objects.get(), column).reveal() == text
        check_closed()


@share(0.1)
@given(long_texts(1_000_000))
@example(Long(CANARY, "\ud800", 1_000_000, ""))
def test_a_long_text_comes_back(long: Long) -> None:
    with rolled_back():
        make(api_key=CANARY + long.text)
        assert Connection.objects.get().api_key.reveal() == CANARY + long.text
        check_closed()


@share(1.5)
@given(OBJECTS)
def test_any_object_comes_back(value: dict[str, Any]) -> None:
    with rolled_back():
        make(secret_variables=value)
        assert same(Connection.objects.get().secret_variables.reveal(), value)
        check_closed()


@share(3)
@given(
    st.one_of(
        json_values(st.just(CANARY)),
        blobs(),
        st.just({1: CANARY}),
        st.just({CANARY: {CANARY}}),
        st.sampled_from([Long("", "[", 100_000, ""), Long("", '{"a":', 100_000, ""), "nul", "[]", "{}"]),
    )
)
def test_anything_may_be_assigned_or_is_refused(example: Any) -> None:
    value = example.text if isinstance(example, Long) else example
    for column in ("api_key", "secret_variables"):
        with rolled_back():
            try:
                connection = Connection(name="A", slug=column, base_url="https://a.example", **{column: value})
                assert isinstance(getattr(connection, column), Secret)
                connection.save()
            except (ValidationError, TypeError, ValueError) as error:
                assert not found(shown(error, with_locals=False), [CANARY])
            else:
                check_closed()


@share(2)
@given(TEXTS, OBJECTS)
def test_a_secret_shows_itself_to_nobody(text: str, value: dict[str, Any]) -> None:
    for secret in (Secret(text), Secret(value), Secret.from_stored(seal(text, column="c", hosts=()), column="c")):
        seen = [
            repr(secret), str(secret), f"{secret}", f"{secret:>20}", "%s %r" % (secret, secret), json.dumps([secret], default=str),
            repr(vars(secret)) if hasattr(secret, "__dict__") else "", str([secret]), str({"a": secret}), secret.stored,
        ]  # fmt: skip  # in rows
        try:
            seen.append(repr(pickle.dumps(secret)))
        except TypeError as error:
            seen.append(shown(error))
        assert not found(" ".join(seen), [CANARY])
        assert copy.deepcopy(secret) is secret
        assert secret != text
        assert bool(secret)


# Queries

LEAVES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([CANARY, f"{CANARY} fernet:", f"fernet:{CANARY}", "", None, 5, b"x"]).map(Value),
    st.sampled_from(["name", "slug", "api_key", "client_secret", "pk"]).map(F),
    st.sampled_from(["name", "api_key"]).map(
        lambda name: Subquery(Connection.objects.filter(pk=OuterRef("pk")).values(name)[:1])
    ),
    st.just(RawSQL("%s", [CANARY])),
    st.builds(lambda: Value(CANARY, output_field=Connection._meta.get_field("api_key"))),
    st.builds(lambda: Value(Secret(CANARY))),
    st.just(CANARY),
    st.just(Secret(CANARY)),
)
TEXT = models.TextField()


def as_expression(value: Any) -> Any:
    return value if hasattr(value, "resolve_expression") else Value(value)


EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda one: Cast(as_expression(one), TEXT)),
        inner.map(lambda one: Lower(as_expression(one))),
        inner.map(lambda one: ExpressionWrapper(as_expression(one), output_field=TEXT)),
        inner.map(lambda one: ExpressionWrapper(as_expression(one), output_field=Connection._meta.get_field("api_key"))),
        inner.map(lambda one: Func(as_expression(one), function="TRIM", output_field=TEXT)),
        st.builds(lambda one, two: Concat(as_expression(one), as_expression(two), output_field=TEXT), inner, inner),
        st.builds(lambda one, two: Coalesce(as_expression(one), as_expression(two), output_field=TEXT), inner, inner),
        st.builds(lambda one, two: NullIf(as_expression(one), as_expression(two), output_field=TEXT), inner, inner),
        st.builds(lambda one, two: CombinedExpression(as_expression(one), "||", as_expression(two), output_field=TEXT), inner, inner),
        st.builds(lambda one, two: Case(When(Q(pk__gt=0), then=as_expression(one)), default=as_expression(two), output_field=TEXT), inner, inner),
    ),
    max_leaves=4,
)  # fmt: skip  # in rows
#: What a query that can't be made, or a database that can't run it, raises.
REFUSED = (TypeError, ValueError, FieldError, DatabaseError, ValidationError, AttributeError)


@share(2)
@given(st.sampled_from([*COLUMNS, "secret_variables"]), EXPRESSIONS)
def test_an_update_stores_ciphertext_or_is_refused(column: str, value: Any) -> None:
    with rolled_back():
        connection = make(api_key=CANARY + "1", client_secret=CANARY + "2")
        ways: list[Callable[[], Any]] = [
            lambda: Connection.objects.update(**{column: value}),
            lambda: Connection.objects.update_or_create(pk=connection.pk, defaults={column: value}),
            lambda: Connection.objects.create(name="B", slug="b", base_url="https://b.example", **{column: value}),
            lambda: Connection.objects.bulk_create(
                [Connection(name="C", slug="c", base_url="https://c.example", **{column: value})]
            ),
            lambda: assign_and_update(connection, column, value),
            lambda: Token.objects.create(connection=connection, access_token=value),
        ]
        for way in ways:
            with rolled_back():
                try:
                    way()
                except REFUSED as error:
                    # The secret that was handed in is in the caller's own frames, and in nobody's words.
                    assert not found(str(error), [CANARY])
                else:
                    check_closed()
        assert Connection.objects.get(pk=connection.pk).api_key.reveal() == CANARY + "1"


def assign_and_update(connection: Connection, column: str, value: Any) -> None:
    setattr(connection, column, value)
    Connection.objects.bulk_update([connection], [column])


@share(2)
@given(
    st.sampled_from(["exact", "in", "iexact", "contains", "startswith", "regex", "gt", "isnull", "range", ""]),
    EXPRESSIONS,
)
def test_a_query_finds_nothing_out(lookup: str, value: Any) -> None:
    """Whatever is asked: no answer depends on what is inside a secret."""
    with rolled_back():
        right, wrong = make(api_key=CANARY), make(slug="b", api_key=CANARY + "?")
        name = f"api_key__{lookup}" if lookup else "api_key"
        operand = [value] if lookup == "in" else (value, value) if lookup == "range" else value
        asks: list[Callable[[], Any]] = [
            lambda: Connection.objects.filter(**{name: operand}),
            lambda: Connection.objects.exclude(**{name: operand}),
            lambda: Connection.objects.alias(x=F("api_key")).filter(x=value),
            lambda: Connection.objects.annotate(x=as_expression(value)).filter(api_key=F("x")),
        ]
        for ask in asks:
            with rolled_back():
                try:
                    answer = {row.pk for row in ask()}
                except REFUSED:
                    continue
                assert (right.pk in answer) == (wrong.pk in answer), "it tells a right guess from a wrong one"


@share(2)
@given(st.sampled_from(["api_key", "client_secret", "secret_variables"]), EXPRESSIONS)
def test_what_a_query_reads_is_closed(column: str, value: Any) -> None:
    with rolled_back():
        make(name="A", api_key=CANARY, client_secret=CANARY, secret_variables={"a": CANARY})
        rows_of: list[Callable[[], Any]] = [
            Connection.objects.values,
            lambda: Connection.objects.values_list(column),
            lambda: Connection.objects.annotate(x=F(column), y=Concat(F(column), F(column), output_field=TEXT)).values("x", "y"),
            lambda: Connection.objects.annotate(x=Coalesce(F(column), as_expression(value), output_field=TEXT)).values("x"),
            lambda: Connection.objects.aggregate(x=models.Max(column)),
            Connection.objects.in_bulk,
        ]  # fmt: skip  # in rows
        for read in rows_of:
            with rolled_back():
                try:
                    said = str(list(read()))
                except REFUSED:
                    continue
                assert not found(said, [CANARY])


# Fixtures


@share(0.5)
@given(TEXTS, OBJECTS, st.sampled_from(["json", "jsonl", "xml", "python"]))
def test_a_fixture_holds_ciphertext_and_comes_back(text: str, value: dict[str, Any], kind: str) -> None:
    with rolled_back():
        pk = make(api_key=text, secret_variables=value).pk
        Token.objects.create(connection_id=pk, access_token=text, refresh_token=text)
        written = serializers.serialize(kind, [Connection.objects.get(), Token.objects.get()])
        assert not found(str(written), [CANARY])
        Connection.objects.all().delete()
        for one in serializers.deserialize(kind, written):
            one.save()
        loaded = Connection.objects.get(pk=pk)
        assert loaded.api_key.reveal() == text
        assert same(loaded.secret_variables.reveal(), value)
        assert loaded.token.refresh_token.reveal() == text
        check_closed()


def test_what_was_not_saved_is_not_written() -> None:
    unsaved = Connection(name="A", slug="a", base_url="https://a.example", api_key=CANARY)
    with pytest.raises(ValueError, match="not saved") as caught:
        serializers.serialize("json", [unsaved])
    assert not found(str(caught.value), [CANARY])


# Damage


@st.composite
def damages(draw: st.DrawFn) -> Callable[[str], str]:
    at, size = draw(st.floats(0, 1)), draw(st.integers(1, 8))
    filling = draw(st.one_of(st.text(ANY_CHARACTER, max_size=4), st.text("ABab01-_=", min_size=1, max_size=4)))
    how = draw(st.sampled_from(["replace", "insert", "delete", "cut", "double", "swap", "reverse", "other"]))

    def damage(stored: str) -> str:
        place = round(at * len(stored))
        head, tail = stored[:place], stored[place:]
        return {
            "replace": head + filling + tail[len(filling) :],
            "insert": head + filling + tail,
            "delete": head + tail[size:],
            "cut": head,
            "double": stored + stored.removeprefix(PREFIX),
            "swap": PREFIX + tail + head.removeprefix(PREFIX),
            "reverse": PREFIX + stored.removeprefix(PREFIX)[::-1],
            "other": filling,
        }[how]

    damage.__qualname__ = f"damage({how}, {at}, {size}, {filling!r})"
    return damage


@share(4)
@given(TEXTS, damages())
def test_damaged_ciphertext_is_unreadable(text: str, damage: Callable[[str], str]) -> None:
    column = "apiconnector.Connection.api_key"
    stored = seal(text, column=column, hosts=["a.example:443"])
    secret: Secret[str] = Secret.from_stored(damage(stored), column=column)
    assume(secret.stored)
    for _ in range(2):
        try:
            value = secret.reveal()
        except SecretUnreadable as error:
            assert not found(shown(error), [CANARY])
        else:
            # Base64 has several ways to write the same bytes.
            assert value == text


@share(2)
@given(
    st.one_of(
        json_values(),
        st.fixed_dictionaries(
            {
                "v": st.sampled_from([1, 2, None, "1"]),
                "c": st.sampled_from(["c", "d", 1]),
                "h": json_values(),
                "s": json_values(),
            }
        ),
    )
)
def test_what_no_envelope_is_is_unreadable(value: Any) -> None:
    """Written with the right key, but not by us."""
    from django.conf import settings

    token = Fernet(settings.APICONNECTOR_KEYS[0]).encrypt(json.dumps(value).encode()).decode()
    secret: Secret[Any] = Secret.from_stored(PREFIX + token, column="c")
    try:
        envelope = secret.envelope()
    except ApiConnectorError as error:
        assert isinstance(error, SecretUnreadable)
    else:
        assert same(envelope.value, value["s"])


@share(1)
@given(st.permutations([*COLUMNS]), TEXTS)
def test_ciphertext_copied_to_another_column_does_not_open(order: list[str], text: str) -> None:
    with rolled_back():
        pk = make(**{name: text + name for name in COLUMNS}).pk
        stored = {name: getattr(Connection.objects.get(), name).stored for name in COLUMNS}
        with database.cursor() as cursor:
            for name, other in zip(COLUMNS, order, strict=True):
                cursor.execute(f"UPDATE apiconnector_connection SET {name} = %s WHERE id = %s", [stored[other], pk])
        moved = Connection.objects.get()
        for name, other in zip(COLUMNS, order, strict=True):
            if name == other:
                assert getattr(moved, name).reveal() == text + name
            else:
                with pytest.raises(SecretUnreadable):
                    getattr(moved, name).reveal()
        assert str(moved.status)


def test_the_search_for_canaries_finds_them() -> None:
    """The check itself: what it looks for would be found."""
    assert all(found(f"x{form}y", [CANARY]) == [CANARY] for form in forms(CANARY))
