"""Address and headers of a request, of what was worked out for the requests before it.

What comes out is what requests itself would have made: it does anew for every request what is the same for all of a
session, such as parsing the address and checking each header.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus

from requests import PreparedRequest
from requests.sessions import merge_setting
from requests.structures import CaseInsensitiveDict

from apiconnector.client.defaults import with_default_params
from apiconnector.client.headers import check_headers, pairs

if TYPE_CHECKING:
    from collections.abc import Callable

    from apiconnector.client.request import ApiRequest
    from apiconnector.client.urls import Destinations

#: A query that requests leaves as it is, so that it may be put behind an address that was prepared before.
_PLAIN_QUERY: Final = re.compile(r"(?:[A-Za-z0-9_.~+=&-]|%[0-9A-F]{2})*")
_RESERVED: Final = re.compile(r"[?#]|%(?![0-9A-Fa-f]{2})")
#: What is written in a query as it is (RFC 3986 section 2.3).
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9_.~-]*")
_TEXTS: Final = [str, str]
#: Of so many paths the address is remembered; a program has few, but for those with a number in them.
_MOST_PATHS: Final = 64

# Typed here, because the stubs of requests give them no types.
_merged: Callable[..., Any] = merge_setting
_encoded: Callable[[Any], Any] = PreparedRequest._encode_params  # type: ignore[attr-defined]  # noqa: SLF001 - of a base class that the stubs leave out


def set_address(
    request: ApiRequest, destinations: Destinations, path: str, params: Any, defaults: Mapping[str, Any]
) -> None:
    """Give a request its address, and check that it may go there. Raises ``DestinationRefused``."""
    known = destinations.prepared.get(path)
    if known is not None:
        query = _query(with_default_params(defaults, known, params))
        if not query or (isinstance(query, str) and _PLAIN_QUERY.fullmatch(query)):
            request.url = request.checked_url = f"{known}?{query}" if query else known
            return
    url = destinations.join(path)
    params = with_default_params(defaults, url, params)
    request.prepare_url(url, params)
    destinations.check(request.url or "")
    request.checked_url = request.url or ""
    # Written out they may have a stray percent sign, which has requests encode all others once more.
    if (not params or isinstance(params, Mapping | list)) and not _RESERVED.search(url):
        if len(destinations.prepared) >= _MOST_PATHS:
            destinations.prepared.clear()
        destinations.prepared[path] = request.checked_url.partition("?")[0]


def _query(params: Any) -> Any:
    texts = params.items() if type(params) is dict else params if type(params) is list else None
    if texts is not None and all(type(pair) is tuple and list(map(type, pair)) == _TEXTS for pair in texts):
        # As requests does, which looks at each value in many ways.
        return "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in texts])
    return _encoded(params)


def _quoted(text: str) -> str:
    return text if _UNRESERVED.fullmatch(text) else quote_plus(text)


class SessionHeaders:
    """The headers of a session: checked once, and again when they were changed. Those it begins with need no check."""

    def __init__(self, checked: dict[Any, Any]) -> None:
        self._checked = checked

    def set_on(self, request: ApiRequest, own: Any, given: Any) -> None:
        """Give a request the session's ``own`` headers and those ``given`` for it; one that is None takes one away.

        Raises ``requests.exceptions.InvalidHeader``.
        """
        session = self._checked_of(own) if isinstance(own, CaseInsensitiveDict) and _is_plain(given) else None
        if session is None:
            merged = _merged(given, own, dict_class=CaseInsensitiveDict)
            check_headers(merged)
            request.prepare_headers(merged)
            return
        headers: CaseInsensitiveDict[Any] = CaseInsensitiveDict()
        for name, value in session.items():
            headers[name] = value
        if given:
            headers.update(given)
            for name in [name for name, value in headers.items() if value is None]:
                del headers[name]
            check_headers({name: headers[name] for name in given if name in headers})
        request.headers = headers

    def _checked_of(self, own: Mapping[Any, Any]) -> dict[str, Any] | None:
        """The session's headers; None where requests has to make something of their names, or takes one away."""
        session = dict(pairs(own))
        if session != self._checked:
            if None in session.values() or not _is_plain(session):
                return None
            check_headers(session)
            self._checked = session
        return session

    def check_others(self, headers: Mapping[Any, Any]) -> None:
        """Check the headers that are not the session's, as ``check_headers`` does: those of the authentication."""
        known = self._checked
        check_headers({name: value for name, value in pairs(headers) if known.get(name) is not value})


def _is_plain(given: Any) -> bool:
    return not given or (isinstance(given, Mapping) and all(isinstance(name, str) for name in given))
