"""Tokens that the provider has given and no table holds yet for good: kept in this process until one does.

A refresh inside a caller's transaction may be rolled back where there is no other way to write (on SQLite a second
writer would break the caller), and a database may be away just when the answer comes. The new token is used from memory
meanwhile, and a thread writes it as soon as it can: while the caller's transaction holds the row that has to wait.
"""

from __future__ import annotations

import os
import threading
import time
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.db import DatabaseError, InterfaceError, connections

from apiconnector.models.token import NOTHING_BEGUN, NOTHING_FAILED, Token
from apiconnector.redaction import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

logger = get_logger(__name__)

#: For how long it is tried to write a token, in seconds: longer than transactions take and databases are restarted.
_LONGEST: Final = 600
#: The same once the process ends otherwise: who is still in a transaction then will not end it.
_LONGEST_AT_EXIT: Final = 20
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
#: The same on SQLite, where nobody else should get the lock between the rollback and this.
_PAUSE_SQLITE: Final = 0.01


@dataclass
class _Kept:
    """A token with its new columns, in place of a row that has ``generation``."""

    using: str
    pk: int
    generation: int
    issued_at: datetime
    values: Mapping[str, Any] = field(repr=False)


#: By the ciphertext of the access token that was replaced, which no other row has.
_kept: dict[str, _Kept] = {}


def keep(token: Token, values: Mapping[str, Any], *, using: str) -> None:
    """Keep the columns that replace those of ``token`` until a table has them for good."""
    key = token.access_token.stored
    if not key or token.pk is None:
        return  # the site's own first token: another one is had for the asking
    _kept[key] = _Kept(using, token.pk, token.generation, token.issued_at, dict(values))
    problem = f"A new token of “{token.connection}” could not be stored: authorize again."
    insist(partial(_store, _kept[key]), using=using, problem=problem, finally_do=partial(_kept.pop, key, None))


def insist(
    write: Callable[[], object],
    *,
    using: str,
    problem: str = "What became of a token request could not be written down.",
    finally_do: Callable[[], object] | None = None,
) -> None:
    """Write in a thread, again and again until the database lets it: no transaction holds the row any more then.

    ``problem`` is logged where it never does.
    """
    args = (write, using, problem, finally_do)
    threading.Thread(target=_write, args=args, name="apiconnector-unsaved").start()


def newest(token: Token) -> Token:
    """The token of a row as it was read, or the one that has replaced it since and is kept here."""
    while kept := _kept.get(token.access_token.stored):
        token = renewed_as(token, kept.values)
    return token


def renewed_as(token: Token, values: Mapping[str, Any]) -> Token:
    """The token of a row in which these columns were stored."""
    renewed = copy(token)
    for name, value in {**NOTHING_FAILED, **NOTHING_BEGUN, **values}.items():
        setattr(renewed, name, value)
    renewed.generation = token.generation + 1
    renewed.connection = token.connection  # whose token it is from now on
    return renewed


def _write(write: Callable[[], object], using: str, problem: str, finally_do: Callable[[], object] | None) -> None:
    began, pause = time.monotonic(), _FIRST_PAUSE
    main = threading.main_thread()
    ended_at: float | None = None
    try:
        while True:
            time.sleep(pause)
            is_sqlite = connections[using].vendor == "sqlite"
            try:
                if is_sqlite:
                    # It asks again sooner than SQLite would.
                    with connections[using].cursor() as cursor:
                        cursor.execute("PRAGMA busy_timeout = 0")
                # Blocks, or fails, as long as a transaction that has written the row goes on.
                write()
            except (DatabaseError, InterfaceError):
                if not is_sqlite:
                    connections[using].close()
            else:
                return
            pause = _PAUSE_SQLITE if is_sqlite else min(pause * 1.5, _LONGEST_PAUSE)
            now = time.monotonic()
            if ended_at is None and not main.is_alive():
                ended_at = now
            if now - began > _LONGEST or (ended_at is not None and now - ended_at > _LONGEST_AT_EXIT):
                logger.error(problem)
                return
    except Exception:
        # Whatever it is, such as a test that has ended and whose runner allows no database any more.
        logger.exception(problem)
    finally:
        if finally_do is not None:
            finally_do()
        connections.close_all()


def _store(kept: _Kept) -> None:
    """Store the token in its row, unless that has a newer one, is gone, or its number was given to another's token."""
    rows = Token.objects.using(kept.using).filter(pk=kept.pk)
    token = rows.only("pk", "generation", "issued_at").first()
    if token is not None and (token.generation, token.issued_at) == (kept.generation, kept.issued_at):
        rows.store(token, kept.values)


if hasattr(os, "register_at_fork"):  # not on Windows
    # A child has no thread that would write them; its parent does.
    os.register_at_fork(after_in_child=_kept.clear)
