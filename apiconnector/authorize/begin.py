"""Begin an attempt: state, PKCE, the cookie that binds it to the browser, and the URL to send the browser to."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.urls import NoReverseMatch, reverse

from apiconnector import conf
from apiconnector.authorize.fingerprint import fingerprint
from apiconnector.authorize.issuer import expected
from apiconnector.authorize.problems import problems
from apiconnector.exceptions import ConfigurationError
from apiconnector.models import AuthorizationAttempt, names
from apiconnector.models.attempt import KEPT, digest
from apiconnector.oauth import authorization_url, new_proof, new_state
from apiconnector.redaction import remember
from apiconnector.templating import fill

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
    from django.http import HttpRequest, HttpResponse

    from apiconnector.models import Connection

_COOKIE_PREFIX = "apiconnector_"
#: Browsers take a cookie of such a name from https pages only: nobody on the network can plant one.
_SECURE_PREFIX = "__Secure-" + _COOKIE_PREFIX


def cookie_name(state: str, redirect_uri: str) -> str:
    """The cookie of one attempt: two tabs do not disturb each other."""
    return (_SECURE_PREFIX if _is_secure(redirect_uri) else _COOKIE_PREFIX) + digest(state)[:16]


def has_begun(request: HttpRequest) -> bool:
    """Whether this browser began an attempt within the last day, as far as its cookies tell."""
    return any(name.startswith((_COOKIE_PREFIX, _SECURE_PREFIX)) for name in request.COOKIES)


def _is_secure(redirect_uri: str) -> bool:
    return urlsplit(redirect_uri).scheme == "https"


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
        response.set_cookie(
            cookie_name(self.state, self.redirect_uri),
            self.nonce,
            max_age=KEPT,
            path=urlsplit(self.redirect_uri).path,
            secure=_is_secure(self.redirect_uri),
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
    if found := problems(connection):
        raise ValidationError(found)
    AuthorizationAttempt.objects.prunable().remove_some()
    state, nonce, proof = new_state(), secrets.token_urlsafe(32), new_proof(connection.pkce)
    for secret in (state, nonce):
        remember(secret)
    issuer, iss_promised = expected(connection)
    known = names.for_browser(connection, {"scope": connection.scope, "redirect_uri": redirect_uri, "state": state})
    params = fill(dict(connection.read_dialect().authorization_params), known)
    attempt = AuthorizationAttempt.objects.create(
        connection=connection,
        state=digest(state),
        nonce=digest(nonce),
        verifier=proof.verifier if proof else "",
        redirect_uri=redirect_uri,
        issuer=issuer,
        iss_promised=iss_promised,
        fingerprint=fingerprint(connection, state),
        user=cast("Any", user if user is not None and user.pk is not None else None),
        via=via,
    )
    # After it is there, so that a burst of presses at the same time leaves no more than that either.
    AuthorizationAttempt.objects.superseded(attempt).remove_some()
    url = authorization_url(
        connection.address("authorization_url", names.for_browser(connection)),
        client_id=connection.reveal("client_id"),
        redirect_uri=redirect_uri,
        scope=connection.scope,
        state=state,
        proof=proof,
        params=params,
    )
    return Begun(url=url, redirect_uri=redirect_uri, state=state, nonce=nonce)
