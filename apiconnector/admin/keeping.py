"""What has runs is not deleted: they are the record of what was sent, and some may still have to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin

if TYPE_CHECKING:
    from django.http import HttpRequest

    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin

#: Runs that the page names.
_NAMED: Final = 10


class KeepsRuns(ModelAdmin):
    """The admin of a model that runs belong to, by a field of its name."""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Say so of what has runs, without reading them: Django would read all, with what they carry."""
        from apiconnector.models import FeedRun

        rows = FeedRun.objects.filter(**{f"{self.opts.model_name}__in": objs})
        found = list(rows.order_by("-created_at", "-id").values_list("pk", flat=True)[: _NAMED + 1])
        if not found:
            return super().get_deleted_objects(objs, request)
        named = ", ".join(f"#{pk}" for pk in found[:_NAMED])
        more = " and more" if len(found) > _NAMED else ""
        said = f"Feed runs {named}{more}: the record of what was sent. Switch it off instead of deleting it."
        return [], {}, set(), [said]
