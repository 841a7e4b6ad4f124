"""Which redirects are followed, and with what request (RFC 9110 section 15.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin

from requests import PreparedRequest, RequestException
from requests.exceptions import UnrewindableBodyError

from apiconnector.client.request import rewind
from apiconnector.client.urls import Origin
from apiconnector.exceptions import DestinationRefused

if TYPE_CHECKING:
    from requests import Response

    from apiconnector.client.urls import Destinations

_KEEPS_BODY = frozenset({307, 308})
_BODY_HEADERS = ("Content-Length", "Content-Type", "Transfer-Encoding")
# Given for one host, and not meant for another.
_HOST_HEADERS = ("Cookie", "Host")


def next_hop(request: PreparedRequest, response: Response, destinations: Destinations) -> PreparedRequest | None:
    """The request that follows a response, without a credential renewed; None where none does.

    GET and HEAD follow any redirect, other methods 307 and 308 only. Raises ``DestinationRefused`` (``sent``)
    for a redirect to where the connection may not send, or to what can't be read as an address, and
    ``requests.exceptions.UnrewindableBodyError`` where the body is a stream that is used up.
    """
    if not response.is_redirect or not (request.method in {"GET", "HEAD"} or response.status_code in _KEEPS_BODY):
        return None
    location = _location(response)
    if not location:
        return None
    url = _absolute(request.url or "", location)
    destinations.check(url, sent=True)
    hop = request.copy()
    if response.status_code in _KEEPS_BODY:
        if not rewind(hop):
            raise UnrewindableBodyError(
                "The API answered with a redirect, and the body can't be sent a second time: it is a stream.",
                request=request,
                response=response,
            )
    else:
        hop.body = None
        _remove_headers(hop, _BODY_HEADERS)
    if Origin.of(url) != Origin.of(request.url or ""):
        _remove_headers(hop, _HOST_HEADERS)
    hop.url = url
    return hop


def _location(response: Response) -> str:
    location = response.headers["Location"]
    try:
        # http.client reads headers as Latin-1; what servers send is UTF-8.
        return location.encode("latin-1").decode()
    except UnicodeError:
        return location


def _absolute(base: str, location: str) -> str:
    # Both characters are read in different ways by different parsers; none has a place in an address (RFC
    # 3986).
    if "\\" in location or not location.isprintable():
        raise DestinationRefused("A redirect led to an address that can't be read. It was not followed.", sent=True)
    prepared = PreparedRequest()
    try:
        prepared.prepare_url(urljoin(base, location), None)
    except (RequestException, ValueError):
        raise DestinationRefused(
            "A redirect led to an address that can't be read. It was not followed.", sent=True
        ) from None
    return prepared.url or ""


def _remove_headers(request: PreparedRequest, names: tuple[str, ...]) -> None:
    for name in names:
        request.headers.pop(name, None)
