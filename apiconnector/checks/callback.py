"""The callback: it is among the site's URLs, answers itself, and providers will accept its address."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Warning  # noqa: A004 - Django's own name
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse
from django.utils import translation

from apiconnector import conf
from apiconnector.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

#: Where the callback is when it is included as documented.
PATH = "/oauth/callback"
_INCLUDE = 'path("", include("apiconnector.urls"))'


def check_callback(**_: Any) -> list[CheckMessage]:
    """``apiconnector.W011``, ``E012``, ``W013``: the callback is missing, shadowed, or elsewhere than documented."""
    if not getattr(settings, "ROOT_URLCONF", None):
        return []
    try:
        path = _path()
    except NoReverseMatch:
        return [
            Warning(
                "The callback is not among the URLs of this site: no connection can be authorized.",
                hint=f"Add {_INCLUDE} to urlpatterns. A site whose connections all have fixed keys needs none: "
                "silence this check.",
                id="apiconnector.W011",
            )
        ]
    return [*_shadowed(path), *_elsewhere(path)]


def _path() -> str:
    """The callback's path below the script name, in the current language."""
    return "/" + reverse("apiconnector:callback").removeprefix(get_script_prefix())


def _shadowed(path: str) -> list[CheckMessage]:
    # Late, since Django can start without it: the URLs have loaded it by now.
    from apiconnector.authorize.views import callback_view

    try:
        view: Callable[..., Any] | None = resolve(unquote(path)).func
    except Resolver404:
        view = None
    if _is_or_wraps(view, callback_view):
        return []
    return [
        Error(
            f"Another URL shadows the callback: {path} is answered by {_named(view)}.",
            hint=f"Move {_INCLUDE} above it in urlpatterns, so that it comes first.",
            id="apiconnector.E012",
        )
    ]


def _named(view: Callable[..., Any] | None) -> str:
    if view is None:
        return "nothing"
    # A view may be an object with __call__, which has no name of its own.
    kind = view if hasattr(view, "__qualname__") else type(view)
    return f"{kind.__module__}.{kind.__qualname__}"


def _is_or_wraps(view: Callable[..., Any] | None, inner: Callable[..., Any]) -> bool:
    """Whether a view is another one, or a site's own decorators around it."""
    while view is not None and view is not inner:
        view = getattr(view, "__wrapped__", None)
    return view is inner


def _elsewhere(path: str) -> list[CheckMessage]:
    if path == PATH + "/":
        problem, hint = "The callback has a trailing slash", "Write it without."
    elif path != PATH:
        problem, hint = "The callback is not at the root of the site", "Include it at the root."
    elif _path_in_another_language() != PATH:
        problem, hint = "The callback moves with the language", "Include it outside i18n_patterns()."
        path = _path_in_another_language()
    else:
        return []
    return [
        Warning(
            f"{problem}: it is {path}, and not {PATH}. Providers compare it letter by letter with what was registered.",
            hint=f"{hint} The line for urlpatterns is {_INCLUDE}. If every provider has this address, silence this "
            "check.",
            id="apiconnector.W013",
        )
    ]


def _path_in_another_language() -> str:
    """The path where another language is active: one is enough to tell whether they differ."""
    if not settings.USE_I18N:
        return _path()
    current = translation.get_language() or settings.LANGUAGE_CODE
    other = next((code for code, _ in settings.LANGUAGES if code != current), None)
    if other is None:
        return _path()
    with translation.override(other):
        return _path()


def check_scheme(**_: Any) -> list[CheckMessage]:
    """``apiconnector.W014``: a site in production has its callback on plain http."""
    parts = urlsplit(_origin() or "")
    if settings.DEBUG or parts.scheme != "http" or _is_local(parts.hostname or ""):
        return []
    return [
        Warning(
            "APICONNECTOR_BASE_URL is plain http: the authorization code comes back where others can read it, and "
            "most providers refuse to register such an address.",
            hint='Serve the site by https and write "https://…".',
            id="apiconnector.W014",
        )
    ]


def check_proxy(**_: Any) -> list[CheckMessage]:
    """``apiconnector.I015``: whether the callback is https depends on each request, and no proxy is declared."""
    if settings.DEBUG or settings.SECURE_PROXY_SSL_HEADER or _origin() != "":
        return []
    return [
        Info(
            "The callback has the origin of the request in which Authorize is pressed. Behind a proxy that ends TLS "
            "that is http, and providers refuse it.",
            hint='Set APICONNECTOR_BASE_URL to the public origin, such as "https://www.example.org", or '
            "SECURE_PROXY_SSL_HEADER to what the proxy sends.",
            id="apiconnector.I015",
        )
    ]


def _origin() -> str | None:
    """``APICONNECTOR_BASE_URL``; None where it is bad, which ``apiconnector.E002`` says."""
    try:
        return conf.base_url()
    except ConfigurationError:
        return None


def _is_local(host: str) -> bool:
    """Whether a host is this machine's own name or address (RFC 6761 section 6.3): providers allow http there."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
