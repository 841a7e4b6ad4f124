"""Every kind of failure: what an API and a token endpoint may do, on real servers."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.client.servers import ApiServer, Received, Reply, api_server, raw_server, refused_url, reset

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator


def echo(request: Received) -> dict[str, Any]:
    """Everything that was sent, as a careless server repeats it."""
    return {
        "path": request.path,
        "headers": dict(request.headers),
        "body": request.body.decode(),
        "message": f"no: {request.path} {dict(request.headers)} {request.body!r}",
    }


def echoing(status: int, **headers: str) -> Callable[[Received], Reply]:
    def answer(request: Received) -> Reply:
        return Reply(status, {"Content-Type": "application/json", **headers}, json.dumps(echo(request)).encode())

    return answer


def page(status: int) -> Callable[[Received], Reply]:
    def answer(request: Received) -> Reply:
        return Reply(status, {"Content-Type": "text/html"}, f"<html>{echo(request)}</html>".encode())

    return answer


def refusal(error: str, status: int = 400) -> Callable[[Received], Reply]:
    def answer(request: Received) -> Reply:
        said = {
            "error": error,
            "error_description": str(echo(request)),
            "error_uri": f"https://a.example/{request.body!r}",
        }
        return Reply(status, {}, json.dumps(said).encode())

    return answer


def moved(to: str) -> Callable[[Received], Reply]:
    def answer(request: Received) -> Reply:
        query = request.path.partition("?")[2]
        return Reply(307, {"Location": f"{to}?{query}&was={len(request.body)}"}, b"")

    return answer


def half(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")


def garbage(connection: socket.socket) -> None:
    connection.sendall(b"\x00\x01 this is no HTTP " + connection.recv(65536))


def slow(connection: socket.socket) -> None:
    connection.recv(65536)
    time.sleep(0.5)


@dataclass(frozen=True)
class Failure:
    """What the API does, and what the token endpoint does; None: it works."""

    name: str
    api: Callable[[Received], Reply] | None = None
    api_raw: Callable[[socket.socket], None] | None = None
    api_url: str = ""
    token: Callable[[Received], Reply] | None = None
    token_raw: Callable[[socket.socket], None] | None = None
    token_url: str = ""
    #: What is different about the connection.
    fields: tuple[tuple[str, Any], ...] = ()


API = [
    Failure("answered, with everything repeated", api=echoing(200)),
    Failure("a page instead of JSON", api=page(200)),
    *(Failure(f"status {status}", api=echoing(status)) for status in (400, 401, 403, 404, 429, 500, 503)),
    Failure("a page with 500", api=page(500)),
    Failure("a redirect elsewhere", api=moved("https://elsewhere.example/x")),
    Failure("a redirect to itself, without end", api=moved("x")),
    Failure("a redirect nobody can read", api=moved("http://[")),
    Failure("refused", api_url="refused"),
    Failure("reset", api_raw=reset),
    Failure("broken off in the middle", api_raw=half),
    Failure("no HTTP at all", api_raw=garbage),
    Failure("a time-out", api_raw=slow),
    Failure("an unknown name", api_url="http://no-such-name.localhost.invalid"),
    Failure("no TLS", api_url="tls"),
    Failure("an address that may not be reached", api_url="https://10.0.0.1"),
    Failure("a placeholder that can't be filled", fields=(("default_headers", {"X-Key": "{{ nowhere }}"}),)),
    Failure("a secret in every default", api=echoing(401), fields=(
        ("default_headers", {"X-Own": "{{ tenant_key }}"}),
        ("default_params", {"own": "{{ tenant_key }}", "client": "{{ client_secret|default:'' }}"}),
        ("default_body", {"own": "{{ tenant_key }}"}),
    )),
    Failure("a secret in a header it does not fit into", fields=(("default_headers", {"X-Own": "{{ broken }}"}),)),
]  # fmt: skip  # in rows
TOKEN = [
    *(
        Failure(f"token: {error}", token=refusal(error))
        for error in ("invalid_client", "invalid_grant", "invalid_scope", "odd")
    ),
    Failure("token: 401", token=refusal("invalid_client", 401)),
    Failure("token: a page with 500", token=page(500)),
    Failure("token: a page with 200", token=page(200)),
    Failure("token: no token", token=echoing(200)),
    Failure("token: a redirect", token=moved("https://elsewhere.example/token")),
    Failure("token: refused", token_url="refused"),
    Failure("token: reset", token_raw=reset),
    Failure("token: broken off", token_raw=half),
    Failure("token: no HTTP", token_raw=garbage),
    Failure("token: a time-out", token_raw=slow),
    Failure("token: no TLS", token_url="tls"),
    Failure("token: an address that may not be reached", token_url="https://10.0.0.1/token"),
]


def works(request: Received) -> Reply:
    """A token endpoint that gives tokens which are canaries themselves."""
    from tests.canaries.leaks import canary  # not at import: the grid reads this module first

    answer = {"access_token": canary("access2"), "refresh_token": canary("refresh2"), "expires_in": 3600}
    return Reply(200, {}, json.dumps(answer).encode())


@contextmanager
def servers(failure: Failure) -> Iterator[tuple[str, str]]:
    """The addresses of an API and of a token endpoint that fail like this."""
    with (
        _server(failure.api or echoing(200), failure.api_raw, failure.api_url) as api,
        _server(failure.token or works, failure.token_raw, failure.token_url) as token,
    ):
        yield f"{api}/v1", token if token.endswith("/token") else f"{token}/token"


@contextmanager
def _server(
    answer: Callable[[Received], Reply], raw: Callable[[socket.socket], None] | None, url: str
) -> Iterator[str]:
    if raw is not None:
        with raw_server(raw) as address:
            yield address
        return
    if url == "refused":
        yield refused_url()
        return
    if url and url != "tls":
        yield url
        return
    server: ApiServer
    with api_server() as server:
        server.answer = answer
        yield server.url.replace("http:", "https:") if url == "tls" else server.url
