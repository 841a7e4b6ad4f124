"""The site's tables, its admin user, and a connection and a feed such as one would enter in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import BaseCommand, call_command

from apiconnector.models import Connection, Feed
from example_site.environment import env


class Command(BaseCommand):
    help = "Set up the example site; a part of “manage.py demo”."
    requires_system_checks = ()

    def handle(self, **_: Any) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        users = get_user_model().objects
        if not users.filter(username="admin").exists():
            users.create_superuser("admin", password="admin")
        _feed(_connection(env("CRM_ORIGIN")))


def _connection(crm: str) -> Connection:
    """The connection, filled in but not authorized. One from an earlier start is kept, unless the CRM has moved."""
    base_url = f"{crm}/api/"
    connection = Connection.objects.filter(slug="demo-crm").first() or Connection(slug="demo-crm", name="Demo CRM")
    if connection.base_url == base_url:
        return connection
    connection.base_url = base_url
    connection.auth_method = "oauth2_authorization_code"
    connection.client_id = env("CRM_CLIENT_ID")
    connection.client_secret = env("CRM_CLIENT_SECRET")
    connection.authorization_url = f"{crm}/o/authorize/"
    connection.token_url = f"{crm}/o/token/"
    connection.revocation_url = f"{crm}/o/revoke_token/"
    connection.scope = "leads:read leads:write"
    connection.pkce = "S256"
    connection.test_path = "me"
    connection.label_template = "{{ body.name }}"
    connection.full_clean()
    connection.save()
    return connection


def _feed(connection: Connection) -> None:
    """What the contact form sends to the CRM."""
    Feed.objects.get_or_create(
        slug="new-lead",
        defaults={
            "name": "New lead",
            "connection": connection,
            "trigger": "contact-form",
            "method": "POST",
            "path": "leads",
            "body_format": "json",
            "body": {"name": "{{ name }}", "email": "{{ email }}", "message": "{{ message }}"},
            "response_values": {"lead_id": "body.id"},
        },
    )
