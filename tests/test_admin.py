"""The admin pages, as a person uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import responses
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from apiconnector import auth
from apiconnector.feeds import run_feed
from apiconnector.models import Connection, ConnectionEvent, Feed, FeedRun, Token

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db
ADD = "/admin/apiconnector/connection/add/"


def form(**fields: Any) -> dict[str, Any]:
    """What a browser sends of the connection form."""
    values = {
        "name": "CRM", "slug": "crm", "base_url": "https://api.example.com", "auth_method": "none", "is_active": "on",
        "scope_delimiter": " ", "pkce": "S256", "client_auth": "client_secret_post", "credential_in": "header",
        "default_headers": "{}", "default_params": "{}", "default_body": "{}", "allowed_hosts": "[]", "variables": "{}",
        "test_method": "GET",
    }  # fmt: skip  # in rows
    return {**values, **fields}


def change_url(connection: Connection) -> str:
    return reverse("admin:apiconnector_connection_change", args=[connection.pk])


def act_url(connection: Connection, act: str) -> str:
    return reverse(f"admin:apiconnector_connection_{act}", args=[connection.pk])


def errors(response: Any) -> dict[str, Any]:
    return dict(response.context["adminform"].form.errors)


def test_add_and_change_without_showing_a_secret_again(admin_client: Client) -> None:
    response = admin_client.post(ADD, form(auth_method="bearer", api_key="canary-key"))
    assert response.status_code == 302
    connection = Connection.objects.get()
    assert connection.api_key.reveal() == "canary-key"
    page = admin_client.get(change_url(connection)).content.decode()
    assert "canary" not in page
    assert "fernet:" not in page
    assert "Stored, encrypted" in page
    assert admin_client.post(change_url(connection), form(auth_method="bearer", name="New")).status_code == 302
    connection.refresh_from_db()
    assert connection.name == "New"
    assert connection.api_key.reveal() == "canary-key"
    event = ConnectionEvent.objects.get(kind="edited")
    assert event.message == "Changed: name"
    admin_client.post(change_url(connection), form(auth_method="bearer", api_key="canary-2"))
    assert Connection.objects.get().api_key.reveal() == "canary-2"
    assert "canary" not in str(list(LogEntry.objects.values())) + str(list(ConnectionEvent.objects.values()))


def test_without_a_key_the_form_says_so(admin_client: Client, settings: Any) -> None:
    settings.APICONNECTOR_KEYS = []
    response = admin_client.post(ADD, form(auth_method="bearer", api_key="canary-key"))
    assert set(errors(response)) == {"api_key"}
    assert "keys generate" in str(errors(response))
    assert "canary" not in response.content.decode()


def test_a_connection_with_a_history_can_be_deleted(admin_client: Client, bearer: Connection) -> None:
    ConnectionEvent.record(bearer, ConnectionEvent.Kind.TESTED)
    url = reverse("admin:apiconnector_connection_delete", args=[bearer.pk])
    assert admin_client.post(url, {"post": "yes"}).status_code == 302
    assert not Connection.objects.exists()


def test_a_secret_is_removed_by_its_box(admin_client: Client, bearer: Connection) -> None:
    sent = form(auth_method="none", base_url=bearer.base_url, **{"api_key-remove": "on"})
    assert admin_client.post(change_url(bearer), sent).status_code == 302
    assert not Connection.objects.get().api_key


def test_removing_what_the_method_needs_is_refused(admin_client: Client, bearer: Connection) -> None:
    sent = form(auth_method="bearer", base_url=bearer.base_url, **{"api_key-remove": "on"})
    response = admin_client.post(change_url(bearer), sent)
    assert set(errors(response)) == {"api_key"}
    assert Connection.objects.get().api_key.reveal() == "canary-bearer-key"


def test_an_error_in_the_form_does_not_echo_the_secret(admin_client: Client) -> None:
    response = admin_client.post(ADD, form(auth_method="bearer", api_key="canary-key", base_url="nonsense"))
    assert set(errors(response)) == {"base_url"}
    assert "canary" not in response.content.decode()


def test_a_shown_credential_is_not_typed_by_sending_it_back(
    admin_client: Client, make_connection: Callable[..., Connection]
) -> None:
    connection = make_connection(auth_method="basic", username="ada", password="pw")
    assert 'value="ada"' in admin_client.get(change_url(connection)).content.decode()
    stored = connection.username.stored
    sent = form(auth_method="basic", username="ada", base_url="https://evil.example")
    assert admin_client.post(change_url(connection), sent).status_code == 302
    connection = Connection.objects.get()
    assert connection.username.stored == stored
    assert connection.status == "sealed"
    sent = form(auth_method="basic", username="", base_url="https://evil.example")
    assert set(errors(admin_client.post(change_url(connection), sent))) == {"username"}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"auth_method": "basic"}, {"username"}),
        (
            {"auth_method": "oauth2_authorization_code"},
            {"client_id", "client_secret", "authorization_url", "token_url"},
        ),
        ({"base_url": "javascript:alert(1)"}, {"base_url"}),
        ({"base_url": "https://user:pass@api.example.com"}, {"base_url"}),
        ({"default_headers": "[1]"}, {"default_headers"}),
        ({"default_headers": "nonsense"}, {"default_headers"}),
        ({"default_headers": '{"A": "b\\nc"}'}, {"default_headers"}),
        ({"variables": '{"a": NaN}'}, {"variables"}),
        ({"variables": '{"a": "\\ud800"}'}, {"variables"}),
        ({"variables": "[" * 600 + "]" * 600}, {"variables"}),
        ({"variables": "1" * 5000}, {"variables"}),
        ({"secret_variables": "[1]"}, {"secret_variables"}),
        ({"timeout": "0"}, {"timeout"}),
        ({"timeout": "nan"}, {"timeout"}),
        ({"slug": "two words"}, {"slug"}),
        ({"auth_method": "nonsense"}, {"auth_method"}),
        ({"name": "nul \x00"}, {"name"}),
    ],
    ids=lambda value: str(value)[:50] if isinstance(value, dict) else None,
)
def test_bad_input_is_said_at_its_field(admin_client: Client, fields: dict[str, str], named: set[str]) -> None:
    response = admin_client.post(ADD, form(**fields))
    assert response.status_code == 200
    assert set(errors(response)) == named
    assert not Connection.objects.exists()


def test_a_new_connection_shows_the_redirect_uri_to_register(admin_client: Client) -> None:
    assert "http://testserver/oauth/callback" in admin_client.get(ADD).content.decode()


def test_a_connection_that_has_to_be_authorized_stays_on_its_page(admin_client: Client) -> None:
    sent = form(
        auth_method="oauth2_authorization_code", client_id="i", client_secret="s",
        authorization_url="https://p.example/a", token_url="https://p.example/t",
    )  # fmt: skip  # in rows
    response = admin_client.post(ADD, sent, follow=True)
    assert response.redirect_chain[0][0] == change_url(Connection.objects.get())
    assert b"Authorize</button>" in response.content


def test_the_style_sheet_hides_what_a_method_does_not_use(admin_client: Client) -> None:
    response = admin_client.get(reverse("admin:apiconnector_connection_fields_css"))
    assert response["Content-Type"] == "text/css"
    rules = response.content.decode().removesuffix(" { display: none; }\n").split(",\n")
    for method in auth.methods():
        for name in ("client_id", "username", "api_key"):
            rule = f'form:has(#id_auth_method option[value="{method.name}"]:checked) .form-row.field-{name}'
            assert (rule in rules) is (name not in method.fields)


@pytest.mark.parametrize("act", ["authorize", "test", "disconnect"])
class TestActs:
    def test_get_is_405(self, admin_client: Client, bearer: Connection, act: str) -> None:
        assert admin_client.get(act_url(bearer, act)).status_code == 405

    def test_without_permission_403(
        self, client: Client, bearer: Connection, django_user_model: type[User], act: str
    ) -> None:
        person = django_user_model.objects.create_user("clerk", password="x", is_staff=True)
        person.user_permissions.add(Permission.objects.get(codename="change_connection"))
        client.force_login(person)
        assert client.post(act_url(bearer, act)).status_code == 403

    def test_without_csrf_token_403(self, bearer: Connection, admin_user: User, act: str) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(admin_user)
        assert client.post(act_url(bearer, act)).status_code == 403

    def test_an_unknown_connection_404(self, admin_client: Client, act: str) -> None:
        assert admin_client.post(f"/admin/apiconnector/connection/999/{act}/").status_code == 404
        assert admin_client.post(f"/admin/apiconnector/connection/x/{act}/").status_code == 404

    def test_anonymous_goes_to_the_login(self, client: Client, bearer: Connection, act: str) -> None:
        response = client.post(act_url(bearer, act))
        assert response.status_code == 302
        assert "/login/" in response["Location"]


@responses.activate
def test_test_says_what_came_back_and_is_written_down(
    admin_client: Client, make_connection: Callable[..., Connection], admin_user: User
) -> None:
    connection = make_connection(test_path="me", label_template="{{ body.name }}", account_id_path="body.id")
    responses.get("https://api.example.com/v1/me", json={"name": "Ada", "id": 7})
    response = admin_client.post(act_url(connection, "test"), follow=True)
    (message,) = response.context["messages"]
    assert "200" in str(message)
    assert "Ada" in str(message)
    assert ConnectionEvent.objects.get(kind="tested").actor == admin_user
    assert LogEntry.objects.get().object_id == str(connection.pk)


def test_disconnect_is_logged(admin_client: Client, bearer: Connection) -> None:
    Token.objects.create(connection=bearer, access_token="x")
    admin_client.post(act_url(bearer, "disconnect"))
    assert not Token.objects.exists()
    assert LogEntry.objects.get().change_message == "Disconnected."
    assert ConnectionEvent.objects.get().kind == "revoked"


def test_secrets_have_a_permission_of_their_own(
    client: Client, bearer: Connection, django_user_model: type[User]
) -> None:
    person = django_user_model.objects.create_user("clerk", password="x", is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename="change_connection"))
    client.force_login(person)
    page = client.get(change_url(bearer)).content.decode()
    assert 'name="api_key"' not in page
    assert "canary" not in page
    assert "Authorize</button>" not in page
    sent = form(auth_method="bearer", base_url=bearer.base_url, api_key="canary-evil", name="Renamed")
    assert client.post(change_url(bearer), sent).status_code == 302
    connection = Connection.objects.get()
    assert connection.name == "Renamed"
    assert connection.api_key.reveal() == "canary-bearer-key"
    sent = form(auth_method="basic", base_url=bearer.base_url)
    response = client.post(change_url(bearer), sent)
    assert response.status_code == 200
    assert "username" in str(errors(response))


def test_the_list_shows_statuses_in_a_constant_number_of_queries(
    admin_client: Client, make_connection: Callable[..., Connection], django_assert_num_queries: Any
) -> None:
    for number in range(15):
        make_connection(slug=f"c{number}", auth_method="bearer", api_key="k")
    with django_assert_num_queries(8):
        page = admin_client.get("/admin/apiconnector/connection/").content.decode()
    assert page.count("apiconnector-good") == 15


@responses.activate
def test_runs_and_events_are_read_only(
    admin_client: Client, bearer: Connection, make_feed: Callable[..., Feed]
) -> None:
    make_feed(bearer)
    responses.post("https://api.example.com/v1/leads", json={"id": 5})
    run = run_feed("lead", {"email": "ada@example.org"})
    base = "/admin/apiconnector/feedrun/"
    assert b"Succeeded" in admin_client.get(base).content
    page = admin_client.get(f"{base}{run.pk}/change/").content.decode()
    assert "ada@example.org" in page
    assert "canary" not in page
    assert admin_client.get(f"{base}add/").status_code == 403
    assert admin_client.post(f"{base}{run.pk}/change/", {"status": "dead"}).status_code == 403
    assert admin_client.post(f"{base}{run.pk}/delete/", {"post": "yes"}).status_code == 403
    ConnectionEvent.record(bearer, ConnectionEvent.Kind.TESTED, "fine")
    assert b"fine" in admin_client.get("/admin/apiconnector/connectionevent/").content
    assert FeedRun.objects.get().status == "succeeded"


@responses.activate
@pytest.mark.parametrize("body", [b'{"a": "\\ud800"}', b"[" * 900 + b"]" * 900], ids=["surrogate", "deep"])
def test_a_run_with_an_odd_answer_is_shown(
    admin_client: Client, bearer: Connection, make_feed: Callable[..., Feed], body: bytes
) -> None:
    make_feed(bearer)
    responses.post("https://api.example.com/v1/leads", body=body)
    run = run_feed("lead", {"email": "a"})
    assert admin_client.get(f"/admin/apiconnector/feedrun/{run.pk}/change/").status_code == 200


def test_a_json_field_that_is_emptied_means_the_default(admin_client: Client) -> None:
    assert admin_client.post(ADD, form(default_headers="", allowed_hosts="")).status_code == 302
    assert (Connection.objects.get().default_headers, Connection.objects.get().allowed_hosts) == ({}, [])


@responses.activate
def test_bodies_have_a_permission_of_their_own(
    client: Client, bearer: Connection, make_feed: Callable[..., Feed], django_user_model: type[User]
) -> None:
    make_feed(bearer)
    responses.post("https://api.example.com/v1/leads", json={"id": 5})
    run = run_feed("lead", {"email": "ada@example.org"})
    person = django_user_model.objects.create_user("clerk", password="x", is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename="view_feedrun"))
    client.force_login(person)
    page = client.get(f"/admin/apiconnector/feedrun/{run.pk}/change/").content.decode()
    assert "Succeeded" in page
    assert "ada@example.org" not in page


def test_a_feed_is_added_and_checked(admin_client: Client, bearer: Connection) -> None:
    sent = {
        "name": "Lead", "slug": "lead", "connection": bearer.pk, "trigger": "contact", "is_active": "on", "method": "POST",
        "path": "leads", "body_format": "json", "body": '{"a": "{{ b }}"}', "query": "{}", "headers": "{}",
        "response_values": '{"id": "body.id"}', "max_attempts": "14", "retry_delay": "10", "empty_values": "keep",
        "body_limit": "10000",
    }  # fmt: skip  # in rows
    url = "/admin/apiconnector/feed/add/"
    assert set(errors(admin_client.post(url, {**sent, "body": '{"a": "{{ b"}'}))) == {"body"}
    assert admin_client.post(url, sent).status_code == 302
    assert Feed.objects.get().body == {"a": "{{ b }}"}
    assert admin_client.get(f"/admin/apiconnector/feed/{Feed.objects.get().pk}/change/").status_code == 200


def test_a_method_that_is_gone_breaks_no_page(admin_client: Client, make_connection: Callable[..., Connection]) -> None:
    connection = make_connection(auth_method="gone")
    assert b"Misconfigured" in admin_client.get("/admin/apiconnector/connection/").content
    assert admin_client.get(change_url(connection)).status_code == 200


def test_a_callback_that_is_not_included_is_said(admin_client: Client, settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.urls_without_callback"
    assert "apiconnector.urls" in admin_client.get(ADD).content.decode()
