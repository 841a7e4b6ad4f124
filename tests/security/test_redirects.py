"""Where browsers are sent: RFC 9700 sections 2.1 and 4.11, OAuth 2.1 sections 2.3 and 7.13."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from django.test import Client, RequestFactory

from apiconnector.authorize.views import callback_view
from apiconnector.models import AuthorizationAttempt, Connection, Token
from tests.provider import Person
from tests.security.dance import CALLBACK, CODE, change_url, come_back, land, param, press, state_of, text

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from tests.token_server import TokenServer

pytestmark = pytest.mark.django_db
#: Names under which sites take an address to go on to.
NAMES = ("next", "redirect", "redirect_uri", "redirect_to", "return_to", "url", "continue", "target", "r", "error_uri")
EVIL = "https://evil.example/"


def addresses(page: Any) -> set[str]:
    """Every address in a page that a browser would go to or load."""
    found = re.findall(r"(?:href|src|action|content|data|formaction)=[\"']([^\"']*)", text(page))
    return {found.partition("url=")[2] or found for found in found if "/" in found or ":" in found}


class TestTheRedirectUri:
    def test_it_is_the_same_on_both_legs_without_query_and_fragment(
        self, site: Client, connection: Connection, server: TokenServer
    ) -> None:
        url = press(site, connection)
        land(site, state=state_of(url), code=CODE)
        sent = param(url, "redirect_uri")
        assert sent == f"http://testserver{CALLBACK}"
        assert (urlsplit(sent).query, urlsplit(sent).fragment) == ("", "")
        assert server.requests[0]["redirect_uri"] == sent
        assert Token.objects.get().redirect_uri == sent

    def test_no_request_changes_it(self, connection: Connection, admin_user: User, settings: Any) -> None:
        """With APICONNECTOR_BASE_URL neither a Host header nor what a proxy passes on decides."""
        settings.APICONNECTOR_BASE_URL = "https://www.example.org"
        browser = Client(headers={
            "host": "www.example.org:8443", "x-forwarded-host": "evil.example", "x-forwarded-proto": "http",
            "x-forwarded-port": "99", "x-script-name": "/evil", "forwarded": "host=evil.example", "origin": EVIL,
            "referer": EVIL,
        })  # fmt: skip  # in rows
        browser.force_login(admin_user)
        url = browser.post(
            f"/admin/apiconnector/connection/{connection.pk}/authorize/?{'&'.join(f'{name}={EVIL}' for name in NAMES)}",
            dict.fromkeys(NAMES, EVIL),
        )["Location"]
        assert param(url, "redirect_uri") == f"https://www.example.org{CALLBACK}"
        assert "evil" not in url

    def test_without_the_setting_allowed_hosts_decides(self, connection: Connection, admin_user: User) -> None:
        url = f"/admin/apiconnector/connection/{connection.pk}/authorize/"
        for host, status in (("example.org", 302), ("evil.example", 400), ("example.org.evil.example", 400)):
            browser = Client(headers={"host": host})
            browser.force_login(admin_user)
            answer = browser.post(url)
            assert answer.status_code == status
        assert AuthorizationAttempt.objects.get().redirect_uri == f"http://example.org{CALLBACK}"

    def test_it_is_not_taken_from_the_callback(self, site: Client, connection: Connection, server: TokenServer) -> None:
        url = press(site, connection)
        land(site, state=state_of(url), code=CODE, redirect_uri=EVIL)
        assert server.requests[0]["redirect_uri"] == f"http://testserver{CALLBACK}"

    def test_the_provider_that_compares_it_is_content(self, site: Client, real: Connection) -> None:
        assert come_back(site, Person().answer(press(site, real))).status_code == 200


class TestNoOpenRedirector:
    @pytest.mark.parametrize("outcome", ["authorized", "denied", "foreign", "unknown", "unusable"])
    def test_the_callback_leads_to_this_sites_admin_only(
        self, site: Client, connection: Connection, outcome: str
    ) -> None:
        state = state_of(press(site, connection))
        browser = Client() if outcome == "foreign" else site
        params = {
            "authorized": {"state": state, "code": CODE},
            "denied": {"state": state, "error": "access_denied", "error_description": f"<a href={EVIL}>Click</a>"},
            "foreign": {"state": state, "code": CODE},
            "unknown": {"state": "A" * 40},
            "unusable": {"error": f"<meta http-equiv=refresh content='0;url={EVIL}'>"},
        }[outcome]
        page = land(browser, **params, **dict.fromkeys(NAMES, EVIL))
        assert page.status_code in {200, 400, 403}
        assert "Location" not in page
        assert "Refresh" not in page
        assert addresses(page) <= {change_url(connection), "/admin/apiconnector/connection/"}
        assert "evil" not in "".join(addresses(page))

    @pytest.mark.parametrize("act", ["authorize", "test", "disconnect"])
    def test_acts_go_back_to_the_connection_only(self, site: Client, connection: Connection, act: str) -> None:
        Connection.objects.update(client_auth="none", pkce="", test_path="missing")
        answer = site.post(
            f"/admin/apiconnector/connection/{connection.pk}/{act}/?next={EVIL}&_changelist_filters=x",
            dict.fromkeys(NAMES, EVIL), headers={"referer": EVIL},
        )  # fmt: skip  # in rows
        assert answer.status_code == 302
        assert answer["Location"].partition("#")[0] == change_url(connection)

    def test_authorize_leads_to_the_address_the_admin_entered(self, site: Client, connection: Connection) -> None:
        assert press(site, connection).startswith(f"{connection.authorization_url}?response_type=code&")

    @pytest.mark.parametrize(
        "fields",
        [
            {"state": "a\r\nSet-Cookie: x=y", "code": "\r\n\r\n<script>"},
            {"state": "a", "error": "%0d%0aLocation: https://evil.example", "error_description": "\u010d\u010a"},
            {"state": "a", "code": "b", "next": EVIL, "Location": EVIL},
            {"state": f"a#//{EVIL}", "code": "b?c&state=d"},
        ],
    )
    def test_a_posted_answer_stays_here(self, client: Client, fields: dict[str, str]) -> None:
        answer = client.post(CALLBACK, fields)
        assert answer.status_code == 303
        parts = urlsplit(answer["Location"])
        assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == ("", "", CALLBACK, "")
        assert "\r" not in answer["Location"]
        assert "\n" not in answer["Location"]
        assert "evil.example/" not in parts.path
        assert {name for name in answer.headers if name.lower() in {"set-cookie", "refresh"}} == set()
        assert param(answer["Location"], "state") == fields["state"]

    @pytest.mark.parametrize(
        "path", ["//evil.example/oauth/callback", "//evil.example//oauth/callback", "///evil.example"]
    )
    def test_a_path_that_looks_like_a_host_stays_a_path(self, path: str) -> None:
        """A site may have included the callback below a path of any kind."""
        request = RequestFactory().post("/", {"state": "a"})
        request.path = path
        parts = urlsplit(callback_view(request)["Location"])
        assert (parts.scheme, parts.netloc) == ("", "")

    @pytest.mark.parametrize("method", ["get", "head", "post", "put", "patch", "delete", "options", "trace"])
    def test_no_method_redirects_elsewhere(self, client: Client, method: str) -> None:
        answer = getattr(client, method)(f"{CALLBACK}?next={EVIL}")
        assert urlsplit(answer.headers.get("Location", "")).netloc == ""


def test_the_browser_is_sent_away_with_a_redirect_that_repeats_no_form(site: Client, connection: Connection) -> None:
    """A 307 would hand the form, and with it the CSRF token, to the provider (RFC 9700 section 4.12)."""
    answer = site.post(f"/admin/apiconnector/connection/{connection.pk}/authorize/", {"csrfmiddlewaretoken": "canary"})
    assert answer.status_code == 302
    assert "canary" not in answer["Location"]
    assert answer["Referrer-Policy"] == "no-referrer"


def test_the_request_is_not_sent_unencrypted(site: Client, connection: Connection) -> None:
    """Plain http only to hosts of APICONNECTOR_TRUSTED_HOSTS: RFC 9700 section 2.6, OAuth 2.1 section 1.5."""
    Connection.objects.update(authorization_url="http://provider.example/authorize")
    answer = site.post(f"/admin/apiconnector/connection/{connection.pk}/authorize/")
    assert answer["Location"] == f"{change_url(connection)}#id_authorization_url"
    assert not AuthorizationAttempt.objects.exists()


@pytest.mark.parametrize(
    ("url", "trusted", "begins"),
    [
        ("http://idp.internal/a", [], False),
        ("http://idp.internal/a", ["idp.internal"], True),
        ("http://IDP.internal:8080/a", ["idp.internal"], True),
        ("http://idp.internal/a", [".internal"], True),
        ("http://evil-internal/a", [".internal"], False),
        ("http://10.1.2.3/a", ["10.0.0.0/8"], True),
        ("http://11.1.2.3/a", ["10.0.0.0/8"], False),
        ("http://[fd00::1]/a", ["fd00::/8"], True),
        ("http://[fd00::1]/a", ["10.0.0.0/8"], False),
        # The browser looks this up: an address that this server finds says nothing.
        ("http://provider.example/a", ["10.0.0.0/8"], False),
        ("https://anywhere.example/a", [], True),
    ],
)
def test_hosts_that_may_be_reached_in_the_clear(
    site: Client, connection: Connection, settings: Any, *, url: str, trusted: list[str], begins: bool
) -> None:
    settings.APICONNECTOR_TRUSTED_HOSTS = ["127.0.0.1", *trusted]
    connection.authorization_url = url
    connection.client_id, connection.client_secret = "id", "secret"
    connection.save()
    site.post(f"/admin/apiconnector/connection/{connection.pk}/authorize/")
    assert AuthorizationAttempt.objects.exists() is begins
