"""A session on the process's pool that adds nothing of its own: no cookies, no ``.netrc``, no redirects."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import requests
from requests.auth import AuthBase

from apiconnector.client.pool import shared_adapter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import PreparedRequest, Response


class Anonymous(AuthBase):
    """Authenticates nothing. With no auth at all requests would read ``.netrc``."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Leave the request as it is."""
        return request


class PlainSession(requests.Session):
    """Uses the process's pool; keeps no cookie of an answer, reads no ``.netrc``, follows no redirect."""

    def __init__(self) -> None:
        super().__init__()
        self.mount("https://", shared_adapter())
        self.mount("http://", shared_adapter())
        self.auth = Anonymous()
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))

    def resolve_redirects(self, *args: Any, **kwargs: Any) -> Iterator[Response]:
        """Follow none: a 3xx is the answer."""
        del args, kwargs
        return iter(())
