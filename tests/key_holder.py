"""A process of a site with keys of its own, as ``python -m tests.key_holder DATABASE``: run by the tests of keys.

Each line of its input is an order, a JSON list; it answers with one line of JSON.
"""

import io
import json
import os
import sys
from typing import Any

import django


def obey(order: str, *arguments: str) -> Any:
    from django.core.management import call_command

    from apiconnector.exceptions import ConfigurationError
    from apiconnector.models import Connection

    if order == "command":
        out, status = io.StringIO(), 0
        try:
            call_command("apiconnector", *arguments, stdout=out, stderr=sys.stderr, no_color=True)
        except SystemExit as ended:
            status = int(str(ended.code))
        return [status, out.getvalue()]
    connection = Connection.objects.get(slug=arguments[0])
    if order == "write":
        connection.api_key = arguments[1]
        connection.save()
        return "written"
    if order == "status":
        return [str(connection.status), connection.status_reason]
    try:
        return ["read", connection.reveal("api_key")]
    except ConfigurationError as error:
        return [type(error).__name__, str(error)]


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = sys.argv[1]
    settings.APICONNECTOR_KEYS = os.environ["KEYS"].split()
    django.setup()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(obey(*json.loads(line))), flush=True)
