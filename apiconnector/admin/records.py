"""The record: runs and events, to be read and not written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.utils.html import format_html

from apiconnector.admin.notices import Noticed
from apiconnector.models import ConnectionEvent, FeedRun

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest

    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin

_TONES = {"succeeded": "good", "pending": "open", "running": "open", "skipped": "off"}


class ReadOnlyAdmin(ModelAdmin):
    """Nobody adds, changes or deletes here by hand."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Written by the machine only."""
        del request
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Written by the machine only."""
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Deleted with the connection, or by pruning."""
        del request, obj
        return False


@admin.register(FeedRun)
class FeedRunAdmin(Noticed, ReadOnlyAdmin):
    """What was submitted, sent and answered."""

    list_display = (
        "id",
        "feed",
        "status_badge",
        "status_code",
        "attempt_count",
        "duration_ms",
        "created_at",
        "next_attempt_at",
    )
    list_filter = ("status", "outcome", "feed")
    list_select_related = ("feed",)
    search_fields = ("idempotency_key", "error_message")
    date_hierarchy = None
    fieldsets: ClassVar[Any] = [
        (
            None,
            {
                "fields": [
                    "feed",
                    "connection",
                    "status_badge",
                    "outcome",
                    "error_message",
                    "status_code",
                    "duration_ms",
                ]
            },
        ),
        (
            "Times",
            {
                "fields": [
                    "created_at",
                    "started_at",
                    "finished_at",
                    "attempt_count",
                    "next_attempt_at",
                    "idempotency_key",
                ]
            },
        ),
    ]
    _bodies: ClassVar[Any] = [
        ("What was submitted", {"fields": ["shown_input"]}),
        ("What came back", {"fields": ["shown_values", "shown_data"]}),
        ("Attempts", {"fields": ["shown_attempts"]}),
    ]

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["apiconnector/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[FeedRun]:
        """Leave bodies where they are while a list is shown."""
        rows: QuerySet[FeedRun] = super().get_queryset(request)
        match = request.resolver_match
        if match is not None and match.url_name == "apiconnector_feedrun_changelist":
            rows = rows.defer("input", "attempts", "data", "values")
        return rows

    def get_fieldsets(self, request: HttpRequest, obj: FeedRun | None = None) -> Any:
        """Bodies hold people's data: they have a permission of their own."""
        del obj
        may = request.user.has_perm("apiconnector.view_body_feedrun")
        return [*self.fieldsets, *(self._bodies if may else [])]

    def get_readonly_fields(self, request: HttpRequest, obj: FeedRun | None = None) -> list[str]:
        """All of them."""
        return [name for _, options in self.get_fieldsets(request, obj) for name in options["fields"]]

    @admin.display(description="Status", ordering="status")
    def status_badge(self, run: FeedRun) -> str:
        """The status as a coloured word."""
        return format_html(
            '<span class="apiconnector-badge apiconnector-{}" title="{}">{}</span>',
            _TONES.get(run.status, "bad"),
            run.error_message,
            run.get_status_display(),
        )

    @admin.display(description="Input")
    def shown_input(self, run: FeedRun) -> str:
        """What was submitted."""
        return _json(run.input)

    @admin.display(description="Values")
    def shown_values(self, run: FeedRun) -> str:
        """What the feed picked from the answer."""
        return _json(run.values)

    @admin.display(description="Body")
    def shown_data(self, run: FeedRun) -> str:
        """The body of the last answer."""
        return _json(run.data)

    @admin.display(description="Attempts")
    def shown_attempts(self, run: FeedRun) -> str:
        """Each request and its answer, redacted."""
        return _json(run.attempts)


@admin.register(ConnectionEvent)
class ConnectionEventAdmin(ReadOnlyAdmin):
    """The history of the connections."""

    list_display = ("at", "connection", "kind", "message", "actor")
    list_filter = ("kind", "connection")
    list_select_related = ("connection", "actor")
    search_fields = ("message",)


def _json(value: Any) -> str:
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2)
    except RecursionError:
        text = "(nested too deep to be shown)"
    return format_html('<pre class="apiconnector-json">{}</pre>', text)
