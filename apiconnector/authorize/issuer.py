"""Which provider an answer came from: the defence against mix-up (RFC 9207, RFC 9700 section 4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Min

from apiconnector.exceptions import TemplateError
from apiconnector.models import Connection, names
from apiconnector.models.validation import is_findable
from apiconnector.templating import fill_url

if TYPE_CHECKING:
    from apiconnector.models import AuthorizationAttempt
    from apiconnector.oauth import Callback

#: A member of the metadata (RFC 9207 section 3, RFC 8414).
PROMISE = "authorization_response_iss_parameter_supported"


def expected(connection: Connection) -> tuple[str, bool]:
    """Whose answers a connection expects, empty where that is not known, and whether they are sure to name it.

    The admin's word counts for more than what discovery said; a promise of another issuer's metadata is none.
    """
    said = connection.discovered if isinstance(connection.discovered, dict) else {}
    found = said.get("issuer")
    issuer = _filled(connection) or (found if isinstance(found, str) else "")
    return issuer, said.get(PROMISE) is True and found in (None, issuer)


def _filled(connection: Connection) -> str:
    """The issuer that was entered, with its placeholders filled."""
    issuer = connection.issuer
    if "{{" not in issuer:
        return issuer
    try:
        return fill_url(issuer, names.public(connection))
    except TemplateError:
        return ""


def conflict(connection: Connection) -> str:
    """Why a connection can't have its issuer; empty where it can.

    An issuer stands for one token endpoint: where two share its name, ``iss`` tells nothing (RFC 9207 section 4).
    """
    issuer, _ = expected(connection)
    rows = _endpoints(issuer, besides=connection.pk, only_active=True) if issuer else {}
    others = [name for url, name in rows.items() if url != _endpoint(connection.token_url)]
    if not others:
        return ""
    return (
        f"“{others[0]}” has the same issuer and another token URL, so that an answer could be taken for the other's. "
        "Enter issuer and token URL of both as the provider's metadata gives them."
    )


def refusal(attempt: AuthorizationAttempt, callback: Callback) -> str:
    """Why an answer is not taken for that of the provider the request was sent to; empty where it is.

    Compared byte for byte (RFC 9207 section 2.4). Some servers that promise ``iss`` leave it out of their errors.
    """
    if not callback.iss:
        if attempt.iss_promised and not callback.error:
            return (
                "The answer does not say whose it is, though the provider's metadata promises that answers do. "
                "Nothing was exchanged."
            )
        return ""
    if attempt.issuer:
        if callback.iss == attempt.issuer:
            return ""
        return (
            "The answer came from another issuer than the connection's. Nothing was exchanged. "
            "Check the issuer of the connection."
        )
    others = _endpoints(callback.iss, besides=attempt.connection_id)
    if not others or _endpoint(attempt.connection.token_url) in others:
        return ""
    return (
        f"The answer came from the issuer of another connection, “{next(iter(others.values()))}”. Nothing was "
        "exchanged. Enter the issuer of this connection, and compare its URLs with the provider's metadata."
    )


def _endpoints(issuer: str, *, besides: int, only_active: bool = False) -> dict[str, str]:
    """The token endpoints of other connections with this issuer, each with the name of one of them."""
    if not is_findable(issuer):
        return {}
    rows = Connection.objects.filter(issuer=issuer).exclude(pk=besides)
    if only_active:
        rows = rows.filter(is_active=True)
    found = rows.order_by("issuer", "token_url").values_list("issuer", "token_url").annotate(Min("name"))
    # MariaDB takes upper and lower case for the same; an issuer does not.
    return {_endpoint(url): name for name_of_issuer, url, name in found if name_of_issuer == issuer}


def _endpoint(url: str) -> str:
    return url.partition("#")[0].partition("?")[0]
