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


@dataclass(frozen=True)
class Password:
    """A person's user name and password (RFC 6749 section 4.3). Legacy: RFC 9700 section 2.4 forbids it."""

    grant_type: ClassVar[str] = "password"
    username: str = field(repr=False)
    password: str = field(repr=False)
    scope: str = ""

    def params(self) -> dict[str, str]:
        """The form parameters."""
        return _filled(grant_type=self.grant_type, username=self.username, password=self.password, scope=self.scope)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The password."""
        return (self.password,)


@dataclass(frozen=True)
class LoginRequest:
    """A log-in of an API's own, which is no grant of OAuth: the request is built by who sends it."""

    grant_type: ClassVar[str] = "login"

    def params(self) -> dict[str, str]:
        """None."""
        return {}

    @property
    def secrets(self) -> tuple[str, ...]:
        """None of its own: they were opened by who built the request."""
        return ()


@dataclass(frozen=True)
class SecondTokenRequest:
    """A token handed in for another one, in a provider's own way."""

    grant_type: ClassVar[str] = "second_token"
    access_token: str = field(repr=False)

    def params(self) -> dict[str, str]:
        """None."""
        return {}

    @property
    def secrets(self) -> tuple[str, ...]:
        """The token that is handed in."""
        return (self.access_token,)


def _filled(**params: str) -> dict[str, str]:
    return {name: value for name, value in params.items() if value}
