"""The CRM's tables, its user, and the registration of the example site as an OAuth client."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import BaseCommand, call_command
from oauth2_provider.models import get_application_model

from example_site.environment import env


class Command(BaseCommand):
    help = "Set up the CRM; a part of “manage.py demo”."
    requires_system_checks = ()

    def handle(self, **_: Any) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        users = get_user_model().objects
        if not users.filter(username="crm").exists():
            users.create_user("crm", password="crm")
        application = get_application_model()
        application.objects.update_or_create(
            client_id=env("CRM_CLIENT_ID"),
            defaults={
                "name": "Example site",
                "client_secret": env("CRM_CLIENT_SECRET"),
                "client_type": application.CLIENT_CONFIDENTIAL,
                "authorization_grant_type": application.GRANT_AUTHORIZATION_CODE,
                "redirect_uris": f"{env('APICONNECTOR_BASE_URL')}/oauth/callback",
            },
        )
