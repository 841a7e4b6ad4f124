"""The names that placeholders may use, with secrets that are opened when they are needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from apiconnector.models.connection import Connection


class Names(Mapping[str, Any]):
    """Names for placeholders, some of them secrets: one is opened when it is looked up.

    A secret that nothing names, and that the form does not even show, would else stop every request when it is sealed.
    """

    def __init__(self, connection: Connection, values: Mapping[str, Any], secrets: Collection[str]) -> None:
        self._connection, self._values, self._secrets = connection, values, secrets

    def __getitem__(self, name: str) -> Any:
        return self._connection.reveal(name) if name in self._secrets else self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._values, **dict.fromkeys(self._secrets)})

    def __len__(self) -> int:
        return len({*self._values, *self._secrets})
