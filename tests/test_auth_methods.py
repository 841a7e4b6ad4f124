"""What each method puts where."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
import responses

from apiconnector.exceptions import ConfigurationError
from apiconnector.shortcuts import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from apiconnector.models import Connection

pytestmark = pytest.mark.django_db
URL = "https://api.example.com/v1/x"


def sent(
    make: Callable[..., Connection], method: str = "GET", arguments: dict[str, Any] | None = None, **fields: Any
) -> Any:
    make(**fields)
    with responses.RequestsMock() as mock:
        mock.add(method, URL, json={})
        with connect("crm") as api:
            answer = api.request(method, "x", **(arguments or {}))
        request = mock.calls[0].request
    assert "k&y" not in answer.url
    assert "k%26y" not in answer.url
    return request


BEARER = {"auth_method": "bearer", "api_key": "key"}
KEY = {"auth_method": "api_key", "api_key": "k&y 1"}


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"auth_method": "none"}, {}),
        (BEARER, {"Authorization": "Bearer key"}),
        ({**BEARER, "credential_prefix": "Token"}, {"Authorization": "Token key"}),
        ({**BEARER, "credential_name": "authorization"}, {"Authorization": "Bearer key"}),
        ({**BEARER, "credential_name": "ACCESSTOKEN"}, {"ACCESSTOKEN": "key"}),
        ({**BEARER, "credential_name": "X-T", "credential_prefix": "T"}, {"X-T": "T key"}),
        ({**BEARER, "credential_in": "none"}, {}),
        (KEY, {"X-API-Key": "k&y 1"}),
        ({**KEY, "credential_name": "Authorization"}, {"Authorization": "k&y 1"}),
        ({**KEY, "credential_name": "Authorization", "credential_prefix": "ApiKey"}, {"Authorization": "ApiKey k&y 1"}),
        (
            {"auth_method": "basic", "username": "üser", "password": "p:w"},
            {"Authorization": "Basic " + b64encode("üser:p:w".encode()).decode()},
        ),
        ({"auth_method": "basic", "username": "key"}, {"Authorization": "Basic " + b64encode(b"key:").decode()}),
    ],
    ids=str,
)
def test_headers(make_connection: Callable[..., Connection], fields: dict[str, Any], headers: dict[str, str]) -> None:
    request = sent(make_connection, **fields)
    for name in ("Authorization", "ACCESSTOKEN", "X-T", "X-API-Key"):
        assert request.headers.get(name) == headers.get(name)
    assert request.url == URL


def test_query(make_connection: Callable[..., Connection]) -> None:
    request = sent(
        make_connection, arguments={"params": {"a": "1 2"}}, **KEY, credential_in="query", credential_name="key"
    )
    assert request.url == URL + "?a=1+2&key=k%26y%201"


def test_query_replaces_one_of_the_same_name(make_connection: Callable[..., Connection]) -> None:
    request = sent(make_connection, arguments={"params": {"api_key": "old"}}, **KEY, credential_in="query")
    assert request.url == URL + "?api_key=k%26y%201"


@pytest.mark.parametrize(
    ("arguments", "body", "content_type"),
    [
        ({"json": {"a": 1}}, b'{"a": 1, "api_key": "k&y 1"}', "application/json"),
        ({"data": {"a": "1"}}, b"a=1&api_key=k%26y%201", "application/x-www-form-urlencoded"),
        ({}, b"api_key=k%26y%201", "application/x-www-form-urlencoded"),
    ],
)
def test_body(
    make_connection: Callable[..., Connection], arguments: dict[str, Any], body: bytes, content_type: str
) -> None:
    request = sent(make_connection, "POST", arguments, **KEY, credential_in="body")
    assert request.body == body
    assert request.headers["Content-Type"] == content_type
    assert request.headers["Content-Length"] == str(len(body))


def test_a_body_that_can_not_take_it(make_connection: Callable[..., Connection]) -> None:
    make_connection(**KEY, credential_in="body")
    with connect("crm") as api, pytest.raises(ConfigurationError, match="form or a JSON object"):
        api.post("x", json=[1])


@pytest.mark.parametrize("key", ["canary\nX-Evil: 1", "canary\r\n", "canary\x00", "canary-ü"])
def test_what_a_header_can_not_carry_is_not_repeated(make_connection: Callable[..., Connection], key: str) -> None:
    make_connection(auth_method="bearer", api_key=key)
    with connect("crm") as api, pytest.raises(ConfigurationError) as refused:
        api.get("x")
    assert "canary" not in str(refused.value)


def test_netrc_is_not_read(
    make_connection: Callable[..., Connection], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine api.example.com login canary password canary\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert "Authorization" not in sent(make_connection, auth_method="none").headers
