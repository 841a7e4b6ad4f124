"""A session on the process's pool that adds nothing of its own: no cookies, no ``.netrc``, no redirects."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from http.cookiejar import DefaultCookiePolicy
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import requests
from requests.auth import AuthBase
from requests.cookies import RequestsCookieJar
from requests.hooks import default_hooks
from requests.structures import CaseInsensitiveDict
from requests.utils import default_headers

from apiconnector.client import environment
from apiconnector.client.adapter import shared_adapter
from apiconnector.client.untouched import Originals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests import PreparedRequest, Response

# Typed here, because the stubs of requests give it no type.
_no_hooks: Callable[[], dict[str, list[Any]]] = default_hooks


class Anonymous(AuthBase):
    """Authenticates nothing. With no auth at all requests would read ``.netrc``."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Leave the request as it is."""
        return request


class _GivenCookies(RequestsCookieJar):
    """Holds what a caller puts in. What an answer sets stays out: no policy would let it in."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Take nothing."""


#: What every session sends, unless its owner changes that.
HEADERS: Final[Any] = dict(default_headers())
_NO_COOKIE: Final = DefaultCookiePolicy(allowed_domains=())
_ANONYMOUS: Final = Anonymous()
_SENDING: Final = Originals((requests.Session, "send"))
#: What a session of requests is given that is no object of its own.
_STATE: Final = {
    name: value for name, value in vars(requests.Session()).items() if value is None or isinstance(value, bool | int)
}


class PlainSession(requests.Session):
    """Uses the process's pool; keeps no cookie of an answer, reads no ``.netrc``, follows no redirect."""

    def __init__(self) -> None:
        # Not by requests, which would make two adapters, each with pools of its own, for nobody to use.
        self.__dict__.update(_STATE)
        self.headers = CaseInsensitiveDict(HEADERS)
        self.proxies, self.params, self.hooks = {}, {}, _no_hooks()
        self.adapters = OrderedDict.fromkeys(("https://", "http://"), shared_adapter())
        self.auth = _ANONYMOUS
        self.cookies = _GivenCookies(_NO_COOKIE)
        self._environment: environment.Environment | None = None

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        """Send a request, as requests does it for a session that keeps no cookies, follows nothing and has no hooks."""
        is_plain = isinstance(request, requests.PreparedRequest) and request.hooks == _no_hooks()
        is_plain = is_plain and type(self.cookies) is _GivenCookies
        # Where somebody puts another one in its place, to watch it for instance, theirs is used.
        if not is_plain or "proxies" not in kwargs or not _SENDING.are_in_place():
            return super().send(request, **kwargs)
        kwargs.pop("allow_redirects", None)
        for name in ("stream", "verify", "cert"):
            kwargs.setdefault(name, getattr(self, name))
        began = perf_counter()
        response = self.get_adapter(url=request.url or "").send(request, **kwargs)
        response.elapsed = timedelta(seconds=perf_counter() - began)
        if not kwargs["stream"]:
            _ = response.content
        return response

    def resolve_redirects(self, *args: Any, **kwargs: Any) -> Iterator[Response]:
        """Follow none: a 3xx is the answer."""
        del args, kwargs
        return iter(())

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """What requests merges for each request; the environment is asked once by a session."""
        proxies = proxies or {}
        if self.trust_env:
            if self._environment is None:
                self._environment = environment.current()
            proxies = {**self._environment.proxies(url, proxies.get("no_proxy")), **proxies}
            if verify is True or verify is None:
                verify = self._environment.bundle or verify
        merged = {**(self.proxies or {}), **proxies}
        return {
            "proxies": {name: proxy for name, proxy in merged.items() if proxy is not None},
            "stream": self.stream if stream is None else stream,
            "verify": self.verify if verify is None else verify,
            "cert": self.cert if cert is None else cert,
        }
