"""A site in a process of its own: ``python -m tests.site_process <settings as JSON>``.

It does what each line of its standard input says (a list: the act and its arguments) and answers with a line of JSON.
``DATABASE_URL`` says which database it has.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import django

ADMIN = "/admin/apiconnector/connection"


def create(provider: str) -> None:
    """An authorized-by-a-person connection to ``provider``, a feed, and somebody who may do everything."""
    from django.contrib.auth.models import User

    from apiconnector.models import Connection, Feed

    User.objects.create_superuser("admin", "admin@example.org", "secret")
    connection = Connection.objects.create(
        name="Provider", slug="provider", base_url=f"{provider}/api", auth_method="oauth2_authorization_code",
        client_id="id", client_secret="secret", authorization_url=f"{provider}/authorize",
        token_url=f"{provider}/token", revocation_url=f"{provider}/revoke", scope="read", test_path="me",
    )  # fmt: skip  # in rows
    Feed.objects.create(
        name="Lead", slug="lead", trigger="contact", path="leads", body_format="json", body={}, connection=connection
    )


def browser() -> Any:
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test import Client

    from apiconnector import conf

    host = urlsplit(conf.base_url()).netloc or settings.ALLOWED_HOSTS[0]
    client = Client(headers={"host": host})
    client.force_login(User.objects.get())
    return client


def authorize() -> int:
    client = browser()
    sent = client.post(f"{ADMIN}/1/authorize/")
    state = parse_qs(urlsplit(sent["Location"]).query)["state"][0]
    return int(client.get("/oauth/callback", {"code": "code", "state": state}).status_code)


def press(act: str) -> str:
    """Press a button of the connection's page; what the message says."""
    page = browser().post(f"{ADMIN}/1/{act}/", follow=True)
    assert page.status_code == 200
    messages = re.search(r'<ul class="messagelist">(.*?)</ul>', page.content.decode(), re.DOTALL)
    return unescape(messages[1]) if messages else ""


def panel() -> str:
    return str(browser().get(f"{ADMIN}/1/change/").content.decode())


def end_token(seconds: float = -1) -> None:
    """Let the access token end so many seconds from now."""
    from django.utils import timezone

    from apiconnector.models import Token

    Token.objects.update(expires_at=timezone.now() + timedelta(seconds=seconds))


def get() -> int | str:
    """The status of a request, or the error instead of it."""
    from apiconnector.exceptions import ApiConnectorError
    from apiconnector.shortcuts import connect

    try:
        with connect("provider") as api:
            return api.get("me").status_code
    except ApiConnectorError as error:
        return f"{type(error).__name__}: {error}"


def submit() -> list[str]:
    from apiconnector import shortcuts
    from apiconnector.feeds import takeup
    from apiconnector.models import FeedRun

    (run,) = shortcuts.submit("contact", {})
    assert takeup.wait()  # else a page asked for before may have begun to send it
    FeedRun.objects.update(next_attempt_at="2020-01-01T00:00Z")
    command("deliver")
    run.refresh_from_db()
    return [run.status, run.error, run.error_message]


def command(*arguments: str) -> list[Any]:
    from django.core.management import call_command

    out, err, status = io.StringIO(), io.StringIO(), 0
    try:
        call_command("apiconnector", *arguments, stdout=out, stderr=err, no_color=True)
    except SystemExit as ended:
        status = int(str(ended.code))
    return [status, out.getvalue(), err.getvalue()]


def status() -> list[str]:
    from apiconnector.models import Connection

    connection = Connection.objects.get()
    return [str(connection.status), connection.status_reason]


def events() -> list[list[str]]:
    from apiconnector.models import ConnectionEvent

    rows = ConnectionEvent.objects.order_by("pk").values_list("kind", "message", "actor__username")
    return [list(row) for row in rows]


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    from django.conf import settings

    for setting, value in json.loads(sys.argv[1]).items():
        setattr(settings, setting, value)
    django.setup()
    acts = {
        act.__name__: act for act in (create, authorize, press, panel, end_token, get, submit, command, status, events)
    }
    for line in sys.stdin:
        name, *rest = json.loads(line)
        print(json.dumps(acts[name](*rest)), flush=True)
