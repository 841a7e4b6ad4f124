"""One exchange with an OAuth endpoint: the request, the answer, and what it means when there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

import requests

from apiconnector.exceptions import Act, DestinationRefused, TokenRequestFailed

if TYPE_CHECKING:
    from apiconnector.oauth.client_auth import ClientAuthentication


@dataclass(frozen=True, repr=False)
class TokenEndpointRequest:
    """A request to an OAuth endpoint, complete with its credentials; a POST unless it says otherwise."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {public_url(self.url)}>"


@dataclass(frozen=True)
class Answer:
    """What came back. The names of ``headers`` are in lower case; no redirect was followed."""

    status_code: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


#: Sends one request without following redirects. May raise ``requests.RequestException``.
Send = Callable[[TokenEndpointRequest], Answer]


def form_request(url: str, params: Mapping[str, str], client: ClientAuthentication) -> TokenEndpointRequest:
    """Build a form-encoded POST (RFC 6749 section 4.1.3 and appendix B) that carries the client's credentials."""
    headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
    form = dict(params)
    client.authenticate(form, headers)
    return TokenEndpointRequest(url, headers, urlencode(form, safe="", quote_via=quote).encode("ascii"))


def exchange(send: Send, request: TokenEndpointRequest) -> Answer | TokenRequestFailed:
    """Send a request. Returns the error of one that got no answer, for the caller to raise.

    Returned and not raised: an error raised here would be chained to the one it replaces, whose text has the whole
    URL and whose frames have the credentials.
    """
    try:
        return send(request)
    except TokenRequestFailed as error:
        return error.with_traceback(None)
    except DestinationRefused as error:
        return TokenRequestFailed(str(error), act=Act.ADMINISTRATOR)
    except requests.RequestException as error:
        return TokenRequestFailed(f"{_trouble(error)} {_LATER}", act=Act.NOBODY)


def public_url(url: str) -> str:
    """Origin and path of a URL, without user name, password, query and fragment; empty for what is none."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return ""
    return f"{parts.scheme}://{host}{parts.path}" if parts.scheme and host else parts.path


_LATER = "Nothing was changed; try again later."


def _trouble(error: requests.RequestException) -> str:
    # Of several classes in one, the first that fits: ConnectTimeout is a ConnectionError too, and so is SSLError.
    if isinstance(error, requests.Timeout):
        return "The token endpoint did not answer in time."
    if isinstance(error, requests.exceptions.SSLError):
        return "The secure connection to the token endpoint failed: its certificate may be invalid or expired."
    if isinstance(error, requests.exceptions.ProxyError):
        return "The proxy on the way to the token endpoint refused or broke off."
    if isinstance(error, requests.ConnectionError):
        return "The token endpoint could not be reached, or it broke the connection off."
    return "The request to the token endpoint could not be made, or its answer not be read."
