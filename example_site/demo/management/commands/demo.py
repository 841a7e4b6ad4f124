"""``manage.py demo``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management import BaseCommand, CommandError

from example_site.demo.check import check
from example_site.demo.guide import guide
from example_site.demo.place import TOP, DemoError, Place, free_ports, require_free
from example_site.demo.servers import ended_by_signals, prepare, running

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

_SITE_PORT = 8000
_CRM_PORT = 8001


class Command(BaseCommand):
    help = "Start the example site and a small CRM, both set up, and say what to click. --check does it all by itself."
    requires_system_checks = ()  # there is no key yet: this command makes one

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="Do the whole job over HTTP and leave nothing behind.")
        parser.add_argument("--reset", action="store_true", help="Forget what earlier starts have kept.")
        parser.add_argument("--site-port", type=int, help=f"Port of the site ({_SITE_PORT}; with --check a free one).")
        parser.add_argument("--provider-port", type=int, help=f"Port of the CRM ({_CRM_PORT}; likewise).")

    def handle(self, **options: Any) -> None:
        free = free_ports() if options["check"] else (_SITE_PORT, _CRM_PORT)
        site_port, crm_port = options["site_port"] or free[0], options["provider_port"] or free[1]
        try:
            require_free({"--site-port": site_port, "--provider-port": crm_port})
            with ended_by_signals():
                if options["check"]:
                    if not check(site_port, crm_port, self._say):
                        raise SystemExit(1)
                else:
                    self._run(Place(TOP / ".demo", site_port, crm_port), reset=options["reset"])
        except DemoError as error:
            raise CommandError(str(error)) from None

    def _run(self, place: Place, *, reset: bool) -> None:
        if reset:
            place.clear()
        place.furnish()
        self._say("Setting up …")
        prepare(place)
        try:
            with running(place) as watch:
                self._say(guide(place))
                watch()
        except KeyboardInterrupt:
            self._say("\nStopped.")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
