"""What a connection's requests may reach: judged by address when the connection is made, and connected to just that."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn, cast

import pytest
import responses
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings as django_settings

from apiconnector.client import ApiSession, Destinations, Wire, connection, egress, shared_adapter, token_sender
from apiconnector.client.egress import Egress
from apiconnector.client.urls import Origin
from apiconnector.exceptions import Act, ConfigurationError, DestinationRefused, TokenRequestFailed
from apiconnector.oauth import ClientCredentials, ClientSecretPost, request_token, revoke
from tests.client.conftest import Bearer
from tests.client.servers import Reply, api_server, raw_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from apiconnector.client.adapter import PooledAdapter
    from tests.client.servers import ApiServer

PUBLIC = "93.184.216.34"
Lookup = dict[str, list[list[str]]]


@pytest.fixture(autouse=True)
def _nothing_is_kept() -> Iterator[None]:
    egress._judged.cache_clear()
    yield
    egress._judged.cache_clear()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Lookup:
    """A name server: each name has a list of answers, given one after the other, the last one again and again."""
    table: Lookup = {}
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in table:
            with suppress(ValueError):
                ipaddress.ip_address(host)
                return real(host, port, *args, **kwargs)
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        answers = table[host]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return table


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The public addresses that were connected to. What answers there is the machine itself, on the same port."""
    seen: list[str] = []

    def create_connection(address: tuple[str, int], *args: Any, **kwargs: Any) -> socket.socket:
        seen.append(address[0])
        if address[0].startswith("192.0.2.") or address[0].startswith("8.8.4."):
            raise OSError(f"no route to {address[0]}")
        return socket.create_connection(("127.0.0.1", address[1]))

    monkeypatch.setattr(connection, "create_connection", create_connection)
    return seen


def open_session(base: str, **kwargs: Any) -> ApiSession:
    return ApiSession(**{"destinations": Destinations(base), "auth": Bearer("canary"), "timeout": 3.0, **kwargs})


CLOSED = [
    *(str(ipaddress.IPv4Address(0)), "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254"),
    *("169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1"),
    *("198.18.0.1", "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("168.63.129.16", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
    *("64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1"),
    *("2002:7f00:1::", "2002:a00:1::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1"),
    *("ff02::1", "4000::1"),
]  # fmt: skip  # in rows
OPEN = ["8.8.8.8", PUBLIC, "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", CLOSED)
def test_what_is_not_public_is_refused_as_it_is_and_behind_a_name(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    assert Egress([]).problem(Origin.of(f"https://{host}/"))
    assert Egress([]).judge("https", "api.example.com", [address])
    assert Egress([]).judge("https", "api.example.com", [PUBLIC, address])


@pytest.mark.parametrize("address", OPEN)
def test_what_is_public_is_not(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    assert Egress([]).problem(Origin.of(f"https://{host}/")) == ""
    assert Egress([]).judge("https", "api.example.com", [address]) == ""
    assert Egress([]).judge("http", "api.example.com", [address])


@pytest.mark.parametrize(
    "trusted", [["0.0.0.0/0", "::/0"], ["10.0.0.0/8"], ["10.0.0.1"], ["api.example.com"], [".example.com"]]
)
def test_trust_opens_what_it_names(trusted: list[str]) -> None:
    assert Egress(trusted).judge("https", "api.example.com", ["10.0.0.1"]) == ""
    assert Egress(trusted).judge("http", "api.example.com", ["10.0.0.1"]) == ""


@pytest.mark.parametrize(
    ("trusted", "host", "address"),
    [
        (["10.0.0.0/8"], "api.example.com", "192.168.0.1"),
        (["10.0.0.0/8"], "api.example.com", "::1"),
        (["api.example.com"], "xapi.example.com", "10.0.0.1"),
        (["api.example.com"], "sub.api.example.com", "10.0.0.1"),
        ([".example.com"], "evilexample.com", "10.0.0.1"),
        (["::1"], "api.example.com", "127.0.0.1"),
    ],
)
def test_trust_opens_nothing_else(trusted: list[str], host: str, address: str) -> None:
    assert Egress(trusted).judge("https", host, [address])
    assert Egress(trusted).judge("http", host, [address])


def test_an_address_is_trusted_in_each_of_its_forms() -> None:
    for written in ("10.0.0.5", "::ffff:10.0.0.5", "64:ff9b::10.0.0.5"):
        assert Egress(["10.0.0.0/8"]).judge("http", "api.example.com", [written]) == ""
    assert Egress(["::ffff:10.0.0.0/104"]).judge("http", "api.example.com", ["::ffff:10.0.0.5"]) == ""
    assert Egress(["fe80::/10"]).judge("http", "api.example.com", ["fe80::1%eth0"]) == ""


@pytest.mark.parametrize(
    ("trusted", "url", "says"),
    [
        ([], "http://api.example.com/", "plain http"),
        (["other.example.com"], "http://api.example.com/", "plain http"),
        ([], "http://93.184.216.34/", "plain http"),
        ([], "https://localhost/", "local network"),
        ([], "https://LOCALHOST./", "local network"),
        ([], "https://a.localhost:8443/", "local network"),
        ([], "https://metadata.google.internal/", "local network"),
        ([], "https://printer.local/", "local network"),
        ([], "https://[::ffff:7f00:1]/", "private"),
        (["10.0.0.0/8"], "http://127.0.0.1/", "private"),
        (["localhost"], "http://127.0.0.1/", "private"),
        (["api.example.com"], "http://API.example.com./", ""),
        ([".example.com"], "http://api.example.com/", ""),
        (["127.0.0.0/8"], "http://127.0.0.1:8000/", ""),
        ([], "https://api.example.com/", ""),
    ],
)  # fmt: skip  # in rows
def test_what_can_be_told_without_resolving(settings: Any, trusted: list[str], url: str, says: str) -> None:
    settings.APICONNECTOR_TRUSTED_HOSTS = trusted
    if not says:
        egress.check(url)
        return
    with pytest.raises(DestinationRefused, match=says) as refused:
        egress.check(url)
    assert "APICONNECTOR_TRUSTED_HOSTS" in str(refused.value)
    assert not refused.value.sent


@pytest.mark.parametrize(
    "host",
    ["2130706433", "017700000001", "0x7f000001", "127.1", "127.0.1", "0177.0.0.1", "0x7f.0.0.1", "0", "127.0.0.01"],
)
def test_numbers_that_the_resolver_reads_as_addresses(settings: Any, host: str) -> None:
    """A base URL with one is unusable; the guard does not rely on that."""
    settings.APICONNECTOR_TRUSTED_HOSTS = []
    with pytest.raises(ConfigurationError, match="is a number"):
        open_session(f"https://{host}:8443").get("x")
    with pytest.raises(DestinationRefused):
        egress.resolve("https", host, 8443)


def test_the_address_that_was_judged_is_connected_to(
    settings: Any, names: Lookup, connected: list[str], api: ApiServer
) -> None:
    """A name that answers with another address a moment later gains nothing (DNS rebinding)."""
    settings.APICONNECTOR_TRUSTED_HOSTS = [f"{PUBLIC}/32"]
    names["api.example.com"] = [[PUBLIC], ["127.0.0.1"]]
    port = api.url.rpartition(":")[2]
    with open_session(f"http://api.example.com:{port}") as session:
        assert session.get("x").ok
    assert connected == [PUBLIC]
    assert api.received[0].headers["Host"] == f"api.example.com:{port}"
    assert names["api.example.com"] == [["127.0.0.1"]]
    # The next connection is judged anew.
    cast("PooledAdapter", shared_adapter()).start_afresh()
    with (
        open_session(f"http://api.example.com:{port}") as session,
        pytest.raises(DestinationRefused, match="plain http"),
    ):
        session.get("x")
    assert connected == [PUBLIC]
    assert len(api.received) == 1


def test_a_name_with_one_private_address_among_others_is_refused(
    settings: Any, names: Lookup, connected: list[str]
) -> None:
    settings.APICONNECTOR_TRUSTED_HOSTS = []
    names["api.example.com"] = [[PUBLIC, "10.0.0.1"]]
    wire = Wire()
    with (
        open_session("https://api.example.com", wire=wire) as session,
        pytest.raises(DestinationRefused, match=r"leads to a private.*Nothing was sent") as refused,
    ):
        session.get("x")
    assert connected == []
    assert wire.written is False
    assert not refused.value.sent
    assert "10.0.0.1" not in str(refused.value)


def test_the_next_address_is_tried_where_one_does_not_answer(
    settings: Any, names: Lookup, connected: list[str], api: ApiServer
) -> None:
    settings.APICONNECTOR_TRUSTED_HOSTS = ["8.8.0.0/16"]
    names["api.example.com"] = [["8.8.4.4", "8.8.8.8"]]
    with open_session(f"http://api.example.com:{api.url.rpartition(':')[2]}") as session:
        assert session.get("x").ok
    assert connected == ["8.8.4.4", "8.8.8.8"]


def test_no_address_answers(settings: Any, names: Lookup, connected: list[str]) -> None:
    settings.APICONNECTOR_TRUSTED_HOSTS = ["8.8.0.0/16"]
    names["api.example.com"] = [["8.8.4.4", "8.8.4.5"]]
    wire = Wire()
    with open_session("http://api.example.com", wire=wire) as session, pytest.raises(OSError, match="new connection"):
        session.get("x")
    assert connected == ["8.8.4.4", "8.8.4.5"]
    assert wire.written is False


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "certificate.pem", folder / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, private


@contextmanager
def tls_server(pem: Path, private: Path) -> Iterator[tuple[int, list[str]]]:
    """A server that notes which name it is asked for (SNI); port and names."""
    asked: list[str] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    context.sni_callback = lambda _sock, name, _context: asked.append(name or "")

    def talk(connection: socket.socket) -> None:
        with suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    with raw_server(talk) as url:
        yield int(url.rpartition(":")[2]), asked


def test_tls_is_checked_for_the_name_and_not_for_the_address(
    settings: Any, names: Lookup, connected: list[str], tmp_path: Path
) -> None:
    settings.APICONNECTOR_TRUSTED_HOSTS = []
    names["api.example.com"] = names["wrong.example.com"] = [[PUBLIC]]
    pem, private = certificate(tmp_path, "api.example.com")
    with tls_server(pem, private) as (port, asked):
        with open_session(f"https://api.example.com:{port}") as session:
            assert session.get("x", verify=str(pem)).ok
        with (
            open_session(f"https://wrong.example.com:{port}") as session,
            pytest.raises(OSError, match=r"wrong\.example\.com"),
        ):
            session.get("x", verify=str(pem))
    assert connected == [PUBLIC, PUBLIC]
    assert asked == ["api.example.com", "wrong.example.com"]


def test_a_redirect_to_an_allowed_host_that_is_private(
    settings: Any, names: Lookup, connected: list[str], tmp_path: Path
) -> None:
    settings.APICONNECTOR_TRUSTED_HOSTS = ["127.0.0.1"]
    names["files.example.com"] = [["169.254.169.254"]]
    with api_server() as api:
        api.script(Reply(302, {"Location": "https://files.example.com/x"}))
        session = open_session(api.url, destinations=Destinations(api.url, ["files.example.com"]))
        with session, pytest.raises(DestinationRefused, match="leads to a private") as refused:
            session.get("x")
    assert refused.value.sent
    assert connected == []


def test_nothing_is_asked_of_the_credential_where_nothing_may_be_sent(settings: Any) -> None:
    settings.APICONNECTOR_TRUSTED_HOSTS = []
    auth = Bearer()
    with open_session("http://127.0.0.1:1", auth=auth) as session, pytest.raises(DestinationRefused):
        session.get("x")
    assert auth.asked == 0


@responses.activate
def test_mocks_are_not_resolved_and_plain_http_is_refused_all_the_same(settings: Any) -> None:
    settings.APICONNECTOR_TRUSTED_HOSTS = []
    for scheme in ("http", "https"):
        responses.get(f"{scheme}://api.no-such-name.example/x", json={})
    with open_session("https://api.no-such-name.example") as session:
        assert session.get("x").ok
    with open_session("http://api.no-such-name.example") as session, pytest.raises(DestinationRefused):
        session.get("x")
    assert len(responses.calls) == 1


# Token, refresh and revocation requests


CLIENT = ClientSecretPost("id", "canary")


def test_a_token_request_to_a_private_address_is_the_administrators_matter(
    settings: Any, names: Lookup, connected: list[str]
) -> None:
    settings.APICONNECTOR_TRUSTED_HOSTS = []
    names["auth.example.com"] = [["10.0.0.1"]]
    now = datetime.datetime.now(datetime.UTC)
    for url in ("https://auth.example.com/token", "http://auth.example.com/token", "https://127.0.0.1/token"):
        with pytest.raises(TokenRequestFailed) as failed:
            request_token(url, ClientCredentials(), CLIENT, token_sender(3), now=now)
        assert failed.value.act is Act.ADMINISTRATOR
        assert "APICONNECTOR_TRUSTED_HOSTS" in str(failed.value)
    assert revoke("https://auth.example.com/revoke", "canary", CLIENT, token_sender(3)) is False
    assert connected == []


# Proxies


@contextmanager
def proxy_server() -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that refuses everything and keeps the first line of each request."""
    lines: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        lines.append(connection.recv(65536).split(b" HTTP/")[0])
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with raw_server(talk) as url:
        yield url, lines


@pytest.mark.parametrize(
    ("url", "addresses", "reaches"),
    [
        ("https://api.example.com", [PUBLIC], True),
        ("https://api.example.com", None, True),  # only the proxy knows the name
        ("https://api.example.com", ["10.0.0.1"], False),
        ("https://api.example.com", [PUBLIC, "::1"], False),
        ("https://10.0.0.1", None, False),
        ("https://localhost", None, False),
        ("http://api.example.com", [PUBLIC], False),
    ],
)
def test_through_a_proxy_the_name_is_judged_here(
    names: Lookup, monkeypatch: pytest.MonkeyPatch, url: str, addresses: list[str] | None, reaches: bool
) -> None:
    monkeypatch.setattr(django_settings, "APICONNECTOR_TRUSTED_HOSTS", [])
    if addresses:
        names["api.example.com"] = [addresses]
    with proxy_server() as (proxy, lines):
        # The proxy is on this machine: it is the site's own configuration, and not judged.
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.setenv("HTTP_PROXY", proxy)
        with open_session(url) as session, pytest.raises(OSError) as error:
            session.get("x")
    assert isinstance(error.value, DestinationRefused) is not reaches
    assert lines == ([b"CONNECT api.example.com:443"] if reaches else [])


def test_plain_http_through_a_proxy_goes_to_trusted_networks_only(
    settings: Any, names: Lookup, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.APICONNECTOR_TRUSTED_HOSTS = ["10.0.0.0/8"]
    names["inside.example.com"], names["outside.example.com"] = [["10.0.0.1"]], [[PUBLIC]]
    with proxy_server() as (proxy, lines):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        with open_session("http://inside.example.com") as session:
            assert session.get("x").status_code == 403
        with open_session("http://outside.example.com") as session, pytest.raises(DestinationRefused):
            session.get("x")
    assert lines == [b"GET http://inside.example.com/x"]


@pytest.mark.parametrize("url", ["http://nowhere.example.com", "https://service.internal", "http://service.internal"])
def test_a_name_that_only_the_proxy_knows_is_in_no_trusted_network(
    settings: Any, names: Lookup, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    settings.APICONNECTOR_TRUSTED_HOSTS = ["10.0.0.0/8"]
    assert not names
    with proxy_server() as (proxy, lines):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        with open_session(url) as session, pytest.raises(DestinationRefused):
            session.get("x")
    assert lines == []


# The connections that are kept


def test_no_connection_prints_what_it_sends(api: ApiServer, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """``http.client`` does, where somebody followed the advice to set ``debuglevel``."""
    monkeypatch.setattr("http.client.HTTPConnection.debuglevel", 1)
    with open_session(api.url) as session:
        session.post("x", json={"a": "canary"})
    assert capsys.readouterr().out == ""


def test_many_threads_judge_at_once(settings: Any, names: Lookup, connected: list[str]) -> None:
    settings.APICONNECTOR_TRUSTED_HOSTS = []
    names["api.example.com"] = [["10.0.0.1"]]
    refused: list[Exception] = []

    def call() -> None:
        try:
            open_session("https://api.example.com").get("x")
        except DestinationRefused as error:
            refused.append(error)

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 16
    assert connected == []


def test_a_lookup_that_fails_is_no_refusal(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.APICONNECTOR_TRUSTED_HOSTS = []

    def not_found(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", not_found)
    wire = Wire()
    with open_session("https://api.no-such-name.example", wire=wire) as session, pytest.raises(OSError) as error:
        session.get("x")
    assert not isinstance(error.value, DestinationRefused)
    assert wire.written is False
