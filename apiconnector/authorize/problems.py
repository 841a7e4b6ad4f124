"""What makes it impossible to authorize a connection, found before the browser is sent away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiconnector.authorize.issuer import conflict
from apiconnector.client import Origin, egress
from apiconnector.exceptions import ConfigurationError
from apiconnector.models import names
from apiconnector.models.validation import connection_problems

if TYPE_CHECKING:
    from apiconnector.models import Connection


def problems(connection: Connection) -> dict[str, str]:
    """What has to be put right first, as ``{field: message}``; empty when the connection can be authorized."""
    if connection.method_or_none is not None and not connection.method.needs_person:
        return {"auth_method": "Only the authorization code method is authorized by a person."}
    if not connection.is_active:
        return {"is_active": "The connection is switched off: switch it on first."}
    found = connection_problems(connection)
    for name in ("client_id", "client_secret"):
        if name in found or (name == "client_secret" and _is_public(connection)):
            continue
        try:
            connection.reveal(name)
        except ConfigurationError as error:
            found[name] = str(error)
    return _unsafe(connection) | found


def _unsafe(connection: Connection) -> dict[str, str]:
    """What would work, and let others have what is granted."""
    found = {}
    if _is_public(connection) and not connection.pkce:
        found["pkce"] = (
            "A client without a secret needs PKCE: whoever gets hold of a code could exchange it (RFC 9700 section "
            "2.1.1). Choose S256, or enter the client secret and choose how it is sent."
        )
    try:
        address = connection.address("authorization_url", names.for_browser(connection))
    except ConfigurationError as error:
        return {"authorization_url": str(error)}
    if goes_in_the_clear(address):
        found["authorization_url"] = (
            "The browser would take the request there unencrypted: enter an https address (RFC 9700 section 2.6)."
        )
    if message := conflict(connection):
        found["issuer"] = message
    return found


def _is_public(connection: Connection) -> bool:
    return connection.client_auth == connection.ClientAuth.NONE


def goes_in_the_clear(url: str) -> bool:
    """Whether an address is plain http and its host not trusted by itself.

    The browser looks the name up and connects: no address that this server checks decides, as it does elsewhere.
    """
    try:
        origin = Origin.of(url)
    except ValueError:
        return False  # said to be no address already
    return origin.scheme == "http" and not egress.policy().trusts(origin.host)
