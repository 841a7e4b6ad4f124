"""The admin: connections with their acts, feeds, and the read-only record of runs and events."""

from apiconnector.admin.connections import ConnectionAdmin
from apiconnector.admin.feeds import FeedAdmin
from apiconnector.admin.records import ConnectionEventAdmin, FeedRunAdmin

__all__ = ["ConnectionAdmin", "ConnectionEventAdmin", "FeedAdmin", "FeedRunAdmin"]
