"""Follow the pages of a list."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from apiconnector.client import ApiSession
from apiconnector.exceptions import ExpressionError, PaginationFailed
from apiconnector.oauth.lifetime import retry_after
from apiconnector.pagination.ways import Answered, Step, Way, find
from apiconnector.templating import compile_expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from requests import Response

#: An API that asks for no pause gets one all the same, in seconds.
_LEAST_WAIT: Final = 0.5


@dataclass(frozen=True)
class Page:
    """One page: its items, its number (from 1), and the answer it came in.

    ``is_last``: the API says that there is no other. Where only an empty page says so, that one is never given.
    """

    items: list[Any]
    number: int
    is_last: bool
    response: Response = field(repr=False)


@dataclass(frozen=True)
class Collected:
    """What was collected. ``is_complete``: these are all; else ``stopped`` says in words why there may be more."""

    items: list[Any]
    pages: int
    stopped: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether the last page was reached."""
        return not self.stopped


def pages(
    api: ApiSession,
    path: str,
    way: Way,
    *,
    items: str = "body",
    params: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
    max_wait: float = 60.0,
    **kwargs: Any,
) -> Iterator[Page]:
    """The pages of the list at ``path``, each asked for when it is wanted.

    ``items`` is the expression (on ``{status, headers, body}``) whose result is the list. ``params`` go with the first
    request and, but for addresses that the API gives, with all; the size of a page is one of them. ``kwargs`` are those
    of ``api.get()``, such as ``headers``. An answer 429 or 503 with ``Retry-After`` is waited for, at most ``max_wait``
    seconds for one page.

    Raises ``PaginationFailed`` for an answer that is no JSON, has no list there, or leads in a circle,
    ``ExpressionError`` for an expression that can't be read or fails, ``DestinationRefused`` for a next address that
    the connection may not go to, ``requests.HTTPError`` for an error status, and what a request of the session raises.
    ``TypeError`` for a session that is not of ``connect()``, which would go wherever the API points to, for a ``way``
    that is none, and for ``params`` given as text.
    """
    if not isinstance(api, ApiSession):
        raise TypeError("Pages are followed with the session of connect(), which keeps to the connection's hosts.")
    if not isinstance(way, Way):
        raise TypeError(
            "How the API pages is said by one of Cursor(…), PageNumber(), Offset(), LinkHeader(), NextAddress(…)."
        )
    compile_expression(items)
    return _pages(_Asking(api, path, _pairs(params), max_wait, kwargs), way, items)


def paginate(
    api: ApiSession,
    path: str,
    way: Way,
    *,
    items: str = "body",
    params: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
    max_wait: float = 60.0,
    **kwargs: Any,
) -> Iterator[Any]:
    """The items of all pages one after the other; arguments and errors are those of ``pages()``.

    Without a limit, for it goes on only as long as the caller does: ``itertools.islice`` ends it early.
    """
    found = pages(api, path, way, items=items, params=params, max_wait=max_wait, **kwargs)
    return (item for page in found for item in page.items)


def collect(
    api: ApiSession,
    path: str,
    way: Way,
    *,
    items: str = "body",
    params: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
    max_pages: int = 100,
    max_items: int = 10_000,
    max_wait: float = 60.0,
    **kwargs: Any,
) -> Collected:
    """All items in a list, up to a limit; the other arguments are those of ``pages()``.

    What came is returned also where a limit was reached or the pages lead in a circle: ``is_complete`` is false then.

    Raises what ``pages()`` raises, also for a later page that can't be had: what came before is lost then, and had by
    ``pages()``. ``ValueError`` for a limit below 1.
    """
    if max_pages < 1 or max_items < 1:
        raise ValueError("max_pages and max_items must be at least 1.")
    collected: list[Any] = []
    count = 0
    try:
        for page in pages(api, path, way, items=items, params=params, max_wait=max_wait, **kwargs):
            count += 1
            left = max_items - len(collected)
            collected += page.items[:left]
            if len(page.items) > left or (len(page.items) == left and not page.is_last):
                return Collected(collected, count, f"Stopped after {max_items} items: there may be more.")
            if count == max_pages and not page.is_last:
                return Collected(collected, count, f"Stopped after {max_pages} pages: there may be more.")
    except _CircleError as error:
        return Collected(collected, count, str(error))
    return Collected(collected, count)


class _CircleError(PaginationFailed):
    """The API leads in a circle."""


@dataclass(frozen=True)
class _Asking:
    """What is the same for the requests of all pages."""

    api: ApiSession
    path: str
    params: list[tuple[str, Any]]
    max_wait: float
    others: dict[str, Any]

    def answer(self, step: Step) -> Response:
        """The answer to the request for a page, after the pauses that the API asked for."""
        names = {name for name, _ in step.params}
        params = [pair for pair in self.params if pair[0] not in names] + list(step.params)
        left = self.max_wait
        while True:
            # The address that an API gives has its parameters already.
            response = self.api.get(step.address or self.path, params=None if step.address else params, **self.others)
            pause = _pause(response)
            if pause is None or pause > left:
                response.raise_for_status()
                return response
            left -= pause
            time.sleep(pause)


def _pages(asking: _Asking, way: Way, items: str) -> Iterator[Page]:
    step: Step | None = way.first()
    seen: set[int] = set()
    before: list[Any] = []
    number = total = 0
    while step is not None:
        # By a hash: a list may have a million pages.
        if (mark := hash(step.mark)) in seen:
            raise _CircleError(f"After page {number} the API leads back to a page that it gave before.")
        seen.add(mark)
        response = asking.answer(step)
        root = _root(response)
        listed = _listed(items, root, response)
        if way.is_counted and listed and listed == before and isinstance(listed[0], dict | list):
            raise _CircleError(f"Page {number + 1} is the same as page {number}: the API does not look at its number.")
        number, total, before = number + 1, total + len(listed), listed if way.is_counted else []
        # A link back to where it began shall be known for one.
        seen.add(hash(response.request.url))
        failure: Exception | None = None
        try:
            step = way.following(Answered(response, root, listed, total, number))
        except (PaginationFailed, ExpressionError) as error:
            # What came is given first.
            step, failure = None, error
        if listed or not way.is_counted:
            yield Page(listed, number, step is None and failure is None, response)
        if failure is not None:
            raise failure


def _pause(response: Response) -> float | None:
    if response.status_code not in {429, 503}:
        return None
    wanted = retry_after({name.lower(): value for name, value in response.headers.items()})
    return None if wanted is None else max(wanted, _LEAST_WAIT)


def _root(response: Response) -> dict[str, Any]:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
        is_json = not response.content
    else:
        is_json = True
    # Raised outside the except clause: that error holds the answer.
    if not is_json:
        raise PaginationFailed("The API answered with something that is no JSON.")
    headers = {name.lower(): value for name, value in response.headers.items()}
    return {"status": response.status_code, "headers": headers, "body": body}


def _listed(items: str, root: dict[str, Any], response: Response) -> list[Any]:
    try:
        listed = find(items, root, response)
    except ExpressionError as error:
        reason = str(error)
    else:
        if isinstance(listed, list):
            return listed
        kind = "nothing" if listed is None else f"of the type {type(listed).__name__}"
        reason = f"{items} is {kind}, and no list. Where the API leaves an empty list out, write {items} || `[]`."
    raise PaginationFailed(f"The answer has no items: {reason}")


def _pairs(params: Any) -> list[tuple[str, Any]]:
    """Pairs of name and value, a list of values as several of them. Raises ``TypeError`` for text."""
    if params is None:
        return []
    if isinstance(params, str | bytes):
        raise TypeError('The params of a list are a mapping or pairs, such as {"limit": 100}, and no text.')
    items = params.items() if hasattr(params, "items") else params
    return [
        (name, one)
        for name, value in items
        for one in (value if isinstance(value, list | tuple) else [value])
        if one is not None
    ]
