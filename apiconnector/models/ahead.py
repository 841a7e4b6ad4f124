"""Renew tokens ahead of their end in the background, while everybody goes on with the ones that still work."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Final

from django.db import DatabaseError, InterfaceError, connections

from apiconnector.exceptions import ApiConnectorError, TokenRequestFailed
from apiconnector.models import apart, renewal
from apiconnector.redaction import get_logger

if TYPE_CHECKING:
    from apiconnector.models.connection import Connection

logger = get_logger(__name__)

#: Threads at a time, each of one connection. What is due beyond that has its turn at a later request.
MOST: Final = 8
#: Seconds until it is tried again after somebody else was found at it, and after it failed before anything was asked.
#: What the token endpoint refused is noted in the row, for all processes.
_REST_BUSY: Final = 0.25
_REST_FAILED: Final = 5.0
_MOST_REMEMBERED: Final = 10_000


class _Done:
    """When renewing the token of a connection ended here, and until when it is left alone."""

    __slots__ = ("at", "rest_until")

    def __init__(self, at: float, rest_until: float) -> None:
        self.at, self.rest_until = at, rest_until


_lock = threading.Lock()
_running: dict[int, threading.Thread] = {}
_done: dict[int, _Done] = {}


def ended_since(pk: int, moment: float) -> bool:
    """Whether a thread of this process has ended for a connection since ``moment`` (``time.monotonic()``)."""
    done = _done.get(pk)
    return done is not None and done.at > moment


def begin(connection: Connection) -> None:
    """Renew the token of a connection in a thread, unless one is at it or has just failed. Returns at once."""
    if connection.pk in _running:
        return
    done = _done.get(connection.pk)
    if done is not None and time.monotonic() < done.rest_until:
        return
    # No daemon: a process that ends waits for an answer under way, which may hold the only refresh token there is.
    thread = threading.Thread(
        target=_renew, args=(type(connection), connection.pk), name=f"apiconnector-ahead-{connection.pk}"
    )
    with _lock:
        if connection.pk in _running or len(_running) >= MOST:
            return
        _running[connection.pk] = thread
    try:
        thread.start()
    except RuntimeError:  # the interpreter is ending
        _running.pop(connection.pk, None)


def wait(timeout: float = 30.0) -> bool:
    """Wait until nothing is renewed in the background; false when ``timeout`` seconds were not enough."""
    until = time.monotonic() + timeout
    while running := list(_running.values()):
        for thread in running:
            thread.join(max(until - time.monotonic(), 0))
        if time.monotonic() >= until:
            return not _running
    return True


def _renew(model: type[Connection], pk: int) -> None:
    rest = _REST_FAILED
    try:
        # An object of its own: the caller's is for one thread at a time.
        connection = model.objects.using(apart.database()).select_related("token").filter(pk=pk, is_active=True).first()
        if connection is not None:
            renewal.obtain(connection, renewal.Wanted(is_early=True))
            rest = 0.0
    except renewal.BusyError:
        rest = _REST_BUSY
    except (ApiConnectorError, DatabaseError, InterfaceError) as error:
        rest = 0.0 if isinstance(error, TokenRequestFailed) else _REST_FAILED
        logger.warning("A token could not be renewed ahead of its end. The old one is used on. %s", error)
    except Exception:
        logger.exception("A token could not be renewed ahead of its end. The old one is used on.")
    finally:
        now = time.monotonic()
        if len(_done) >= _MOST_REMEMBERED:
            _done.clear()
        _done[pk] = _Done(now, now + rest)
        _running.pop(pk, None)
        connections.close_all()


def _forget() -> None:
    """Forget the threads of the parent, for the child of a fork, and the lock that one of them may hold for ever."""
    global _lock  # noqa: PLW0603 - the only way to be rid of one
    _lock = threading.Lock()
    _running.clear()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget)
