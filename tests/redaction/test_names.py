"""Credentials that were typed in plain text into what every request gets."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from apiconnector.redaction import literal_secrets, looks_secret
from apiconnector.shortcuts import connect, run_feed
from tests.client.servers import api_server, refused_url
from tests.frames import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from apiconnector.models import Connection, Feed


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "X-Api-Key",
        "api_key",
        "apikey",
        "X-Auth-Token",
        "client_secret",
        "password",
        "Cookie",
        "signature",
    ],
)
def test_names_of_credentials(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize("name", ["Accept", "Idempotency-Key", "X-Author", "keywords", "X-Tenant", "page", "Monkey"])
def test_names_of_other_things(name: str) -> None:
    assert not looks_secret(name)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"X-Api-Key": "canary-1", "Accept": "application/json"}, ["canary-1"]),
        ({"auth": {"user": "canary-1", "more": ["canary-2"]}}, ["canary-1", "canary-2"]),
        ({"X-Api-Key": "{{ api_key }}"}, []),
        ({"X-Api-Key": "Key {{ api_key }}"}, []),
        ({"token_type": "short"}, []),
        ({"token": 12345678, "key": None}, []),
        ("canary-1", []),
    ],
)
def test_literals(value: Any, found: list[str]) -> None:
    assert literal_secrets(value) == found


@pytest.mark.django_db
def test_they_are_redacted_like_any_other(
    make_connection: Callable[..., Connection], make_feed: Callable[..., Feed], caplog: pytest.LogCaptureFixture
) -> None:
    with api_server() as api:
        connection = make_connection(base_url=api.url, default_headers={"X-Api-Key": "can" + "ary-in-header"},
            default_params={"token": "can" + "ary-in-query"})  # fmt: skip  # in rows
        make_feed(connection)
        with caplog.at_level(logging.DEBUG), connect("crm") as session:
            response = session.get("x")
        run = run_feed("lead", {"email": "a"})
    assert "can" + "ary-in-query" in api.received[0].path
    assert "can" + "ary" not in caplog.text + response.url + json.dumps(run.attempts)
    connection.base_url = refused_url()
    connection.save()
    with connect("crm") as session, pytest.raises(OSError) as error:
        session.get("x")
    assert "can" + "ary" not in shown(error.value)
