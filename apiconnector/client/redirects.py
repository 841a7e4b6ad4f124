"""Which redirects are followed, and with what request (RFC 9110 section 15.4)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin

from requests import PreparedRequest, RequestException
from requests.exceptions import UnrewindableBodyError

from apiconnector.client.request import rewind
from apiconnector.client.urls import Origin
from apiconnector.exceptions import DestinationRefused

if TYPE_CHECKING:
    from requests import Response

    from apiconnector.client.urls import Destinations

_SEE_OTHER: Final = 303
_KEEPS_METHOD: Final = frozenset({307, 308})
# What describes the body (RFC 9110 section 15.4), and how it is sent.
_BODY_HEADERS = (
    "Content-Digest",
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-Location",
    "Content-Type",
    "Digest",
    "Last-Modified",
    "Repr-Digest",
    "Transfer-Encoding",
)
# Given for one host, and not meant for another.
_HOST_HEADERS = ("Cookie", "Host")
# An http address without a host is to be rejected (RFC 9110 section 4.2.1); some parsers take the host of the request,
# others the first segment of the path.
_WITHOUT_HOST = re.compile(r"https?:(?!//)|(?:https?:)?//(?:[/?#]|$)", re.IGNORECASE)


def next_hop(request: PreparedRequest, response: Response, destinations: Destinations) -> PreparedRequest | None:
    """The request that follows a response, without a credential renewed; None where none does.

    GET and HEAD follow any redirect, other methods 307 and 308 only. The method never changes, so that only a
    303 drops the body. Raises ``DestinationRefused`` (``sent``) for a redirect to where the connection may not
    send, or to what can't be read as one address, and ``requests.exceptions.UnrewindableBodyError`` where the
    body is a stream that is used up.
    """
    if not response.is_redirect or not (request.method in {"GET", "HEAD"} or response.status_code in _KEEPS_METHOD):
        return None
    location = _location(response)
    if not location:
        return None
    url = _absolute(request.url or "", location, destinations)
    hop = request.copy()
    if response.status_code == _SEE_OTHER:
        hop.body = None
        _remove_headers(hop, _BODY_HEADERS)
    elif not rewind(hop):
        raise UnrewindableBodyError(
            "The API answered with a redirect, and the body can't be sent a second time: it is a stream.",
            request=request,
            response=response,
        )
    if Origin.of(url) != Origin.of(request.url or ""):
        _remove_headers(hop, _HOST_HEADERS)
    hop.url = url
    return hop


def _location(response: Response) -> str:
    location = response.headers["Location"]
    # Several fields arrive joined by commas, which may also stand in an address.
    received: Any = getattr(response.raw, "headers", None)
    several: list[str] = received.getlist("Location") if hasattr(received, "getlist") else []
    if len(several) > 1:
        if len(set(several)) > 1:
            raise DestinationRefused("A redirect led to several addresses. None was followed.", sent=True)
        location = several[0]
    location = location.strip(" \t")
    try:
        # http.client reads headers as Latin-1; what servers send is UTF-8.
        return location.encode("latin-1").decode()
    except UnicodeError:
        return location


def _absolute(base: str, location: str, destinations: Destinations) -> str:
    # All of these are read in different ways by different parsers, and none has a place in an address (RFC 3986).
    if "\\" in location or not location.isprintable() or _WITHOUT_HOST.match(location):
        raise _unreadable()
    try:
        joined = urljoin(base, location)
    except ValueError:
        raise _unreadable() from None
    # As it is written, too: preparing decodes percent signs in the host and drops an empty user name.
    destinations.check_origin(joined, sent=True)
    prepared = PreparedRequest()
    try:
        prepared.prepare_url(joined, None)
    except (RequestException, ValueError):
        raise _unreadable() from None
    url = prepared.url or ""
    destinations.check(url, sent=True)
    return url


def _unreadable() -> DestinationRefused:
    return DestinationRefused("A redirect led to an address that can't be read. It was not followed.", sent=True)


def _remove_headers(request: PreparedRequest, names: tuple[str, ...]) -> None:
    for name in names:
        request.headers.pop(name, None)
