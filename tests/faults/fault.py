"""A fault: what is done to the site, and what must be true afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.site import Site

SQLITE, POSTGRESQL, MARIADB = "sqlite", "postgresql", "mysql"
EVERYWHERE = (SQLITE, POSTGRESQL, MARIADB)
SERVERS = (POSTGRESQL, MARIADB)
#: A small time-out for the connection, in seconds, and the lease that follows from it.
TIMEOUT = 1.0
LEASE = 2 * TIMEOUT + 5


@dataclass(frozen=True)
class Fault:
    """``play`` fails where something does not hold, and says what happened otherwise.

    One that ``mostly_waits`` may be played beside others.
    """

    title: str
    play: Callable[[Site], str]
    databases: tuple[str, ...]
    mostly_waits: bool


#: All that are known, by name.
FAULTS: dict[str, Fault] = {}


def fault(
    title: str, *, on: tuple[str, ...] = EVERYWHERE, mostly_waits: bool = False
) -> Callable[[Callable[[Site], str]], Callable[[Site], str]]:
    """Add a function to the faults that are played, under its name."""

    def add(play: Callable[[Site], str]) -> Callable[[Site], str]:
        FAULTS[play.__name__] = Fault(title, play, on, mostly_waits)
        return play

    return add
