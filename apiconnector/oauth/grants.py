"""What is handed in for a token (RFC 6749 section 1.3): one class for each grant."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Protocol


class Grant(Protocol):
    """A grant and its parameters. It knows nothing of how the client authenticates."""

    grant_type: ClassVar[str]

    def params(self) -> dict[str, str]:
        """The form parameters, ``grant_type`` among them; none is empty."""
        ...

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts that must not appear in anything that is shown."""
        ...


@dataclass(frozen=True)
class AuthorizationCode:
    """A code from the callback (RFC 6749 section 4.1.3, RFC 7636 section 4.5).

    ``redirect_uri`` is that of the authorization request, byte for byte; ``code_verifier`` is empty without PKCE.
    """

    grant_type: ClassVar[str] = "authorization_code"
    code: str = field(repr=False)
    redirect_uri: str
    code_verifier: str = field(default="", repr=False)

    def params(self) -> dict[str, str]:
        """The form parameters."""
        return _filled(
            grant_type=self.grant_type,
            code=self.code,
            redirect_uri=self.redirect_uri,
            code_verifier=self.code_verifier,
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """The code and its verifier."""
        return (self.code, self.code_verifier)


@dataclass(frozen=True)
class RefreshToken:
    """A refresh token (RFC 6749 section 6). No redirect URI: some servers refuse a refresh that has one."""

    grant_type: ClassVar[str] = "refresh_token"
    refresh_token: str = field(repr=False)
    scope: str = ""

    def params(self) -> dict[str, str]:
        """The form parameters."""
        return _filled(grant_type=self.grant_type, refresh_token=self.refresh_token, scope=self.scope)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The refresh token."""
        return (self.refresh_token,)


@dataclass(frozen=True)
class ClientCredentials:
    """The client for itself (RFC 6749 section 4.4)."""

    grant_type: ClassVar[str] = "client_credentials"
    scope: str = ""

    def params(self) -> dict[str, str]:
        """The form parameters."""
        return _filled(grant_type=self.grant_type, scope=self.scope)

    @property
    def secrets(self) -> tuple[str, ...]:
        """None: the client authentication holds them."""
        return ()


def _filled(**params: str) -> dict[str, str]:
    return {name: value for name, value in params.items() if value}
