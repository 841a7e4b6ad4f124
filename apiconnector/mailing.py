"""Mails that nobody waits for: a mail server that is slow or away holds up neither a visitor nor what is to be sent.

One thread of a process writes them, one after the other. Under ``TestCase`` they are written at once, so that a site's
tests find them where they look for them.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from django.db import connections

from apiconnector.redaction import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

logger = get_logger(__name__)

#: So many may wait; a mail server that takes none for long is not given more.
MOST: Final = 100


class _Mail(NamedTuple):
    send: Callable[[], object]
    about: str
    unsent: Callable[[], object] | None


_lock = threading.Lock()
_waiting: deque[_Mail] = deque()
_thread: threading.Thread | None = None


def begin(send: Callable[[], object], *, about: str, unsent: Callable[[], object] | None = None) -> None:
    """Let ``send`` write a mail; returns at once.

    Where that fails, the log says what it was ``about``, and ``unsent`` is called, in the same thread.
    """
    mail = _Mail(send, about, unsent)
    # At the end of a process nobody would wait for a thread.
    if _is_testcase() or not threading.main_thread().is_alive():
        _write(mail)
        return
    with _lock:
        problem = "" if len(_waiting) < MOST else "too many mails wait"
        if not problem and not _is_thread_there():
            problem = "no thread could be started"
        if not problem:
            _waiting.append(mail)
    if problem:
        _failed(mail, problem)


def _is_thread_there() -> bool:
    """Whether a thread writes what waits, from now on if need be; the caller holds the lock, which it waits for."""
    global _thread  # noqa: PLW0603 - one for the process
    if _thread is None:
        # No daemon: a process that ends writes what it has to.
        thread = threading.Thread(target=_work, name="apiconnector-mail")
        try:
            thread.start()
        except RuntimeError:  # there are too many
            return False
        _thread = thread
    return True


def wait(timeout: float = 30.0) -> bool:
    """Wait until all that were begun are written; false if ``timeout`` seconds were not enough."""
    thread = _thread
    if thread is not None:
        thread.join(timeout)
    return thread is None or not thread.is_alive()


def _work() -> None:
    global _thread  # noqa: PLW0603 - likewise
    while True:
        with _lock:
            if not _waiting:
                _thread = None
                break
            mail = _waiting.popleft()
        _write(mail)
    connections.close_all()


def _write(mail: _Mail) -> None:
    try:
        mail.send()
    except Exception as error:  # noqa: BLE001 - whatever a mail server does, everything else goes on
        _failed(mail, type(error).__name__)


def _failed(mail: _Mail, why: str) -> None:
    # Without a traceback, and no error: logging an error may write a mail as well, and pages show its password.
    logger.warning("%s (%s).", mail.about, why)
    if mail.unsent is not None:
        try:
            mail.unsent()
        except Exception as error:  # noqa: BLE001 - likewise
            logger.warning("%s, and that could not be noted (%s).", mail.about, type(error).__name__)


def _is_testcase() -> bool:
    """Whether a ``TestCase`` has opened transactions: another thread would not see its rows."""
    return any(
        getattr(block, "_from_testcase", False)
        for connection in connections.all(initialized_only=True)
        for block in connection.atomic_blocks
    )


def _forget() -> None:
    """Leave to the parent what it has to write, for the child of a fork, and the lock that it may hold for ever."""
    global _lock, _thread
    _lock, _thread = threading.Lock(), None
    _waiting.clear()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget)
