"""Views that call the API, for a site with ``ATOMIC_REQUESTS``."""

from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.urls import path

from apiconnector.shortcuts import connect


def works(request: HttpRequest) -> HttpResponse:
    Group.objects.get_or_create(name="written by the view")
    with connect("provider") as api:
        return HttpResponse(status=api.get("contacts").status_code)


def fails(request: HttpRequest) -> HttpResponse:
    works(request)
    raise ValueError("what follows in the view fails")


urlpatterns = [path("works", works), path("fails", fails)]
