"""Values kept from what a provider says: each found by an expression, and matched as a whole before it is used."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from apiconnector.exceptions import ConfigurationError, ExpressionError
from apiconnector.templating import search

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

#: The longest value that is kept, in characters: patterns are matched against it.
MAX_VALUE: Final = 1_000
#: A shorter token may be part of a value by chance.
_LONG: Final = 8


@dataclass(frozen=True)
class Kept:
    """Where a value is found, and what the whole of it must be."""

    path: str
    pattern: str


class KeptValueError(ConfigurationError):
    """A value to be kept is missing, or not what its pattern says. The text does not repeat the value."""


class KeptValueMissingError(KeptValueError):
    """There is no value to be kept."""


def keep(declared: Mapping[str, Kept], root: Any, *, where: str, secrets: Collection[str] = ()) -> dict[str, Any]:
    """The values to keep of ``root``, by name: texts and numbers.

    ``where`` says in words what ``root`` is. Raises ``KeptValueMissingError`` for a value that is missing, and
    ``KeptValueError`` for one that does not match, or holds one of ``secrets``, which are not kept readable.
    """
    return {name: _kept(name, kept, root, where, secrets) for name, kept in declared.items()}


def _is_text(text: str) -> bool:
    """Whether a text can be sent: half a surrogate pair can't."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _kept(name: str, kept: Kept, root: Any, where: str, secrets: Collection[str]) -> Any:
    try:
        value = search(kept.path, root)
    except ExpressionError as error:
        raise KeptValueError(f"{where} has no usable value “{name}”: {error}") from None
    if value is None or value == "":
        raise KeptValueMissingError(
            f"{where} has no value “{name}”, looked for at {kept.path}. Correct its path in the dialect, or ask the "
            "provider's documentation when it is sent."
        )
    text = str(value)
    is_plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    if not is_plain or len(text) > MAX_VALUE or not _is_text(text) or not re.fullmatch(kept.pattern, text):
        raise KeptValueError(
            f"{where} has a value “{name}” that does not match its pattern {kept.pattern}. It was not used. If the "
            "value is right, correct the pattern in the dialect."
        )
    if any(len(secret) >= _LONG and secret in text for secret in secrets):
        raise KeptValueError(f"{where} has a value “{name}” that holds a token, which is not kept readable.")
    return value
