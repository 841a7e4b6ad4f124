"""Methods whose credential is typed once: none, basic, bearer and API key."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any, ClassVar

from apiconnector.auth.method import AuthMethod
from apiconnector.auth.placement import in_body, in_header, in_query
from apiconnector.exceptions import ConfigurationError
from apiconnector.redaction import remember

if TYPE_CHECKING:
    from requests import PreparedRequest

PLACEMENT_FIELDS = ("credential_in", "credential_name", "credential_prefix")


class NoAuth(AuthMethod):
    """Sends no credential. A class of its own: with ``auth=None`` requests would read ``.netrc``."""

    name = "none"
    label = "None"

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Leave the request as it is."""
        return request


class Basic(AuthMethod):
    """User name and password (RFC 7617), as UTF-8."""

    name = "basic"
    label = "Basic (user name and password)"
    fields = ("username", "password")
    # Many APIs take a key as the user name, with no password.
    optional = ("password",)

    @classmethod
    def problems(cls, connection: Any) -> dict[str, str]:
        """A colon would move the rest of the user name into the password."""
        if connection.username and not connection.username.stored and ":" in connection.username.reveal():
            return {"username": "A user name for Basic can't contain a colon (RFC 7617)."}
        return {}

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Set ``Authorization: Basic``."""
        username, password = self.connection.reveal("username"), self.connection.reveal("password")
        credentials = b64encode(f"{username}:{password}".encode()).decode()
        remember(credentials)
        in_header(request, "Authorization", f"Basic {credentials}")
        return request


class Placed(AuthMethod):
    """A method that sends one text in a place the connection chooses."""

    default_names: ClassVar[dict[str, str]]
    default_prefix: ClassVar[str] = ""

    def place(self, request: PreparedRequest, value: str) -> None:
        """Put ``value`` where the connection says, under its name and behind its prefix.

        The method's own prefix belongs to its own header: ``Bearer`` is not put before a token in ``X-Token``.
        """
        where = self.connection.credential_in
        if where == "none":
            return
        if where not in self.default_names:
            raise ConfigurationError(f"The credential can't go into “{where}”: choose header, query, body or none.")
        own_name = self.default_names[where]
        name = self.connection.credential_name or own_name
        prefix = self.connection.credential_prefix
        if not prefix and where == "header" and name.lower() == own_name.lower():
            prefix = self.default_prefix
        text = f"{prefix} {value}" if prefix else value
        {"header": in_header, "query": in_query, "body": in_body}[where](request, name, text)


class Bearer(Placed):
    """A fixed token (RFC 6750)."""

    name = "bearer"
    label = "Bearer token"
    fields = ("api_key", *PLACEMENT_FIELDS)
    optional = PLACEMENT_FIELDS
    default_names: ClassVar[dict[str, str]] = {
        "header": "Authorization",
        "query": "access_token",
        "body": "access_token",
    }
    default_prefix = "Bearer"

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Place the token."""
        self.place(request, self.connection.reveal("api_key"))
        return request


class ApiKey(Placed):
    """A key in a header, a query parameter or the body, under any name."""

    name = "api_key"
    label = "API key"
    fields = ("api_key", *PLACEMENT_FIELDS)
    optional = PLACEMENT_FIELDS
    default_names: ClassVar[dict[str, str]] = {"header": "X-API-Key", "query": "api_key", "body": "api_key"}

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Place the key."""
        self.place(request, self.connection.reveal("api_key"))
        return request
