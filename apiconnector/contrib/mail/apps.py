"""The app: ``apiconnector.contrib.mail`` in ``INSTALLED_APPS`` is all it needs."""

from __future__ import annotations

from django.apps import AppConfig


class MailConfig(AppConfig):
    """Listens to the signals, and checks that there is somebody to write to."""

    name = "apiconnector.contrib.mail"
    label = "apiconnector_mail"
    verbose_name = "API connections: mails"

    def ready(self) -> None:
        """Connect the receivers; a check looks at the settings."""
        # No model can be imported before.
        from django.core import checks

        from apiconnector import signals
        from apiconnector.contrib.mail import notices

        signals.connection_needs_attention.connect(notices.needs_attention, dispatch_uid="apiconnector.contrib.mail")
        signals.connection_recovered.connect(notices.recovered, dispatch_uid="apiconnector.contrib.mail")
        checks.register(notices.check_settings)
