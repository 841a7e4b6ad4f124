"""The pages of a list that may be very long."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.core import paginator

if TYPE_CHECKING:
    from django.db.models import QuerySet

    Paginator = paginator.Paginator[Any]
else:
    Paginator = paginator.Paginator


class NearPaginator(Paginator):
    """Counts a few pages ahead only: how many rows there are in all, no page can say without reading them.

    ``page`` is the one that is shown. ``count`` is exact where ``has_more`` is false.
    """

    AHEAD = 10

    def __init__(self, rows: QuerySet[Any], per_page: int, *, page: int) -> None:
        super().__init__(rows, per_page)
        self._rows, self._most = rows, (page + self.AHEAD) * per_page

    @cached_property
    def count(self) -> int:
        """How many rows there are, or that there are this many at least."""
        return min(self._found, self._most)

    @property
    def has_more(self) -> bool:
        """Whether there are more rows than were counted."""
        return self._found > self._most

    @cached_property
    def _found(self) -> int:
        # In the order of the page: it makes the database take the same index, and read no row.
        return int(self._rows.values("pk")[: self._most + 1].count())
