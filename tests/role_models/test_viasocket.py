"""viaSocket's twelve steps, walked with one connection from the first to the last."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from django.core.exceptions import ValidationError

from apiconnector.authorize import discard_held, use_held
from apiconnector.exceptions import DestinationRefused
from apiconnector.models import AuthorizationAttempt, Connection, Feed, Token
from apiconnector.shortcuts import connect, run_feed
from tests.client.origins import make_certificate
from tests.role_models.dance import (
    CLIENT_ID,
    CLIENT_SECRET,
    REDIRECT_URI,
    authorize,
    change_url,
    disconnect,
    press_authorize,
    press_test,
    refreshed,
    text,
)
from tests.role_models.plugin_service import PluginService
from tests.role_models.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

pytestmark = pytest.mark.django_db
PAGE = (Path(__file__).parent.parent.parent / "docs" / "equivalents.md").read_text(encoding="utf-8")

#: Steps 1, 4 and 7 as data; the pattern of step 1 keeps out what the service does not have.
DIALECT: dict[str, Any] = {
    "variables": {
        "environment": {"label": "Environment", "pattern": "sandbox|production", "default": "sandbox"},
        "region": {"label": "Region", "pattern": "eu|us", "help": "Where the account is kept."},
    },
    "authorization_params": {"region": "{{ region }}"},
    "revoke": {
        "url": "{{ host }}/oauth/revoke-token",
        "headers": {"Authorization": "Bearer {{ access_token }}"},
        "body": {"token": "{{ refresh_token }}"},
    },
}


@pytest.fixture
def service() -> PluginService:
    return PluginService()


@pytest.fixture
def connection(
    service: PluginService, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Connection]:
    """All twelve steps, filled in."""
    certificate = make_certificate(tmp_path_factory.mktemp("certificate"), "localhost")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.bundle))
    with serving(service, certificate.context) as host, serving(service.files, certificate.context) as files:
        connection = Connection(
            name="Service", slug="service", auth_method="oauth2_authorization_code",
            # 1. extra fields: declared in the dialect, filled in here
            dialect=DIALECT, variables={"host": host, "region": "eu"},
            # 3. credentials
            client_id=CLIENT_ID, client_secret=CLIENT_SECRET,
            # 4. authorization endpoint, with scopes joined by a comma
            authorization_url="{{ host }}/oauth/authorize", scope="read_profile,write_data", scope_delimiter=",",
            # 5. access token API, 6. refresh API
            token_url="{{ host }}/oauth/access-token", refresh_url="{{ host }}/oauth/refresh-token",
            # 8. test API, 9. label, 11. unique identifier
            test_path="profile", label_template="{{ body.email }}", account_id_path="body.id",
            # 10. allowed URLs
            base_url="{{ host }}/{{ environment }}/v1", allowed_hosts=[files.removeprefix("https://")],
            # 12. request parameters
            default_headers={"X-Region": "{{ region }}"}, default_params={"api_version": "2026-01"},
            default_body={"source": "site", "region": "{{ region }}"},
        )  # fmt: skip  # in rows
        connection.full_clean()
        connection.save()
        connection.files = files  # type: ignore[attr-defined]  # for the tests of step 10
        yield connection


def test_the_twelve_steps(site: Client, service: PluginService, connection: Connection) -> None:
    walked = []

    # 1. An extra field is checked against its pattern.
    connection.variables |= {"region": "mars"}
    with pytest.raises(ValidationError, match="does not match the pattern"):
        connection.full_clean()
    connection.variables |= {"region": "eu"}
    walked.append(1)

    # 2. The form shows the redirect URL to copy.
    assert REDIRECT_URI in text(site.get(change_url(connection)))
    walked.append(2)

    # 3 to 5. Log in, come back, exchange. The service checks client, scopes, region, redirect URL and state.
    page = authorize(site, connection)
    assert page.status_code == 200, text(page)
    assert ("GET", "/oauth/authorize") in service.seen
    assert ("POST", "/oauth/access-token") in service.seen
    walked += [3, 4, 5]

    # 6. Refreshing goes to its own address, and there only.
    assert ("POST", "/oauth/refresh-token") not in service.seen
    for token in list(service.alive):
        del service.alive[token]
    with connect("service") as api:
        assert api.get("profile").status_code == 200
    assert service.seen.count(("POST", "/oauth/refresh-token")) == 1
    assert service.seen.count(("POST", "/oauth/access-token")) == 1
    walked.append(6)

    # 8 and 9. Test, and the label found by it.
    assert "answered 200" in press_test(site, connection)
    assert refreshed(connection).token.account_label == "ada@example.org"
    assert "ada@example.org" in text(site.get(change_url(connection)))
    walked += [8, 9]

    # 10. The base URL and the allowed host, and no other.
    files = connection.files  # type: ignore[attr-defined]  # set by the fixture
    with connect("service") as api:
        assert api.get(f"{files}/files").json() == {"files": []}
        with pytest.raises(DestinationRefused):
            api.get("https://elsewhere.example/files")
        with pytest.raises(DestinationRefused):
            api.get("../../production/v1/profile")
    walked.append(10)

    # 11. The unique identifier.
    assert connection.token.account_id == "id-of-ada@example.org"
    walked.append(11)

    # 12. Parameters of every request, also of feeds.
    Feed.objects.create(
        name="Lead", slug="lead", connection=connection, path="leads", body_format="json", body={"email": "{{ email }}"}
    )
    assert run_feed("lead", {"email": "grace@example.org"}).ok
    assert service.bodies == [{"email": "grace@example.org", "source": "site", "region": "eu"}]
    walked.append(12)

    # 7. Revoke, in the service's own way.
    refresh_token = connection.token.refresh_token.reveal()
    assert "The provider revoked the token." in disconnect(site, connection)
    assert service.revoked == [refresh_token]
    assert not Token.objects.exists()
    walked.append(7)

    steps = [int(number) for number in re.findall(r"^\| (\d+)\. ", PAGE, re.MULTILINE)]
    assert sorted(walked) == steps == list(range(1, 13))


def test_the_service_insists(service: PluginService, connection: Connection) -> None:
    """Without what the steps fill in it refuses: the walk above proves something."""
    host = connection.variables["host"]
    assert requests.get(f"{host}/oauth/authorize", timeout=5).status_code == 400
    assert (
        requests.post(f"{host}/oauth/access-token", data={"grant_type": "refresh_token"}, timeout=5).status_code == 400
    )
    assert requests.post(f"{host}/oauth/refresh-token", data={"refresh_token": "x"}, timeout=5).status_code == 401
    service.alive["t"] = "ada@example.org"
    answer = requests.get(f"{host}/sandbox/v1/profile", headers={"Authorization": "Bearer t"}, timeout=5)
    assert answer.status_code == 422


@pytest.mark.parametrize("is_wanted", [True, False])
def test_another_account_waits_for_a_decision(
    site: Client, service: PluginService, connection: Connection, is_wanted: bool
) -> None:
    authorize(site, connection)
    service.account = "grace@example.org"
    page = authorize(site, connection)
    assert page.status_code == 200
    assert "This is another account: grace@example.org." in text(page)
    assert connection.token.account_label == "ada@example.org"
    attempt = AuthorizationAttempt.objects.get(outcome="held")
    (use_held if is_wanted else discard_held)(attempt)
    expected = "grace@example.org" if is_wanted else "ada@example.org"
    assert refreshed(connection).token.account_label == expected
    with connect("service") as api:
        assert api.get("profile").json()["email"] == expected


def test_an_account_that_is_connected_already_is_reported(
    site: Client, service: PluginService, connection: Connection
) -> None:
    authorize(site, connection)
    other = Connection.objects.get(pk=connection.pk)
    other.pk, other.name, other.slug = None, "Second", "second"
    other.client_id, other.client_secret = CLIENT_ID, CLIENT_SECRET
    other.save(force_insert=True)
    assert "“Service” uses this account already" in text(authorize(site, other))


def test_an_extra_field_changes_the_address(site: Client, service: PluginService, connection: Connection) -> None:
    """Environment: the same connection, another path."""
    authorize(site, connection)
    Connection.objects.update(variables=connection.variables | {"environment": "production"})
    with connect("service") as api:
        assert api.get("profile").status_code == 404
    assert service.seen[-1] == ("GET", "/production/v1/profile")


def test_an_optional_step_may_be_left_out(site: Client, service: PluginService, connection: Connection) -> None:
    """Without a refresh URL the token URL is asked; the service does not take that, and says so."""
    connection.refresh_url = ""
    connection.client_secret = CLIENT_SECRET
    connection.save()
    press_authorize(site, connection)
    authorize(site, connection)
    service.alive.clear()
    with connect("service") as api, pytest.raises(requests.RequestException):
        api.get("profile")
    assert refreshed(connection).status == "misconfigured"
    assert "does not offer this grant" in connection.status_reason
