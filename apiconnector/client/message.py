"""HTTP/1.1 messages as nearly all of them are: written and read in few steps.

``http.client`` writes a request header by header, and reads an answer with the parser for e-mails. What is plain comes
out here as it would there, byte for byte; for whatever is not, these functions say so, and it is left to those who
have always done it. Source: RFC 9112.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import TYPE_CHECKING, Any, Final

from urllib3.util import SKIP_HEADER

from apiconnector.client.headers import NAME, pairs
from apiconnector.client.untouched import Originals

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Where somebody puts another one in its place, theirs is used.
_BEGINNING: Final = Originals((HTTPResponse, "begin"))
#: Method and target that nobody has to encode, nor to write in another way.
_REQUEST_LINE: Final = re.compile(r"[A-Z]+ /(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-F]{2})* HTTP/1\.1\r\n", re.ASCII)
_FIELDS: Final = re.compile(rf"(?:{NAME}: [\t\x20-\x7e]*\r\n)+")
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+")
#: Status line and headers of a final answer. Control characters and what is not ASCII are others' matter.
_ANSWER: Final = re.compile(
    rf"HTTP/1\.1 ([2-5][0-9][0-9]) ([\x20-\x7e]*)\r\n((?:{NAME}:[\t\x20-\x7e]*\r\n)+)\r\n".encode()
)
#: Headers that say where an answer ends: each at most once.
_FRAMING: Final = frozenset({"content-length", "transfer-encoding", "connection"})
#: An answer has at most so many headers, as in ``http.client``.
_MOST_HEADERS: Final = 100
#: And no line is longer than so many bytes.
_LONGEST_LINE: Final = 65_536
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_BODYLESS: Final = frozenset({204, 304})
#: Answers that say that the real one is still to come, besides 100, and how many there may be of them.
_INTERIM: Final = frozenset(range(102, 200))
_MOST_INTERIM: Final = 100
_SWITCHING_PROTOCOLS: Final = 101
# Blanks are looked at from where they begin only: from each of them would take a minute for a line full of them.
_FOLD: Final = re.compile(r"(?:(?<![ \t])[ \t]+)?[\r\n]+[ \t]*")
#: Methods whose requests say nothing about a body that they do not have.
_BODYLESS_METHODS: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
#: A body of so many bytes goes out with its headers, in one piece; a longer one is not copied for that.
_MOST_WITH_HEAD: Final = 65_536


def request_bytes(
    method: str, target: str, host: str | None, headers: Mapping[Any, Any], body: str | bytes | None
) -> bytes | None:
    """A whole request; None where it is for ``http.client`` to write, or to refuse.

    ``host`` is what the header of this name says unless it is among the ``headers``; they need a length for a body.
    """
    given = list(pairs(headers))
    if not all(type(name) is str and type(value) is str and value != SKIP_HEADER for name, value in given):
        return None
    names = {name.lower() for name, _ in given}
    if "user-agent" not in names or "accept-encoding" not in names or "transfer-encoding" in names or not host:
        return None
    content = body.encode() if isinstance(body, str) else body or b""
    has_length = "content-length" in names or (body is None and method in _BODYLESS_METHODS)
    if not has_length or len(content) > _MOST_WITH_HEAD:
        return None
    fields = "".join([f"{name}: {value}\r\n" for name, value in given])
    line = f"{method} {target} HTTP/1.1\r\n"
    # As many lines as headers: else one of them has a line of its own in it.
    if fields.count("\r\n") != len(given) or not _FIELDS.fullmatch(fields) or not _REQUEST_LINE.fullmatch(line):
        return None
    own = "" if "host" in names else f"Host: {host}\r\n"
    return f"{line}{own}{fields}\r\n".encode("ascii") + content


def host_of(name: str, port: int | None, default_port: int | None) -> str | None:
    """The value of the Host header; None for a name that is no plain one, such as an IPv6 address."""
    if not _HOST.fullmatch(name):
        return None
    return name if port == default_port else f"{name}:{port}"


@dataclass(slots=True, repr=False)  # headers may hold what nobody shall see, such as cookies
class Head:
    """Status and headers of a plain answer, and where they end in what has come."""

    status: int
    reason: str
    #: The headers, in their order.
    fields: list[tuple[str, str]]
    #: The same by their names in lower case; of those that came twice the last.
    known: dict[str, str]
    end: int
    #: The bytes of the body; None: it comes in chunks.
    length: int | None

    @property
    def will_close(self) -> bool:
        """Whether the server closes the connection afterwards."""
        return "close" in self.known.get("connection", "").lower()

    def body_of(self, received: bytes) -> bytes | None:
        """The body, if all of it has come and nothing encodes it."""
        if self.length is None or "content-encoding" in self.known:
            return None
        until = self.end + self.length
        return received[self.end : until] if until <= len(received) else None


def plain_head(received: bytes, method: str | None) -> Head | None:
    """The head of the answer to a request, if it has all come; None where it is for ``http.client`` to read."""
    found = _ANSWER.match(received)
    status = int(found[1]) if found is not None else 0
    if found is None or status in _BODYLESS or method == "HEAD":
        return None
    known, fields = dict[str, str](), []
    lines = found[3].decode("ascii").split("\r\n")
    for line in lines[:-1]:
        name, _, value = line.partition(":")
        value = value.lstrip(" \t")
        key = name.lower()
        if key in _FRAMING and key in known:
            return None
        known[key] = value
        fields.append((name, value))
    length, coding = known.get("content-length", ""), known.get("transfer-encoding")
    has_length = coding is None and _LENGTH.fullmatch(length)
    if len(lines) > _MOST_HEADERS or found.end() > _LONGEST_LINE or not (has_length or coding == "chunked"):
        return None
    reason = found[2].decode("ascii").strip()
    return Head(status, reason, fields, known, found.end(), int(length) if has_length else None)


class Answer(HTTPResponse):
    """An answer whose head is read at once where it is plain and has come in one piece, which is nearly always."""

    #: The headers, in their order.
    fields: list[tuple[str, str]]

    def begin(self) -> None:
        """Read status line and headers. Raises what ``http.client`` does."""
        begun: Any = self.headers
        # Looking into the buffer takes nothing out of it. The files of fake sockets may have none.
        look = getattr(self.fp, "peek", None)
        head = None
        if begun is None and look is not None and _BEGINNING.are_in_place():
            head = plain_head(look(1), self._method)  # type: ignore[attr-defined]  # of http.client
        if head is not None:
            self.fp.read(head.end)
            self.begin_with(head)
        elif begun is None:
            self._begin_finally()
            # A header in several lines has line breaks in it (RFC 9112 section 5.2).
            self.fields = [(name, _FOLD.sub(" ", value)) for name, value in self.msg.items()]
            if self.fields != self.msg.items():
                for name, _ in self.fields:
                    del self.msg[name]
                for name, value in self.fields:
                    self.msg.set_raw(name, value)

    def _begin_finally(self) -> None:
        # ``http.client`` passes over 100 only. Any other would be taken for the answer, and the answer for that to the
        # next request, perhaps somebody else's (RFC 9110 section 15.2).
        super().begin()
        for _ in range(_MOST_INTERIM):
            if self.status not in _INTERIM:
                break
            self.headers = self.msg = None  # type: ignore[assignment]  # as before it has begun
            super().begin()
        else:
            raise HTTPException(f"more than {_MOST_INTERIM} interim answers")
        if self.status == _SWITCHING_PROTOCOLS:
            self.will_close = True  # what comes is no HTTP any more

    def begin_with(self, head: Head) -> None:
        """Take status and headers from what was read already."""
        self.status = self.code = head.status
        self.reason, self.version = head.reason, 11
        self.headers = self.msg = message_of(head.fields)
        self.fields = head.fields
        self.chunked = head.length is None
        self.length = head.length
        if self.chunked:
            self.chunk_left = None
        self.will_close = head.will_close


def message_of(fields: list[tuple[str, str]]) -> HTTPMessage:
    """Headers as ``http.client`` keeps them."""
    message = HTTPMessage()
    for name, value in fields:
        message.set_raw(name, value)
    message.set_payload("")
    return message


class Replayed:
    """A socket of which some was read already, as ``http.client`` uses one: for its file, which gives it once more."""

    def __init__(self, sock: Any, received: bytes) -> None:
        self._sock, self._received = sock, received

    def makefile(self, mode: str) -> io.BufferedReader:
        """The file to read from."""
        return io.BufferedReader(_ReplayedFile(self._sock.makefile(mode, buffering=0), self._received))


class _ReplayedFile(io.RawIOBase):
    def __init__(self, file: io.RawIOBase, received: bytes) -> None:
        super().__init__()
        self._file, self._received = file, received

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if not self._received:
            return self._file.readinto(buffer)
        piece = self._received[: len(buffer)]
        buffer[: len(piece)] = piece
        self._received = self._received[len(piece) :]
        return len(piece)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._file.close()
