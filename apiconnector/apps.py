"""The app: what is registered when Django starts."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_save

from apiconnector.redaction import logs


class ApiConnectorConfig(AppConfig):
    """Registers the system checks and the one receiver the app has itself, and keeps credentials out of logs."""

    name = "apiconnector"
    verbose_name = "API connections"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register checks, and wake what waited for a connection, or for a feed, when it may be ready again."""
        # No model can be imported before.
        from apiconnector import checks, signals

        logs.install()
        checks.register()

        def wake(connection: Any, **_: Any) -> None:
            from apiconnector.feeds import outbox

            outbox.wake(connection)

        for signal in (signals.connection_authorized, signals.connection_recovered):
            signal.connect(wake, weak=False, dispatch_uid="apiconnector.wake")

        def ready_again(instance: Any, created: bool, raw: bool, update_fields: Any, **_: Any) -> None:  # noqa: FBT001 - Django's signature
            if created or raw or not instance.is_active or (update_fields and "is_active" not in update_fields):
                return
            wake(instance)

        post_save.connect(
            ready_again, sender="apiconnector.Connection", weak=False, dispatch_uid="apiconnector.ready_again"
        )

        def resume(instance: Any, created: bool, raw: bool, update_fields: Any, **_: Any) -> None:  # noqa: FBT001 - Django's signature
            looked_at = {"is_paused", "is_active", "connection", "connection_id"}
            if created or raw or (update_fields and not looked_at.intersection(update_fields)):
                return
            from apiconnector.feeds import pausing

            pausing.resume(instance)

        post_save.connect(resume, sender="apiconnector.Feed", weak=False, dispatch_uid="apiconnector.resume")
