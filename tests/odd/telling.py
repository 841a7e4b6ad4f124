"""Drive a connection through everything that happens to it, as the admin and a caller see it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone

from apiconnector.exceptions import ApiConnectorError
from apiconnector.models import Connection, Token
from apiconnector.shortcuts import connect
from tests.odd.fakes import Fake, Story

if TYPE_CHECKING:
    from datetime import datetime

    from django.test import Client

    from tests.odd.conftest import World


class EndedError(Exception):
    """It went no further; the text says where."""


def create(columns: dict[str, Any]) -> Connection:
    """Save a connection that its form would take."""
    connection = Connection(**columns)
    try:
        connection.full_clean()
    except ValidationError as error:
        raise EndedError(f"not saved: {error.message_dict}") from None
    connection.save()
    return connection


def press(site: Client, connection: Connection) -> str:
    """Press Authorize; the address that the browser is sent to."""
    pressed = site.post(reverse("admin:apiconnector_connection_authorize", args=[connection.pk]))
    if not pressed["Location"].startswith("https://"):
        raise EndedError("not sent to the provider")
    return str(pressed["Location"])


def authorize(world: World, site: Client, connection: Connection) -> Any:
    """Press Authorize, approve, and come back; the page that follows."""
    consent = world.approve(press(site, connection))
    if consent.status_code != 302:
        raise EndedError(f"refused on the consent page: {consent.text}")
    # What a provider puts behind a # stays in the browser.
    parts = urlsplit(consent.headers["Location"])
    return site.get(f"{parts.path}?{parts.query}")


def words(page: Any) -> str:
    """The message of the page that a person lands on."""
    return str(page.context["message"])


def authorized(world: World, site: Client, connection: Connection) -> Connection:
    """A connection that was authorized, or needs nobody to be."""
    if connection.method.needs_person:
        page = authorize(world, site, connection)
        if page.status_code != 200:
            raise EndedError(f"refused at the callback: {words(page)}")
    return Connection.objects.get(pk=connection.pk)


def called(fake: Fake) -> str:
    """Call the API once: the status of its answer, or the name of the error."""
    method, path, more = fake.call
    try:
        with connect(fake.slug) as api:
            return str(api.request(method, path, **more).status_code)
    except ApiConnectorError as error:
        return type(error).__name__


def tell(world: World, site: Client, fake: Fake, columns: dict[str, Any]) -> Story:
    """The story of one provider with these columns."""
    world.begin(fake)
    try:
        connection = authorized(world, site, create(columns))
        first = called(fake)
    except EndedError as error:
        return Story(ended=str(error))
    tested = connection.test()
    token = Token.objects.filter(connection=connection).first()
    if token is None or not tested.ok:
        return Story(called=first, ended=f"tested: {tested.message}")
    story = Story(
        values=dict(token.values),
        scope=token.scope,
        lifetime=_seconds(token.issued_at, token.expires_at),
        refresh_lifetime=_seconds(token.issued_at, token.refresh_expires_at),
        label=tested.label,
        account=tested.account_id,
        called=first,
        renewed_ahead=_renewed_ahead(fake, token),
        expired=_after(fake.expire, fake),
        dead=_after(fake.kill, fake),
        status=Connection.objects.get().status,
    )
    if connection.method.needs_person:
        page = authorize(world, site, connection)
        story = replace(story, again=Connection.objects.get().status if page.status_code == 200 else words(page))
        site.post(reverse("admin:apiconnector_connection_disconnect", args=[connection.pk]))
        assert not Token.objects.exists()
    return replace(story, revoked=bool(fake.revoked) and fake.revoked in {fake.access, fake.refresh})


def _seconds(begin: datetime, end: datetime | None) -> float | None:
    return None if end is None else round((end - begin).total_seconds(), -1)


def _renewed_ahead(fake: Fake, token: Token) -> bool:
    """Let the token come near its end, by the clock of this site."""
    now = timezone.now()
    rows = Token.objects.filter(pk=token.pk).exclude(expires_at=None)
    rows.update(issued_at=now - timedelta(hours=1), expires_at=now + timedelta(seconds=20))
    # The one that is there still works: that an early refresh failed, nobody notices.
    assert called(fake) == "200"
    return Token.objects.get(pk=token.pk).generation > token.generation


def _after(happens: Any, fake: Fake) -> str:
    happens()
    return called(fake)
