"""Do work in a thread with a database connection of its own: apart from the caller's transaction.

A token that the provider has rotated must be stored even if the caller rolls back. What is written apart waits for
locks for a short time only, since the caller, who may hold them, waits for it.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from django.db import DatabaseError, InterfaceError, connections, router, transaction

from apiconnector.models import unsaved
from apiconnector.models.token import Token
from apiconnector.redaction import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = get_logger(__name__)

#: How long a statement apart waits for a lock, in seconds.
LOCK_WAIT: Final = 2

Result = TypeVar("Result")


class UnreachableError(Exception):
    """A row can't be seen or locked from outside of the caller's transaction."""


class _Here(threading.local):
    """Whether this thread works apart, and what it leaves to its caller."""

    is_apart = False

    def __init__(self) -> None:
        self.left: list[Callable[[], object]] = []


_here = _Here()


def database() -> str:
    """The alias of the database that tokens are written to."""
    return router.db_for_write(Token)


def in_transaction() -> bool:
    """Whether what this thread writes can still be rolled back."""
    connection = connections[database()]
    return connection.in_atomic_block or not connection.get_autocommit()


def is_apart() -> bool:
    """Whether this thread is one that works apart."""
    return _here.is_apart


def must_stay() -> bool:
    """Whether no other thread would see this one's rows: in a ``TestCase``, and where the database is in memory."""
    connection: Any = connections[database()]
    if any(getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
        return True
    return connection.vendor == "sqlite" and bool(connection.is_in_memory_db())


def keeps_writers_out() -> bool:
    """Whether nobody else can write as long as this thread's transaction has read something: SQLite without WAL."""
    connection = connections[database()]
    if connection.vendor != "sqlite":
        return False
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        return str(cursor.fetchone()[0]).lower() != "wal"


def run(work: Callable[[], Result]) -> Result:
    """Do ``work`` apart and wait for it. Raises what it raises, and ``UnreachableError`` without a connection."""
    results: list[Result] = []
    errors: list[BaseException] = []
    left: list[Callable[[], object]] = []

    def body() -> None:
        _here.is_apart, _here.left = True, left
        try:
            try:
                connections[database()].ensure_connection()
            except (DatabaseError, InterfaceError):
                # A pool that is used up, perhaps by callers who all wait like this one, or a server at its limit.
                raise UnreachableError from None
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread of who waits
            errors.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=body, name="apiconnector-apart")
    thread.start()
    thread.join()
    for rest in left:
        afterwards(rest)
    if errors:
        # Without the frames of the other thread: they hold what was opened.
        raise errors[0].with_traceback(None)
    return results[0]


@contextmanager
def brief() -> Iterator[None]:
    """Around a statement that may meet a lock: it waits for it for a short time only.

    In a caller's transaction the wait is the caller's own, and a failure leaves that transaction usable.
    """
    connection = connections[database()]
    if in_transaction():
        with transaction.atomic(using=connection.alias):
            yield
    elif connection.vendor == "postgresql":
        # Local to a transaction: a setting of the session would stay in the connection pool of a proxy.
        with transaction.atomic(using=connection.alias):
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}s'")
            yield
    elif connection.vendor == "mysql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT @@SESSION.innodb_lock_wait_timeout")
            (before,) = cursor.fetchone()
            cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {LOCK_WAIT}")
        try:
            yield
        finally:
            with suppress(DatabaseError, InterfaceError), connection.cursor() as cursor:
                cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {before}")
    else:
        yield


def leave(act: Callable[[], object]) -> None:
    """Have the caller's thread do something when the work apart is done: there it meets no lock of the caller's own."""
    _here.left.append(act)


def afterwards(write: Callable[[], object], *, again: Callable[[], object] | None = None) -> None:
    """Write what the token itself does not depend on: a database that refuses does not take the token from its caller.

    Apart, what meets a lock is left to the caller's own connection. Where the caller can undo it, a thread does
    ``again`` when the caller's transaction is over: what changes nothing where ``write`` was kept.
    """
    try:
        with brief():
            write()
    except (DatabaseError, InterfaceError):
        if _here.is_apart:
            _here.left.append(write)
        elif must_stay():
            logger.warning("What became of a token request could not be written down.", exc_info=True)
        else:
            # The database may be away. A lease that is never given back would count as that of a worker that died.
            unsaved.insist(write, using=database())
    if again is not None and in_transaction() and not must_stay():
        unsaved.insist(again, using=database())
