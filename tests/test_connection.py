"""The connection: what it requires, what seals it, what state it is in."""

from __future__ import annotations

import traceback
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import responses
from django.core.exceptions import ValidationError
from django.utils import timezone

from apiconnector import auth, signals
from apiconnector.exceptions import ConfigurationError, ConnectionNotFound, RequestRefused, SecretSealed
from apiconnector.models import Connection, Token
from apiconnector.shortcuts import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

pytestmark = pytest.mark.django_db
CODE = {
    "auth_method": "oauth2_authorization_code",
    "client_id": "id",
    "client_secret": "secret",
    "authorization_url": "https://provider.example/authorize",
    "token_url": "https://provider.example/token",
}


def problems(**fields: Any) -> dict[str, list[str]]:
    connection = Connection(**{"name": "CRM", "slug": "crm", "base_url": "https://api.example.com", **fields})
    try:
        connection.full_clean()
    except ValidationError as error:
        return error.message_dict
    return {}


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("none", set()),
        ("basic", {"username"}),
        ("bearer", {"api_key"}),
        ("api_key", {"api_key"}),
        ("oauth2_client_credentials", {"client_id", "client_secret", "token_url"}),
        ("oauth2_authorization_code", {"client_id", "client_secret", "authorization_url", "token_url"}),
        ("gone", {"auth_method"}),
    ],
)
def test_full_clean_requires_what_the_method_declares(method: str, fields: set[str]) -> None:
    assert set(problems(auth_method=method)) == fields


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"base_url": "not a url"}, "base_url"),
        ({"base_url": "api.example.com"}, "base_url"),
        ({"base_url": "ftp://api.example.com"}, "base_url"),
        ({"base_url": "https://"}, "base_url"),
        ({"base_url": "https://user:canary@api.example.com"}, "base_url"),
        ({"base_url": "https://api.example.com:99999"}, "base_url"),
        ({"base_url": "https://api.example.com/\n"}, "base_url"),
        ({"base_url": "https://{{ tenant }}.example.com"}, "base_url"),
        ({**CODE, "token_url": "javascript:alert(1)"}, "token_url"),
        ({**CODE, "authorization_url": "https://u:p@provider.example"}, "authorization_url"),
        ({"default_headers": ["X-A"]}, "default_headers"),
        ({"default_headers": {"X-A": "a\r\nb"}}, "default_headers"),
        ({"default_headers": {"X A": "a"}}, "default_headers"),
        ({"default_headers": {"X-A": "{% now %}"}}, "default_headers"),
        ({"default_headers": {"host": "other.example.com"}}, "default_headers"),
        (
            {"auth_method": "api_key", "api_key": "k", "credential_in": "header", "credential_name": "Host"},
            "credential_name",
        ),
        ({"default_params": [1]}, "default_params"),
        ({"default_body": "text"}, "default_body"),
        ({"allowed_hosts": {"a": 1}}, "allowed_hosts"),
        ({"allowed_hosts": ["https://a.example"]}, "allowed_hosts"),
        ({"variables": [1]}, "variables"),
        ({"variables": {"a": float("nan")}}, "variables"),
        ({"variables": {"a": "\ud800"}}, "variables"),
        ({"secret_variables": {"a": ["canary\ud800"]}}, "secret_variables"),
        ({"secret_variables": {"a": float("nan"), "b": "canary"}}, "secret_variables"),
        ({"secret_variables": {"a": {"canary"}}}, "secret_variables"),
        ({"dialect": {"token_request_format": "xml"}}, "dialect"),
        ({"dialect": {"token_request_formt": "json"}}, "dialect"),
        ({"dialect": ["json"]}, "dialect"),
        ({"dialect": {"token_params": {"key": "{{ unknown_name }}"}}}, "dialect"),
        ({"dialect": {"authorization_params": {"key": "{{ client_secret }}"}}}, "dialect"),
        ({"dialect": {"variables": {"shop": {"pattern": "[a-z]+"}}}}, "variables"),
        ({"dialect": {"variables": {"shop": {"pattern": "[a-z]+"}}}, "variables": {"shop": "A.B"}}, "variables"),
        ({"dialect": {"variables": {"two": {"secret": True}}}}, "secret_variables"),
        ({"dialect": {"variables": {"two": {"secret": True}}}, "variables": {"two": "x"}}, "variables"),
        ({"base_url": "https://{{ shop }}.example.com"}, "base_url"),
        ({"base_url": "https://{{ api_key }}.example.com"}, "base_url"),
        ({"base_url": "https://api.example.com{{ shop }}", "variables": {"shop": "x"}}, "base_url"),
        ({"allowed_hosts": ["{{ shop }}.example.com"]}, "allowed_hosts"),
        ({"label_template": "{{ client_secret }}"}, "label_template"),
        ({"label_template": "{% x %}"}, "label_template"),
        ({"account_id_path": "body."}, "account_id_path"),
        ({"auth_method": "login"}, "dialect"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": 1e12}, "timeout"),
        ({"auth_method": "bearer", "api_key": "line\nbreak"}, "api_key"),
        ({"auth_method": "bearer", "api_key": "k", "credential_name": "X Y"}, "credential_name"),
        ({"auth_method": "bearer", "api_key": "k", "credential_prefix": "a\nb"}, "credential_prefix"),
        ({"auth_method": "basic", "username": "a:b"}, "username"),
        ({**CODE, "client_auth": "private_key_jwt"}, "client_auth"),
        ({**CODE, "auth_method": "oauth2_client_credentials", "client_auth": "none"}, "client_auth"),
        ({"test_path": "../admin"}, "test_path"),
        ({"test_path": "https://evil.example/"}, "test_path"),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else None,
)
def test_bad_input_names_the_field(fields: dict[str, Any], named: str) -> None:
    found = problems(**fields)
    assert named in found
    assert "canary" not in str(found)


def test_a_public_client_needs_no_secret() -> None:
    assert problems(**{**CODE, "client_secret": "", "client_auth": "none"}) == {}


def test_the_slug_is_fixed_once_saved(make_connection: Callable[..., Connection]) -> None:
    connection = make_connection()
    connection.slug = "other"
    with pytest.raises(ValidationError):
        connection.full_clean()
    with pytest.raises(ValidationError):
        connection.save()
    assert Connection.objects.get().slug == "crm"


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": "https://evil.example"},
        {"base_url": "https://api.example.com:8443/v1"},
        {"allowed_hosts": ["evil.example"]},
        {"token_url": "https://evil.example/token"},
        {"revocation_url": "https://evil.example/revoke"},
    ],
    ids=str,
)
def test_a_new_host_seals_until_typed_again(bearer: Connection, change: dict[str, Any]) -> None:
    for name, value in change.items():
        setattr(bearer, name, value)
    bearer.save()
    sealed = Connection.objects.get()
    assert sealed.status == "sealed"
    with pytest.raises(SecretSealed):
        sealed.reveal("api_key")
    with connect("crm") as api, pytest.raises(ConfigurationError):
        api.get("x")
    sealed.api_key = "typed-again"
    sealed.save()
    assert Connection.objects.get().status == "ready"


def test_a_host_changed_behind_the_models_back_is_noticed_on_use(bearer: Connection) -> None:
    Connection.objects.update(base_url="https://evil.example")
    with connect("crm") as api, pytest.raises(SecretSealed):
        api.get("x")


def test_a_host_within_an_allowed_suffix_is_not_new(make_connection: Callable[..., Connection]) -> None:
    connection = make_connection(auth_method="bearer", api_key="k", allowed_hosts=[".example.com"])
    connection.base_url = "https://eu.example.com"
    connection.save()
    assert connection.status == "ready"


def test_another_path_seals_nothing(bearer: Connection) -> None:
    bearer.base_url = "https://api.example.com/v2"
    bearer.save()
    assert bearer.status == "ready"


def test_statuses(make_connection: Callable[..., Connection]) -> None:
    assert make_connection(slug="a").status == "ready"
    assert make_connection(slug="b", is_active=False).status == "inactive"
    assert make_connection(slug="c", auth_method="bearer").status == "misconfigured"
    assert make_connection(slug="d", auth_method="gone").status == "misconfigured"
    code = make_connection(slug="e", **CODE)
    assert code.status == "not_authorized"
    assert code.status_reason
    token = Token.objects.create(connection=code, access_token="a", expires_at=timezone.now() + timedelta(hours=1))
    assert Connection.objects.get(slug="e").status == "authorized"
    token.expires_at = timezone.now() - timedelta(hours=1)
    token.save()
    assert Connection.objects.get(slug="e").status == "needs_reauthorization"
    token.refresh_token = "r"
    token.save()
    assert Connection.objects.get(slug="e").status == "authorized"


def test_an_old_copy_does_not_put_an_old_state_back(bearer: Connection) -> None:
    old = Connection.objects.get()
    Connection.objects.update(problem="needs_reauthorization", problem_reason="dead")
    old.name = "Renamed"
    old.save()
    assert Connection.objects.get().problem == "needs_reauthorization"


def test_connect_raises_only_not_found(make_connection: Callable[..., Connection]) -> None:
    with pytest.raises(ConnectionNotFound):
        connect("unknown")
    make_connection(slug="off", is_active=False)
    with pytest.raises(ConnectionNotFound):
        connect("off")
    make_connection(slug="gone", auth_method="gone")
    with connect("gone") as api, pytest.raises(ConfigurationError):
        api.get("x")
    make_connection(slug="empty", auth_method="bearer")
    with connect("empty") as api, pytest.raises(ConfigurationError, match="API key"):
        api.get("x")
    for name in ("a\x00", "\ud800", None):
        with pytest.raises(ConnectionNotFound):
            connect(name)  # type: ignore[arg-type]  # what a caller may do


@pytest.mark.parametrize(
    "fields",
    [
        {"default_headers": {"X": "{{ oops }}"}},
        {"default_headers": ["X"]},
        {"variables": ["a"], "default_headers": {"X": "1"}},
        {"base_url": "nonsense"},
        {"client_auth": "private_key_jwt", **{k: v for k, v in CODE.items() if k != "authorization_url"},
         "auth_method": "oauth2_client_credentials"},
    ],
    ids=str,
)  # fmt: skip  # in rows
def test_what_is_wrong_surfaces_at_the_request(
    make_connection: Callable[..., Connection], fields: dict[str, Any]
) -> None:
    connection = make_connection(**{"auth_method": "bearer", "api_key": "canary-key", **fields})
    api = connect("crm")
    with pytest.raises((ConfigurationError, RequestRefused)) as refused:
        api.get("x")
    shown = "".join(traceback.TracebackException.from_exception(refused.value, capture_locals=True).format())
    assert "canary" not in shown
    assert not connection.test().ok


@pytest.mark.parametrize(
    "fields", [{"allowed_hosts": [{}]}, {"variables": ["a"]}, {"client_auth": "private_key_jwt"}], ids=str
)
def test_what_no_form_lets_through_is_misconfigured(
    make_connection: Callable[..., Connection], fields: dict[str, Any]
) -> None:
    assert make_connection(**{**CODE, **fields}).status == "misconfigured"


def test_a_bad_setting_surfaces_at_the_request(bearer: Connection, settings: Any) -> None:
    settings.APICONNECTOR_TIMEOUT = 0
    api = connect("crm")
    with pytest.raises(ConfigurationError, match="APICONNECTOR_TIMEOUT"):
        api.get("x")
    assert not bearer.test().ok


@responses.activate
def test_what_a_test_picks_is_redacted_and_printable(make_connection: Callable[..., Connection]) -> None:
    connection = make_connection(
        auth_method="bearer", api_key="canary-key", label_template="{{ body.echo }}", account_id_path="body.odd"
    )
    responses.get("https://api.example.com/v1", json={"echo": "I got canary-key", "odd": "a\ud800\u0000b\n"})
    result = connection.test()
    assert (result.label, result.account_id) == ("I got [redacted]", "ab")


def test_a_secret_the_method_does_not_use_seals_nothing(make_connection: Callable[..., Connection]) -> None:
    connection = make_connection(auth_method="bearer", api_key="k", password="old")
    connection.base_url, connection.api_key = "https://other.example", "k"
    connection.save()
    assert connection.status == "ready"


@pytest.mark.parametrize(
    ("before", "change", "kept"),
    [
        (CODE, {"auth_method": "bearer", "api_key": "k"}, False),
        (CODE, {"client_id": "other"}, False),
        (CODE, {"client_id": "id"}, True),
        (CODE, {"scope": "more"}, True),
        ({**CODE, "auth_method": "oauth2_client_credentials"}, {"scope": "more"}, False),
        ({**CODE, "auth_method": "oauth2_client_credentials"}, {"auth_method": "oauth2_authorization_code"}, False),
        ({**CODE, "auth_method": "oauth2_client_credentials"}, {"name": "New"}, True),
    ],
    ids=str,
)
def test_a_token_of_another_client_is_given_up(
    make_connection: Callable[..., Connection], before: dict[str, Any], change: dict[str, Any], kept: bool
) -> None:
    connection = make_connection(**before)
    Token.objects.create(connection=connection, access_token="t")
    Connection.objects.update(problem="" if kept else "needs_reauthorization")
    connection = Connection.objects.get()
    for name, value in change.items():
        setattr(connection, name, value)
    connection.save()
    assert Token.objects.exists() is kept
    assert Connection.objects.get().problem == ""


def test_a_corrected_connection_has_recovered(bearer: Connection) -> None:
    heard: list[str] = []

    def hear(connection: Connection, **_: Any) -> None:
        heard.append(connection.slug)

    signals.connection_recovered.connect(hear)
    try:
        Connection.objects.update(problem="misconfigured", problem_reason="refused", told_of="misconfigured")
        connection = Connection.objects.get()
        connection.name = "Renamed"
        connection.save()
        assert connection.status == "misconfigured"
        connection.api_key = "other"
        connection.save()
        assert (connection.status, heard) == ("ready", ["crm"])
    finally:
        signals.connection_recovered.disconnect(hear)


def test_a_dialect_that_cannot_be_read_is_refused_not_ignored(make_connection: Callable[..., Connection]) -> None:
    make_connection(dialect={"expires_unit": "weeks"})
    with connect("crm") as api, pytest.raises(ConfigurationError, match="expires_unit"):
        api.get("x")


@responses.activate
def test_defaults_are_filled_and_sent(make_connection: Callable[..., Connection]) -> None:
    make_connection(
        auth_method="bearer", api_key="canary-key", variables={"tenant": "t1"}, secret_variables={"second": "canary-two"},
        default_headers={"X-Tenant": "{{ tenant }}", "X-Second": "{{ second }}"},
        default_params={"v": "{{ version|default:2 }}"}, default_body={"source": "site"},
    )  # fmt: skip  # in rows
    responses.post("https://api.example.com/v1/x", json={})
    with connect("crm") as api:
        api.post("x", json={"a": 1})
    sent = responses.calls[0].request
    assert sent.headers["X-Tenant"] == "t1"
    assert sent.headers["X-Second"] == "canary-two"
    assert sent.headers["Authorization"] == "Bearer canary-key"
    assert sent.url == "https://api.example.com/v1/x?v=2"
    assert sent.body == b'{"source": "site", "a": 1}'


@responses.activate
def test_the_test_request_picks_label_and_account(make_connection: Callable[..., Connection]) -> None:
    connection = make_connection(
        test_path="me", label_template="{{ body.name }} ({{ status }})", account_id_path="body.id"
    )
    responses.get("https://api.example.com/v1/me", json={"id": 7, "name": "Ada"})
    result = connection.test()
    assert (result.ok, result.status_code, result.label, result.account_id) == (True, 200, "Ada (200)", "7")


@responses.activate
@pytest.mark.parametrize("status", [301, 401, 403, 404, 429, 500])
def test_a_refused_test_says_what_to_do(make_connection: Callable[..., Connection], status: int) -> None:
    connection = make_connection()
    responses.get("https://api.example.com/v1", status=status)
    result = connection.test()
    assert result.status_code == status
    assert str(status) in result.message


def test_a_test_never_raises(make_connection: Callable[..., Connection], settings: Any) -> None:
    assert not make_connection(slug="a", base_url="http://127.0.0.1:9").test().ok
    assert "API key" in make_connection(slug="b", auth_method="bearer").test().message
    assert "not authorized" in make_connection(slug="c", **CODE).test().message


class Signed(auth.AuthMethod):
    """A method of the site's own."""

    name = "signed"
    label = "Signed"
    fields = ("api_key",)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["X-Signature"] = self.connection.reveal("api_key")[::-1]
        return request


@responses.activate
def test_a_site_registers_a_method_of_its_own(make_connection: Callable[..., Connection]) -> None:
    auth.register(Signed)
    try:
        assert ("signed", "Signed") in auth.choices()
        assert set(problems(auth_method="signed")) == {"api_key"}
        make_connection(auth_method="signed", api_key="abc")
        responses.get("https://api.example.com/v1/x")
        with connect("crm") as api:
            api.get("x")
        assert responses.calls[0].request.headers["X-Signature"] == "cba"
    finally:
        auth.base._registry.pop("signed")


@pytest.mark.parametrize("thing", [object(), int, type("Nameless", (auth.AuthMethod,), {})])
def test_what_is_no_method_is_not_registered(thing: Any) -> None:
    with pytest.raises(ConfigurationError):
        auth.register(thing)


@pytest.mark.parametrize("name", ["base_url", "authorization_url", "token_url", "refresh_url", "revocation_url"])
@pytest.mark.parametrize("url", ["http://api.example.com", "https://10.0.0.1/", "https://localhost", "https://[::1]/"])
def test_an_address_that_requests_may_not_reach_is_refused_at_its_field(settings: Any, name: str, url: str) -> None:
    settings.APICONNECTOR_TRUSTED_HOSTS = []
    with pytest.raises(ValidationError) as refused:
        Connection(**{"name": "A", "slug": "a", "base_url": "https://api.example.com", name: url}).clean()
    assert list(refused.value.message_dict) == [name]
    assert "APICONNECTOR_TRUSTED_HOSTS" in refused.value.message_dict[name][0]


def test_what_was_saved_before_is_misconfigured_and_sends_nothing(
    settings: Any, make_connection: Callable[..., Connection]
) -> None:
    make_connection(base_url="http://127.0.0.1:9", auth_method="bearer", api_key="canary")
    assert Connection.objects.get().status == "ready"
    settings.APICONNECTOR_TRUSTED_HOSTS = []
    connection = Connection.objects.get()
    assert connection.status == "misconfigured"
    assert "private" in connection.status_reason
    result = connection.test()
    assert not result.ok
    assert "private" in result.message
