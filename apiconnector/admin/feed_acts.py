"""What an admin does with a feed besides editing it: see the request it would make, and send it with sample data.

A POST each, with permission.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.views.decorators.http import require_POST

from apiconnector.admin.shown import exchange_block, request_block, summary_block
from apiconnector.exceptions import FeedMisconfigured, FeedNotFound, InvalidFeedData

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.forms import ModelForm
    from django.http import HttpRequest

    from apiconnector.models import Feed

    ModelAdmin = admin.ModelAdmin[Feed]
else:
    ModelAdmin = admin.ModelAdmin

#: The name of the input with the sample data.
SAMPLE = "apiconnector-sample"


class FeedActs(ModelAdmin):
    """The part of the feed's admin that fills a feed with sample data."""

    def get_urls(self) -> list[Any]:
        """Add the dry run and the test."""
        from django.db import transaction

        send = transaction.non_atomic_requests(require_POST(self.admin_site.admin_view(self._send)))
        own = [
            path("dry-run/", require_POST(self.admin_site.admin_view(self._dry_run)), name="apiconnector_feed_dry_run"),
            path("<path:object_id>/send/", send, name="apiconnector_feed_send"),
        ]
        return [*own, *super().get_urls()]

    def may_send(self, request: HttpRequest) -> bool:
        """Whether a person may send feeds by hand."""
        return bool(request.user.has_perm("apiconnector.send_feed"))

    def _dry_run(self, request: HttpRequest) -> HttpResponse:
        """Show the request that the feed would make, as it stands in the form. Nothing is saved or sent."""
        from apiconnector.feeds.preview import preview

        feed = self.get_object(request, request.POST.get("apiconnector-feed", "") or "0")
        may = self.has_change_permission(request, feed) if feed else self.has_add_permission(request)
        if not may:
            raise PermissionDenied
        form: ModelForm[Feed] = self.get_form(request, feed, change=feed is not None)(request.POST, instance=feed)
        found: dict[str, Any] = {"problems": _problems(form)}
        sample, problem = _sample(request.POST)
        if problem:
            found["problems"].append(("Sample data", problem))
        found |= _made(form, is_switching="apiconnector-ways" in request.POST)
        if not found["problems"]:
            made = preview(form.instance, sample)
            found["problems"] = [("", text) for text in made.problems]
            if made.url:
                found["request"] = request_block(made.method, made.url, made.headers, made.body)
        return self._answer(request, "Dry run", found)

    def _send(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send the saved feed once, with the sample data, and show what came back."""
        from apiconnector.feeds import run_feed

        if not self.may_send(request):
            raise PermissionDenied
        feed = self.get_object(request, object_id)
        if feed is None:
            raise Http404
        sample, problem = _sample(request.POST)
        problem = problem or _why_not_sent(feed, sample)
        found: dict[str, Any] = {"problems": [("Sample data", problem)] if problem else []}
        if not problem:
            try:
                run = run_feed(feed.slug, sample)
            except FeedNotFound:
                found["problems"] = [("", "The feed is switched off. Make it active and save it, then send again.")]
            except (FeedMisconfigured, InvalidFeedData) as error:
                found["problems"] = [("", str(error))]
            else:
                self.log_change(request, feed, f"Sent by hand: run {run.pk}.")
                block = exchange_block if request.user.has_perm("apiconnector.view_body_feedrun") else summary_block
                found["run"] = run
                found["url"] = reverse(f"{self.admin_site.name}:apiconnector_feedrun_change", args=[run.pk])
                found["exchange"] = [block(attempt) for attempt in run.attempts]
        return self._answer(request, "Send test", found)

    def _answer(self, request: HttpRequest, title: str, found: Mapping[str, Any]) -> HttpResponse:
        """The part of the page that a script asked for, or a page of its own."""
        is_part = request.headers.get("X-Requested-With") == "fetch"
        template = f"admin/apiconnector/feed/{'result' if is_part else 'result_page'}.html"
        context = {**self.admin_site.each_context(request), "title": title, "opts": self.opts, "found": found}
        return render(request, template, context)


def _made(form: ModelForm[Feed], *, is_switching: bool) -> dict[str, Any]:
    """The JSON of the body that was typed, whatever else is wrong with the form; none where it makes none.

    Who switches to another way of typing it gets all ways, with what was typed in them.
    """
    if "body" not in form.fields:
        return {}
    field: Any = form.fields["body"]
    try:
        body = field.to_python(form["body"].data)
    except ValidationError:
        return {}
    if body is None:
        return {"can_switch": True}
    text = field.prepare_value(body)
    found = {"json": text, "can_switch": True}
    if is_switching:
        found["ways"] = field.widget.render("body", text, {"id": form["body"].auto_id})
    return found


def _sample(data: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """The sample data, and what is wrong with it."""
    text = data.get(SAMPLE, "").strip()
    if not text:
        return {}, ""
    try:
        sample = json.loads(text)
    except (ValueError, RecursionError):
        return {}, 'Enter a JSON object, such as {"email": "ada@example.org"}.'
    if not isinstance(sample, dict):
        return {}, 'Enter a JSON object, such as {"email": "ada@example.org"}.'
    return sample, ""


def _why_not_sent(feed: Feed, sample: dict[str, Any]) -> str:
    """What a dry run can show, and a test can't send; empty where there is nothing such."""
    from apiconnector.templating import references

    if feed.for_each:
        return "This feed makes one request for each item of a list. A dry run shows the first; only a form sends them."
    if references(sample):
        return "It names a file, which a dry run shows, and of which there is nothing to send."
    return ""


def _problems(form: ModelForm[Feed]) -> list[tuple[str, str]]:
    """What is wrong with the form, by the label of the field. Whether slugs and names are free is no matter here."""
    return [
        (str(form.fields[name].label or name) if name in form.fields else "", " ".join(map(str, errors)))
        for name, errors in form.errors.items()
        if name not in {"name", "slug"}
    ]
