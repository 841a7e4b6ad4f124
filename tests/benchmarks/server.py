"""The server everything is measured against, in a process of its own: ``python -m tests.benchmarks.server``.

One asyncio protocol that answers HTTP/1.1 over keep-alive and does next to nothing, so that the clients are measured and
not the server. It prints its port and ends when its standard input does.

``/api/…`` wants the newest access token. ``/token`` rotates refresh tokens; one that was used before revokes its whole
family, as RFC 9700 section 4.14.2 advises. ``/reset`` begins a new family, ``/stats`` counts the token requests.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

CONTACTS = json.dumps({"id": "1", "results": [{"id": "1", "email": "ada@example.org", "name": "Ada"}]}).encode()
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized"}


class Provider:
    """One family of tokens."""

    def __init__(self) -> None:
        self.family = 0
        self.reset(delay=0.0)

    def reset(self, *, delay: float) -> dict[str, Any]:
        """Begin a new family; ``delay`` is what a token request takes, in seconds."""
        self.family += 1
        self.generation = 1
        self.is_revoked = False
        self.delay = delay
        self.token_requests = 0
        return self.tokens()

    def tokens(self) -> dict[str, Any]:
        number = f"{self.family}-{self.generation}"
        return {
            "access_token": f"access-{number}",
            "refresh_token": f"refresh-{number}",
            "token_type": "Bearer",
            "expires_in": 3600,
        }

    def refresh(self, form: dict[str, list[str]]) -> tuple[int, Any]:
        self.token_requests += 1
        if form.get("refresh_token") != [f"refresh-{self.family}-{self.generation}"]:
            self.is_revoked = True
        if self.is_revoked:
            return 400, {"error": "invalid_grant"}
        self.generation += 1
        return 200, self.tokens()

    def accepts(self, head: bytes) -> bool:
        return not self.is_revoked and f"Bearer access-{self.family}-{self.generation}\r\n".encode() in head


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
        target = head.split(b" ", 2)[1].decode()
        if target.startswith("/api"):
            accepted = self.provider.accepts(head)
            self.send(200 if accepted else 401, CONTACTS if accepted else b"{}")
            return
        form = parse_qs(body.decode() or urlsplit(target).query)
        if target == "/token":
            status, answer = self.provider.refresh(form)
            # Decided on arrival and answered late: the others meet a token that was rotated meanwhile.
            loop = asyncio.get_running_loop()
            loop.call_later(self.provider.delay, partial(self.send, status, json.dumps(answer).encode()))
        elif target.startswith("/reset"):
            self.send(200, json.dumps(self.provider.reset(delay=float(form["delay"][0]))).encode())
        else:
            self.send(200, json.dumps({"token_requests": self.provider.token_requests}).encode())

    def send(self, status: int, body: bytes) -> None:
        self.transport.write(
            b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (status, REASONS[status].encode(), len(body), body)
        )


def content_length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


async def serve() -> None:
    loop = asyncio.get_running_loop()
    provider = Provider()
    server = await loop.create_server(lambda: Talk(provider), "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    await ended.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
