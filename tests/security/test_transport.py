"""What goes over the wire, and how: RFC 9700 sections 2.5, 2.6 and 4.3.2, OAuth 2.1 sections 1.5, 2.4, 5.1 and 7.1.3."""

from __future__ import annotations

import base64
import ipaddress
import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apiconnector import auth, oauth
from apiconnector.models import Connection, Token
from apiconnector.shortcuts import connect
from tests.client.servers import ApiServer, Reply, api_server
from tests.security.dance import CODE, land, press, state_of, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from django.test import Client

    from tests.token_server import TokenServer

pytestmark = pytest.mark.django_db
TOKEN = b'{"access_token": "access-of-tests", "refresh_token": "refresh-of-tests", "token_type": "bearer"}'


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with api_server() as server:
        server.answer = lambda request: Reply(body=TOKEN if request.path == "/token" else b"{}")
        yield server


@pytest.fixture
def to_api(api: ApiServer, server: TokenServer, connect_to: Callable[..., Connection]) -> Callable[..., Connection]:
    """A connection to a server that writes down every header."""

    def make(**fields: Any) -> Connection:
        return connect_to(server, token_url=f"{api.url}/token", base_url=f"{api.url}/api/", **fields)

    return make


def sign(name: str, *, days: int = 1) -> tuple[bytes, bytes]:
    """A certificate for a host that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(tz=UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_general(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(pem), private


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Secure(BaseHTTPRequestHandler):
    seen: list[bytes]

    def do_POST(self) -> None:
        self.seen.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", str(len(TOKEN)))
        self.end_headers()
        self.wfile.write(TOKEN)

    def log_message(self, *args: object) -> None:
        """Quiet."""


class SecureServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: object) -> None:
        """Say nothing: a client that breaks off the handshake is what is tested."""


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., tuple[str, list[bytes], Path]]]:
    """Serve https with a certificate; the address, what arrived, and the certificate's file."""
    servers = []

    def make(name: str, *, days: int = 1) -> tuple[str, list[bytes], Path]:
        certificate, key = sign(name, days=days)
        file, both = tmp_path / "certificate.pem", tmp_path / "both.pem"
        file.write_bytes(certificate)
        both.write_bytes(certificate + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(both)
        handler = type("Handler", (Secure,), {"seen": []})
        server = SecureServer(("127.0.0.1", 0), handler)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"https://localhost:{server.server_port}", handler.seen, file  # type: ignore[attr-defined]  # set above

    yield make
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


class TestCertificates:
    """OAuth 2.1 sections 1.5 and 7.1.3.2."""

    CASES = pytest.mark.parametrize(
        ("name", "days", "known", "accepted"),
        [
            ("localhost", 1, True, True),
            ("localhost", 1, False, False),
            ("provider.example", 1, True, False),
            ("localhost", -1, True, False),
        ],
        ids=["good", "unknown issuer", "another host", "expired"],
    )

    @CASES
    def test_a_code_goes_to_a_server_that_proves_who_it_is(
        self, site: Client, server: TokenServer, connect_to: Callable[..., Connection], monkeypatch: pytest.MonkeyPatch,
        *, serve: Callable[..., tuple[str, list[bytes], Path]], name: str, days: int, known: bool, accepted: bool,
    ) -> None:  # fmt: skip  # in rows
        origin, seen, file = serve(name, days=days)
        if known:
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
        connection = connect_to(server, token_url=f"{origin}/token")
        page = land(site, state=state_of(press(site, connection)), code=CODE)
        assert page.status_code == (200 if accepted else 400)
        assert len(seen) == (1 if accepted else 0)
        assert Token.objects.exists() is accepted
        assert accepted or "secure connection" in text(page)

    @CASES
    def test_a_token_goes_to_a_server_that_proves_who_it_is(
        self, connect_to: Callable[..., Connection], server: TokenServer, monkeypatch: pytest.MonkeyPatch,
        *, serve: Callable[..., tuple[str, list[bytes], Path]], name: str, days: int, known: bool, accepted: bool,
    ) -> None:  # fmt: skip  # in rows
        origin, seen, file = serve(name, days=days)
        if known:
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
        connection = connect_to(server, base_url=origin)
        Token.objects.create(connection=connection, access_token="canary-access")
        with connect("crm") as api:
            if accepted:
                assert api.post("x", json={}).status_code == 200
            else:
                with pytest.raises(requests.exceptions.SSLError):
                    api.post("x", json={})
        assert len(seen) == (1 if accepted else 0)


class TestClientAuthentication:
    @pytest.mark.parametrize("client_auth", ["client_secret_post", "client_secret_basic", "none"])
    def test_one_way_in_each_request_and_never_in_the_address(
        self, site: Client, api: ApiServer, to_api: Callable[..., Connection], client_auth: str
    ) -> None:
        """OAuth 2.1 sections 2.4 and 2.4.1: code exchange, refresh and revocation."""
        connection = to_api(client_auth=client_auth, revocation_url=f"{api.url}/revoke")
        land(site, state=state_of(press(site, connection)), code=CODE)
        connection.refresh_from_db()
        connection.token_source().refresh()
        site.post(f"/admin/apiconnector/connection/{connection.pk}/disconnect/")
        assert [request.path for request in api.received] == ["/token", "/token", "/revoke", "/revoke"]
        for request in api.received:
            form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
            basic = request.headers.get("Authorization", "")
            assert request.method == "POST"
            assert (client_auth == "client_secret_basic") is basic.startswith("Basic ")
            assert (client_auth == "client_secret_post") is ("client_secret" in form)
            assert (client_auth == "client_secret_basic") is not ("client_id" in form)
            if basic:
                assert base64.b64decode(basic.removeprefix("Basic ")) == b"id-of-crm:canary-secret-of-crm"

    def test_client_credentials_need_a_client_that_authenticates(self, to_api: Callable[..., Connection]) -> None:
        """OAuth 2.1 section 4.2."""
        connection = to_api(auth_method="oauth2_client_credentials", client_auth="none", client_secret="")
        assert (connection.status, "RFC 6749 section 4.4" in connection.status_reason) == ("misconfigured", True)


class TestAccessTokens:
    def test_the_header_is_where_it_goes_and_nowhere_else(
        self, api: ApiServer, to_api: Callable[..., Connection]
    ) -> None:
        """OAuth 2.1 section 5.1: one method in each request, and not the query."""
        Token.objects.create(connection=to_api(), access_token="canary-access")
        with connect("crm") as session:
            session.post("things", json={"a": 1}, params={"b": "2"})
        (request,) = api.received
        assert request.headers["Authorization"] == "Bearer canary-access"
        assert request.path == "/api/things?b=2"
        assert b"canary" not in request.body

    @pytest.mark.parametrize("place", ["query", "body", "header"])
    def test_elsewhere_only_where_the_admin_chose_it_and_then_only_there(
        self, api: ApiServer, to_api: Callable[..., Connection], place: str
    ) -> None:
        Token.objects.create(connection=to_api(credential_in=place), access_token="canary-access")
        with connect("crm") as session:
            session.post("things", json={"a": 1})
        (request,) = api.received
        found = {"query": request.path, "body": request.body.decode(), "header": str(request.headers)}
        assert [name for name, content in found.items() if "canary-access" in content] == [place]

    def test_the_form_advises_against_the_query(self, site: Client, connection: Connection) -> None:
        page = text(site.get(f"/admin/apiconnector/connection/{connection.pk}/change/"))
        assert "RFC 9700 section 4.3.2" in page

    def test_it_is_sent_to_no_endpoint_of_the_provider_but_to_revoke_it(
        self, site: Client, api: ApiServer, to_api: Callable[..., Connection]
    ) -> None:
        """Refreshing hands in the refresh token alone."""
        connection = to_api()
        land(site, state=state_of(press(site, connection)), code=CODE)
        connection.refresh_from_db()
        connection.token_source().refresh()
        assert len(api.received) == 2
        assert not any(b"access-of-tests" in request.body for request in api.received)
        assert b"refresh_token=refresh-of-tests" in api.received[1].body

    def test_the_scope_is_what_the_admin_entered_and_what_was_granted_is_shown(
        self, site: Client, server: TokenServer, api: ApiServer, to_api: Callable[..., Connection]
    ) -> None:
        """RFC 9700 section 2.3: least privilege is the admin's to choose, and to see."""
        api.answer = lambda _: Reply(body=b'{"access_token": "at", "scope": "read contacts.read"}')
        connection = to_api(scope="read")
        url = press(site, connection)
        assert "scope=read&" in url
        land(site, state=state_of(url), code=CODE)
        page = text(site.get(f"/admin/apiconnector/connection/{connection.pk}/change/"))
        assert "<dt>Granted scope</dt><dd>read contacts.read</dd>" in page


def test_no_grant_takes_a_token_from_the_browser_and_a_password_is_legacy() -> None:
    """RFC 9700 sections 2.1.2 and 2.4: no implicit grant; the password grant says what it is, and is nobody's default."""
    offered = {kind.grant_type for kind in vars(oauth).values() if hasattr(kind, "grant_type")} - {None}
    of_oauth = {"authorization_code", "refresh_token", "client_credentials", "password"}
    assert offered == of_oauth | {"login", "second_token"}
    person = {"username", "password"}
    taking = [method for method in auth.methods() if method.uses_token and person & set(method.fields)]
    assert {method.name for method in taking} == {"oauth2_password", "login"}
    assert "legacy" in oauth_label("oauth2_password")
    assert Connection().auth_method == "none"


def oauth_label(name: str) -> str:
    method = auth.find(name)
    assert method is not None
    return method.label
