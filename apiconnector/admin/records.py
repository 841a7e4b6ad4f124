"""The record: runs and events, to be read and not written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.admin.views.main import PAGE_VAR, SEARCH_VAR
from django.db.models import Prefetch, Q
from django.utils.html import format_html, format_html_join

from apiconnector.admin.guarding import Guarded
from apiconnector.admin.notices import Noticed
from apiconnector.admin.paging import NearPaginator
from apiconnector.admin.replaying import Replaying
from apiconnector.admin.shown import duration, exchange_block, json_block, moment, summary_block
from apiconnector.models import ConnectionEvent, Feed, FeedRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import Model, QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin

#: Digits that no number of a run has.
_LONGEST_NUMBER = 19
#: The last page that rows are counted for.
_LAST_PAGE = 100_000
#: Followers, and files, that a page names.
_FOLLOWERS = 20
_TONES = {"succeeded": "good", "pending": "open", "running": "open", "skipped": "off"}


class ReadOnlyAdmin(Guarded):
    """Nobody adds, changes or deletes here by hand."""

    show_full_result_count = False

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["apiconnector/admin.css"]}

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
class FeedRunAdmin(Noticed, Replaying, ReadOnlyAdmin):
    """What was submitted, sent and answered."""

    list_display = ("number", "feed", "status_now", "answer", "tries", "took", "created")
    list_filter = ("status", "outcome", "created_at", "feed", "connection")
    # However many runs there are, a page reads a hundred: there is an index for each filter with this order, no column
    # without one sorts, nothing is joined, and nothing counts all.
    ordering = ("-created_at", "-id")
    sortable_by = ("created",)
    list_select_related = ()
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("idempotency_key", "error", "error_message")
    search_help_text = "A run's number, an idempotency key, or words of the error of runs that did not succeed."
    _times: ClassVar[Any] = (
        "Times",
        {
            "fields": [
                ("created_at", "started_at", "finished_at"),
                ("attempt_count", "next_attempt_at"),
                "idempotency_key",
            ]
        },
    )
    _bodies: ClassVar[Any] = [
        ("Attempts", {"fields": ["shown_attempts"]}),
        ("What was submitted", {"fields": ["shown_item", "shown_input"]}),
        ("What came back", {"fields": ["shown_values", "shown_data"]}),
    ]
    _no_bodies: ClassVar[Any] = [("Attempts", {"fields": ["shown_times"]})]

    def get_queryset(self, request: HttpRequest) -> QuerySet[FeedRun]:
        """Leave bodies where they are while a list is shown."""
        rows: QuerySet[FeedRun] = super().get_queryset(request)
        match = request.resolver_match
        if match is not None and match.url_name == "apiconnector_feedrun_changelist":
            rows = rows.defer("input", "item", "request", "attempts", "data", "values")
            rows = rows.prefetch_related(Prefetch("feed", Feed.objects.only("name")))
        return rows

    def get_paginator(
        self,
        request: HttpRequest,
        queryset: QuerySet[FeedRun],
        per_page: int,
        orphans: int = 0,
        allow_empty_first_page: bool = True,  # noqa: FBT001, FBT002 - Django's signature
    ) -> Any:
        """Count no further than a person turns pages; what was searched is read anyway."""
        if request.GET.get(SEARCH_VAR):
            return super().get_paginator(request, queryset, per_page, orphans, allow_empty_first_page)
        return NearPaginator(queryset, per_page, page=_page(request))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[FeedRun], search_term: str
    ) -> tuple[QuerySet[FeedRun], bool]:
        """A number and a key are looked up; for words only what did not succeed is read."""
        del request
        term = search_term.strip()
        if not term:
            return queryset, False
        named = Q(idempotency_key=term)
        number = term.removeprefix("#")
        if number.isascii() and number.isdigit() and len(number) < _LONGEST_NUMBER:
            named |= Q(pk=int(number))
        if queryset.filter(named).exists():
            return queryset.filter(named), False
        rows = queryset.filter(status__in=set(FeedRun.Status) - {FeedRun.Status.SUCCEEDED})
        for word in term.split():
            rows = rows.filter(Q(error__icontains=word) | Q(error_message__icontains=word))
        return rows, False

    def get_fieldsets(self, request: HttpRequest, obj: FeedRun | None = None) -> Any:
        """Bodies hold people's data: they have a permission of their own."""
        shown = [*(self._bodies if _may_see_bodies(request) else self._no_bodies), self._times]
        hidden = {"shown_item"} if obj is None or obj.item is None else set()
        return [
            (name, {"fields": [field for field in options["fields"] if field not in hidden]}) for name, options in shown
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: FeedRun | None = None) -> list[str]:
        """All of them."""
        return flatten_fieldsets(self.get_fieldsets(request, obj))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Begin the page with how the run stands and what to do."""
        run = context.get("original")
        if isinstance(run, FeedRun):
            context["panel"] = self._panel(request, run)
        return super().render_change_form(request, context, *args, **kwargs)

    def _panel(self, request: HttpRequest, run: FeedRun) -> dict[str, Any]:
        from apiconnector.admin.run_advice import OUTCOMES, next_step
        from apiconnector.feeds import recorded

        ended = run.status in {FeedRun.Status.FAILED, FeedRun.Status.DEAD}
        followers = list(run.followers.select_related("feed").order_by("pk")[: _FOLLOWERS + 1])
        return {
            "run": run,
            "badge": self.status_badge(run),
            "outcome": OUTCOMES.get(run.outcome, ""),
            "next": next_step(run),
            "took": duration(run.duration_ms),
            "waits_for": run.waits_for,
            "followers": followers[:_FOLLOWERS],
            "more_followers": len(followers) > _FOLLOWERS,
            "files": list(run.files.order_by("pk")[:_FOLLOWERS]) if _may_see_bodies(request) else [],
            "may_replay": self.has_replay_permission(request),
            "has_succeeded": run.ok,
            "can_replay": ended or (run.ok and not recorded.is_emptied(run)),
            "is_unknown": ended and run.outcome == FeedRun.Outcome.UNKNOWN,
        }

    @admin.display(description="Status")
    def status_badge(self, run: FeedRun) -> str:
        """The status as a coloured word."""
        return format_html(
            '<span class="apiconnector-badge apiconnector-{}" title="{}">{}</span>',
            _TONES.get(run.status, "bad"),
            run.error_message,
            run.get_status_display(),
        )

    @admin.display(description="Run")
    def number(self, run: FeedRun) -> str:
        """Its number."""
        return f"#{run.pk}"

    @admin.display(description="Answer")
    def answer(self, run: FeedRun) -> int | None:
        """The status code of the last answer."""
        return run.status_code

    @admin.display(description="Tries")
    def tries(self, run: FeedRun) -> int:
        """How many attempts there were."""
        return run.attempt_count

    @admin.display(description="Took")
    def took(self, run: FeedRun) -> str:
        """How long the last attempt took."""
        return duration(run.duration_ms) or "-"

    @admin.display(description="Created", ordering="created_at")
    def created(self, run: FeedRun) -> str:
        """When it was kept."""
        return moment(run.created_at)

    @admin.display(description="Status")
    def status_now(self, run: FeedRun) -> str:
        """The status, and when a run that waits is sent again."""
        if run.status != FeedRun.Status.PENDING or run.next_attempt_at is None:
            return self.status_badge(run)
        at = moment(run.next_attempt_at)
        return format_html('{}<br><span class="quiet">next: {}</span>', self.status_badge(run), at)

    @admin.display(description="Input")
    def shown_input(self, run: FeedRun) -> str:
        """What was submitted."""
        return json_block(run.input)

    @admin.display(description="Item")
    def shown_item(self, run: FeedRun) -> str:
        """The one of the list that it is about, where its feed makes a request for each."""
        return json_block(run.item)

    @admin.display(description="Values")
    def shown_values(self, run: FeedRun) -> str:
        """What the feed picked from the answer."""
        return json_block(run.values)

    @admin.display(description="Body")
    def shown_data(self, run: FeedRun) -> str:
        """The body of the last answer."""
        return json_block(run.data)

    @admin.display(description="Attempts")
    def shown_attempts(self, run: FeedRun) -> str:
        """Each request and its answer, redacted."""
        return _blocks(run, exchange_block)

    @admin.display(description="Attempts")
    def shown_times(self, run: FeedRun) -> str:
        """When each was made and how it ended."""
        return _blocks(run, summary_block)


@admin.register(ConnectionEvent)
class ConnectionEventAdmin(ReadOnlyAdmin):
    """The history of the connections."""

    list_display = ("at", "connection", "kind", "message", "actor")
    list_filter = ("kind", "connection")
    list_select_related = ("connection", "actor")
    search_fields = ("message",)


def _may_see_bodies(request: HttpRequest) -> bool:
    return request.user.has_perm("apiconnector.view_body_feedrun")


def _page(request: HttpRequest) -> int:
    try:
        return min(max(int(request.GET.get(PAGE_VAR, 1)), 1), _LAST_PAGE)
    except ValueError:
        return 1


def _blocks(run: FeedRun, block: Callable[[Any], SafeString]) -> str:
    attempts = run.attempts if isinstance(run.attempts, list) else [run.attempts]
    return format_html_join("", "{}", ((block(attempt),) for attempt in attempts)) or "None yet."
