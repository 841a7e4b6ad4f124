"""The session that ``connect(slug)`` returns."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from requests.auth import AuthBase, HTTPBasicAuth
from requests.cookies import RequestsCookieJar, merge_cookies
from requests.exceptions import TooManyRedirects
from requests.hooks import default_hooks, dispatch_hook
from requests.sessions import merge_hooks

from apiconnector.client import egress, reading
from apiconnector.client.defaults import with_default_body
from apiconnector.client.errors import presentable
from apiconnector.client.outgoing import SessionHeaders, set_address
from apiconnector.client.plain import HEADERS, Anonymous, PlainSession
from apiconnector.client.redirects import next_hop
from apiconnector.client.request import ApiRequest, drain, rewind
from apiconnector.client.response import own
from apiconnector.client.wire import Watching
from apiconnector.exceptions import ConfigurationError, DestinationRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from requests import PreparedRequest, Request, Response

    from apiconnector.client.urls import Destinations
    from apiconnector.client.wire import Wire

# Typed here, because the stubs of requests give them no types.
_merged_hooks: Callable[..., Any] = merge_hooks
_merged_cookies: Callable[..., Any] = merge_cookies
_run_hooks: Callable[..., Any] = dispatch_hook

F = TypeVar("F", bound="Callable[..., Any]")


def _text(given: Any) -> str:
    """What may be given as text, bytes or nothing, as text. ``DestinationRefused`` for bytes that are no text."""
    if not isinstance(given, bytes):
        return str(given or "")
    try:
        return given.decode()
    except UnicodeDecodeError:
        pass
    # Not chained: that error holds what was given.
    raise DestinationRefused("The address is given as bytes that are not UTF-8. Nothing was sent.")


def _clean_errors(method: F) -> F:
    """Let errors leave redacted, from a frame whose locals are what the caller gave."""

    @wraps(method)
    def guarded(self: ApiSession, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - raised below, where it gets no context; also a time limit's
            failure = presentable(error, self.redact)
        raise failure

    return cast("F", guarded)


def _is_unauthorized(response: Response, is_read: bool) -> bool:  # noqa: FBT001 - a callback
    del is_read
    unauthorized = 401
    return response.status_code == unauthorized


class ApiSession(PlainSession):
    """A ``requests.Session`` for one connection: knows the base URL, authenticates, sends nowhere else.

    For one thread at a time. Closing it keeps the process's connections. Everything works as in requests,
    except:

    - A path goes below the base URL; another origin raises ``DestinationRefused``, before a token is fetched
      or anything sent.
    - There is always a time-out, and never a cookie of an earlier answer nor a password out of ``.netrc``.
    - GET and HEAD follow redirects, other methods only 307 and 308, and none leads elsewhere;
      ``response.next`` is None.
    - A 401 gets one new credential and one more try. Response hooks see the final answer only.
    - ``response.url`` and the texts of errors are redacted; ``response.request`` is what was sent.

    ``timeout`` is in seconds. ``renew`` authenticates a request anew, in place, after a 401; it returns False
    where there is nothing newer. ``refused`` is called when the new one is refused as well.
    ``expired(response, is_read)`` says which answers are treated as one, whether
    their body was read or not. ``configure`` is
    called once, before the first request, for what may fail.
    ``default_body`` is merged under JSON objects and forms. ``redact`` takes credentials out of a
    text. ``wire`` is told what reached the network.

    Beside the errors of requests, a request may raise those of ``auth`` and ``renew``.
    """

    def __init__(
        self,
        *,
        destinations: Destinations,
        auth: AuthBase,
        timeout: float = 10.0,
        renew: Callable[[PreparedRequest], bool] | None = None,
        refused: Callable[[], None] | None = None,
        configure: Callable[[ApiSession], None] | None = None,
        default_headers: Mapping[str, Any] | None = None,
        default_params: Mapping[str, Any] | None = None,
        default_body: Mapping[str, Any] | None = None,
        expired: Callable[[Response, bool], bool] | None = None,
        redact: Callable[[str], str] = str,
        wire: Wire | None = None,
    ) -> None:
        super().__init__()
        self.destinations = destinations
        self.timeout = timeout
        self.redact = redact
        self.wire = wire
        #: How much of a body is read at most, in bytes; None: all of it. A little more means that there is more.
        self.max_body: int | None = None
        self.auth = self._own_auth = auth
        self._renew = renew
        self._refused = refused
        self.expired = expired or _is_unauthorized
        self._configure = configure
        self._session_headers = SessionHeaders(HEADERS)
        self._default_params: dict[str, Any] = {}
        self._default_body: dict[str, Any] = {}
        if default_headers or default_params or default_body:
            self.set_defaults(headers=default_headers or {}, params=default_params or {}, body=default_body or {})

    def set_defaults(self, *, headers: Mapping[str, Any], params: Mapping[str, Any], body: Mapping[str, Any]) -> None:
        """Set what is added to every request; what the caller of a request gives wins."""
        self._default_params = dict(params)
        self._default_body = dict(body)
        for name, value in headers.items():
            # They come from JSON, where a version is often a number.
            self.headers[name] = str(value)

    def _begin(self) -> None:
        """Configure the session before its first request; one that fails is tried again at the next."""
        if self._configure is not None:
            self._configure(self)
            self._configure = None

    def __repr__(self) -> str:
        try:
            return f"<ApiSession {self.destinations.origin}>"
        except ConfigurationError:
            return "<ApiSession of an unusable base URL>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        """Refuse to be copied or pickled: the copy would carry the credentials out of the process."""
        del protocol
        raise TypeError(
            "An ApiSession holds credentials and can't be pickled or copied: call connect() where it is used."
        )

    @_clean_errors
    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> Response:
        """Send a request, as ``requests.Session.request`` does."""
        if self.wire is not None:
            self.wire.written = False
        return super().request(_text(method), _text(url), *args, **kwargs)

    @_clean_errors
    def prepare_request(self, request: Request) -> PreparedRequest:
        """Prepare a request with the connection's defaults and, once its address is checked, credential."""
        self._begin()
        own_params: Any = self.params
        prepared = ApiRequest()
        prepared.method = method = _text(request.method).upper()
        defaults = self._default_params | own_params if own_params else self._default_params
        set_address(prepared, self.destinations, _text(request.url), request.params, defaults)
        self._session_headers.set_on(prepared, self.headers, request.headers)
        if self.cookies or request.cookies:
            prepared.prepare_cookies(self._cookies_for(request))
        data, json = with_default_body(self._default_body, method, request.data, request.files, request.json)
        prepared.prepare_body(data, request.files, json)
        auth = request.auth or self.auth or Anonymous()
        prepared.own_auth = auth is self._own_auth
        # The last moment at which no token has been fetched yet.
        egress.check(prepared.url or "")
        prepared.prepare_auth(HTTPBasicAuth(*auth) if isinstance(auth, tuple) else auth)
        if not request.hooks == self.hooks == prepared.hooks:
            prepared.prepare_hooks(_merged_hooks(request.hooks, self.hooks))
        return prepared

    def _cookies_for(self, request: Request) -> Any:
        # What a caller put into the session's jar is sent as in requests; the jar's policy keeps answers out
        # of it.
        if not self.cookies:
            return request.cookies
        jar = _merged_cookies(RequestsCookieJar(), self.cookies)
        return _merged_cookies(jar, request.cookies or {})

    @_clean_errors
    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        """Send a prepared request, also one prepared elsewhere, which gets no credential here."""
        self._begin()
        follow = kwargs.pop("allow_redirects", True)
        kwargs["timeout"] = self._timeout(kwargs.get("timeout"))
        response, request = self._answer(request, kwargs)
        history: list[Response] = []
        if follow:
            for hop in self._hops(request, response, kwargs):
                history.append(response)
                hop.history = list(history)
                response = hop
        return response

    def _timeout(self, given: Any) -> Any:
        if isinstance(given, tuple):
            return tuple(self.timeout if part is None else part for part in given)
        return self.timeout if given is None else given

    def _hops(self, request: PreparedRequest, response: Response, kwargs: dict[str, Any]) -> Iterator[Response]:
        count = 0
        while (hop := next_hop(request, response, self.destinations)) is not None:
            count += 1
            drain(response)
            if count > self.max_redirects:
                raise TooManyRedirects(f"Exceeded {self.max_redirects} redirects.", request=request, response=response)
            proxies = self.rebuild_proxies(hop, kwargs.get("proxies"))  # type: ignore[no-untyped-call]  # in the stubs
            if isinstance(hop, ApiRequest) and hop.own_auth:
                # The Location has lost a credential that goes in the query.
                hop.prepare_auth(self._own_auth)
            try:
                response, request = self._answer(hop, {**kwargs, "proxies": proxies})
            except DestinationRefused as refused:
                refused.sent = True  # the first request was
                raise
            yield response

    def _answer(self, request: PreparedRequest, kwargs: dict[str, Any]) -> tuple[Response, PreparedRequest]:
        """The answer to one request, with a second try after a 401, and the request it answers."""
        # Held back: the first answer may be a 401 that the caller never sees.
        hooks, request.hooks = request.hooks, default_hooks()
        try:
            response = self._transmit(request, kwargs)
            again = self._renewed(request, response, is_read=not kwargs.get("stream"))
        finally:
            request.hooks = hooks
        if again is not None:
            drain(response)
            response = self._transmit(again, kwargs)
            again.hooks = hooks
            if self._refused is not None and self.expired(response, not kwargs.get("stream")):
                self._refused()
        if hooks and any(hooks.values()):
            response = self._redacted(_run_hooks("response", hooks, response, **kwargs))
        return response, again or request

    def _renewed(self, request: PreparedRequest, response: Response, *, is_read: bool) -> ApiRequest | None:
        """The request to send after a 401, with a new credential; None where the 401 is the answer."""
        if self._renew is None:
            return None
        if not isinstance(request, ApiRequest) or not request.own_auth or request.renewed:
            return None
        if not self.expired(response, is_read):
            return None
        again = request.copy()
        again.renewed = True
        # Renewed even where the body can't be sent again: the next request shall not fail as this one did.
        return again if self._renew(again) and rewind(again) else None

    def _transmit(self, request: PreparedRequest, kwargs: dict[str, Any]) -> Response:
        if not isinstance(request, ApiRequest) or request.url != request.checked_url:
            self.destinations.check(request.url or "")
        self._session_headers.check_others(request.headers)
        is_bounded = self.max_body is not None and not kwargs.get("stream")
        if is_bounded:
            kwargs = {**kwargs, "stream": True}
        with Watching(self.wire):
            response = super().send(request, allow_redirects=False, **kwargs)
            if is_bounded:
                reading.read(response, self.max_body or 0)
        return self._redacted(response)

    def _redacted(self, response: Response) -> Response:
        response.url = self.redact(response.url or "")
        if isinstance(response.reason, str):
            response.reason = self.redact(response.reason)
        return own(response, self.redact)
