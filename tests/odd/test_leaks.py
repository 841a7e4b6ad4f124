"""Secrets that a provider wants in a query: they are in what is sent, and nowhere else."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Any, cast

import pytest
from requests import ConnectionError  # noqa: A004 - what requests calls it

from apiconnector.client import shared_adapter
from apiconnector.models import AuthorizationAttempt, Connection, ConnectionEvent
from apiconnector.shortcuts import connect
from tests.odd.fakes import CLIENT_SECRET
from tests.odd.providers.instagram import Instagram
from tests.odd.providers.wechat import WeChat
from tests.odd.telling import authorize, create, tell, words

if TYPE_CHECKING:
    from django.test import Client

    from tests.odd.conftest import World
    from tests.odd.fakes import Fake

pytestmark = pytest.mark.django_db
IN_QUERY = pytest.mark.parametrize("kind", [WeChat, Instagram])


@IN_QUERY
def test_a_whole_story_leaves_none_in_the_log_or_the_history(
    world: World, site: Client, kind: type[Fake], caplog: pytest.LogCaptureFixture
) -> None:
    fake = kind()
    with caplog.at_level(logging.DEBUG):
        tell(world, site, fake, fake.columns())
    assert any("access_token" in record.getMessage() for record in caplog.records), "it is in a query"
    secrets = [CLIENT_SECRET, *(f"{what}-{fake.slug}-" for what in ("access", "refresh")), "short-", "/code*"]
    kept = [caplog.text, *(event.message for event in ConnectionEvent.objects.all())]
    kept += [attempt.message for attempt in AuthorizationAttempt.objects.all()]
    assert [secret for secret in secrets if any(secret in text for text in kept)] == []


@IN_QUERY
def test_a_request_that_does_not_get_through_shows_none(
    world: World, site: Client, kind: type[Fake], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fake = world.begin(kind())
    connection = create(fake.columns())
    known = world.addresses

    def lost(host: Any, port: Any, *args: object, **kwargs: object) -> list[Any]:
        if host in {"api.weixin.qq.com", "api.instagram.com", "graph.instagram.com"}:
            raise socket.gaierror(socket.EAI_NONAME, "unknown on purpose")
        return known(host, port)

    def look_up(with_function: Any) -> None:
        cast("Any", shared_adapter()).start_afresh()  # what is connected already needs no name
        monkeypatch.setattr("socket.getaddrinfo", with_function)

    look_up(lost)
    with caplog.at_level(logging.DEBUG):
        page = authorize(world, site, connection)
    assert page.status_code == 400
    assert "can't be reached" in words(page)
    assert CLIENT_SECRET not in caplog.text + words(page)
    assert Connection.objects.get().status == "not_authorized"
    look_up(known)
    assert authorize(world, site, connection).status_code == 200
    look_up(lost)
    with caplog.at_level(logging.DEBUG), connect(fake.slug) as api, pytest.raises(ConnectionError) as error:
        api.get("me")
    assert fake.access not in f"{error.value!r}{caplog.text}"
