"""How much work a request is, counted in calls of functions: no clock, so that a busy machine changes nothing."""

from __future__ import annotations

import cProfile
import pstats
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests
from django.utils import timezone

from apiconnector.models import Token
from apiconnector.shortcuts import connect, run_feed
from tests.client.servers import api_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from apiconnector.models import Connection, Feed
    from tests.client.servers import ApiServer

TIMES = 20
PARAMS = {"email": "ada@example.org"}


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with api_server() as server:
        yield server


def calls(act: Callable[[], object]) -> float:
    for _ in range(3):
        act()  # connects, and fills what is remembered
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(TIMES):
        act()
    profile.disable()
    stats: Any = pstats.Stats(profile)
    return float(stats.total_calls) / TIMES


@pytest.mark.django_db
def test_a_request_is_less_work_than_a_plain_one(
    api: ApiServer, make_connection: Callable[..., Connection], make_feed: Callable[..., Feed]
) -> None:
    connection = make_connection(
        base_url=api.url, auth_method="oauth2_authorization_code", client_id="id", client_secret="secret",
        authorization_url=f"{api.url}/authorize", token_url=f"{api.url}/token",
    )  # fmt: skip  # in rows
    Token.objects.create(
        connection=connection, access_token="access", refresh_token="refresh", expires_at=timezone.now() + timedelta(1)
    )
    make_feed(connection, method="GET", path="x", query={"email": "{{ email }}"}, body_format="none", body=None)
    with requests.Session() as plain, connect("crm") as session:
        plain.trust_env = False  # however much there is in the environment of whoever runs this
        headers = {"Authorization": "Bearer access"}

        def per_call() -> None:
            with connect("crm") as own:
                own.get("x", params=PARAMS)

        baseline = calls(lambda: plain.request("GET", f"{api.url}/x", params=PARAMS, headers=headers, timeout=5))
        found = {
            "one session": calls(lambda: session.get("x", params=PARAMS)) / baseline,
            "per call": calls(per_call) / baseline,
            "feed": calls(lambda: run_feed("lead", PARAMS)) / baseline,
        }
    assert len({request.path for request in api.received}) == 1
    # Of Python 3.11 0.64, 0.82 and 1.26; newer ones count some calls more.
    limits = {"one session": 0.9, "per call": 1.1, "feed": 1.65}
    assert {name: ratio for name, ratio in found.items() if ratio > limits[name]} == {}
