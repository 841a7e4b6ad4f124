"""How an API says where its next page is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from apiconnector.exceptions import PaginationFailed
from apiconnector.pagination.links import next_link
from apiconnector.templating import compile_expression, search, truth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from requests import Response


@dataclass(frozen=True)
class Step:
    """The request for a page: parameters to set, or a whole address. ``mark`` tells it from all others."""

    mark: str
    params: tuple[tuple[str, str], ...] = ()
    address: str = ""


@dataclass(frozen=True)
class Answered:
    """A page that was read. ``root`` is what expressions see: ``status``, ``headers`` and ``body``."""

    response: Response
    root: dict[str, Any]
    items: Sequence[Any]
    #: How many items came with it and the pages before.
    total: int
    number: int

    def find(self, expression: str) -> Any:
        """What an expression finds there. Raises ``ExpressionError``."""
        return find(expression, self.root, self.response)


def find(expression: str, root: dict[str, Any], response: Response) -> Any:
    """What an expression finds in a page, however large that is: who asked for it has memory for it."""
    return search(expression, root, megabytes=1 + len(response.content) // 1_000_000)


class Way(ABC):
    """One way to page. ``is_counted``: the addresses differ, whether or not the API looks at what differs."""

    is_counted = False

    def first(self) -> Step:
        """What the first request needs beside what the caller gives."""
        return Step("")

    @abstractmethod
    def following(self, page: Answered) -> Step | None:
        """The request after a page; None where it is the last one. Raises ``PaginationFailed``."""


@dataclass(frozen=True)
class Cursor(Way):
    """A text from each answer goes into the next request: HubSpot, Slack, Stripe, Google.

    ``next`` is an expression on ``{status, headers, body}``. Where it is null, false, "" or nothing, that was the last
    page. ``param`` is the parameter it is sent as.
    """

    param: str
    next: str

    def __post_init__(self) -> None:
        """Raise ``ExpressionError`` for an expression that can't be read."""
        compile_expression(self.next)

    def following(self, page: Answered) -> Step | None:
        """The cursor of an answer."""
        cursor = page.find(self.next)
        if not truth(cursor):
            return None
        if not isinstance(cursor, str | int | float) or cursor is True:
            raise PaginationFailed(f"The cursor {self.next} is neither text nor a number: it can't be sent.")
        return Step(str(cursor), ((self.param, str(cursor)),))


@dataclass(frozen=True)
class _Counted(Way):
    """A number that goes up, sent as ``param``; an empty page is behind the last."""

    param: str = ""
    start: int = 0
    more: str = ""

    is_counted = True

    def __post_init__(self) -> None:
        """Raise ``ExpressionError`` for an expression that can't be read."""
        if self.more:
            compile_expression(self.more)

    def first(self) -> Step:
        """Where counting starts."""
        return self._step(self.start)

    def _step(self, number: int) -> Step:
        return Step(str(number), ((self.param, str(number)),))


@dataclass(frozen=True)
class PageNumber(_Counted):
    """Pages are numbered; an empty one is behind the last.

    ``more`` is an expression on ``{status, headers, body}``: where it is false, that was the last page.
    """

    param: str = "page"
    start: int = 1

    def following(self, page: Answered) -> Step | None:
        """The next number."""
        return self._step(self.start + page.number) if _goes_on(self.more, page) else None


@dataclass(frozen=True)
class Offset(_Counted):
    """Each request says how many items to pass over: as many as came. An empty page is behind the last.

    ``more`` is an expression on ``{status, headers, body}``: where it is false, that was the last page.
    """

    param: str = "offset"

    def following(self, page: Answered) -> Step | None:
        """By what came, and not by what was asked for: many APIs give less than that."""
        return self._step(self.start + page.total) if _goes_on(self.more, page) else None


@dataclass(frozen=True)
class LinkHeader(Way):
    """The ``Link`` header (RFC 8288) has the address of the next page: GitHub, GitLab, Shopify."""

    rel: str = "next"

    def following(self, page: Answered) -> Step | None:
        """The address in the header."""
        return _address(page, next_link(page.response.headers.get("Link", ""), self.rel))


@dataclass(frozen=True)
class NextAddress(Way):
    """The body has the address of the next page: Salesforce, Microsoft Graph, Django REST framework.

    ``next`` is an expression on ``{status, headers, body}``; the address may be a path.
    """

    next: str

    def __post_init__(self) -> None:
        """Raise ``ExpressionError`` for an expression that can't be read."""
        compile_expression(self.next)

    def following(self, page: Answered) -> Step | None:
        """The address in the body."""
        address = page.find(self.next)
        if not truth(address):
            return None
        if not isinstance(address, str):
            raise PaginationFailed(f"The next address {self.next} is no text: it can't be followed.")
        return _address(page, address)


def _goes_on(more: str, page: Answered) -> bool:
    return bool(page.items) and (not more or truth(page.find(more)))


def _address(page: Answered, given: str | None) -> Step | None:
    """A whole address: relative to the one that was answered (RFC 8288 section 3.1), not to the base URL."""
    if not given:
        return None
    try:
        address = urljoin(page.response.request.url or "", given)
    except ValueError:
        raise PaginationFailed("The address of the next page can't be read.") from None
    return Step(address, address=address)
