"""What the lists filter by beside plain columns, and when a connection was used last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Coalesce

from apiconnector.models import FeedRun

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


class StatusFilter(admin.SimpleListFilter):
    """By status, in SQL. No database can tell whether a key opens a secret, so ``unreadable`` is not among them."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """All that can be filtered."""
        from apiconnector.models.status import Status

        del request, model_admin
        return [(status.value, str(status.label)) for status in Status if status is not Status.UNREADABLE]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        """The rows with the chosen status; the list has annotated them."""
        del request
        return queryset.filter(sql_status=self.value()) if self.value() else None


def last_use() -> Subquery:
    """When the latest run of a connection ended, or began where it goes on; for rows of connections."""
    # As a range, and ordered by both columns of an index: for a connection without runs PostgreSQL's planner would
    # otherwise walk all runs backwards.
    here = OuterRef("pk")
    runs = FeedRun.objects.filter(connection__gte=here, connection__lte=here).order_by("-connection_id", "-created_at")
    return Subquery(runs.values(at=Coalesce("finished_at", "created_at"))[:1])
