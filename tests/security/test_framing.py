"""Clickjacking: RFC 9700 section 4.16, OAuth 2.1 section 7.11."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django
import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client

from tests.security.dance import CODE, land, press, state_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from apiconnector.models import Connection, Feed

pytestmark = pytest.mark.django_db
FRAMING = "django.middleware.clickjacking.XFrameOptionsMiddleware"
OURS = [
    model.__name__.lower()
    for model in apps.get_app_config("apiconnector").get_models()
    if admin.site.is_registered(model)
]


def careful_site(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """A middleware as many sites have one: it leaves a policy alone that is there."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", "default-src 'self'; frame-ancestors 'self'")
        return response

    return middleware


@pytest.fixture
def bare(settings: Any) -> Any:
    """A site without Django's middleware against framing."""
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != FRAMING]
    return settings


def pages(model: str, pk: int) -> list[str]:
    base = f"/admin/apiconnector/{model}/"
    return [base, f"{base}add/", *(f"{base}{pk}/{page}/" for page in ("change", "delete", "history"))]


def framed_by(response: Any) -> tuple[str, str]:
    return response.headers.get("X-Frame-Options", ""), response.headers.get("Content-Security-Policy", "")


def test_there_is_something_to_look_at() -> None:
    assert {"connection", "feed", "feedrun", "connectionevent"} <= set(OURS)


@pytest.mark.parametrize("model", OURS)
def test_no_page_of_ours_can_be_framed(site: Client, connection: Connection, bare: Any, model: str) -> None:
    answers = {page: site.get(page) for page in pages(model, connection.pk)}
    # What may not be added or deleted by hand is refused by a page of the site.
    ours = {page: framed_by(answer) for page, answer in answers.items() if answer.status_code != 403}
    assert ours == dict.fromkeys(ours, ("DENY", "frame-ancestors 'none'"))
    assert len(ours) == (3 if model in {"feedrun", "connectionevent"} else 5)


def test_a_page_of_the_site_itself_is_the_sites_matter(site: Client, bare: Any) -> None:
    assert framed_by(site.get("/")) == ("", "")


@pytest.mark.parametrize("act", ["authorize", "test", "disconnect"])
def test_no_act_can_be_framed(site: Client, connection: Connection, bare: Any, act: str) -> None:
    url = f"/admin/apiconnector/connection/{connection.pk}/{act}/"
    for answer in (site.post(url), site.get(url), Client().post(url)):
        assert framed_by(answer) == ("DENY", "frame-ancestors 'none'")


def test_the_landing_page_can_not_be_framed(site: Client, connection: Connection, bare: Any) -> None:
    state = state_of(press(site, connection))
    for page in (land(site, state=state, code=CODE), land(Client(), state=state), land(Client())):
        frame, policy = framed_by(page)
        assert frame == "DENY"
        assert "frame-ancestors 'none'" in policy


def test_the_form_itself_is_there(
    site: Client, connection: Connection, make_feed: Callable[..., Feed], bare: Any
) -> None:
    """What is wrapped still works, and is not run in a transaction where it was not before."""
    assert b'name="_authorize"' in site.get(f"/admin/apiconnector/connection/{connection.pk}/change/").content
    feed = make_feed(connection)
    assert site.get(f"/admin/apiconnector/feed/{feed.pk}/change/").status_code == 200


class TestWhatTheSiteSays:
    """The site's own policy is never taken away."""

    def framing(self, site: Client) -> tuple[str, str]:
        return framed_by(site.get("/admin/apiconnector/connection/"))

    def test_a_site_that_frames_itself_goes_on_doing_so(self, site: Client, settings: Any) -> None:
        """Some themes of the admin show forms in a frame."""
        settings.X_FRAME_OPTIONS = "SAMEORIGIN"
        assert self.framing(site) == ("SAMEORIGIN", "frame-ancestors 'self'")

    def test_a_policy_of_a_middleware_is_the_one_that_is_sent(self, site: Client, bare: Any) -> None:
        bare.MIDDLEWARE = [f"{__name__}.careful_site", *bare.MIDDLEWARE]
        assert self.framing(site) == ("DENY", "default-src 'self'; frame-ancestors 'self'")

    def test_djangos_own_policy_is_left_to_django(self, site: Client, bare: Any) -> None:
        bare.SECURE_CSP = {"default-src": ["'self'"]}
        if django.VERSION >= (6,):
            bare.MIDDLEWARE = ["django.middleware.csp.ContentSecurityPolicyMiddleware", *bare.MIDDLEWARE]
        assert self.framing(site) == ("DENY", "default-src 'self'" if django.VERSION >= (6,) else "")
