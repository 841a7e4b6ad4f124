"""The transport of all sessions of a process: one pool for each host, chosen once and not again for every request."""

from __future__ import annotations

import os
import time
import weakref
from typing import TYPE_CHECKING, Any, Final

from requests.adapters import HTTPAdapter
from requests.cookies import extract_cookies_to_jar
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers, select_proxy
from urllib3 import ProxyManager

from apiconnector.client import egress
from apiconnector.client.connection import TrackedConnection
from apiconnector.client.pool import TrackingPool, TrackingTLSPool
from apiconnector.client.response import ApiResponse
from apiconnector.client.whole import Whole
from apiconnector.client.wire import Passed, watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest, Response

#: Hosts whose connections are kept; the one not used for longest goes first.
MAX_HOSTS: Final = 64
#: Idle connections kept for each host. More threads than this still work, on connections of their own.
MAX_IDLE_PER_HOST: Final = 32
#: A pool that was chosen is used so many seconds, until its manager, which drops what is not used, is asked again.
_CHOSEN_FOR: Final = 1.0
_POOLS: Final = {"http": TrackingPool, "https": TrackingTLSPool}

# Typed here, because the stubs of requests give them no types.
_extract_cookies: Callable[..., None] = extract_cookies_to_jar


class PooledAdapter(HTTPAdapter):
    """Sends requests on the connections of this process. Thread-safe; never repeats a request by itself."""

    def __init__(self) -> None:
        #: By origin and what decides about certificates: a pool, and until when it is used without asking again. No
        #: reference that would keep what its manager has dropped.
        self._chosen: dict[tuple[str, Any], tuple[weakref.ref[Any], float]] = {}
        super().__init__(pool_connections=MAX_HOSTS, pool_maxsize=MAX_IDLE_PER_HOST, max_retries=0, pool_block=False)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Use pools that track."""
        self._chosen.clear()
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
        """Use pools that track, except for SOCKS, which has pools of its own."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if type(manager) is ProxyManager:
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def get_connection_with_tls_context(
        self, request: PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        """Choose the pool. Nothing is written yet; from here on only a connection that tracks can tell."""
        wire = watched()
        if wire is not None:
            wire.written = False
        url = request.url or ""
        proxy = select_proxy(url, proxies) if proxies else None
        pool: Any
        if proxy or cert is not None or not isinstance(verify, bool | str):
            pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
            self._verify_certificates(pool, url, verify, cert)
        else:
            pool = self._pool_for(request, url, verify)
        is_ours = issubclass(pool.ConnectionCls, TrackedConnection)
        if proxy or not is_ours:
            egress.check_looked_up_elsewhere(url)
        if wire is not None and not is_ours:
            wire.written = None
        return pool

    def _pool_for(self, request: PreparedRequest, url: str, verify: bool | str) -> Any:  # noqa: FBT001 - what requests calls it
        """The pool of an origin that is reached without a proxy."""
        key = (origin_part(url), verify)
        chosen = self._chosen.get(key)
        now = time.monotonic()
        pool: Any = chosen[0]() if chosen is not None and now <= chosen[1] else None
        if pool is None:
            pool = super().get_connection_with_tls_context(request, verify, None, None)
            self._verify_certificates(pool, url, verify, None)
            if len(self._chosen) >= 2 * MAX_HOSTS:
                self._chosen.clear()
            self._chosen[key] = (weakref.ref(pool), now + _CHOSEN_FOR)
        return pool

    def _verify_certificates(self, pool: Any, url: str, verify: Any, cert: Any) -> None:
        super().cert_verify(pool, url, verify, cert)  # type: ignore[no-untyped-call]  # in the stubs

    def cert_verify(self, *args: Any) -> None:
        """Leave the pool alone: it was told when it was chosen, where the file of certificates is looked for."""

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:
        """The path with the query, or the whole address where it goes to a proxy."""
        return super().request_url(request, proxies) if proxies else request.path_url

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        """The response to what urllib3 was answered; as requests makes it, of our class."""
        response = ApiResponse.bare()
        response.status_code = getattr(resp, "status", None)  # type: ignore[assignment]  # as requests has it
        response.headers = _headers_of(resp)
        response.encoding = get_encoding_from_headers(response.headers)
        response.raw = resp
        response.reason = resp.reason
        response.url = req.url or ""
        response.request, response.connection = req, self
        if "Set-Cookie" in response.headers:
            _extract_cookies(response.cookies, req, resp)
        return response

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send a request. What ``before_first_byte`` raises comes out as it is.

        Raises ``DestinationRefused`` for an address that this server's requests may not reach.
        """
        egress.check(request.url or "")
        try:
            return super().send(request, *args, **kwargs)
        except Passed as passed:
            error = passed.error
        raise error

    def __reduce__(self) -> tuple[Callable[[], HTTPAdapter], tuple[()]]:
        return shared_adapter, ()

    def close(self) -> None:
        """Keep the pool: it belongs to the process, not to the session that is closed."""

    def start_afresh(self) -> None:
        """Forget all connections, for the child of a fork: two processes can't share one."""
        self.proxy_manager.clear()
        self.init_poolmanager(MAX_HOSTS, MAX_IDLE_PER_HOST, block=False)


def _headers_of(resp: Any) -> CaseInsensitiveDict[str]:
    if type(resp) is not Whole or not resp.has_each_once:
        return CaseInsensitiveDict(getattr(resp, "headers", {}))
    headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()
    for name, value in resp.fields:
        headers[name] = value
    return headers


def origin_part(url: str) -> str:
    """An absolute address up to its path; the whole of it where it has none."""
    end = url.find("/", len("https://"))
    return url if end < 0 else url[:end]


_adapter: Final = PooledAdapter()
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_adapter.start_afresh)


def shared_adapter() -> HTTPAdapter:
    """The transport of this process: mount it, and connections are reused across sessions and threads."""
    return _adapter
