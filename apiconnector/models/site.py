"""Which site this is, and whether a token belongs to another one.

A copy of a database holds the tokens of the site it was taken from. Where refresh tokens rotate, one refresh by the
copy makes the original's worthless (RFC 9700 section 4.14.2), so the copy must not refresh what is not its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from apiconnector import conf
from apiconnector.client import Origin
from apiconnector.exceptions import ConfigurationError
from apiconnector.models.token import Token

if TYPE_CHECKING:
    from django.db.models import QuerySet

#: What ``HttpRequest.get_host()`` takes for ``ALLOWED_HOSTS`` while ``DEBUG`` is on and the list is empty.
_WITH_DEBUG = (".localhost", "127.0.0.1", "[::1]")


def origin(url: str) -> str:
    """The origin of a redirect URI, normalised, as ``Token.site`` keeps it; empty where none can be read."""
    try:
        return str(Origin.of(url))
    except ValueError:
        return ""


def configured() -> str:
    """The origin that ``APICONNECTOR_BASE_URL`` gives this site; empty where it is not set, or no origin."""
    try:
        return origin(conf.base_url())
    except ConfigurationError:  # a check says so; pages and statuses go on
        return ""


def is_other(site: str) -> bool:
    """Whether the origin of a token is another site's.

    With ``APICONNECTOR_BASE_URL`` host and port decide; the scheme does not, since a site that moves to https stays the
    same. Without it each request has its own origin, and no worker knows it. But a host that ``ALLOWED_HOSTS`` does not
    admit can't have been this site's: Django refuses such requests. Where that says nothing either (``["*"]``, or empty
    without ``DEBUG``), and for an empty ``site``, it is not.
    """
    if not site:
        return False
    if here := configured():
        return _place(site) != _place(here)
    allowed = settings.ALLOWED_HOSTS or (_WITH_DEBUG if settings.DEBUG else ())
    host, _ = split_domain_port(_place(site))
    return bool(allowed) and not validate_host(host, allowed)


def _place(site: str) -> str:
    """Host and port; a normalised origin names no port that its scheme implies."""
    return urlsplit(site).netloc


def may_not_refresh(token: Token) -> bool:
    """Whether a refresh token is there that only another site may use."""
    return bool(token.refresh_token) and is_other(token.site)


def others(tokens: QuerySet[Token] | None = None) -> list[str]:
    """The origins of other sites among these tokens, or among all; one query."""
    rows = Token.objects.all() if tokens is None else tokens
    return sorted(filter(is_other, rows.exclude(site="").order_by().values_list("site", flat=True).distinct()))


def reason(token: Token) -> str:
    """Why a token is not refreshed here: whose it is, and what this site is. What to do is the caller's to say."""
    here = configured()
    this = f"and this site is {here}" if here else "a host that ALLOWED_HOSTS does not name here"
    return (
        f"The token was authorized for the site {token.site}, {this}. It is not refreshed here: with many providers "
        "that would end the authorization there."
    )
