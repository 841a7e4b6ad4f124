"""What state a connection is in, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.utils import timezone

from apiconnector import auth
from apiconnector.crypto import Secret
from apiconnector.exceptions import ConfigurationError, SecretUnreadable
from apiconnector.models import endings, health, site
from apiconnector.models.validation import connection_problems
from apiconnector.oauth import CLIENT_AUTHENTICATIONS

if TYPE_CHECKING:
    from apiconnector.models.connection import Connection


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


#: The states that end only when somebody does something.
NEEDS_PERSON = frozenset(
    {Status.NOT_AUTHORIZED, Status.NEEDS_REAUTHORIZATION, Status.MISCONFIGURED, Status.UNREADABLE, Status.SEALED}
)


@dataclass(frozen=True)
class State:
    """A status, and why; the reason is empty where nothing is to be done."""

    status: str
    reason: str = ""


def of(connection: Connection) -> State:
    """The state of a connection as it is in memory."""
    if not connection.is_active:
        return State(Status.INACTIVE, "The connection is switched off.")
    if reason := _unreadable(connection):
        return State(Status.UNREADABLE, reason)
    if seal := connection.sealed_by():
        return State(Status.SEALED, seal.reason)
    if problems := connection_problems(connection):
        named = "; ".join(f"{connection.label_of(name)}: {text}" for name, text in problems.items())
        return State(Status.MISCONFIGURED, named)
    if connection.problem:
        return State(connection.problem, connection.problem_reason)
    if not connection.method.needs_person:
        return State(Status.READY, endings.near(connection, timezone.now()))
    return _authorization(connection)


def _authorization(connection: Connection) -> State:
    token, now = endings.token_of(connection), timezone.now()
    if token is None or not token.access_token:
        return State(Status.NOT_AUTHORIZED, "Press Authorize and approve on the provider's page.")
    expired = token.is_expired(now)
    ending = endings.of_grant(connection)
    if ending is not None and endings.is_spent(token, now):
        return State(Status.NEEDS_REAUTHORIZATION, ending.after)
    if site.may_not_refresh(token):
        # Worked out and not kept as a problem: the row may be a copy of one that works.
        return State(
            Status.NEEDS_REAUTHORIZATION if expired else Status.AUTHORIZED,
            f"{site.reason(token)} Press Re-authorize, or confirm that the token is used here from now on.",
        )
    return State(Status.AUTHORIZED, endings.near(connection, now))


def _unreadable(connection: Connection) -> str:
    """Which secrets no key opens, and what to do about them; empty where all open."""
    method = connection.method_or_none
    typed, setting = _unopened(connection, {"secret_variables", *(method.fields if method else ())})
    token = endings.token_of(connection) if method is not None and method.needs_person else None
    granted, _ = _unopened(token, {"access_token", "refresh_token"}) if token is not None else ([], "")
    if not typed and not granted:
        return ""
    named = ", ".join(typed + granted)
    again = [f"type again: {', '.join(typed)}"] if typed else []
    again += ["authorize again"] if granted else []
    if setting:
        return f"{setting} Nothing opens: {named}. Without the key they were written with, {'; then '.join(again)}."
    return f"No key in APICONNECTOR_KEYS opens: {named}. Put the lost key back, or {'; then '.join(again)}."


def _unopened(row: models.Model, names: set[str]) -> tuple[list[str], str]:
    """The labels of these columns that do not open, and what is wrong with the setting, if that is why."""
    found, setting = [], ""
    for field in row._meta.concrete_fields:
        secret = getattr(row, field.attname) if field.name in names else None
        if not isinstance(secret, Secret) or not secret.stored:
            continue
        try:
            secret.reveal()
        except SecretUnreadable:
            found.append(str(field.verbose_name))
        except ConfigurationError as error:
            found.append(str(field.verbose_name))
            setting = str(error)
    return found, setting


def in_sql(model: type[Connection]) -> Case:
    """The status as an expression over the rows of ``model``, for filters and order.

    The registry is read now, and so is which other sites there are tokens of: one query.

    It says what ``of()`` says, but for what no database can judge: whether a key opens a secret (such a row has the
    status it would have with the key), an address, JSON or name that was stored without validation, and a host that was
    changed past the models.
    """
    person = [method.name for method in auth.methods() if method.needs_person]
    now = timezone.now()
    expired = Q(token__expires_at__lte=now)
    return Case(
        When(is_active=False, then=Value(Status.INACTIVE.value)),
        When(is_sealed=True, then=Value(Status.SEALED.value)),
        When(_incomplete(model), then=Value(Status.MISCONFIGURED.value)),
        When(~Q(problem=""), then=F("problem")),
        When(~Q(auth_method__in=person), then=Value(Status.READY.value)),
        When(Q(token__isnull=True) | Q(token__access_token=""), then=Value(Status.NOT_AUTHORIZED.value)),
        When(
            expired
            & (Q(token__refresh_token="") | Q(token__site__in=site.others()) | Q(token__refresh_expires_at__lte=now)),
            then=Value(Status.NEEDS_REAUTHORIZATION.value),
        ),
        default=Value(Status.AUTHORIZED.value),
        output_field=models.CharField(max_length=30),
    )


def _incomplete(model: type[Connection]) -> Q:
    """What ``connection_problems()`` finds by looking whether columns are empty, and which choices were made."""
    found = ~Q(auth_method__in=[method.name for method in auth.methods()])
    for method in auth.methods():
        missing = Q()
        for name in method.required():
            missing |= Q(**{name: ""})
        if "client_auth" in method.fields:
            missing |= ~Q(client_auth__in=list(CLIENT_AUTHENTICATIONS)) | _client_rule(model, method)
        if "dialect" in method.problems(model(auth_method=method.name)):
            missing |= Q(dialect={})
        if missing:
            found |= Q(auth_method=method.name) & missing
    return found


def _client_rule(model: type[Connection], method: type[auth.AuthMethod]) -> Q:
    """Which client authentications a method refuses with a secret, and which without one: the method is asked."""
    refused = Q()
    for name in CLIENT_AUTHENTICATIONS:
        for secret, has_it in (("x", ~Q(client_secret="")), ("", Q(client_secret=""))):
            asked = model(auth_method=method.name, client_auth=name, client_secret=secret)
            if {"client_auth", "client_secret"} & set(method.problems(asked)):
                refused |= Q(client_auth=name) & has_it
    return refused
