"""The server everything is measured against, in a process of its own: ``python -m tests.benchmarks.server [addresses]``.

One asyncio protocol that answers HTTP/1.1 over keep-alive and does next to nothing, so that the clients are measured and
not the server. It listens on 127.0.0.1, and on as many further addresses of this machine as it is told. It prints its
port and ends when its standard input does.

``/api/…`` wants an access token that is valid. ``/token`` rotates refresh tokens; one that was used before revokes its
whole family, as RFC 9700 section 4.14.2 advises. Client credentials get a token of their own each time. ``/reset`` begins
anew, ``/stats`` tells when tokens were asked for.
"""

from __future__ import annotations

import asyncio
import json
import select
import selectors
import sys
import threading
import time
from functools import partial
from math import inf
from typing import Any
from urllib.parse import parse_qs, urlsplit

CONTACTS = json.dumps({"id": "1", "results": [{"id": "1", "email": "ada@example.org", "name": "Ada"}]}).encode()
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized"}
AUTHORIZATION = b"\r\nauthorization: bearer "


def address(number: int) -> str:
    """One of the loopback addresses of this machine; 0 is 127.0.0.1."""
    return f"127.0.{number // 250}.{number % 250 + 1}"


class Provider:
    """One family of tokens, and those of the client itself."""

    def __init__(self) -> None:
        self.family = 0
        self.reset()

    def reset(self, *, delay: float = 0.0, api_delay: float = 0.0, life: float = 3600.0) -> dict[str, Any]:
        """Begin a new family; a token request takes ``delay`` seconds, another one ``api_delay``.

        ``life`` is what a token of client credentials has, in seconds. Those of a family are valid until the next.
        """
        self.family += 1
        self.generation = 0
        self.is_revoked = False
        self.delay, self.api_delay, self.life = delay, api_delay, life
        #: When tokens were asked for, in seconds of any clock.
        self.asked_at: list[float] = []
        return self.next_tokens()

    def next_tokens(self) -> dict[str, Any]:
        self.generation += 1
        number = f"{self.family}-{self.generation}"
        self.valid_until = {f"access-{number}".encode(): inf}
        return {
            "access_token": f"access-{number}",
            "refresh_token": f"refresh-{number}",
            "token_type": "Bearer",
            "expires_in": 3600,
        }

    def refresh(self, form: dict[str, list[str]]) -> tuple[int, Any]:
        self.asked_at.append(time.monotonic())
        if form.get("refresh_token") != [f"refresh-{self.family}-{self.generation}"]:
            self.is_revoked = True
        if self.is_revoked:
            self.valid_until.clear()
            return 400, {"error": "invalid_grant"}
        return 200, self.next_tokens()

    def issue(self) -> dict[str, Any]:
        """A token for the client itself; those before it stay valid until their own end."""
        now = time.monotonic()
        access_token = f"access-{self.family}-client-{len(self.asked_at)}-{now}"
        self.valid_until = {token: end for token, end in self.valid_until.items() if end > now}
        self.valid_until[access_token.encode()] = now + self.life
        return {"access_token": access_token, "token_type": "Bearer", "expires_in": self.life}

    def accepts(self, head: bytes) -> bool:
        token = head.lower().partition(AUTHORIZATION)[2].partition(b"\r\n")[0]
        return self.valid_until.get(token, 0.0) > time.monotonic()


class Talk(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.received = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            # With the line break that ends the last header.
            head = self.received[: end + 2]
            until = end + 4 + content_length(head)
            if len(self.received) < until:
                return
            body, self.received = self.received[end + 4 : until], self.received[until:]
            self.answer(head, body)

    def answer(self, head: bytes, body: bytes) -> None:
        provider, target = self.provider, head.split(b" ", 2)[1].decode()
        if target.startswith("/api"):
            accepted = provider.accepts(head)
            self.send_after(provider.api_delay, 200 if accepted else 401, CONTACTS if accepted else b"{}")
            return
        form = parse_qs(body.decode() or urlsplit(target).query)
        if target == "/token" and form["grant_type"] == ["client_credentials"]:
            # Valid from when it is answered.
            provider.asked_at.append(time.monotonic())
            asyncio.get_running_loop().call_later(
                provider.delay, lambda: self.send(200, json.dumps(provider.issue()).encode())
            )
        elif target == "/token":
            status, answer = provider.refresh(form)
            # Decided on arrival and answered late: the others meet a token that was rotated meanwhile.
            self.send_after(provider.delay, status, json.dumps(answer).encode())
        elif target.startswith("/reset"):
            self.send(200, json.dumps(provider.reset(**{name: float(form[name][0]) for name in form})).encode())
        else:
            self.send(200, json.dumps({"asked_at": provider.asked_at}).encode())

    def send_after(self, delay: float, status: int, body: bytes) -> None:
        if delay:
            asyncio.get_running_loop().call_later(delay, partial(self.send, status, body))
        else:
            self.send(status, body)

    def send(self, status: int, body: bytes) -> None:
        self.transport.write(
            b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (status, REASONS[status].encode(), len(body), body)
        )


class Exact(selectors.DefaultSelector):
    """Waits as long as it is told.

    epoll counts in milliseconds, and an answer that is due would wait for the next one; select() does not, but takes the
    longer the more connections there are: here it looks at one file only.
    """

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            select.select([self.fileno()], [], [], timeout)
        return super().select(0)


def content_length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


async def serve(addresses: int) -> None:
    loop = asyncio.get_running_loop()
    provider = Provider()
    server = await loop.create_server(lambda: Talk(provider), address(0), 0, backlog=256)
    port = server.sockets[0].getsockname()[1]
    servers = [server]
    if addresses > 1:
        others = [address(number) for number in range(1, addresses)]
        servers.append(await loop.create_server(lambda: Talk(provider), others, port))
    print(port, flush=True)
    ended = asyncio.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    await ended.wait()
    for each in servers:
        each.close()


def main() -> None:
    addresses = int(sys.argv[1]) if sys.argv[1:] else 1
    if addresses > 1:
        import resource  # not on Windows

        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(Exact())) as runner:
        runner.run(serve(addresses))


if __name__ == "__main__":
    main()
