"""Feeds: the runner, which sends one now, and the outbox, which keeps what was submitted until it has arrived."""

from apiconnector.feeds.outbox import submit, submit_many
from apiconnector.feeds.round import deliver
from apiconnector.feeds.runner import run_feed

__all__ = ["deliver", "run_feed", "submit", "submit_many"]
