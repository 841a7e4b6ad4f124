"""The feed's admin."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.urls import reverse

from apiconnector.admin.feed_acts import SAMPLE, FeedActs
from apiconnector.admin.guarding import Guarded
from apiconnector.admin.keeping import KeepsRuns
from apiconnector.models import Feed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import Field
    from django.http import HttpRequest, HttpResponse


@admin.register(Feed)
class FeedAdmin(Guarded, KeepsRuns, FeedActs):
    """Describe what is sent, and where."""

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["apiconnector/admin.css"]}
        js = ("apiconnector/feed.js",)

    change_form_template = "admin/apiconnector/feed/change_form.html"
    list_display = ("name", "slug", "trigger", "connection", "method", "path", "is_active", "is_paused")
    list_filter = ("is_active", "is_paused", "connection", "trigger")
    list_select_related = ("connection",)
    search_fields = ("name", "slug", "trigger", "path")
    prepopulated_fields: ClassVar[dict[str, Sequence[str]]] = {"slug": ("name",)}
    autocomplete_fields = ("connection", "after")
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["name", "slug", "connection", "trigger", "is_active", "is_paused"]}),
        ("Request", {"fields": ["method", "path", "body_format", "body", "empty_values"]}),
        ("Query and headers", {"fields": ["query", "headers"], "classes": ["collapse"]}),
        ("When it is sent", {"fields": ["condition", "for_each", "after"], "classes": ["collapse"]}),
        ("Answer", {"fields": ["success_when", "response_values"], "classes": ["collapse"]}),
        (
            "Delivery",
            {
                "fields": ["idempotency_header", "max_attempts", "retry_delay", "timeout"],
                "classes": ["collapse"],
            },
        ),
        ("Record and notices", {"fields": ["body_limit", "notify", "visitor_message"], "classes": ["collapse"]}),
    ]

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        """Edit the body as a table, JSON or text."""
        if db_field.name == "body":
            from apiconnector.admin.mapping import MappingField, MappingInput

            kwargs |= {"form_class": MappingField, "widget": MappingInput}
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Add the panel of the dry run."""
        feed: Feed | None = kwargs.get("obj")
        site = self.admin_site.name
        context["panel"] = {
            "sample_name": SAMPLE,
            "sample": json.dumps(_sample_of(feed), indent=2, ensure_ascii=False),
            "names": _names_of(feed),
            "feed": feed,
            "may_send": self.may_send(request),
            "dry_run": reverse(f"{site}:apiconnector_feed_dry_run"),
            "send": reverse(f"{site}:apiconnector_feed_send", args=[feed.pk]) if feed is not None else "",
        }
        return super().render_change_form(request, context, *args, **kwargs)


def _names_of(feed: Feed | None) -> list[str]:
    """The names that templates of a feed use, and those that are always there."""
    from apiconnector.exceptions import TemplateError
    from apiconnector.templating import names_in

    found: set[str] = set()
    for name in ("path", "query", "headers", "body"):
        try:
            found |= names_in(getattr(feed, name)) if feed is not None else set()
        except TemplateError:
            continue  # said when it is saved
    return sorted(found | {"run.id", "run.created_at", "now"})


def _sample_of(feed: Feed | None) -> dict[str, Any]:
    """Data with a member for each name that the feed uses, for the person to fill in."""
    sample: dict[str, Any] = {}
    fixed = {"run", "now", "client_id", "values", "item"}
    for name in _names_of(feed):
        parts = name.split(".")
        parts = parts[1:] if parts[0] == "data" else parts
        if not parts or parts[0] in fixed:
            continue
        place: Any = sample
        for part in parts[:-1]:
            place = place.setdefault(part, {}) if isinstance(place, dict) else {}
        if isinstance(place, dict):
            place.setdefault(parts[-1], parts[-1])
    return sample
