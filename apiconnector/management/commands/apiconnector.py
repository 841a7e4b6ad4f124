"""``manage.py apiconnector …``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apiconnector.exceptions import ApiConnectorError
from apiconnector.management.jobs import GROUPS
from apiconnector.management.output import Output


class Command(BaseCommand):
    """Look after API connections and feeds from a shell."""

    help = "Look after API connections and feeds."
    # "keys generate" has to run on a site that has no key yet; the others are checked below.
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's attribute

    def add_arguments(self, parser: CommandParser) -> None:
        """One subcommand for each job."""
        jobs = parser.add_subparsers(dest="job", required=True, metavar="job")
        for group in GROUPS:
            group.add_parsers(jobs)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run one job. Exit status 1 is a bad finding, 2 wrong usage."""
        del args
        if options["job"] != "keys":
            self.check()
        out = Output(self.stdout, self.stderr, as_json=options.get("format") == "json")
        try:
            status = options["act"](out, options)
        except ApiConnectorError as error:
            out.fail(str(error))
            status = 1
        except KeyboardInterrupt:
            out.fail("Stopped.")
            status = 1
        if status:
            raise SystemExit(status)
