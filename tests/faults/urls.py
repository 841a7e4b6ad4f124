"""Views that call the API, for a site with ``ATOMIC_REQUESTS``."""

from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.urls import path

from apiconnector.shortcuts import connect


def works(request: HttpRequest, slug: str) -> HttpResponse:
    Group.objects.get_or_create(name="written by the view")
    with connect(slug) as api:
        return HttpResponse(status=api.get("contacts").status_code)


def fails(request: HttpRequest, slug: str) -> HttpResponse:
    works(request, slug)
    raise ValueError("what follows in the view fails")


urlpatterns = [path("works/<slug>", works), path("fails/<slug>", fails)]
