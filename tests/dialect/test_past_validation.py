"""Rows that were stored past the form: nothing raises but this package's errors, and no page fails."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from apiconnector.exceptions import ApiConnectorError, ConfigurationError
from apiconnector.models import Connection, Feed, Token
from apiconnector.shortcuts import connect, run_feed
from tests.security.dance import CODE, change_url, land, press, state_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tests.dialect.site import Provider

pytestmark = pytest.mark.django_db(transaction=True)

GARBAGE: list[tuple[str, Any]] = [
    *(("dialect", value) for value in (5, True, "text", [1], {"nope": 1}, {"login": 5}, {"token_response": 1})),
    ("dialect", {"keep_from_token": {"u": {"pattern": "("}}}),
    ("dialect", {"test_request": {"format": "query", "body": 5}}),
    ("dialect", {"second_token": {"url": "a\\b"}}),
    ("dialect", {"revoke": {"url": "{{ gone }}/x"}}),
    ("dialect", {"authorization_params": {"x": "{{ gone }}"}, "token_params": {"x": "{{ gone }}"}}),
    *(("variables", value) for value in (5, "text", [1], {"": ""})),
    *(("allowed_hosts", value) for value in (5, 1.5, True, "other.example", {"other.example": 1}, [None], ["{{ x"])),
    *((name, value) for name in ("default_headers", "default_body") for value in (5, [1], {"x": "{{ broken"})),
    *((name, url) for name in ("base_url", "authorization_url", "token_url", "revocation_url")
      for url in ("", "{{ x", "https://{{ x }}.example", "{{ client_secret }}", "http://[")),
    ("test_method", "NO METHOD"), ("test_path", "{{ x"), ("label_template", "{{ x"), ("account_id_path", "x("),
    ("credential_in", "nowhere"), ("credential_prefix", "\n"), ("client_auth", "odd"), ("pkce", "odd"),
    ("auth_method", "gone"), ("timeout", -1), ("timeout", 1e300),
]  # fmt: skip  # in rows


def run(*args: str) -> None:
    try:
        call_command("apiconnector", *args, stdout=StringIO(), stderr=StringIO())
    except SystemExit:
        pass


@pytest.mark.parametrize("method", ["oauth2_authorization_code", "login"])
@pytest.mark.parametrize(("column", "value"), GARBAGE)
def test_nothing_breaks(  # noqa: PLR0917 - a table
    make: Callable[..., Connection], site: Client, provider: Provider, method: str, column: str, value: Any
) -> None:
    dialect = {"login": {"url": "login"}} if method == "login" else {}
    connection = make(auth_method=method, test_path="me", timeout=2, dialect=dialect)
    Token.objects.create(connection=connection, access_token="canary-access", refresh_token="canary-refresh")
    Feed.objects.create(name="F", slug="f", connection=connection, method="POST", path="x")
    for path in ("/token", "/api/login", "/api/me", "/api/x"):
        provider.answer(path, {"access_token": "canary-2"})
    state = state_of(press(site, connection)) if method == "oauth2_authorization_code" else "none"
    Connection.objects.filter(pk=connection.pk).update(**{column: value})

    assert land(site, state=state, code=CODE).status_code in {200, 400}
    assert Connection.objects.get().status
    with connect("odd") as api:
        for path in ("me", "https://other.example/x"):
            try:
                api.get(path)
            except ApiConnectorError:
                pass
    assert Connection.objects.get().test().message
    assert run_feed("f").status in {"succeeded", "failed", "pending"}
    Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    for args in (["list"], ["show", "odd"], ["test", "odd"], ["refresh", "odd"], ["refresh", "--due"], ["deliver"]):
        run(*args)
    assert site.get(reverse("admin:apiconnector_connection_changelist")).status_code == 200
    assert site.get(change_url(connection)).status_code == 200
    for act in ("test", "authorize", "disconnect"):
        assert site.post(reverse(f"admin:apiconnector_connection_{act}", args=[connection.pk])).status_code == 302
    assert not Token.objects.exists()


@pytest.mark.parametrize("value", ["other.example", {"other.example": 1}])
def test_allowed_hosts_that_are_no_list_allow_none(make: Callable[..., Connection], value: Any) -> None:
    make(auth_method="bearer", api_key="canary-key")
    Connection.objects.update(allowed_hosts=value)
    Connection.objects.get().save()
    with connect("odd") as api, pytest.raises(ConfigurationError):
        api.get("https://other.example/x")
