"""How a provider's token endpoint differs from RFC 6749, with every value filled in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from apiconnector.oauth.wire import Answer

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

#: Finds members of a token answer, by their names in RFC 6749, in it and in its parsed body; the others are read as
#: usual. May raise ``ExpressionError``.
Pick = Callable[["Answer", Any], Mapping[str, Any]]


@dataclass(frozen=True)
class Ways:
    """The ways of one token request; the defaults are RFC 6749.

    ``params`` and ``headers`` are laid over the standard ones, and None leaves one out. ``format`` is ``form``,
    ``json`` or ``query``. ``expires_unit`` is ``seconds`` or ``milliseconds``; ``default_expires_in`` (seconds) is the
    lifetime where none is stated. ``secrets`` are texts among the values that must not be shown.
    """

    params: Mapping[str, Any] = field(default_factory=lambda: _NOTHING, repr=False)
    headers: Mapping[str, Any] = field(default_factory=lambda: _NOTHING, repr=False)
    format: str = "form"
    method: str = "POST"
    pick: Pick | None = None
    expires_unit: str = "seconds"
    default_expires_in: float | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)


#: A token endpoint that does not differ.
STANDARD: Final = Ways()
