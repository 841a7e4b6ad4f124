"""Replay in the admin: one run from its page, many from the list; and what a person found out about a run."""

from __future__ import annotations

from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views.decorators.http import require_POST

from apiconnector.models import FeedRun

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

    ModelAdmin = admin.ModelAdmin[FeedRun]
else:
    ModelAdmin = admin.ModelAdmin

#: Seconds that replaying may hold a request up: most servers end one after thirty.
PATIENCE = 20.0
_ENDED = (FeedRun.Status.FAILED, FeedRun.Status.DEAD)
_NOT_REACHED = "time was up; press again, or use “manage.py apiconnector replay”"


class Replaying(ModelAdmin):
    """The part of the run's admin that sends again. Each act is a POST with the permission ``replay_feedrun``."""

    actions = ("replay_chosen",)

    def get_urls(self) -> list[Any]:
        """Add one URL for each act."""
        acts = {"replay": self._replay, "decide": self._decide}
        own = [
            path(
                f"<path:object_id>/{name}/",
                require_POST(self.admin_site.admin_view(update_wrapper(partial(self._act, act=act), self._act))),
                name=f"apiconnector_feedrun_{name}",
            )
            for name, act in acts.items()
        ]
        return [*own, *super().get_urls()]

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whether a person may send again."""
        return request.user.has_perm("apiconnector.replay_feedrun")

    def _act(
        self, request: HttpRequest, object_id: str, *, act: Callable[[HttpRequest, FeedRun], None]
    ) -> HttpResponseRedirect:
        if not self.has_replay_permission(request):
            raise PermissionDenied
        run = self.get_object(request, unquote(object_id))
        if run is None:
            raise Http404
        act(request, run)
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:apiconnector_feedrun_change", args=[run.pk]))

    def _log(self, request: HttpRequest, run: FeedRun, message: str) -> None:
        assert request.user.pk is not None  # the admin view lets nobody else in
        LogEntry.objects.log_actions(request.user.pk, [run], CHANGE, message, single_object=True)

    def _replay(self, request: HttpRequest, run: FeedRun) -> None:
        from apiconnector.feeds.replay import replay

        again = request.POST.get("again") == "1"
        if run.status == FeedRun.Status.SUCCEEDED and not again:
            self.message_user(request, "This has arrived: tick the box to send it once more.", messages.ERROR)
            return
        counts = replay(FeedRun.objects.filter(pk=run.pk), by=request.user, again=again)
        if counts["replayed"]:
            self._log(request, run, "Replayed.")
        self._say(request, counts)

    def _decide(self, request: HttpRequest, run: FeedRun) -> None:
        from apiconnector.feeds.replay import decide

        arrived = request.POST.get("arrived") == "1"
        if decide(run, arrived=arrived, by=request.user):
            self._log(request, run, "It has arrived." if arrived else "It has not arrived.")
            self.message_user(request, "Written down.", messages.SUCCESS)
        else:
            self.message_user(request, "That was decided already, or the run was replayed.", messages.WARNING)

    @admin.action(description="Replay selected feed runs", permissions=["replay"])
    def replay_chosen(self, request: HttpRequest, queryset: QuerySet[FeedRun]) -> HttpResponse | None:
        """Ask, then replay what was ticked, or all that match the filters."""
        from apiconnector.feeds.replay import replay

        if request.POST.get("confirmed"):
            again = request.POST.get("again") == "1"
            self._say(request, replay(queryset, by=request.user, again=again, seconds=PATIENCE))
            return None
        rows = queryset.order_by()
        context = {
            **self.admin_site.each_context(request),
            "title": "Replay feed runs",
            "opts": self.opts,
            "number": rows.filter(status__in=_ENDED).count(),
            "unknown": rows.filter(status__in=_ENDED, outcome=FeedRun.Outcome.UNKNOWN).count(),
            "succeeded": rows.filter(status=FeedRun.Status.SUCCEEDED).count(),
            "checkbox": ACTION_CHECKBOX_NAME,
            "chosen": self._chosen(request),
            "is_all": self._is_all(request),
            "back": request.get_full_path(),
        }
        return TemplateResponse(request, "admin/apiconnector/feedrun/replay.html", context)

    @staticmethod
    def _is_all(request: HttpRequest) -> bool:
        return request.POST.get("select_across") == "1"

    def _chosen(self, request: HttpRequest) -> list[str]:
        """The numbers that were ticked; one stands for all, where all that match were chosen."""
        ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
        return ticked[:1] if self._is_all(request) else ticked

    def _say(self, request: HttpRequest, counts: Counter[str]) -> None:
        """Say how many were replayed, and why others were not."""
        from apiconnector.feeds.replay import WHY_LEFT

        replayed, followers = counts["replayed"], counts["followers"]
        said = [f"{_counted(replayed)} will be sent again." if replayed else "Nothing was replayed."]
        if followers:
            said.append(f"Waiting for {'it' if replayed == 1 else 'them'} again: {_counted(followers)}.")
        said += [
            f"Left alone: {counts[name]:,} ({why})."
            for name, why in {**WHY_LEFT, "not_reached": _NOT_REACHED}.items()
            if counts[name]
        ]
        self.message_user(request, " ".join(said), messages.SUCCESS if replayed else messages.WARNING)


def _counted(number: int) -> str:
    return f"{number:,} feed run" if number == 1 else f"{number:,} feed runs"
