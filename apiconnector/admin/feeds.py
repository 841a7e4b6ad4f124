"""The feed's admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin

from apiconnector.admin.guarding import Guarded
from apiconnector.models import Feed

if TYPE_CHECKING:
    from collections.abc import Sequence


@admin.register(Feed)
class FeedAdmin(Guarded):
    """Describe what is sent, and where."""

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["apiconnector/admin.css"]}

    list_display = ("name", "slug", "trigger", "connection", "method", "path", "is_active", "is_paused")
    list_filter = ("is_active", "is_paused", "connection", "trigger")
    list_select_related = ("connection",)
    search_fields = ("name", "slug", "trigger", "path")
    prepopulated_fields: ClassVar[dict[str, Sequence[str]]] = {"slug": ("name",)}
    autocomplete_fields = ("connection", "after")
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["name", "slug", "connection", "trigger", "is_active", "is_paused"]}),
        ("When it is sent", {"fields": ["condition", "for_each", "after"], "classes": ["collapse"]}),
        ("Request", {"fields": ["method", "path", "body_format", "body"]}),
        ("Query and headers", {"fields": ["query", "headers"], "classes": ["collapse"]}),
        ("Answer", {"fields": ["success_when", "response_values"], "classes": ["collapse"]}),
        (
            "Delivery",
            {
                "fields": ["idempotency_header", "max_attempts", "retry_delay", "timeout"],
                "classes": ["collapse"],
            },
        ),
    ]
