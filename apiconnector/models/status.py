"""What state a connection is in, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.utils import timezone

from apiconnector.exceptions import ConfigurationError, SecretUnreadable
from apiconnector.models import health
from apiconnector.models.validation import connection_problems

if TYPE_CHECKING:
    from apiconnector.models.connection import Connection
    from apiconnector.models.token import Token


class Status(models.TextChoices):
    """The states of a connection."""

    READY = "ready", "Ready"
    NOT_AUTHORIZED = "not_authorized", "Not authorized"
    AUTHORIZED = "authorized", "Authorized"
    NEEDS_REAUTHORIZATION = health.NEEDS_REAUTHORIZATION, "Needs re-authorization"
    MISCONFIGURED = health.MISCONFIGURED, "Misconfigured"
    UNREADABLE = "unreadable", "Secrets unreadable"
    SEALED = "sealed", "Secrets sealed"
    INACTIVE = "inactive", "Inactive"


@dataclass(frozen=True)
class State:
    """A status, and why; the reason is empty where nothing is to be done."""

    status: str
    reason: str = ""


def of(connection: Connection) -> State:
    """The state of a connection as it is in memory."""
    if not connection.is_active:
        return State(Status.INACTIVE, "The connection is switched off.")
    if unreadable := _unreadable(connection):
        return State(
            Status.UNREADABLE,
            f"No key in APICONNECTOR_KEYS opens: {', '.join(unreadable)}. Put the lost key back, or type again what "
            "can be typed and authorize again.",
        )
    if connection.is_sealed:
        return State(
            Status.SEALED,
            "A host was changed since the secrets were typed. Type them again, and authorize again, so that they may "
            "be sent there.",
        )
    if problems := connection_problems(connection):
        named = "; ".join(f"{connection.label_of(name)}: {text}" for name, text in problems.items())
        return State(Status.MISCONFIGURED, named)
    if connection.problem:
        return State(connection.problem, connection.problem_reason)
    if not connection.method.needs_person:
        return State(Status.READY)
    return _authorization(connection)


def _token(connection: Connection) -> Token | None:
    try:
        return connection.token
    except ObjectDoesNotExist:
        return None


def _authorization(connection: Connection) -> State:
    token = _token(connection)
    if token is None or not token.access_token:
        return State(Status.NOT_AUTHORIZED, "Press Authorize and approve on the provider's page.")
    if token.is_expired(timezone.now()) and not token.refresh_token:
        return State(
            Status.NEEDS_REAUTHORIZATION,
            "The access token has expired and the provider gave no refresh token. Press Re-authorize.",
        )
    return State(Status.AUTHORIZED)


def _unreadable(connection: Connection) -> list[str]:
    method = connection.method_or_none
    names = {"secret_variables", *(method.fields if method else ())}
    rows: list[tuple[models.Model, set[str]]] = [(connection, names)]
    token = _token(connection) if method is not None and method.needs_person else None
    if token is not None:
        rows.append((token, {"access_token", "refresh_token"}))
    found = []
    for row, wanted in rows:
        for field in row._meta.concrete_fields:
            secret = getattr(row, field.attname) if field.name in wanted else None
            if not getattr(secret, "stored", ""):
                continue
            try:
                assert secret is not None
                secret.reveal()
            except SecretUnreadable:
                found.append(str(field.verbose_name))
            except ConfigurationError:
                return ["any secret (there is no usable key)"]
    return found
