"""An answer that has come whole: its connection is free again before anybody reads it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from urllib3 import HTTPResponse
from urllib3._collections import HTTPHeaderDict  # where it is in version 1 as well

from apiconnector.client.message import Answer

if TYPE_CHECKING:
    from apiconnector.client.message import Head


class Whole(HTTPResponse):
    """An answer of urllib3 whose body is here. What urllib3 makes of it is made when somebody asks for it."""

    _head: Head
    _is_made = False
    #: Whether the body was taken, or nobody may read it any more.
    _is_taken = _is_closed = False

    def __init__(self, head: Head, body: bytes, method: str, url: str, pool: Any = None) -> None:
        # Nothing is handed to urllib3 yet, nearly always never.
        self._head, self._whole, self._asked = head, body, (method, url, pool)
        self.status, self.reason = head.status, head.reason
        #: Whether its connection is of no more use.
        self.will_close = head.will_close

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The headers, in their order."""
        return self._head.fields

    @property
    def has_each_once(self) -> bool:
        """Whether no header came twice."""
        return len(self._head.known) == len(self._head.fields)

    @property
    def length(self) -> int:
        """How many bytes the body has."""
        return len(self._whole)

    def take(self) -> bytes | None:
        """The body, which counts as read from then on; None where some of it was read."""
        if self.closed or (self._is_made and self._fp_bytes_read):
            return None
        self._is_taken = True
        self.close()
        return self._whole

    def __getattr__(self, name: str) -> Any:
        """Make what urllib3 has of an answer. Called for what is not there yet."""
        if self._is_made or "_head" not in self.__dict__:
            raise AttributeError(name)
        set_before = dict(self.__dict__)
        self._is_made = True
        head, (method, url, pool) = self._head, self._asked
        # requests looks there for cookies, and others for what it says of itself.
        said = Answer(_Nothing(), method=method)  # type: ignore[arg-type]  # all that is used of a socket
        said.begin_with(head)
        said.close()
        super().__init__(
            _Body(self._whole), header_dict(head.fields), head.status, 11, "HTTP/1.1", head.reason,
            preload_content=False, decode_content=False, original_response=said, pool=pool,
            request_method=method, request_url=url, sock_shutdown=_nothing_to_shut,
        )  # fmt: skip  # in rows
        self.__dict__.update(set_before)
        if self._is_closed:
            self.close()
        return getattr(self, name)

    def release_conn(self) -> None:
        """Nothing: the connection was given back when the answer had come."""

    @property
    def closed(self) -> bool:
        """Whether nothing can be read any more."""
        return super().closed if self._is_made else self._is_closed

    def close(self) -> None:
        """Give up what was not read."""
        self._is_closed = True
        if self._is_made:
            super().close()
            if self._is_taken:
                # What urllib3 counts where it reads a body itself.
                self._fp_bytes_read, self.length_remaining = len(self._whole), 0


class _Nothing:
    """A socket from which nothing comes."""

    def makefile(self, mode: str) -> io.BytesIO:
        """Its file."""
        del mode
        return io.BytesIO()


class _Body(io.BytesIO):
    """A body that is closed, as urllib3 sees it, once it was read to its end: as that of ``http.client`` is."""

    _is_read = False

    def isclosed(self) -> bool:
        """Whether nothing more comes."""
        return self.closed or self._is_read

    def read(self, size: int | None = -1) -> bytes:
        """As of a file."""
        found = super().read(size)
        self._is_read = self.tell() == self.getbuffer().nbytes
        return found

    def read1(self, size: int | None = -1) -> bytes:
        """Likewise."""
        return self.read(size)


def _nothing_to_shut(how: int) -> None:
    """The connection may be another request's by now."""


def header_dict(fields: list[tuple[str, str]]) -> HTTPHeaderDict:
    """Headers as urllib3 keeps them."""
    headers = HTTPHeaderDict()
    for name, value in fields:
        headers.add(name, value)
    return headers


def body_at_hand(raw: Any) -> bytes | None:
    """The body of an answer of urllib3, read now, if it has come whole; None if not, or where some of it was read."""
    return raw.take() if type(raw) is Whole else None
