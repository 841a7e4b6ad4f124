"""What is kept of an exchange: without each credential, and otherwise as the API said it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from apiconnector.models import Connection, Feed
from apiconnector.redaction import REDACTED, redact
from apiconnector.shortcuts import run_feed
from tests.client.servers import Reply, api_server, raw_server, request_of

if TYPE_CHECKING:
    import socket

    from tests.client.servers import Received

pytestmark = pytest.mark.django_db
CANARY = "canary-0123456789"


def make(url: str, **fields: Any) -> Connection:
    connection = Connection.objects.create(name="CRM", slug="crm", base_url=url, **fields)
    Feed.objects.create(
        name="Lead", slug="lead", connection=connection, trigger="contact", path="clients", body_format="json", body={},
        response_values={"said": "body"},
    )  # fmt: skip  # in rows
    return connection


@pytest.mark.parametrize("number", [4815162342, 123.4567])
def test_a_number_among_the_secret_variables_is_a_secret(number: float) -> None:
    def answer(request: Received) -> Reply:
        return Reply(200, {}, json.dumps({"path": request.path, "pin": number}).encode())

    with api_server() as api:
        api.answer = answer
        connection = make(
            api.url, auth_method="none", secret_variables={"pin": number}, default_params={"pin": "{{ pin }}"}
        )
        response = connection.session().get("x")
        result, run = connection.test(), run_feed("lead", {})
    assert str(number) in api.received[0].path
    assert str(number) not in response.url + repr(result) + repr([run.data, run.values, run.attempts])
    assert redact(f"GET /x?pin={number}") == f"GET /x?pin={REDACTED}"


def test_a_switch_and_a_small_number_among_the_secret_variables_are_none() -> None:
    said = {"version": 2, "on": True, "count": "2 of 2"}
    with api_server() as api:
        api.answer = lambda _: Reply(200, {}, json.dumps(said).encode())
        make(api.url, auth_method="none", secret_variables={"version": 2, "on": True})
        run = run_feed("lead", {})
    assert run.data == said


@pytest.mark.parametrize(
    "fields",
    [
        {"auth_method": "basic", "username": "info", "password": CANARY},
        {"auth_method": "oauth2_client_credentials", "client_id": "client", "client_secret": CANARY},
    ],
    ids=["user name", "client ID"],
)
def test_what_only_says_who_asks_is_left_where_it_stands(fields: dict[str, Any]) -> None:
    said = {"clients": ["client"], "kind": "information", "user": "info"}

    def answer(request: Received) -> Reply:
        token = {"access_token": CANARY, "expires_in": 3600}
        return Reply(200, {}, json.dumps(token if request.path == "/token" else said).encode())

    with api_server() as api:
        api.answer = answer
        connection = make(api.url, token_url=f"{api.url}/token", **fields)
        # Whether this object or another one has opened the credential makes no difference.
        assert connection.session().get("clients/info").url == f"{api.url}/clients/info"
        result, runs = connection.test(), [run_feed("lead", {}), run_feed("lead", {})]
    assert json.loads(result.body) == said
    assert [run.data for run in runs] == [said, said]
    assert [run.values for run in runs] == [{"said": said}, {"said": said}]


@pytest.mark.parametrize("method", ["basic", "none"])
def test_a_user_name_without_a_password_is_a_secret(method: str) -> None:
    with api_server() as api:
        api.answer = lambda request: Reply(401, {}, json.dumps(dict(request.headers) | {"at": request.path}).encode())
        connection = make(
            api.url, auth_method=method, username=CANARY, default_params={"user": "{{ username }}"}
        )  # fmt: skip  # in rows
        response = connection.session().get("x")
        result, run = connection.test(), run_feed("lead", {})
    assert CANARY in api.received[0].path
    assert CANARY not in response.url + repr(result) + repr([run.data, run.values, run.attempts])
    assert redact(CANARY) == REDACTED


@pytest.mark.parametrize("status", [200, 401])
def test_the_words_beside_a_status_are_redacted(status: int) -> None:
    def talk(connection: socket.socket) -> None:
        request_of(connection)
        head = f"HTTP/1.1 {status} {CANARY}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())

    with raw_server(talk) as url:
        connection = make(url, auth_method="bearer", api_key=CANARY)
        response = connection.session().get("x")
        result, run = connection.test(), run_feed("lead", {})
    assert response.reason == REDACTED
    assert REDACTED in result.message
    assert run.attempts[0]["response"]["reason"] == REDACTED
    assert CANARY not in repr(result) + repr(run.attempts)
