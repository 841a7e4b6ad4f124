"""Requests that a dialect declares as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apiconnector.dialect.kept import Kept

#: How a body is written; ``query`` puts it into the address.
BODY_FORMATS: Final = ("json", "form", "query")
DECLARED_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True)
class DeclaredRequest:
    """One request: its address (whole, or below the base URL), and what it carries. Each text is a template.

    ``values`` are kept of its answer, ``token_response`` says where a token is in it; the root of both is
    ``{status, headers, cookies, body}``, names of headers in lower case.
    """

    url: str
    method: str = "GET"
    format: str = "json"
    params: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    headers: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    body: Any = None
    values: Mapping[str, Kept] = field(default_factory=lambda: _NOTHING)
    token_response: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    after_refresh: bool = False

    @property
    def is_relative(self) -> bool:
        """Whether it goes below the base URL."""
        return not self.url.lower().startswith(("https://", "http://", "{{"))


@dataclass(frozen=True)
class Explained:
    """The codes of an API in words: where an answer holds one, and what each means to an administrator."""

    path: str
    words: Mapping[str, str]


@dataclass(frozen=True)
class TestRequest:
    """What the test request carries, when its answer is a success, and what the codes in one that is none mean."""

    __test__ = False  # pytest would take it for a class of tests

    params: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    headers: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    format: str = "json"
    body: Any = None
    statuses: tuple[int, ...] = ()
    success_when: str = ""
    explain: Explained | None = None
