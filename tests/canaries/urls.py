"""A site whose views call the API and let every error through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from apiconnector.shortcuts import connect, run_feed
from tests.urls import urlpatterns as site

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.urls import URLPattern, URLResolver


def call(request: HttpRequest) -> HttpResponse:
    """What a site's view does."""
    with connect("crm") as api:
        response = api.post("x", params={"page": 1}, json={"a": 1})
        response.raise_for_status()
        answer = response.json()
    return JsonResponse({"answer": str(answer)[:0]})


def feed(request: HttpRequest) -> HttpResponse:
    run = run_feed("lead", {"email": "a"})
    run.raise_for_status()
    return JsonResponse({"ok": run.ok})


urlpatterns: Sequence[URLPattern | URLResolver] = [path("call/", call), path("feed/", feed), *site]
