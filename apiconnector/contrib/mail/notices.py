"""What the mails say. They hold no secret: reasons never do."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.mail import mail_admins

from apiconnector import mailing
from apiconnector.models import Connection
from apiconnector.models.admin_page import whereabouts


def needs_attention(connection: Connection, reason: str, **kwargs: Any) -> None:
    """Write to the admins that somebody has to act, and where."""
    del kwargs
    _send(
        f"{_name(connection)} needs you",
        f"The API connection “{_name(connection)}” ({connection.slug}) needs somebody.",
        f"Why: {reason}",
        whereabouts(connection),
        "This is told once. You get another mail when it works again.",
    )


def recovered(connection: Connection, **kwargs: Any) -> None:
    """Write to the admins that it works again."""
    del kwargs
    now = Connection.objects.select_related("token").filter(pk=connection.pk).first()
    left = now.status_reason if now is not None else ""
    _send(
        f"{_name(connection)} works again",
        f"The API connection “{_name(connection)}” ({connection.slug}) works again. Nothing has to be done about the "
        "mail you got before.",
        f"What is left: {left}" if left else "",
        whereabouts(connection),
    )


def check_settings(**kwargs: Any) -> list[checks.CheckMessage]:
    """Mails to nobody help nobody, and a mail server that hangs holds up the mails after it."""
    del kwargs
    found: list[checks.CheckMessage] = []
    if not settings.ADMINS:
        found.append(
            checks.Warning(
                "apiconnector.contrib.mail is installed, and ADMINS is empty: nobody is written to.",
                hint="Add the addresses of those who look after API connections to ADMINS.",
                id="apiconnector_mail.W001",
            )
        )
    # Where there are MAILERS, each has a time-out of its own.
    by_smtp = not hasattr(settings, "MAILERS") and settings.EMAIL_BACKEND.endswith("smtp.EmailBackend")
    if by_smtp and settings.EMAIL_TIMEOUT is None:
        found.append(
            checks.Warning(
                "EMAIL_TIMEOUT is not set: a mail server that hangs would hold up all mails after it.",
                hint="Set EMAIL_TIMEOUT to some seconds.",
                id="apiconnector_mail.W002",
            )
        )
    return found


def _name(connection: Connection) -> str:
    """Its name in one line: a subject has no room for more."""
    return " ".join(connection.name.split())


def _send(subject: str, *paragraphs: str) -> None:
    message = "\n\n".join(filter(None, paragraphs))
    mailing.begin(lambda: mail_admins(subject, message), about=f"The admins could not be written to about “{subject}”")
