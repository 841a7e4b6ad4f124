"""Fill a connection in from its provider's metadata."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import ValidationError
from django.utils.text import capfirst

from apiconnector import auth
from apiconnector.authorize.problems import goes_in_the_clear
from apiconnector.client import Origin, egress, token_sender
from apiconnector.exceptions import Act, ConfigurationError, DestinationRefused, TokenRequestFailed
from apiconnector.models import Connection
from apiconnector.models.validation import url_problem
from apiconnector.oauth import discovery
from apiconnector.oauth.discovery import Metadata, MetadataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apiconnector.oauth.wire import Answer, TokenEndpointRequest

_CODE: Final = auth.OAuth2AuthorizationCode.name
_CLIENT_CREDENTIALS: Final = auth.OAuth2ClientCredentials.name
#: The column that a member of the metadata goes into.
COLUMNS: Final = {
    "issuer": "issuer",
    "authorization_endpoint": "authorization_url",
    "token_endpoint": "token_url",
    "revocation_endpoint": "revocation_url",
    "code_challenge_methods_supported": "pkce",
    "token_endpoint_auth_methods_supported": "client_auth",
    "grant_types_supported": "auth_method",
}
#: The client authentications to choose from, the first that is offered: a secret in the header is encoded in as many
#: ways as there are servers, one in the body is not.
_CLIENT_AUTHS: Final = (
    Connection.ClientAuth.POST.value,
    Connection.ClientAuth.BASIC.value,
    Connection.ClientAuth.NONE.value,
)
#: Of a list, names and characters that a line shows: some sites keep messages in cookies.
_MOST_SHOWN: Final = 20
_MOST_CHARACTERS: Final = 400


@dataclass(frozen=True)
class Found:
    """What a provider's metadata fills in: ``values`` by column, and the metadata that is kept, ``discovered``.

    ``notes`` are sentences for people: what could not be filled in, and what to know of the rest.
    """

    metadata: Metadata = field(repr=False)
    values: Mapping[str, str]
    notes: tuple[str, ...]

    @property
    def discovered(self) -> dict[str, Any]:
        """What is kept with the connection, under the names of RFC 8414."""
        return dict(self.metadata.kept)

    @property
    def lines(self) -> list[str]:
        """What was filled in, column by column, and the notes."""
        return [f"{label(name)}: {in_words(name, value)}" for name, value in self.values.items()] + list(self.notes)


def discover(text: str, *, timeout: float) -> Found:
    """Find the metadata of the issuer or ``.well-known`` address ``text``, for a new connection.

    Raises what ``look_up()`` raises, and ``ValidationError`` for a provider that offers neither OAuth method.
    """
    return found_in(look_up(text, timeout=timeout))


def look_up(text: str, *, timeout: float) -> Metadata:
    """Fetch and check the metadata of the issuer or ``.well-known`` address ``text``.

    ``timeout`` (seconds) bounds each request, and how long new ones are begun. Raises ``ConfigurationError`` where
    there is no usable document, and ``ValidationError`` where one can't be used because of what stands in it, by
    column; both say what to do.
    """
    asked = discovery.asked_for(text)
    if problem := url_problem(asked.urls[0]):
        raise ConfigurationError(problem)
    send, end = token_sender(timeout, "provider"), time.monotonic() + timeout

    def in_time(request: TokenEndpointRequest) -> Answer:
        if time.monotonic() >= end:
            raise TokenRequestFailed("The provider takes too long to answer. Try again later.", act=Act.NOBODY)
        return send(request)

    try:
        metadata = discovery.discover(text, in_time)
    except MetadataError as error:
        if error.member not in COLUMNS:
            raise
        raise ValidationError({COLUMNS[error.member]: str(error)}) from None
    _check_addresses(metadata)
    return metadata


def is_address(text: str) -> bool:
    """Whether a text is one that can be asked for."""
    try:
        discovery.asked_for(text)
    except ConfigurationError:
        return False
    return True


def found_in(metadata: Metadata, connection: Connection | None = None) -> Found:
    """What metadata fills in: of a new connection, or of a stored one.

    Of a stored one what the provider also offers stays as it is. Raises ``ValidationError`` for a provider that offers
    neither OAuth method.
    """
    notes: list[str] = []
    method = _method(metadata, connection, notes)
    values = {
        "issuer": metadata.issuer,
        "auth_method": method.name,
        "authorization_url": metadata.authorization_endpoint,
        "token_url": metadata.token_endpoint,
        "revocation_url": metadata.revocation_endpoint,
    }
    if "pkce" in method.fields:
        values["pkce"] = _pkce(metadata, connection, notes)
    values["client_auth"] = _client_auth(metadata, method, connection, notes)
    if not metadata.revocation_endpoint:
        notes.append("The provider names no revocation URL: without one, Disconnect forgets the token here only.")
    scopes = metadata.scopes_supported
    if scopes and not (connection is not None and connection.scope):
        notes.append(f"Enter the scopes you need. The provider knows: {_listed(scopes)}.")
    used = {"auth_method", *method.fields}
    return Found(metadata, {name: value for name, value in values.items() if value and name in used}, tuple(notes))


def label(name: str) -> str:
    """What a column is called at the beginning of a line."""
    return capfirst(Connection.label_of(name))


def in_words(name: str, value: str) -> str:
    """A value as the form shows it."""
    choices = {
        "auth_method": auth.choices(),
        "pkce": Connection.Pkce.choices,
        "client_auth": Connection.ClientAuth.choices,
    }
    return dict(choices.get(name, ())).get(value, value) or "(empty)"


def _check_addresses(metadata: Metadata) -> None:
    found: dict[str, str] = {}
    for member in ("issuer", "authorization_endpoint", "token_endpoint", "revocation_endpoint"):
        url = getattr(metadata, member)
        problem = url_problem(url) or _problem_looked_up(url)
        if not problem and member == "authorization_endpoint" and goes_in_the_clear(url):
            problem = "The browser would take the request there unencrypted (RFC 9700 section 2.6)."
        if problem:
            found[COLUMNS[member]] = (
                f"The provider's metadata names {url} as its {member}, which can't be used. {problem} "
                "Nothing was filled in: ask the provider for another address, or enter its addresses by hand."
            )
    if found:
        raise ValidationError(found)


def _problem_looked_up(url: str) -> str:
    """The same for a name that only its addresses can make a trusted one; a form leaves that to the request."""
    if not url or not egress.policy().problem_unresolved(Origin.of(url)):
        return ""
    try:
        egress.check_looked_up_elsewhere(url)
    except DestinationRefused as error:
        return str(error)
    return ""


def _method(metadata: Metadata, connection: Connection | None, notes: list[str]) -> type[auth.AuthMethod]:
    offered = [name for name in (_CODE, _CLIENT_CREDENTIALS) if _offers(metadata, name)]
    stored = connection.method_or_none if connection is not None else None
    if stored is not None and stored.uses_token:
        if stored.name in {_CODE, _CLIENT_CREDENTIALS} and stored.name not in offered:
            notes.append(f"The provider does not say that it offers “{stored.label}”, which was left as it is.")
        return stored
    if offered:
        found = auth.find(offered[0])
        assert found is not None  # the package's own
        return found
    if "authorization_code" in metadata.grant_types_supported and not metadata.authorization_endpoint:
        raise ValidationError(
            {
                "authorization_url": "The provider's metadata names no authorization_endpoint. Enter its addresses "
                "by hand, from the provider's documentation."
            }
        )
    raise ValidationError(
        {
            "auth_method": "The provider's metadata offers neither the authorization code nor client credentials, "
            f"and this version has no other grant. It offers: {_listed(metadata.grant_types_supported)}. Ask the "
            "provider how an application of yours is to authenticate."
        }
    )


def _offers(metadata: Metadata, name: str) -> bool:
    grants = metadata.grant_types_supported
    if name == _CLIENT_CREDENTIALS:
        return "client_credentials" in grants
    has_code = "authorization_code" in grants and "code" in metadata.response_types_supported
    return has_code and bool(metadata.authorization_endpoint)


def _pkce(metadata: Metadata, connection: Connection | None, notes: list[str]) -> str:
    """S256 also where the provider says nothing of PKCE.

    Many have it and do not say so, and a server ignores parameters it does not know (RFC 6749 section 3.1).
    """
    offered = metadata.code_challenge_methods_supported
    pkce = Connection.Pkce
    if pkce.S256 in offered:
        return pkce.S256.value
    if pkce.PLAIN in offered:
        notes.append("The provider offers PKCE with “plain” only, which protects less than S256.")
        return pkce.PLAIN.value
    if connection is not None:
        return connection.pkce
    notes.append("The provider does not say whether it has PKCE. Switch it off only if authorizing fails with it.")
    return pkce.S256.value


def _client_auth(
    metadata: Metadata, method: type[auth.AuthMethod], connection: Connection | None, notes: list[str]
) -> str:
    """A client authentication that is offered; empty where there is none that this version has."""
    offered = metadata.token_endpoint_auth_methods_supported
    is_stated = "token_endpoint_auth_methods_supported" in metadata.kept
    if connection is not None and (connection.client_auth in offered or not is_stated):
        return connection.client_auth
    # A client that does not authenticate can't have a token of its own (RFC 6749 section 4.4).
    usable = [name for name in _CLIENT_AUTHS if name != "none" or method.name != _CLIENT_CREDENTIALS]
    for name in usable:
        if name in offered:
            if not is_stated:
                notes.append(
                    f"The provider does not say how clients authenticate, which means {name} (RFC 8414). If it refuses "
                    "the client, try client_secret_post."
                )
            return name
    notes.append(
        f"The provider offers only {_listed(offered)} as client authentication, which this version "
        "does not have: the field was left as it is."
    )
    return ""


def _listed(names: tuple[str, ...]) -> str:
    shown = names[:_MOST_SHOWN]
    while len(", ".join(shown)) > _MOST_CHARACTERS:
        shown = shown[:-1]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return (", ".join(shown) or "nothing") + more
