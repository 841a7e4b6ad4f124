"""The app: what is registered when Django starts."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig

from apiconnector.redaction import logs


class ApiConnectorConfig(AppConfig):
    """Registers the system checks and the one receiver the app has itself, and keeps credentials out of logs."""

    name = "apiconnector"
    verbose_name = "API connections"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register checks, and wake what waited for a connection when it is authorized."""
        # No model can be imported before.
        from apiconnector import checks, signals

        logs.install()
        checks.register()

        def wake(connection: Any, **_: Any) -> None:
            from apiconnector.feeds import outbox

            outbox.wake(connection)

        for signal in (signals.connection_authorized, signals.connection_recovered):
            signal.connect(wake, weak=False, dispatch_uid="apiconnector.wake")
