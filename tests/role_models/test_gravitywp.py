"""What GravityWP's API Connector offers: each of its authentications and fields, here as a connection and a feed."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest
from django.core.exceptions import ValidationError

from apiconnector import auth
from apiconnector.models import Connection, Feed
from apiconnector.shortcuts import run_feed, submit
from tests.role_models.dance import CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, authorize, change_url, text
from tests.role_models.serving import Received, Reply, in_json, serving, to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.test import Client

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = (Path(__file__).parent.parent.parent / "docs" / "equivalents.md").read_text(encoding="utf-8")
KEY = "canary-api-key"


class Api:
    """An API that takes one kind of credential, and echoes what it was sent."""

    def __init__(self, accepts: Callable[[Received], bool]) -> None:
        self.accepts = accepts
        self.received: list[Received] = []
        self.challenge = ""

    def __call__(self, request: Received) -> Reply:
        if request.path == "/authorize":
            self.challenge = request.query.get("code_challenge", "")
            return to(REDIRECT_URI, code="code-value-1", state=request.query["state"])
        if request.path == "/token":
            return self.token(request)
        self.received.append(request)
        if not self.accepts(request):
            return in_json({"error": "unauthorized"}, 401)
        if request.headers.get("x-tenant") != "acme":
            return in_json({"error": "the header of the connection is missing"}, 400)
        return in_json({
            "id": 7, "method": request.method, "contact": {"name": "Ada", "tags": ["a", "b"]},
        }, 201 if request.method == "POST" else 200)  # fmt: skip  # in rows

    def token(self, request: Received) -> Reply:
        form = request.form
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return in_json({"error": "invalid_client"}, 401)
        if form["grant_type"] == "authorization_code" and not (form.get("code_verifier") and self.challenge):
            return in_json({"error": "invalid_grant"}, 400)
        return in_json({"access_token": KEY, "expires_in": 3600, "scope": form.get("scope", "")})


#: Its authentications, as an API sees them, and the fields of the connection here.
AUTHENTICATIONS: dict[str, tuple[Callable[[Received], bool], dict[str, Any]]] = {
    "No authentication": (
        lambda request: "authorization" not in request.headers,
        {"auth_method": "none"},
    ),
    "API Key in a header": (
        lambda request: request.headers.get("x-key") == KEY,
        {"auth_method": "api_key", "api_key": KEY, "credential_name": "x-key"},
    ),
    "API Key as a parameter": (
        lambda request: request.query.get("x-key") == KEY and KEY not in str(request.headers),
        {"auth_method": "api_key", "api_key": KEY, "credential_name": "x-key", "credential_in": "query"},
    ),
    "Basic Authentication": (
        lambda request: request.basic == ("ada", KEY),
        {"auth_method": "basic", "username": "ada", "password": KEY},
    ),
    "Bearer Token": (
        lambda request: request.bearer == KEY,
        {"auth_method": "bearer", "api_key": KEY},
    ),
    "OAuth 2.0 (Client Credentials)": (
        lambda request: request.bearer == KEY,
        {"auth_method": "oauth2_client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "token_url": "{{ host }}/token", "scope": "contacts"},
    ),
    "OAuth 2.0 (Authorization Code)": (
        lambda request: request.bearer == KEY,
        {"auth_method": "oauth2_authorization_code", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "authorization_url": "{{ host }}/authorize", "token_url": "{{ host }}/token", "scope": "contacts"},
    ),
}  # fmt: skip  # in rows


@contextmanager
def connected(name: str) -> Iterator[tuple[Api, Connection]]:
    accepts, fields = AUTHENTICATIONS[name]
    api = Api(accepts)
    with serving(api) as origin:
        connection = Connection(
            name="API", slug="my-api", base_url="{{ host }}/v1", variables={"host": origin},
            default_headers={"X-Tenant": "acme"}, test_path="me", **fields,
        )  # fmt: skip  # in rows
        connection.full_clean()
        connection.save()
        yield api, connection


def make_feed(connection: Connection, **fields: Any) -> Feed:
    feed = Feed(**{
        "name": "Feed", "slug": "feed", "trigger": "form-1", "connection": connection, "path": "contacts", **fields,
    })  # fmt: skip  # in rows
    feed.full_clean()
    feed.save()
    return feed


@pytest.mark.parametrize("name", AUTHENTICATIONS)
@pytest.mark.parametrize("method", Feed.Method.values)
def test_each_authentication_with_each_method(site: Client, name: str, method: str) -> None:
    with connected(name) as (api, connection):
        if connection.method.needs_person:
            assert authorize(site, connection).status_code == 200
        assert connection.test().ok, connection.test().message
        body = {} if method in {"GET", "DELETE"} else {"body_format": "json", "body": {"email": "{{ email }}"}}
        make_feed(connection, method=method, **body)
        (run,) = submit("form-1", {"email": "ada@example.org"})
        run.refresh_from_db()
        assert (run.status, run.outcome) == ("succeeded", "sent"), run.error_message
        sent = api.received[-1]
        assert (sent.method, sent.path) == (method, "/v1/contacts")
        assert not body or sent.json() == {"email": "ada@example.org"}
        assert KEY not in str(run.attempts), "what is kept of a run holds no credential"


@pytest.mark.parametrize("name", [name for name in AUTHENTICATIONS if name != "No authentication"])
def test_the_api_insists(name: str) -> None:
    """With another credential it refuses: the tests above prove something."""
    with connected(name) as (api, connection):
        Connection.objects.filter(pk=connection.pk).update(auth_method="none")
        assert run_feed_of(connection).status_code == 401
        assert len(api.received) == 1


def run_feed_of(connection: Connection) -> Any:
    make_feed(connection, method="GET")
    return run_feed("feed")


def test_the_form_shows_the_redirect_url_and_the_slug_is_permanent(site: Client) -> None:
    with connected("OAuth 2.0 (Authorization Code)") as (_, connection):
        assert REDIRECT_URI in text(site.get(change_url(connection)))
        connection.slug = "another"
        with pytest.raises(ValidationError, match="can't be changed"):
            connection.save()


def test_pkce_may_be_switched_off(site: Client) -> None:
    with connected("OAuth 2.0 (Authorization Code)") as (api, connection):
        connection.pkce = ""
        connection.save()
        assert authorize(site, connection).status_code == 400, "this API insists on it"
        assert api.challenge == ""


def test_mapping() -> None:
    """Headers, query and JSON with paths into objects and lists; merge tags with modifiers are filters."""
    with connected("Bearer Token") as (api, connection):
        make_feed(
            connection, path="contacts/{{ id }}/notes", query={"q": "{{ name }}", "fixed": "1"},
            headers={"X-Form": "form {{ form }}"}, body_format="json",
            body={
                "customer": {"name": "{{ name|upper }}"},
                "items": [{"sku": "{{ sku }}", "quantity": "{{ quantity }}"}],
                "values": [["{{ name }}", "{{ agreed }}"]],
                "phone": '{{ phone|default:"none" }}',
            },
        )  # fmt: skip  # in rows
        data = {"id": "a/b", "name": "Ada L.", "form": 3, "sku": "ABC-123", "quantity": 2, "agreed": True}
        run = run_feed("feed", data)
        assert run.ok, run.error_message
        sent = api.received[-1]
        assert sent.path == "/v1/contacts/a%2Fb/notes"
        assert sent.query == {"q": "Ada L.", "fixed": "1"}
        assert sent.headers["x-form"] == "form 3"
        assert sent.json() == {
            "customer": {"name": "ADA L."},
            "items": [{"sku": "ABC-123", "quantity": 2}],
            "values": [["Ada L.", True]],
            "phone": "none",
        }


def test_form_parameters() -> None:
    with connected("Bearer Token") as (api, connection):
        make_feed(
            connection, body_format="form", body={"name": "{{ name }}", "topics": "{{ topics }}", "zero": "{{ zero }}"}
        )
        assert run_feed("feed", {"name": "Ada & Co", "topics": ["a", "b"], "zero": 0}).ok
        sent = api.received[-1]
        assert sent.headers["content-type"] == "application/x-www-form-urlencoded"
        assert parse_qsl(sent.body.decode()) == [("name", "Ada & Co"), ("topics", "a"), ("topics", "b"), ("zero", "0")]


def test_mapping_of_the_response() -> None:
    with connected("Bearer Token") as (_, connection):
        make_feed(
            connection,
            response_values={
                "id": "body.id",
                "name": "body.contact.name",
                "second": "body.contact.tags[1]",
                "status": "status",
            },
        )
        run = run_feed("feed", {})
        assert run.values == {"id": 7, "name": "Ada", "second": "b", "status": 201}
        assert run.data["contact"]["name"] == "Ada"


def test_one_request_a_row() -> None:
    with connected("Bearer Token") as (api, connection):
        make_feed(
            connection, for_each="rows", body_format="json", body={"sku": "{{ item.sku }}", "order": "{{ order }}"}
        )
        runs = submit("form-1", {"order": 7, "rows": [{"sku": "A"}, {"sku": "B"}]})
        assert [run.status for run in runs] == ["succeeded", "succeeded"]
        assert [sent.json() for sent in api.received] == [{"sku": "A", "order": 7}, {"sku": "B", "order": 7}]


def test_conditional_logic() -> None:
    with connected("Bearer Token") as (api, connection):
        make_feed(connection, condition="agreed && topic == 'sales'")
        sent = [submit("form-1", {"agreed": agreed, "topic": "sales"})[0].status for agreed in (True, False)]
        assert sent == ["succeeded", "skipped"]
        assert len(api.received) == 1


@pytest.mark.parametrize(("rule", "status"), [("body.id", "succeeded"), ("body.error == `false`", "failed")])
def test_success_by_what_the_body_says(rule: str, status: str) -> None:
    with connected("Bearer Token") as (_, connection):
        make_feed(connection, success_when=rule)
        assert run_feed("feed", {}).status == status


def test_the_page_names_the_fields_of_rules() -> None:
    for name in ("condition", "for_each", "success_when"):
        assert re.search(rf"^\| .* \| `{name}`", PAGE, re.MULTILINE)


def test_the_page_has_each_authentication() -> None:
    section = PAGE[PAGE.index("## GravityWP") :]
    for name in AUTHENTICATIONS:
        assert name.removesuffix(" in a header").removesuffix(" as a parameter") in section
    used = {fields["auth_method"] for _, fields in AUTHENTICATIONS.values()}
    assert used <= {method.name for method in auth.methods()}
    assert used == set(re.findall(r"`auth_method` `(\w+)`", section))
    assert set(re.findall(r"\b(?:GET|POST|PUT|PATCH|DELETE)\b", section)) == set(Feed.Method.values)
