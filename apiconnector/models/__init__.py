"""The tables: what admins describe (connection, feed) and what the machine writes (token, attempt, run, event)."""

from typing import TYPE_CHECKING

from apiconnector.late import imported_late
from apiconnector.models.attempt import AuthorizationAttempt
from apiconnector.models.connection import Connection
from apiconnector.models.event import ConnectionEvent
from apiconnector.models.feed import Feed
from apiconnector.models.file import FeedFile
from apiconnector.models.run import FeedRun
from apiconnector.models.token import Token

if TYPE_CHECKING:
    from apiconnector.models.testing import TestResult
else:
    __getattr__, __dir__ = imported_late(__name__, testing=("TestResult",))

__all__ = [
    "AuthorizationAttempt",
    "Connection",
    "ConnectionEvent",
    "Feed",
    "FeedFile",
    "FeedRun",
    "TestResult",
    "Token",
]
