"""What a row of the tables is."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apiconnector.exceptions import Act

Grant = Literal["code", "refresh", "client", "password"]
#: Tokens in the answers, and what was there before a refresh.
ACCESS, REFRESH, OLD_REFRESH = "access-value-1", "refresh-value-1", "old-refresh-value"
#: What every connection of the table asks for.
SCOPE = "read write"
KEPT: Mapping[str, Any] = {"refresh_token": OLD_REFRESH}


@dataclass(frozen=True)
class Token:
    """What has to be known after an answer; lifetimes in seconds from now, None: unknown."""

    access_token: str = ACCESS
    refresh_token: str = ""
    expires_in: float | None = None
    refresh_expires_in: float | None = None
    scope: str = SCOPE


@dataclass(frozen=True)
class Refusal:
    """Who has to act on an answer without a token, and a part of what that person is told."""

    act: Act
    phrase: str


@dataclass(frozen=True)
class TokenRow:
    name: str
    grant: Grant
    body: Any
    expected: Token | Refusal
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    dialect: Mapping[str, Any] = field(default_factory=dict)
    #: The whole answer as bytes on the wire, in place of all of the above.
    raw: bytes = b""

    @property
    def content(self) -> bytes:
        """Bytes as they are, text in UTF-8, everything else as JSON."""
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()

    def __str__(self) -> str:
        return f"{self.grant}: {self.name}"


def gives(
    name: str,
    body: Any,
    *,
    grant: Grant = "code",
    status: int = 200,
    label: str | None = "application/json",
    dialect: Mapping[str, Any] | None = None,
    raw: bytes = b"",
    headers: Mapping[str, str] | None = None,
    **token: Any,
) -> TokenRow:
    """A row whose answer holds a token."""
    sent = {**({"Content-Type": label} if label else {}), **(headers or {})}
    return TokenRow(name, grant, body, Token(**token), status, sent, dialect or {}, raw)


def refuses(
    name: str,
    body: Any,
    act: Act,
    phrase: str,
    *,
    grant: Grant = "refresh",
    status: int = 400,
    label: str = "application/json",
    dialect: Mapping[str, Any] | None = None,
    raw: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> TokenRow:
    """A row whose answer holds none."""
    sent = {"Content-Type": label, **(headers or {})}
    return TokenRow(name, grant, body, Refusal(act, phrase), status, sent, dialect or {}, raw)


@dataclass(frozen=True)
class CallbackRow:
    """A query as a provider sends it; ``{state}`` stands for the state of the attempt."""

    name: str
    query: str
    phrase: str = "is authorized"
    status: int = 200
    #: What arrives at the token endpoint; empty: nothing is sent there.
    code: str = "code-value-1"
    values: Mapping[str, Any] = field(default_factory=dict)
    dialect: Mapping[str, Any] = field(default_factory=dict)
    issuer: str = ""

    def __str__(self) -> str:
        return self.name


def fails(name: str, query: str, phrase: str, *, status: int = 400, **more: Any) -> CallbackRow:
    """A row after which nothing is exchanged."""
    return CallbackRow(name, query, phrase, status, **{"code": "", **more})
