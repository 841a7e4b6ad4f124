"""What ``http.client`` and urllib3 make of a message, beside what this app makes of it."""

from __future__ import annotations

import io
import re
import socket
from http.client import HTTPException, HTTPResponse
from typing import Any

from urllib3._collections import HTTPHeaderDict
from urllib3.connection import HTTPConnection

from apiconnector.client.message import plain_head
from apiconnector.client.whole import Whole

#: Headers that requests sends with every request.
USUAL = {"User-Agent": "python-requests/2", "Accept-Encoding": "gzip, deflate", "Accept": "*/*"}


class Recorder(socket.socket):
    """A socket that keeps what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""

    def sendall(self, data: Any, *_: Any) -> None:
        self.sent += bytes(data)


def as_urllib3_sends(method: str, target: str, host: str, headers: Any, body: Any) -> bytes:
    name, _, port = host.partition(":")
    connection = HTTPConnection(name, int(port or 80))
    with Recorder() as recorder:
        connection.sock = recorder
        connection.request(method, target, body=body, headers=headers)
        return recorder.sent


class Received(io.RawIOBase):
    """A socket from which these bytes come, so many at once."""

    def __init__(self, data: bytes, at_once: int = 1 << 20) -> None:
        super().__init__()
        self.data, self.at_once = io.BytesIO(data), at_once

    def makefile(self, _: str, buffering: int = -1) -> Any:
        return io.BufferedReader(self) if buffering else self

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self.data.read(min(self.at_once, len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)


def as_it_came_whole(data: bytes, method: str) -> Any:
    """What is made of an answer that came in one piece; None where it is for others to read."""
    head = plain_head(data, method)
    body = None if head is None else head.body_of(data)
    if head is None or body is None:
        return None
    whole = Whole(head, body, method, "/x")
    read = as_read(HTTPResponse, data, method)
    headers = read[3]
    assert list(whole.headers.items()) == list(HTTPHeaderDict(headers).items())
    return (
        whole.status, whole.reason, whole.version, whole.fields, whole.chunked, whole.length_remaining, whole.will_close,
        whole.read(),
    )  # fmt: skip  # in rows


def as_read(kind: type[HTTPResponse], data: bytes, method: str, at_once: int = 1 << 20) -> Any:
    answer = kind(Received(data, at_once), method=method)  # type: ignore[arg-type]  # has what it needs of a socket
    try:
        answer.begin()
        if kind is HTTPResponse:
            # It takes the first answer that is not 100 for the final one (RFC 9110 section 15.2).
            while 102 <= answer.status < 200:
                answer.headers = answer.msg = None  # type: ignore[assignment]  # as before it began
                answer.begin()
        head = (
            answer.status, answer.reason, answer.version, [(name, re.sub(r"(?:(?<![ \t])[ \t]+)?[\r\n]+[ \t]*", " ", text)) for name, text in answer.getheaders()],
            answer.chunked, answer.length, answer.will_close,
        )  # fmt: skip  # in rows
        return *head, answer.read()
    except (HTTPException, OSError, ValueError) as error:
        return type(error)
