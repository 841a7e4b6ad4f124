"""Find a connection or a feed by its slug: one query, and nothing made anew of a row that is as it was.

Django makes an object of some seventy columns in the time of a short request. Here the columns are compared with those
the process has seen last: any change, by whatever means it was made, is noticed at once, and of a row that has none a
copy of the object it was before is handed out.

On PostgreSQL a hundred columns take longer to plan, to describe and to read than a row takes to find. There each row is
asked for as one text of JSON, which is read only where it has changed. On SQLite nothing is asked for as long as
nothing at all was written to the database.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from django.db import connections, models, router
from django.db.models.base import ModelState

from apiconnector.fields import JSONTextField
from apiconnector.models import session
from apiconnector.models.connection import Connection
from apiconnector.models.feed import Feed
from apiconnector.models.unwritten import since as unwritten_since
from apiconnector.models.validation import is_findable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

#: So many rows are remembered of each model.
MOST: Final = 1024
#: The column between those of two tables.
_BOUNDARY: Final = "apiconnector_next"

M = TypeVar("M", bound=models.Model)


class _Part:
    """The columns of one model in the row of a query."""

    def __init__(self, model: type[models.Model], database: BaseDatabaseWrapper) -> None:
        self._model, self._database = model, database
        self._fields = model._meta.concrete_fields
        self._names = [field.attname for field in self._fields]
        self._key = str(cast("Any", model._meta.pk).column)
        #: What Django does to the value of a column, by its position.
        self._converters: dict[int, tuple[Any, list[Callable[..., Any]]]] = {}
        for position, field in enumerate(self._fields):
            column = field.cached_col
            found = [*database.ops.get_db_converters(column), *column.get_db_converters(database)]
            if found:
                self._converters[position] = (column, found)

    def made(self, columns: Mapping[str, Any]) -> models.Model | None:
        """The object of its columns; None where an outer join found none."""
        if columns[self._key] is None:
            return None
        values = [columns[str(field.column)] for field in self._fields]
        for position, (column, converters) in self._converters.items():
            for convert in converters:
                values[position] = convert(values[position], column, self._database)
        return self._model.from_db(self._database.alias, self._names, values)

    def from_json(self, text: str) -> models.Model | None:
        """The object of a row that PostgreSQL wrote as JSON."""
        columns = json.loads(text)
        for field in self._fields:
            read = _TYPES[field.get_internal_type()]
            value = columns[str(field.column)]
            if read is not None and value is not None:
                columns[str(field.column)] = read(value, self._database)
        return self.made(columns)


def _datetime(text: str, database: BaseDatabaseWrapper) -> datetime:
    found = datetime.fromisoformat(text)
    # As Django does: its sessions have the site's zone where USE_TZ is off.
    return found.replace(tzinfo=None) if database.timezone is None else found.astimezone(database.timezone)


def _date(text: str, _: BaseDatabaseWrapper) -> date:
    return date.fromisoformat(text)


#: The types of columns there are, and how those are read that JSON does not have.
_TYPES: Final[dict[str, Callable[[str, BaseDatabaseWrapper], Any] | None]] = {
    **dict.fromkeys(("CharField", "TextField", "SlugField", "URLField", "BooleanField")),
    **dict.fromkeys(("BigAutoField", "ForeignKey", "OneToOneField")),
    **dict.fromkeys(("IntegerField", "PositiveIntegerField", "PositiveSmallIntegerField", "PositiveBigIntegerField")),
    # JSON has neither infinity, which comes as text, nor a difference between 10 and 10.0.
    "FloatField": lambda value, _: float(value),
    "DateTimeField": _datetime,
    "DateField": _date,
}


class _Query:
    """A query for one row of a model by its slug, with the rows that belong to it."""

    def __init__(self, model: type[models.Model], path: Sequence[str], alias: str) -> None:
        self._database = database = connections[alias]
        self._is_text = database.vendor == "postgresql"
        quoted = database.ops.quote_name
        self._models: list[type[models.Model]] = [model]
        joins, texts, key, before = [], ["row_to_json(t0)::text"], "", cast("Any", model)
        for number, name in enumerate(path, start=1):
            relation = before._meta.get_field(name)
            other: Any = relation.related_model
            here, there = (relation, other._meta.pk) if relation.concrete else (before._meta.pk, relation.field)
            table, column = f"{quoted(other._meta.db_table)} t{number}", f"t{number}.{quoted(there.column)}"
            joins.append(f"LEFT OUTER JOIN {table} ON t{number - 1}.{quoted(here.column)} = {column}")
            # What is found by the primary key and leads on by it needs no look at the row in between.
            key = key if number > 1 and here.primary_key else f"t{number - 1}.{quoted(here.column)}"
            texts.append(f"(SELECT row_to_json(t{number})::text FROM {table} WHERE {column} = {key})")  # noqa: S608 - names
            self._models.append(other)
            before = other
        if self._is_text:
            columns, joins = ", ".join(texts), []
        else:
            # By a star: most of the time they are only compared, and the names are long to read.
            columns = f", 0 AS {_BOUNDARY}, ".join(f"t{number}.*" for number in range(len(self._models)))
        self.sql = (
            f"SELECT {columns} FROM {quoted(model._meta.db_table)} t0 {' '.join(joins)} "  # noqa: S608 - names of tables and columns
            f"WHERE t0.{quoted('slug')} = %s AND t0.{quoted('is_active')} = %s"
        )

    def made(self, row: Sequence[Any], names: Sequence[str]) -> list[models.Model | None]:
        """The objects of a row, whose columns have these names."""
        # Made anew: tests change settings that the converters of columns follow.
        parts = [_Part(model, self._database) for model in self._models]
        if self._is_text:
            return [None if text is None else part.from_json(text) for part, text in zip(parts, row, strict=True)]
        made = []
        begin = 0
        for part in parts:
            end = names.index(_BOUNDARY, begin) if _BOUNDARY in names[begin:] else len(names)
            made.append(part.made(dict(zip(names[begin:end], row[begin:end], strict=True))))
            begin = end + 1
        return made


class _Template:
    """An object that is never handed out, and what a copy of it has as its own."""

    def __init__(self, row: models.Model) -> None:
        self.row = row
        mutable = {
            field.attname: row.__dict__[field.attname]
            for field in row._meta.concrete_fields
            if isinstance(field, JSONTextField) and isinstance(row.__dict__[field.attname], dict | list)
        }
        self._empty = {name: type(value) for name, value in mutable.items() if not value}
        self._filled = {name: json.dumps(value) for name, value in mutable.items() if value}

    def copied(self) -> Any:
        row: Any = self.row
        copied = row.__class__.__new__(row.__class__)
        own = copied.__dict__
        own.update(row.__dict__)
        for name, kind in self._empty.items():
            own[name] = kind()
        for name, text in self._filled.items():
            own[name] = json.loads(text)
        state = own["_state"] = ModelState()
        state.db, state.adding = row._state.db, False
        return copied


class _Seen:
    """A row as the database gave it, and what was made of it."""

    def __init__(self, row: tuple[Any, ...], templates: list[_Template | None]) -> None:
        self.row, self.templates = row, templates


class Finder(Generic[M]):
    """Finds the active row of a model by its slug, with the rows along a ``path`` of relations to one other.

    ``prepare`` is called with each new object before it is copied, for what its copies may share.
    """

    def __init__(self, model: type[M], *path: str, prepare: Callable[[M], object]) -> None:
        self._model, self._path, self._prepare = model, path, prepare
        self._queries: dict[str, _Query] = {}
        # Two generations, as in redaction: what is used moves up, what was not for long is forgotten, without a lock.
        self._recent: dict[tuple[str, str], _Seen] = {}
        self._older: dict[tuple[str, str], _Seen] = {}

    def find(self, slug: str) -> M | None:
        """An object of its own with its relations; None where there is none. At most one query."""
        alias = router.db_for_read(self._model)
        query = self._queries.get(alias)
        if query is None:
            query = self._queries[alias] = _Query(self._model, self._path, alias)
        database = connections[alias]
        unwritten = unwritten_since(database)
        seen = None if unwritten is None else unwritten.get((self._model, slug))
        if seen is None:
            seen = self._seen(query, database, slug)
            if seen is None:
                return None
            if unwritten is not None:
                unwritten[self._model, slug] = seen
        copied = [template and template.copied() for template in seen.templates]
        self._link(copied)
        return cast("M", copied[0])

    def _seen(self, query: _Query, database: BaseDatabaseWrapper, slug: str) -> _Seen | None:
        key = (database.alias, slug)
        with database.cursor() as cursor:
            cursor.execute(query.sql, (slug, True))
            row = cursor.fetchone()
            if row is None:
                return None
            seen = self._recent.get(key)
            if seen is None or seen.row != row:
                seen = self._older.get(key)
                if seen is None or seen.row != row:
                    made = query.made(row, [column[0] for column in cursor.description])
                    # MariaDB takes upper and lower case for the same, and passes over blanks at the end.
                    if cast("Any", made[0]).slug != slug:
                        return None
                    seen = self._remembered(row, made)
                self._recent[key] = seen
                if len(self._recent) >= MOST // 2:
                    self._older, self._recent = self._recent, {}
        return seen

    def _remembered(self, row: tuple[Any, ...], made: Sequence[models.Model | None]) -> _Seen:
        self._link(made)
        self._prepare(cast("M", made[0]))
        return _Seen(row, [None if one is None else _Template(one) for one in made])

    @cached_property
    def _relations(self) -> list[tuple[str, str | None]]:
        """What each relation of the path is kept as, and as what the other object keeps its way back, if it does."""
        found: list[tuple[str, str | None]] = []
        model: Any = self._model
        for name in self._path:
            relation = model._meta.get_field(name)
            found.append((relation.cache_name, relation.remote_field.cache_name if relation.one_to_one else None))
            model = relation.related_model
        return found

    def _link(self, made: Sequence[Any]) -> None:
        """Give each object the next one as its relation, as ``select_related`` does."""
        for (name, way_back), one, other in zip(self._relations, made, made[1:], strict=False):
            if one is None:
                break
            one._state.fields_cache[name] = other
            if other is not None and way_back is not None:
                other._state.fields_cache[way_back] = one


def _prepare_feed(feed: Feed) -> None:
    session.prepare(feed.connection)
    feed.is_sound = not feed.problems()


_connections: Final = Finder(Connection, "token", prepare=session.prepare)
_feeds: Final = Finder(Feed, "connection", "token", prepare=_prepare_feed)


def find_connection(slug: Any) -> Connection | None:
    """The active connection of a slug, with its token; None where there is none. One query."""
    return _connections.find(slug) if is_findable(slug) else None


def find_feed(slug: Any) -> Feed | None:
    """The active feed of a slug, with its connection and token; None where there is none. One query."""
    return _feeds.find(slug) if is_findable(slug) else None
