"""One exchange with an OAuth endpoint: the request, the answer, and what it means when there is none."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote_plus, urlencode, urlsplit

import requests

from apiconnector.exceptions import Act, ConfigurationError, DestinationRefused, TokenRequestFailed
from apiconnector.oauth.ways import STANDARD

if TYPE_CHECKING:
    from apiconnector.oauth.client_auth import ClientAuthentication
    from apiconnector.oauth.ways import Ways


@dataclass(frozen=True, repr=False)
class TokenEndpointRequest:
    """A request to an OAuth endpoint, complete with its credentials; a POST unless it says otherwise."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"

    def __repr__(self) -> str:
        # Not the path: a placeholder may have put a key into it.
        address = urlsplit(public_url(self.url))
        return f"<{type(self).__name__} {address.scheme}://{address.netloc}>"


@dataclass(frozen=True)
class Answer:
    """What came back. The names of ``headers`` are in lower case; no redirect was followed."""

    status_code: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


#: Sends one request without following redirects. May raise ``requests.RequestException``.
Send = Callable[[TokenEndpointRequest], Answer]


def build_request(
    url: str, params: Mapping[str, str], client: ClientAuthentication, ways: Ways = STANDARD
) -> TokenEndpointRequest:
    """Build a request that carries the client's credentials, as ``ways`` say.

    By default a form-encoded POST (RFC 6749 section 4.1.3 and appendix B).
    """
    headers = {"Accept": "application/json"}
    standard = dict(params)
    client.authenticate(standard, headers)
    sent = laid_over(standard, ways.params)
    body = b""
    if ways.format == "query" or ways.method == "GET":
        url = with_query(url, sent)
    elif ways.format == "json":
        headers["Content-Type"] = "application/json"
        body = json.dumps(sent).encode()
    else:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = form_encoded(sent).encode("ascii")
    named = {name.lower() for name in ways.headers}
    headers = {name: value for name, value in headers.items() if name.lower() not in named}
    headers |= {name: value for name, value in ways.headers.items() if value is not None}
    return TokenEndpointRequest(url, headers, body, ways.method)


def laid_over(standard: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with ``others`` in place of those of the same name; None leaves one out, and so does empty text."""
    return {name: value for name, value in {**standard, **others}.items() if value is not None and value != ""}


def form_encoded(params: Mapping[str, Any]) -> str:
    """Parameters of a form or query. True, false, lists and objects are written as JSON writes them.

    Raises ``ConfigurationError`` for half a surrogate pair, which nothing can send.
    """
    try:
        return urlencode({name: _written(value) for name, value in params.items()}, safe="", quote_via=quote)
    except UnicodeEncodeError:
        pass
    # Raised outside the except clause: the error of the codec holds the value.
    raise ConfigurationError("A parameter holds characters that UTF-8 can't write.")


def with_query(url: str, params: Mapping[str, Any]) -> str:
    """An address with parameters. The query it has is kept byte for byte, except for parameters of the same name."""
    # Split by hand: urlsplit() and urlunsplit() would change the bytes that are to be kept.
    address, _, query = url.partition("#")[0].partition("?")
    kept = "&".join(piece for piece in query.split("&") if unquote_plus(piece.partition("=")[0]) not in params)
    added = form_encoded(params)
    separator = "&" if kept and added and not kept.endswith("&") else ""
    joined = f"{kept}{separator}{added}"
    return f"{address}?{joined}" if joined else address


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


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
