"""Servers that keep every byte, under names of their own: what strays is seen, wherever it goes."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: What ``APICONNECTOR_TRUSTED_HOSTS`` is in these tests: so that nothing but the origin rule refuses.
TRUSTED = ["127.0.0.0/8", "::1", "localhost", ".test"]


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: dict[str, str]  # names in lower case; a repeated one is joined by a bar
    body: bytes

    @property
    def text(self) -> str:
        """All of it, to look for a credential in."""
        return f"{self.target}\n{self.headers}\n{self.body.decode('latin-1')}"


def reply(status: int, headers: tuple[tuple[str, str], ...] = (), body: bytes = b"{}") -> bytes:
    lines = [f"HTTP/1.1 {status} Any", *(f"{name}: {value}" for name, value in headers)]
    if status != 304:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


@dataclass
class Recorder:
    """A server on the loopback interface; ``answer`` decides what it says."""

    port: int
    answer: Callable[[Request], bytes] = field(default=lambda _: reply(200))
    requests: list[Request] = field(default_factory=list)
    #: What arrived on each connection, decrypted where the server speaks TLS.
    connections: list[bytearray] = field(default_factory=list)
    failed_handshakes: int = 0


@contextmanager
def recorder(context: ssl.SSLContext | None = None) -> Iterator[Recorder]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    server = Recorder(listener.getsockname()[1])
    threads: list[threading.Thread] = []
    opened: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        received = bytearray()
        server.connections.append(received)
        with suppress(OSError), connection:
            connection.settimeout(20)
            if context is None:
                _talk(server, connection, received)
                return
            try:
                secured = context.wrap_socket(connection, server_side=True)
            except OSError:
                server.failed_handshakes += 1
                return
            opened.append(secured)
            with secured:
                _talk(server, secured, received)

    def accept() -> None:
        with suppress(OSError):
            while True:
                opened.append(listener.accept()[0])
                threads.append(threading.Thread(target=serve, args=(opened[-1],), daemon=True))
                threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield server
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        for connection in opened:
            with suppress(OSError):  # closed long ago, or wrapped in TLS
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


def _talk(server: Recorder, connection: socket.socket, received: bytearray) -> None:
    waiting = b""

    def more() -> bytes:
        data = connection.recv(65536)
        received.extend(data)
        if not data:
            raise ConnectionResetError
        return data

    while True:
        while b"\r\n\r\n" not in waiting:
            waiting += more()
        head, _, waiting = waiting.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            before = headers.get(name.lower())
            headers[name.lower()] = value.strip() if before is None else f"{before}|{value.strip()}"
        length = int(headers.get("content-length", "0"))
        while len(waiting) < length:
            waiting += more()
        body, waiting = waiting[:length], waiting[length:]
        method, _, rest = first.partition(" ")
        request = Request(method, rest.rpartition(" ")[0], headers, body)
        server.requests.append(request)
        answer = server.answer(request)
        connection.sendall(answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if method == "HEAD" else answer)


@dataclass
class Names:
    """Stands in for ``socket.getaddrinfo``: every name is this machine, and who asked for which is kept."""

    asked: list[tuple[str, int]] = field(default_factory=list)
    unknown: frozenset[str] = frozenset()

    def __call__(self, host: Any, port: Any, *args: object, **kwargs: object) -> list[Any]:
        name = host.decode() if isinstance(host, bytes) else str(host)
        self.asked.append((name.lower().removesuffix("."), int(port)))
        if name in self.unknown:
            raise socket.gaierror(socket.EAI_NONAME, "unknown on purpose")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


@dataclass(frozen=True)
class Certificate:
    bundle: Path
    context: ssl.SSLContext


def make_certificate(folder: Path, *names: str) -> Certificate:
    """A certificate for these names, and the file of the authority that vouches for it."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of these tests")])
    now = datetime.datetime.now(tz=datetime.UTC)

    def begin(subject: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority_name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
        )

    usage = {
        "content_commitment": False,
        "key_encipherment": False,
        "data_encipherment": False,
        "key_agreement": False,
        "encipher_only": False,
        "decipher_only": False,
    }
    authority = (
        begin(authority_name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=False, key_cert_sign=True, crl_sign=True, **usage), critical=True
        )
        .sign(authority_key, hashes.SHA256())
    )
    certificate = (
        begin(x509.Name([]), key.public_key())
        .add_extension(
            x509.SubjectAlternativeName(
                [*(x509.DNSName(name) for name in names), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
            ),
            critical=True,
        )
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=False, crl_sign=False, **usage), critical=True
        )
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    bundle, chain = folder / "authority.pem", folder / "server.pem"
    bundle.write_bytes(authority.public_bytes(pem))
    chain.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return Certificate(bundle, context)
