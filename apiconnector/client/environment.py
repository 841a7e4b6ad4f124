"""What the site's environment asks for: proxies and certificates. Plain requests looks for it anew at every request."""

from __future__ import annotations

import os
import urllib.request
from typing import TYPE_CHECKING, Any, Final

from requests.utils import get_environ_proxies

from apiconnector.client.adapter import origin_part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: The variables that decide, as they are usually written.
_VARIABLES: Final = (
    *(
        f"{scheme}_{kind}"
        for scheme, kind in (("http", "proxy"), ("https", "proxy"), ("all", "proxy"), ("no", "proxy"))
    ),
    *(f"{scheme}_PROXY" for scheme in ("HTTP", "HTTPS", "ALL", "NO")),
    "REQUEST_METHOD",  # in a CGI script HTTP_PROXY is a header of the client's
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)
_MOST_ORIGINS: Final = 1024

# Typed here, because the stubs of requests give it no type.
_environ_proxies: Callable[..., dict[str, str]] = get_environ_proxies


class Environment:
    """The environment as it is now, with what was looked up in it."""

    def __init__(self) -> None:
        self.as_set = _as_set()
        #: The file or folder of certificates it names.
        self.bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        self._proxies: dict[tuple[str, str | None], Mapping[str, str]] = {}

    def proxies(self, url: str, no_proxy: str | None) -> Mapping[str, str]:
        """The proxies for an address by scheme, as requests finds them; ``no_proxy`` is what the caller adds."""
        key = (origin_part(url), no_proxy)
        found = self._proxies.get(key)
        if found is None:
            if len(self._proxies) >= _MOST_ORIGINS:
                self._proxies.clear()
            found = self._proxies[key] = _environ_proxies(url, no_proxy=no_proxy)
        return found


#: The variables as Python keeps them; os.environ itself takes fifteen times as long to say that there is none.
_kept: Final[Any] = getattr(os.environ, "_data", os.environ)
_names: Final = _VARIABLES if _kept is os.environ else tuple(os.environ.encodekey(name) for name in _VARIABLES)


def _as_set() -> tuple[Any, ...]:
    return tuple(map(_kept.get, _names))


_latest: Environment | None = None


def current() -> Environment:
    """The environment of a new session: that of the sessions before, unless it was changed since."""
    global _latest  # noqa: PLW0603 - one environment for the process
    latest = _latest
    # On macOS and Windows the system knows proxies, too, and can't be asked whether they have changed.
    is_all = urllib.request.getproxies is urllib.request.getproxies_environment
    if latest is None or not is_all or latest.as_set != _as_set():
        latest = _latest = Environment()
    return latest
