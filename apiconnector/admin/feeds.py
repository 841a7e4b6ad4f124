"""The feed's admin."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.urls import reverse

from apiconnector.admin.feed_acts import SAMPLE, FeedActs
from apiconnector.admin.guarding import Guarded
from apiconnector.admin.keeping import KeepsRuns
from apiconnector.admin.shown import json_block
from apiconnector.models import Feed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import Field
    from django.http import HttpRequest, HttpResponse


#: Fields with JSON.
_JSON = frozenset({"body", "query", "headers", "response_values"})


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

    def get_fieldsets(self, request: HttpRequest, obj: Feed | None = None) -> Any:
        """JSON as JSON for whoever may only look at a feed: Django writes it as Python does."""
        if obj is None or self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        return [
            (title, {**shown, "fields": [f"shown_{name}" if name in _JSON else name for name in shown["fields"]]})
            for title, shown in self.fieldsets
        ]

    @admin.display(description="Body")
    def shown_body(self, feed: Feed) -> str:
        """The body."""
        return json_block(feed.body)

    @admin.display(description="Query")
    def shown_query(self, feed: Feed) -> str:
        """The query."""
        return json_block(feed.query)

    @admin.display(description="Headers")
    def shown_headers(self, feed: Feed) -> str:
        """The headers."""
        return json_block(feed.headers)

    @admin.display(description="Response values")
    def shown_response_values(self, feed: Feed) -> str:
        """What is kept of an answer."""
        return json_block(feed.response_values)

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
        may_try = self.has_change_permission(request, feed) if feed is not None else self.has_add_permission(request)
        may_send = feed is not None and self.may_send(request)
        if may_try or may_send:
            context["panel"] = {
                "sample_name": SAMPLE,
                "sample": request.POST.get(SAMPLE) or json.dumps(_sample_of(feed), indent=2, ensure_ascii=False),
                "names": _names_of(feed),
                "feed": feed,
                "dry_run": reverse(f"{site}:apiconnector_feed_dry_run") if may_try else "",
                "send": reverse(f"{site}:apiconnector_feed_send", args=[feed.pk]) if feed and may_send else "",
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
    from apiconnector.feeds.conditions import list_of
    from apiconnector.models import names

    sample: dict[str, Any] = {}
    item: dict[str, Any] = {}
    fixed = {"run", "now", "client_id", *(names.public(feed.connection) if feed is not None else ())}
    for name in _names_of(feed):
        first, *rest = name.split(".")
        if first == "data":
            _put(sample, rest)
        elif first == "item" and feed is not None and feed.for_each:
            _put(item, rest)
        elif first not in fixed and (first != "values" or (feed is not None and feed.after_id is not None)):
            _put(sample, [first, *rest])
    if feed is not None and (place := list_of(feed)):
        _put(sample, place, [item or "item"])
    return sample


def _put(sample: dict[str, Any], steps: list[str], value: Any = None) -> None:
    """Put a value at a place: its name, where there is none to be put there."""
    place: Any = sample
    for step in steps[:-1]:
        place = place.setdefault(step, {}) if isinstance(place, dict) else {}
    if steps and isinstance(place, dict):
        place.setdefault(steps[-1], steps[-1] if value is None else value)
