"""A provider, and processes that renew a token, stopped and led on step by step."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from django.db import connection as database

from apiconnector.exceptions import Act, TokenRequestFailed
from apiconnector.models import renewal
from apiconnector.models.token_requests import Granted
from apiconnector.oauth import TokenAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    from apiconnector.models import Connection, Token

#: Seconds. Nothing here takes as long: it only ends a hang.
PATIENCE = 60
Step = Literal["lease", "request", "answer", "save", "end"]


class Killed(BaseException):
    """The process is gone: nothing of it catches this."""


def answer(family: int, number: int) -> TokenAnswer:
    return TokenAnswer(f"access-{family}-{number}", f"refresh-{family}-{number}", "", None, None, None, {})


@dataclass
class Provider:
    """Each authorization begins a family; the newest refresh token of one rotates it, any other one may revoke it."""

    revokes_family: bool = True
    newest: dict[int, int] = field(default_factory=dict)
    revoked: set[int] = field(default_factory=set)

    def authorize(self) -> TokenAnswer:
        family = len(self.newest) + 1
        self.newest[family] = 1
        return answer(family, 1)

    def refresh(self, refresh_token: str) -> TokenAnswer | None:
        """The rotated token; None where it is refused."""
        family, number = numbers(refresh_token)
        if family in self.revoked or number != self.newest[family]:
            if self.revokes_family:
                self.revoked.add(family)
            return None
        self.newest[family] += 1
        return answer(family, self.newest[family])


def numbers(token: str) -> tuple[int, int]:
    """The family of a token, and which of it it is."""
    _, family, number = token.split("-")
    return int(family), int(number)


class Actor(threading.Thread):
    """A process that renews the token by the app's own code. It goes one step at a time, and never beside another."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(daemon=True)
        self.connection = connection
        self.step: Step = "end"
        #: What it sent, and what came back: None where nothing has.
        self.sent = ""
        self.order: Callable[[], Any] | None = None
        #: Where its lease is: the row and generation it was taken on, and until when by the model's clock.
        self.row: tuple[int, int] | None = None
        self.until = 0.0
        self.outcome: BaseException | Token | None = None
        self._go, self._paused = threading.Semaphore(0), threading.Semaphore(0)

    def begin(self, newer_than: int) -> None:
        # It is asked for by a person, who need not wait out a pause, and gives way where somebody else is at it.
        self.wanted = renewal.Wanted(newer_than=newer_than, is_asked=True, is_early=True)
        self.start()
        self._wait()

    def run(self) -> None:
        try:
            self.outcome = renewal.obtain(self.connection, self.wanted)
        except BaseException as error:
            self.outcome = error
        finally:
            database.close()
            self.step = "end"
            self._paused.release()

    def proceed(self, order: Callable[[], Any] | None = None) -> None:
        """Let it go on to its next step; ``order`` is what it meets first: a value, or an error it raises."""
        self.order = order
        self._go.release()
        self._wait()

    def kill(self) -> None:
        def die() -> None:
            raise Killed

        self.proceed(die)
        self.join(PATIENCE)

    def stop_at(self, step: Step) -> Any:
        """Called by the actor itself."""
        self.step = step
        self._paused.release()
        assert self._go.acquire(timeout=PATIENCE)
        return self.order() if self.order is not None else None

    def _wait(self) -> None:
        assert self._paused.acquire(timeout=PATIENCE), "it hangs"


def this_actor() -> Actor | None:
    thread = threading.current_thread()
    return thread if isinstance(thread, Actor) else None


def asking(connection: Connection, token: Token) -> Granted:
    """In place of the request to the token endpoint."""
    actor = this_actor()
    assert actor is not None
    actor.sent = token.refresh_token.reveal()
    found = actor.stop_at("request")
    if found is None:
        raise TokenRequestFailed("invalid_grant", act=Act.PERSON, error="invalid_grant", status_code=400)
    assert isinstance(found, TokenAnswer)
    return Granted(found, {})
