"""``manage.py apiconnector …``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apiconnector import crypto, feeds
from apiconnector.models import FeedRun


class Command(BaseCommand):
    """Look after API connections and feeds from a shell."""

    help = "Look after API connections and feeds."
    # "keys generate" has to run on a site that has no key yet; the others are checked below.
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's attribute

    def add_arguments(self, parser: CommandParser) -> None:
        """One subcommand for each job."""
        jobs = parser.add_subparsers(dest="job", required=True, metavar="job")
        keys = jobs.add_parser("keys", help="Keys that secrets are encrypted with.")
        keys_jobs = keys.add_subparsers(dest="keys_job", required=True, metavar="job")
        keys_jobs.add_parser("generate", help="Print a new key for APICONNECTOR_KEYS.")
        deliver = jobs.add_parser("deliver", help="Send every feed run that is due, and end.")
        deliver.add_argument("--limit", type=int, default=None, help="Send at most so many.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run one job."""
        del args
        if options["job"] == "keys":
            self.stdout.write(crypto.generate_key())
            return
        self.check()
        self._deliver(options)

    def _deliver(self, options: dict[str, Any]) -> None:
        counts = feeds.deliver(limit=options["limit"], progress=self._sent)
        total = sum(counts.values())
        named = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
        self.stdout.write(f"{total} due: {named}." if total else "Nothing is due.")
        if counts[FeedRun.Status.FAILED] or counts[FeedRun.Status.DEAD]:
            raise SystemExit(1)

    def _sent(self, run: FeedRun) -> None:
        self.stdout.write(f"run {run.pk}  {run.status}  {run.error_message}".rstrip())
