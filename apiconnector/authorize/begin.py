"""Begin an attempt: state, PKCE, the cookie that binds it to the browser, and the URL to send the browser to."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.urls import NoReverseMatch, reverse

from apiconnector import conf
from apiconnector.exceptions import ConfigurationError
from apiconnector.models import AuthorizationAttempt
from apiconnector.models.attempt import KEPT, digest
from apiconnector.models.validation import connection_problems
from apiconnector.oauth import authorization_url, new_proof, new_state

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
    from django.http import HttpRequest, HttpResponse

    from apiconnector.models import Connection

_COOKIE_PREFIX = "apiconnector_"


def cookie_name(state: str) -> str:
    """The cookie of one attempt: two tabs do not disturb each other."""
    return _COOKIE_PREFIX + digest(state)[:16]


def callback_uri(request: HttpRequest | None = None) -> str:
    """The redirect URI to register at the provider: ``APICONNECTOR_BASE_URL`` or the request's origin, and the path.

    Raises ``ConfigurationError`` when the callback is not among the site's URLs, or there is neither
    setting nor request.
    """
    try:
        path = reverse("apiconnector:callback")
    except NoReverseMatch:
        raise ConfigurationError(
            'The callback is not among the URLs of this site: add path("", include("apiconnector.urls")) to them.'
        ) from None
    if origin := conf.base_url():
        return origin + path
    if request is None:
        raise ConfigurationError(
            "Set APICONNECTOR_BASE_URL to this site's public origin: there is no request to take it from."
        )
    return request.build_absolute_uri(path)


def other_host(request: HttpRequest) -> str:
    """The origin this site is to be used under, where the request came to another host; else empty.

    The cookie set on this host would not come along to the callback on that one.
    """
    origin = conf.base_url()
    if not origin:
        return ""
    expected, actual = urlsplit(origin), urlsplit(f"//{request.get_host()}")
    return "" if expected.hostname == actual.hostname else origin


@dataclass(frozen=True)
class Begun:
    """An attempt that has begun: where to send the browser, and the nonce that proves it is the same browser."""

    url: str
    redirect_uri: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)

    def set_cookie(self, response: HttpResponse) -> None:
        """Bind the attempt to the browser that gets ``response``."""
        parts = urlsplit(self.redirect_uri)
        response.set_cookie(
            cookie_name(self.state),
            self.nonce,
            max_age=KEPT,
            path=parts.path,
            secure=parts.scheme == "https",
            httponly=True,
            samesite="Lax",
        )


def begin(
    connection: Connection,
    *,
    redirect_uri: str,
    user: AbstractBaseUser | AnonymousUser | None,
    via: AuthorizationAttempt.Via = AuthorizationAttempt.Via.ADMIN,
) -> Begun:
    """Begin an attempt and keep what the callback has to know.

    Raises ``ValidationError`` with the fields that make it impossible.
    """
    problems = _problems(connection)
    if problems:
        raise ValidationError(problems)
    _prune()
    state, nonce, proof = new_state(), secrets.token_urlsafe(32), new_proof(connection.pkce)
    AuthorizationAttempt.objects.create(
        connection=connection,
        state=digest(state),
        nonce=digest(nonce),
        verifier=proof.verifier if proof else "",
        redirect_uri=redirect_uri,
        issuer=connection.issuer,
        user=cast("Any", user if user is not None and user.pk is not None else None),
        via=via,
    )
    url = authorization_url(
        connection.authorization_url,
        client_id=connection.reveal("client_id"),
        redirect_uri=redirect_uri,
        scope=connection.scope,
        state=state,
        proof=proof,
    )
    return Begun(url=url, redirect_uri=redirect_uri, state=state, nonce=nonce)


def _problems(connection: Connection) -> dict[str, str]:
    if connection.method_or_none is not None and not connection.method.needs_person:
        return {"auth_method": "Only the authorization code method is authorized by a person."}
    if not connection.is_active:
        return {"is_active": "The connection is switched off: switch it on first."}
    found = connection_problems(connection)
    for name in ("client_id", "client_secret"):
        if name in found or (name == "client_secret" and connection.client_auth == connection.ClientAuth.NONE):
            continue
        try:
            connection.reveal(name)
        except ConfigurationError as error:
            found[name] = str(error)
    return found


def _prune() -> None:
    """Remove some attempts that nobody can come back to, so that the table stays small without a cron job."""
    old = list(AuthorizationAttempt.objects.prunable().values_list("pk", flat=True)[:500])
    if old:
        AuthorizationAttempt.objects.filter(pk__in=old).delete()
