"""Find a connection or a feed by its slug: one query, and nothing made anew of a row that is as it was.

Django makes an object of some seventy columns in the time of a short request. Here the columns are compared with those
the process has seen last: any change, by whatever means it was made, is noticed at once, and of a row that has none a
copy of the object it was before is handed out.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from django.db import connections, models, router
from django.db.models.base import ModelState

from apiconnector.fields import JSONTextField
from apiconnector.models import session
from apiconnector.models.connection import Connection
from apiconnector.models.feed import Feed
from apiconnector.models.validation import is_findable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

#: So many rows are remembered of each model.
MOST: Final = 1024
#: The column between those of two tables.
_BOUNDARY: Final = "apiconnector_next"

M = TypeVar("M", bound=models.Model)


class _Part:
    """The columns of one model in the row of a query."""

    def __init__(self, model: type[models.Model], columns: Sequence[str], database: BaseDatabaseWrapper) -> None:
        self._model, self._database = model, database
        fields = model._meta.concrete_fields
        self._names = [field.attname for field in fields]
        self._places = [columns.index(field.column) for field in fields]
        self._key = columns.index(cast("Any", model._meta.pk).column)
        #: What Django does to the value of a column, by its position.
        self._converters: dict[int, tuple[Any, list[Callable[..., Any]]]] = {}
        for position, field in enumerate(fields):
            column = field.cached_col
            found = [*database.ops.get_db_converters(column), *column.get_db_converters(database)]
            if found:
                self._converters[position] = (column, found)

    def made(self, row: Sequence[Any]) -> models.Model | None:
        """The object of its part of a row; None where an outer join found none."""
        if row[self._key] is None:
            return None
        values = [row[place] for place in self._places]
        for position, (column, converters) in self._converters.items():
            for convert in converters:
                values[position] = convert(values[position], column, self._database)
        return self._model.from_db(self._database.alias, self._names, values)


class _Query:
    """A query for one row of a model by its slug, with the rows that belong to it."""

    def __init__(self, model: type[models.Model], path: Sequence[str], alias: str) -> None:
        self._database = connections[alias]
        quoted = self._database.ops.quote_name
        self._models: list[Any] = [model]
        joins = []
        for number, name in enumerate(path, start=1):
            before = self._models[-1]
            relation: Any = before._meta.get_field(name)
            other: Any = relation.related_model
            here, there = (relation, other._meta.pk) if relation.concrete else (before._meta.pk, relation.field)
            joins.append(
                f"LEFT OUTER JOIN {quoted(other._meta.db_table)} t{number} "
                f"ON t{number - 1}.{quoted(here.column)} = t{number}.{quoted(there.column)}"
            )
            self._models.append(other)
        # All columns by a star: most of the time they are only compared, and the names are long to read.
        columns = f", 0 AS {_BOUNDARY}, ".join(f"t{number}.*" for number in range(len(self._models)))
        self.sql = (
            f"SELECT {columns} FROM {quoted(model._meta.db_table)} t0 {' '.join(joins)} "  # noqa: S608 - names of tables and columns
            f"WHERE t0.{quoted('slug')} = %s AND t0.{quoted('is_active')} = %s"
        )

    def made(self, row: Sequence[Any], names: Sequence[str]) -> list[models.Model | None]:
        """The objects of a row, whose columns have these names."""
        made = []
        begin = 0
        for model in self._models:
            end = names.index(_BOUNDARY, begin) if _BOUNDARY in names[begin:] else len(names)
            made.append(_Part(model, names[begin:end], self._database).made(row[begin:end]))
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
        """An object of its own with its relations; None where there is no such row. One query."""
        alias = router.db_for_read(self._model)
        query = self._queries.get(alias)
        if query is None:
            query = self._queries[alias] = _Query(self._model, self._path, alias)
        key = (alias, slug)
        with connections[alias].cursor() as cursor:
            cursor.execute(query.sql, (slug, True))
            row = cursor.fetchone()
            if row is None:
                return None
            seen = self._recent.get(key)
            if seen is None or seen.row != row:
                seen = self._older.get(key)
                if seen is None or seen.row != row:
                    seen = self._made(row, query.made(row, [column[0] for column in cursor.description]))
                self._recent[key] = seen
                if len(self._recent) >= MOST // 2:
                    self._older, self._recent = self._recent, {}
        copied = [template and template.copied() for template in seen.templates]
        self._link(copied)
        return cast("M", copied[0])

    def _made(self, row: tuple[Any, ...], made: Sequence[models.Model | None]) -> _Seen:
        self._link(made)
        self._prepare(cast("M", made[0]))
        return _Seen(row, [None if one is None else _Template(one) for one in made])

    def _link(self, made: Sequence[Any]) -> None:
        """Give each object the next one as its relation, as ``select_related`` does."""
        for name, one, other in zip(self._path, made, made[1:], strict=False):
            if one is None:
                break
            relation: Any = one._meta.get_field(name)
            one._state.fields_cache[relation.cache_name] = other
            if other is not None and relation.one_to_one:
                other._state.fields_cache[relation.remote_field.cache_name] = one


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
