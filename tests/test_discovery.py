"""A connection is filled in from its provider's metadata, over real HTTP and through the admin's pages."""

from __future__ import annotations

import gzip
import json
import re
import secrets
import socket
import threading
import time
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core import signing
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from apiconnector.authorize import Found, discover
from apiconnector.authorize.discovery import found_in, look_up
from apiconnector.exceptions import ConfigurationError
from apiconnector.models import AuthorizationAttempt, Connection, ConnectionEvent, Token
from apiconnector.oauth.discovery import read
from tests.client.servers import Reply, api_server, raw_server, refused_url, silent
from tests.test_admin import ADD, change_url, errors, form

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.client.servers import ApiServer, Received

DISCOVER = "/admin/apiconnector/connection/discover/"
OAUTH, OPENID = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with api_server() as running:
        yield running


def metadata(issuer: str, **members: Any) -> dict[str, Any]:
    """A plain document. A member of None is left out."""
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(issuer))
    given = {
        "issuer": issuer,
        "authorization_endpoint": f"{origin}/authorize",
        "token_endpoint": f"{origin}/token",
        "revocation_endpoint": f"{origin}/revoke",
        "scopes_supported": ["contacts", "deals"],
        "code_challenge_methods_supported": ["plain", "S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "authorization_response_iss_parameter_supported": True,
        **members,
    }
    return {name: value for name, value in given.items() if value is not None}


def serve(server: ApiServer, documents: dict[str, Any]) -> None:
    """Serve documents, or ready answers, by path, and 404 for the rest."""

    def answer(request: Received) -> Reply:
        found = documents.get(request.path, Reply(404, body=b"<h1>Not found</h1>"))
        return found if isinstance(found, Reply) else Reply(body=json.dumps(found).encode())

    server.answer = answer


def refusal(text: str, timeout: float = 5) -> str:
    """Why nothing was found, whatever the error's class, with the column it is about."""
    with pytest.raises((ConfigurationError, ValidationError)) as error:
        discover(text, timeout=timeout)
    if isinstance(error.value, ValidationError):
        return " ".join(f"{name}: {' '.join(texts)}" for name, texts in error.value.message_dict.items())
    return str(error.value)


class TestOverHttp:
    @pytest.mark.parametrize(
        ("issuer", "path"),
        [
            ("", OAUTH),
            ("", OPENID),
            ("/", OPENID),
            ("/tenant/a", f"{OAUTH}/tenant/a"),
            ("/tenant/a", f"/tenant/a{OPENID}"),
            ("/tenant/a", f"{OPENID}/tenant/a"),
            ("/tenant/a", f"/tenant/a{OAUTH}"),
            ("/tenant/a/", f"/tenant/a{OPENID}"),
        ],
    )
    def test_whatever_document_a_server_has(self, server: ApiServer, issuer: str, path: str) -> None:
        serve(server, {path: metadata(server.url + issuer)})
        for typed in (issuer, issuer.rstrip("/"), path):
            found = discover(server.url + typed, timeout=5)
            assert found.values == {
                "issuer": server.url + issuer,
                "auth_method": "oauth2_authorization_code",
                "authorization_url": f"{server.url}/authorize",
                "token_url": f"{server.url}/token",
                "revocation_url": f"{server.url}/revoke",
                "pkce": "S256",
                "client_auth": "client_secret_post",
            }
            assert found.discovered["authorization_response_iss_parameter_supported"] is True
        assert {request.method for request in server.received} == {"GET"}
        assert not any({"Authorization", "Cookie"} & set(request.headers) for request in server.received)

    @pytest.mark.parametrize("label", ["text/html", "text/plain", "application/octet-stream", "image/png"])
    def test_the_label_does_not_count(self, server: ApiServer, label: str) -> None:
        document = json.dumps(metadata(server.url)).encode()
        serve(server, {OPENID: Reply(headers={"Content-Type": label}, body=document)})
        assert discover(server.url, timeout=5).values["issuer"] == server.url

    def test_compressed(self, server: ApiServer) -> None:
        document = gzip.compress(json.dumps(metadata(server.url)).encode())
        serve(server, {OAUTH: Reply(headers={"Content-Encoding": "gzip"}, body=document)})
        assert discover(server.url, timeout=5).values["issuer"] == server.url

    @pytest.mark.parametrize(
        ("reply", "says"),
        [
            (
                Reply(headers={"Content-Type": "application/json"}, body=b"<!DOCTYPE html><p>Sign in"),
                "is a page (HTML)",
            ),
            (Reply(body=b'[{"issuer": "https://x"}]'), "is not a JSON object"),
            (Reply(body=b'{"a":' * 150_000), "is not JSON"),
            (Reply(body=b"\xff\xfe\x00"), "is not JSON"),
            (Reply(body=b""), "is not JSON"),
            (Reply(503), "answered with status 503"),
            (Reply(401), "answered with status 401"),
        ],
        ids=lambda value: value.body[:20] if isinstance(value, Reply) else "",
    )
    def test_what_is_no_metadata(self, server: ApiServer, reply: Reply, says: str) -> None:
        serve(server, {OAUTH: reply})
        text = refusal(server.url)
        assert f"{server.url}{OAUTH} {says}" in text
        assert "by hand" in text

    @pytest.mark.parametrize(
        ("reply", "says"),
        [
            (lambda: Reply(body=b'{"a": "' + b"x" * 20_000_000), "more than a megabyte"),
            (lambda: Reply(headers={"Content-Encoding": "gzip"}, body=gzip.compress(bytes(50_000_000))), "megabyte"),
            (lambda: Reply(headers={"Content-Encoding": "br"}, body=b"x"), "encoding that was not asked for"),
        ],
        ids=["20 MB", "bomb", "brotli"],
    )
    def test_what_is_too_large(self, server: ApiServer, reply: Callable[[], Reply], says: str) -> None:
        serve(server, {OAUTH: reply()})
        text = refusal(server.url)
        assert says in text
        assert f"The provider at {server.url} " in text
        assert "token" not in text

    def test_a_redirect_is_reported_and_not_followed(self, server: ApiServer) -> None:
        with api_server() as other:
            serve(other, {OPENID: metadata(server.url)})
            serve(server, {OAUTH: Reply(302, {"Location": f"{other.url}{OPENID}?secret=canary"})})
            text = refusal(server.url)
            assert other.received == []
        assert f"redirect to {other.url}{OPENID}, which is not followed" in text
        assert "canary" not in text

    @pytest.mark.parametrize("issuer", ["https://evil.example", "{}/other", "{}//", "http://127.0.0.1"])
    def test_another_issuer(self, server: ApiServer, issuer: str) -> None:
        serve(server, {OAUTH: metadata(issuer.format(server.url)), OPENID: metadata(issuer.format(server.url))})
        for typed in ("", OAUTH, OPENID):
            text = refusal(server.url + typed)
            assert "of another issuer" in text
            assert text.startswith("issuer: ")

    def test_a_server_that_drips_or_says_nothing(self) -> None:
        gone = threading.Event()

        def drip(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n")
            try:
                while not gone.wait(0.02):
                    connection.sendall(b"{")
            except OSError:
                gone.set()

        for talk in (drip, silent):
            with raw_server(talk) as url:
                began = time.monotonic()
                assert "did not answer within 0.3 seconds" in refusal(url, timeout=0.3)
                assert time.monotonic() - began < 3
        assert gone.wait(10)

    def test_several_slow_answers_take_no_longer_than_two(self, server: ApiServer) -> None:
        def slow(request: Received) -> Reply:
            time.sleep(0.3)
            return Reply(404)

        server.answer = slow
        assert "takes too long" in refusal(f"{server.url}/a/b", timeout=0.5)
        assert len(server.received) == 2

    def test_nobody_there(self) -> None:
        url = refused_url()
        assert f"The provider at {url} can't be reached" in refusal(url)

    @pytest.mark.parametrize(
        ("typed", "says"),
        [
            ("http://accounts.example.com", "plain http"),
            ("https://10.0.0.1", "private, local or reserved"),
            ("https://169.254.169.254/latest", "private, local or reserved"),
            ("https://[::ffff:10.0.0.1]", "private, local or reserved"),
            ("metadata.internal", "inside a local network"),
            ("https://127.1", "a number"),
            ("https://accounts.example.com/%2e%2e/admin", "segment"),
            ("nonsense nonsense", "neither an issuer nor"),
            ("\x00", "Enter one such as"),
            ("", "Enter the provider's issuer"),
        ],
    )
    def test_where_nothing_is_asked(
        self, monkeypatch: pytest.MonkeyPatch, settings: Any, typed: str, says: str
    ) -> None:
        settings.APICONNECTOR_TRUSTED_HOSTS = []
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("it was looked up"))
        assert says in refusal(typed)

    def test_a_name_that_leads_to_a_private_address(self, server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
        port = urlsplit(server.url).port
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", port))]
        )
        text = refusal(f"https://accounts.example.com:{port}")
        assert "leads to a private, local or reserved address" in text
        assert "APICONNECTOR_TRUSTED_HOSTS" in text
        assert server.received == []

    @pytest.mark.parametrize(
        ("member", "field"),
        [
            ("authorization_endpoint", "authorization_url"),
            ("token_endpoint", "token_url"),
            ("revocation_endpoint", "revocation_url"),
        ],
    )
    @pytest.mark.parametrize(
        ("url", "says"),
        [
            ("http://accounts.example.com/x", "plain http, which anybody on the way can read"),
            ("https://192.168.0.1/x", "private, local or reserved"),
            ("https://localhost.localdomain.internal/x", "inside a local network"),
            ("https://ada:pw@accounts.example.com/x", "user name"),
            ("https://accounts.example.com/a/../x", "segment"),
            ("javascript:alert(1)", "no usable address"),
            ("https://accounts.example.com/?s={{ client_secret }}", "no usable address"),
        ],
    )
    def test_an_endpoint_that_can_not_be_used(
        self, server: ApiServer, settings: Any, *, member: str, field: str, url: str, says: str
    ) -> None:
        settings.APICONNECTOR_TRUSTED_HOSTS = ["localhost"]
        issuer = server.url.replace("127.0.0.1", "localhost")
        serve(server, {OAUTH: metadata(issuer, **{member: url})})
        text = refusal(issuer)
        assert text.startswith(f"{field}: ")
        assert member in text
        assert says in text
        assert "by hand" in text

    @pytest.mark.parametrize(
        ("member", "addresses", "says"),
        [
            ("token_endpoint", ["10.0.0.1"], ""),
            ("token_endpoint", ["192.168.0.1"], "plain http"),
            ("token_endpoint", ["10.0.0.1", "93.184.215.14"], "plain http"),
            ("token_endpoint", [], "plain http"),
            # The browser looks it up for itself.
            ("authorization_endpoint", ["10.0.0.1"], "unencrypted"),
        ],
    )
    def test_plain_http_inside_a_trusted_network(
        self, monkeypatch: pytest.MonkeyPatch, settings: Any, member: str, addresses: list[str], says: str
    ) -> None:
        def looked_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
            if host == "127.0.0.1":
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
            if not addresses:
                raise socket.gaierror(socket.EAI_NONAME, "unknown")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        settings.APICONNECTOR_TRUSTED_HOSTS = ["127.0.0.1", "10.0.0.0/8"]
        monkeypatch.setattr(socket, "getaddrinfo", looked_up)
        # Another name each time: what was found out of one is kept for some minutes.
        host = f"accounts{secrets.randbelow(10**9)}.example.com"
        with api_server() as server:
            serve(server, {OAUTH: metadata(server.url, **{member: f"http://{host}/x"})})
            if says:
                assert says in refusal(server.url)
            else:
                assert discover(server.url, timeout=5).values["token_url"] == f"http://{host}/x"

    def test_every_bad_address_is_named(self, server: ApiServer) -> None:
        bad = {"token_endpoint": "https://10.0.0.1/", "revocation_endpoint": "https://10.0.0.1/"}
        serve(server, {OAUTH: metadata(server.url, **bad)})
        with pytest.raises(ValidationError) as error:
            discover(server.url, timeout=5)
        assert set(error.value.message_dict) == {"token_url", "revocation_url"}

    @pytest.mark.parametrize(
        ("members", "field"),
        [
            ({"token_endpoint": None}, "token_url"),
            ({"authorization_endpoint": None}, "authorization_url"),
            ({"grant_types_supported": ["implicit", "password"]}, "auth_method"),
            ({"grant_types_supported": []}, "auth_method"),
            ({"grant_types_supported": "authorization_code"}, "auth_method"),
            ({"response_types_supported": ["token", "id_token"]}, "auth_method"),
            ({"code_challenge_methods_supported": {"S256": True}}, "pkce"),
            ({"token_endpoint_auth_methods_supported": [7]}, "client_auth"),
        ],
        ids=str,
    )
    def test_what_is_missing_or_not_offered(self, server: ApiServer, members: dict[str, Any], field: str) -> None:
        serve(server, {OAUTH: metadata(server.url, **members)})
        assert refusal(server.url).startswith(f"{field}: ")


H = "https://accounts.example.com"


def found(**members: Any) -> Found:
    return found_in(read(metadata(H, **members)))


class TestWhatIsFilledIn:
    @pytest.mark.parametrize(
        ("offered", "pkce", "says"),
        [
            (["S256"], "S256", ""),
            (["plain", "S256"], "S256", ""),
            (["plain"], "plain", "protects less"),
            (None, "S256", "does not say whether it has PKCE"),
            ([], "S256", "does not say whether it has PKCE"),
            (["s256"], "S256", "does not say whether it has PKCE"),
        ],
    )
    def test_pkce(self, offered: list[str] | None, pkce: str, says: str) -> None:
        given = found(code_challenge_methods_supported=offered)
        assert given.values["pkce"] == pkce
        assert [note for note in given.notes if "PKCE" in note] == (
            [note for note in given.notes if says in note] if says else []
        )

    @pytest.mark.parametrize(
        ("offered", "chosen", "says"),
        [
            (["client_secret_post"], "client_secret_post", ""),
            (["client_secret_basic"], "client_secret_basic", ""),
            (["client_secret_basic", "client_secret_post", "none"], "client_secret_post", ""),
            (["private_key_jwt", "client_secret_basic"], "client_secret_basic", ""),
            (["none"], "none", ""),
            (None, "client_secret_basic", "does not say how clients authenticate"),
            (["private_key_jwt", "tls_client_auth"], None, "only private_key_jwt, tls_client_auth as client"),
            ([], None, "only nothing as client"),
        ],
    )
    def test_client_authentication(self, offered: list[str] | None, chosen: str | None, says: str) -> None:
        given = found(token_endpoint_auth_methods_supported=offered)
        assert given.values.get("client_auth") == chosen
        assert any(says in note for note in given.notes)
        assert bool(says) == any("client" in note for note in given.notes)

    def test_client_credentials_alone(self) -> None:
        given = found(grant_types_supported=["client_credentials"], authorization_endpoint=None)
        assert given.values == {
            "auth_method": "oauth2_client_credentials",
            "token_url": f"{H}/token",
            "revocation_url": f"{H}/revoke",
            "client_auth": "client_secret_post",
        }
        # A client without a secret can't have a token of its own.
        given = found(grant_types_supported=["client_credentials"], token_endpoint_auth_methods_supported=["none"])
        assert "client_auth" not in given.values

    def test_the_lines_say_it_all(self) -> None:
        assert found(revocation_endpoint=None).lines == [
            f"Issuer: {H}",
            "Authentication: OAuth 2.0 authorization code",
            f"Authorization URL: {H}/authorize",
            f"Token URL: {H}/token",
            "PKCE: S256",
            "Client authentication: Secret in the body (client_secret_post)",
            "The provider names no revocation URL: without one, Disconnect forgets the token here only.",
            "Enter the scopes you need. The provider knows: contacts, deals.",
        ]

    def test_long_lists_are_cut(self) -> None:
        (line,) = (note for note in found(scopes_supported=[f"s{n}" for n in range(3000)]).notes if "scopes" in note)
        assert line.endswith("s18, s19 and 2980 more.")
        (line,) = (note for note in found(scopes_supported=["x" * 150] * 9).notes if "scopes" in note)
        assert line.endswith(f"{', '.join(['x' * 150] * 2)} and 7 more.")


def location(response: Any) -> str:
    assert response.status_code == 302
    return str(response["Location"])


def said(response: Any) -> list[tuple[str, str]]:
    """The messages of a page, with their level, as a person reads them."""
    return [
        (message.level_tag, unescape(re.sub(r"<[^>]+>", " ", str(message.message))))
        for message in response.context["messages"]
    ]


def fill_in(site: Client, typed: str, query: str = "") -> Any:
    """Press the button above the form of a new connection, and go where it leads."""
    return site.get(location(site.post(DISCOVER + query, {"provider": typed})))


def typed_into(response: Any) -> str:
    match = re.search(r'name="provider" value="([^"]*)"', response.content.decode())
    assert match
    return unescape(match[1])


@pytest.mark.django_db
class TestANewConnection:
    def test_it_is_filled_in_and_saved(self, admin_client: Client, server: ApiServer) -> None:
        serve(server, {OAUTH: metadata(server.url)})
        page = fill_in(admin_client, server.url)
        ((level, text),) = said(page)
        assert level == "success"
        assert f"Token URL: {server.url}/token" in text
        assert "contacts, deals" in text
        initial = page.context["adminform"].form.initial
        assert initial["authorization_url"] == f"{server.url}/authorize"
        assert initial["auth_method"] == "oauth2_authorization_code"
        assert f'value="{server.url}/revoke"' in page.content.decode()
        assert typed_into(page) == server.url
        assert not Connection.objects.exists()

        # What a browser sends then.
        shown = page.context["adminform"].form
        sent = form(
            client_id="id", client_secret="canary-secret", base_url=server.url,
            **{name: shown[name].value() for name in (
                "auth_method", "authorization_url", "token_url", "revocation_url", "issuer", "pkce", "client_auth", "discovery",
            )},
        )  # fmt: skip  # in rows
        assert f'name="discovery" value="{sent["discovery"]}"' in page.content.decode()
        assert admin_client.post(ADD, sent).status_code == 302
        connection = Connection.objects.get()
        assert connection.discovered == metadata(server.url)
        assert (connection.issuer, connection.client_auth) == (server.url, "client_secret_post")
        assert connection.status == "not_authorized"

    def test_the_promise_of_iss_is_kept_by_the_attempt(self, admin_client: Client, server: ApiServer) -> None:
        serve(server, {OAUTH: metadata(server.url)})
        blob = parse_qs(urlsplit(location(admin_client.post(DISCOVER, {"provider": server.url}))).query)["discovery"][0]
        admin_client.post(ADD, form(
            auth_method="oauth2_authorization_code", client_id="id", client_secret="s", base_url=server.url,
            authorization_url=f"{server.url}/authorize", token_url=f"{server.url}/token", issuer=server.url, discovery=blob,
        ))  # fmt: skip  # in rows
        connection = Connection.objects.get()
        began = admin_client.post(reverse("admin:apiconnector_connection_authorize", args=[connection.pk]))
        assert location(began).startswith(f"{server.url}/authorize?")
        attempt = AuthorizationAttempt.objects.get()
        assert (attempt.issuer, attempt.iss_promised) == (server.url, True)

    def test_what_stands_in_the_address_already_is_kept(self, admin_client: Client, server: ApiServer) -> None:
        serve(server, {OAUTH: metadata(server.url)})
        page = fill_in(admin_client, server.url, "?name=CRM&preset=acme&token_url=https://old.example/&discovery=old")
        initial = page.context["adminform"].form.initial
        assert (initial["name"], initial["preset"]) == ("CRM", "acme")
        assert initial["token_url"] == f"{server.url}/token"
        # And from that page to the next.
        again = re.search(r'apiconnector-discover" method="post" action="([^"]*)"', page.content.decode())
        assert again
        assert "preset=acme" in unescape(again[1])

    @pytest.mark.parametrize(
        ("members", "says"),
        [
            ({"issuer": "https://evil.example"}, "Issuer: The document at"),
            ({"token_endpoint": "https://10.0.0.1/token"}, "Token URL: The provider's metadata names https://10"),
            ({"token_endpoint": ""}, "Token URL: The provider's metadata names no token_endpoint"),
        ],
    )
    def test_nothing_is_filled_in_by_halves(
        self, admin_client: Client, server: ApiServer, members: dict[str, Any], says: str
    ) -> None:
        serve(server, {OAUTH: metadata(server.url) | members})
        page = fill_in(admin_client, server.url, "?name=CRM")
        ((level, text),) = said(page)
        assert level == "error"
        assert text.startswith(says)
        initial = page.context["adminform"].form.initial
        assert {name: value for name, value in initial.items() if value} == {"name": "CRM", "provider": server.url}
        assert f"{server.url}/authorize" not in page.content.decode()
        assert typed_into(page) == server.url

    @pytest.mark.parametrize(
        "typed",
        [
            "",
            "two words",
            "https://ada:canary-pw@accounts.example.com",
            "\x00",
            "{{ client_secret }}",
            "x" * 100_000,
            "é\ud83d",
        ],
        ids=lambda text: text[:20].encode("unicode_escape").decode(),
    )
    def test_what_is_no_address_is_not_repeated(self, admin_client: Client, typed: str) -> None:
        body = urlencode({"provider": typed}, errors="surrogatepass")
        url = location(admin_client.post(DISCOVER, body, content_type="application/x-www-form-urlencoded"))
        assert url == ADD
        page = admin_client.get(url)
        ((level, text),) = said(page)
        assert (level, "nter" in text) == ("error", True)
        assert typed_into(page) == ""
        assert "canary" not in page.content.decode()

    @pytest.mark.parametrize("blob", ["nonsense", "eyJhIjoxfQ:1t:xxxx", "a" * 4000])
    def test_what_was_not_signed_here_is_not_taken(self, admin_client: Client, blob: str) -> None:
        page = admin_client.get(f"{ADD}?{urlencode({'discovery': blob, 'name': 'CRM'})}")
        ((level, text),) = said(page)
        assert (level, "press “Fill in from the provider” again" in text) == ("error", True)
        initial = page.context["adminform"].form.initial
        assert {name: value for name, value in initial.items() if value} == {"name": "CRM"}
        response = admin_client.post(ADD, form(discovery=blob))
        assert set(errors(response)) == {"__all__"}
        assert "again" in str(errors(response))
        assert not Connection.objects.exists()

    def test_a_signature_of_another_purpose_is_none(self, admin_client: Client) -> None:
        response = admin_client.post(ADD, form(discovery=signing.dumps(metadata(H))))
        assert set(errors(response)) == {"__all__"}

    def test_without_discovery_nothing_is_kept(self, admin_client: Client) -> None:
        assert admin_client.post(ADD, form()).status_code == 302
        assert Connection.objects.get().discovered == {}

    def test_django_oauth_toolkit(self, live_server: Any, admin_client: Client, settings: Any) -> None:
        settings.OAUTH2_PROVIDER = {**settings.OAUTH2_PROVIDER, "OIDC_ENABLED": True}
        page = fill_in(admin_client, f"{live_server.url}/o")
        ((level, _),) = said(page)
        assert level == "success"
        initial = page.context["adminform"].form.initial
        assert initial["issuer"] == f"{live_server.url}/o"
        assert initial["authorization_url"] == f"{live_server.url}/o/authorize/"
        assert initial["token_url"] == f"{live_server.url}/o/token/"
        assert (initial["pkce"], initial["client_auth"]) == ("S256", "client_secret_post")


@pytest.fixture
def crm(server: ApiServer, make_connection: Callable[..., Connection]) -> Connection:
    """A connection that works, at the server."""
    serve(server, {OAUTH: metadata(server.url)})
    return make_connection(
        auth_method="oauth2_authorization_code",
        base_url=f"{server.url}/api",
        client_id="id",
        client_secret="canary-secret",
        authorization_url=f"{server.url}/old/authorize",
        token_url=f"{server.url}/old/token",
        client_auth="client_secret_basic",
        pkce="",
        scope="contacts",
    )


def press(site: Client, connection: Connection, typed: str) -> Any:
    """Press the button of a saved connection, and go where it leads."""
    url = location(site.post(f"/admin/apiconnector/connection/{connection.pk}/discover/", {"provider": typed}))
    assert url == change_url(connection)
    return site.get(url)


def row(connection: Connection) -> dict[str, Any]:
    return dict(Connection.objects.filter(pk=connection.pk).values().get())


class TestASavedConnection:
    def test_it_is_filled_in_and_shown(self, admin_client: Client, server: ApiServer, crm: Connection) -> None:
        Token.objects.create(connection=crm, access_token="canary-token")
        stored = crm.client_secret.stored
        page = press(admin_client, crm, server.url)
        ((level, text),) = said(page)
        assert level == "success"
        assert f"Token URL: {server.url}/old/token → {server.url}/token" in text
        assert f"Issuer: (empty) → {server.url}" in text
        assert "PKCE: Off → S256" in text
        assert "Client authentication" not in text
        assert "canary" not in page.content.decode()
        crm = Connection.objects.get()
        assert (crm.token_url, crm.issuer, crm.pkce) == (f"{server.url}/token", server.url, "S256")
        assert crm.revocation_url == f"{server.url}/revoke"
        # It is offered, so it stays; and the token is still that of this client.
        assert crm.client_auth == "client_secret_basic"
        assert crm.status == "authorized"
        assert crm.client_secret.stored == stored
        assert crm.discovered == metadata(server.url)
        event = ConnectionEvent.objects.get(kind="edited")
        assert event.actor == User.objects.get()
        assert event.message == (
            "Filled in from the provider: issuer, authorization URL, token URL, revocation URL, PKCE"
        )
        assert event.message in LogEntry.objects.get().get_change_message()

        # Once more there is nothing to do.
        ((level, text),) = said(press(admin_client, crm, server.url))
        assert (level, "as the provider says already" in text) == ("success", True)
        assert ConnectionEvent.objects.count() == 1

    def test_what_the_provider_says_anew(self, admin_client: Client, server: ApiServer, crm: Connection) -> None:
        press(admin_client, crm, server.url)
        serve(server, {OAUTH: metadata(server.url, authorization_response_iss_parameter_supported=None)})
        ((_, text),) = said(press(admin_client, crm, server.url))
        assert "No field differed" in text
        assert "authorization_response_iss_parameter_supported" not in Connection.objects.get().discovered

    def test_a_new_host_seals(self, admin_client: Client, server: ApiServer, crm: Connection) -> None:
        serve(server, {OAUTH: metadata(server.url, token_endpoint="https://tokens.example.com/token")})
        messages = dict(said(press(admin_client, crm, server.url)))
        assert f"{server.url}/old/token → https://tokens.example.com/token" in messages["success"]
        assert "is sealed" in messages["warning"]
        assert "tokens.example.com" in messages["warning"]
        assert Connection.objects.get().status == "sealed"

    @pytest.mark.parametrize(
        ("reply", "says"),
        [
            (Reply(body=b"<html>"), "is a page (HTML)"),
            (Reply(body=b"x" * 20_000_000), "more than a megabyte"),
            (Reply(302, {"Location": "/login"}), "redirect to /login"),
            (metadata("https://evil.example"), "Issuer: The document at"),
        ],
        ids=["HTML", "20 MB", "redirect", "other issuer"],
    )
    def test_nothing_is_saved_by_halves(
        self, admin_client: Client, server: ApiServer, crm: Connection, reply: Any, says: str
    ) -> None:
        before = row(crm)
        serve(server, {OAUTH: reply})
        ((level, text),) = said(press(admin_client, crm, server.url))
        assert level == "error"
        assert says in text
        assert text.endswith("Nothing was saved.")
        assert row(crm) == before
        assert not ConnectionEvent.objects.exists()
        assert not LogEntry.objects.exists()

    def test_a_connection_that_is_not_right_is_not_saved(
        self, admin_client: Client, server: ApiServer, crm: Connection
    ) -> None:
        Connection.objects.update(test_path="https://elsewhere.example/", name="")
        before = row(crm)
        messages = said(press(admin_client, crm, server.url))
        assert {level for level, _ in messages} == {"error"}
        assert {text.partition(":")[0] for _, text in messages} == {"Name", "Test path"}
        assert row(crm) == before

    def test_what_somebody_else_saves_meanwhile_stays(
        self, admin_client: Client, server: ApiServer, crm: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def look_up_slowly(*args: Any, **kwargs: Any) -> Any:
            Connection.objects.filter(pk=crm.pk).update(name="Renamed", scope="deals")
            return look_up(*args, **kwargs)

        monkeypatch.setattr("apiconnector.authorize.discovery.look_up", look_up_slowly)
        press(admin_client, crm, server.url)
        crm = Connection.objects.get()
        assert (crm.name, crm.scope, crm.token_url) == ("Renamed", "deals", f"{server.url}/token")

    def test_one_that_is_deleted_meanwhile(
        self, admin_client: Client, server: ApiServer, crm: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def look_up_slowly(*args: Any, **kwargs: Any) -> Any:
            Connection.objects.all().delete()
            return look_up(*args, **kwargs)

        monkeypatch.setattr("apiconnector.authorize.discovery.look_up", look_up_slowly)
        url = f"/admin/apiconnector/connection/{crm.pk}/discover/"
        assert admin_client.post(url, {"provider": server.url}).status_code == 404

    @pytest.mark.parametrize(
        ("stored", "members", "expected"),
        [
            # What is offered, or not spoken of, stays.
            ({"pkce": "plain"}, {"code_challenge_methods_supported": None}, {"pkce": "plain"}),
            ({"pkce": ""}, {"code_challenge_methods_supported": None}, {"pkce": ""}),
            ({"pkce": ""}, {"code_challenge_methods_supported": ["plain"]}, {"pkce": "plain"}),
            ({"pkce": "plain"}, {}, {"pkce": "S256"}),
            ({"client_auth": "client_secret_post"}, {"token_endpoint_auth_methods_supported": None}, {"client_auth": "client_secret_post"}),
            ({"client_auth": "client_secret_post"}, {"token_endpoint_auth_methods_supported": ["client_secret_basic"]}, {"client_auth": "client_secret_basic"}),
            ({"client_auth": "client_secret_post"}, {"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, {"client_auth": "client_secret_post"}),
            ({"revocation_url": "{}/mine"}, {"revocation_endpoint": None}, {"revocation_url": "{}/mine"}),
            ({"auth_method": "oauth2_client_credentials"}, {}, {"auth_method": "oauth2_client_credentials", "token_url": "{}/token", "authorization_url": "{}/old/authorize"}),
        ],
    )  # fmt: skip  # in rows
    def test_what_stays_and_what_does_not(
        self,
        admin_client: Client,
        crm: Connection,
        server: ApiServer,
        *,
        stored: dict[str, str],
        members: dict[str, Any],
        expected: dict[str, str],
    ) -> None:
        for name, value in stored.items():
            setattr(crm, name, value.format(server.url))
        crm.save()
        serve(server, {OAUTH: metadata(server.url, **members)})
        press(admin_client, crm, server.url)
        crm = Connection.objects.get()
        assert crm.discovered["issuer"] == server.url
        assert {name: getattr(crm, name) for name in expected} == {
            name: value.format(server.url) for name, value in expected.items()
        }

    def test_the_input_begins_with_the_issuer_that_is_known(
        self, admin_client: Client, server: ApiServer, crm: Connection
    ) -> None:
        assert typed_into(admin_client.get(change_url(crm))) == ""
        press(admin_client, crm, server.url)
        assert typed_into(admin_client.get(change_url(crm))) == server.url

    def test_the_form_of_a_saved_connection_takes_nothing_signed(
        self, admin_client: Client, server: ApiServer, bearer: Connection
    ) -> None:
        serve(server, {OAUTH: metadata(server.url)})
        blob = parse_qs(urlsplit(location(admin_client.post(DISCOVER, {"provider": server.url}))).query)["discovery"][0]
        sent = form(auth_method="bearer", base_url=bearer.base_url, name="New", discovery=blob)
        assert admin_client.post(change_url(bearer), sent).status_code == 302
        connection = Connection.objects.get()
        assert (connection.name, connection.discovered) == ("New", {})

    def test_only_oauth_has_the_button(self, admin_client: Client, bearer: Connection) -> None:
        assert "Fill in from the provider" not in admin_client.get(change_url(bearer)).content.decode()


@pytest.mark.parametrize("permission", ["view", "add", "change"])
def test_who_may(client: Client, server: ApiServer, crm: Connection, permission: str) -> None:
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_connection"))
    user.user_permissions.add(Permission.objects.get(codename=f"{permission}_connection"))
    client.force_login(user)
    saved = f"/admin/apiconnector/connection/{crm.pk}/discover/"
    before = row(crm)
    assert client.post(DISCOVER, {"provider": server.url}).status_code == (302 if permission == "add" else 403)
    assert client.post(saved, {"provider": server.url}).status_code == (302 if permission == "change" else 403)
    assert (row(crm) == before) == (permission != "change")
    assert bool(server.received) == (permission != "view")
    shown = "Fill in from the provider" in client.get(change_url(crm)).content.decode()
    assert shown == (permission == "change")


def test_it_is_a_post_of_somebody_signed_in(
    admin_client: Client, client: Client, server: ApiServer, crm: Connection
) -> None:
    saved = f"/admin/apiconnector/connection/{crm.pk}/discover/"
    for url in (DISCOVER, saved):
        assert admin_client.get(url).status_code == 405
        response = Client().post(url, {"provider": server.url})
        assert location(response).startswith("/admin/login/")
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(User.objects.get())
        assert strict.post(url, {"provider": server.url}).status_code == 403
    assert server.received == []
    assert (
        admin_client.post("/admin/apiconnector/connection/999999/discover/", {"provider": server.url}).status_code
        == 404
    )
    assert reverse("admin:apiconnector_connection_discover") == DISCOVER
    assert reverse("admin:apiconnector_connection_discover", args=[crm.pk]) == saved
