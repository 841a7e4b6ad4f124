"""What follows when a connection was edited: tokens that were for another client, and problems that are corrected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.utils import timezone

from apiconnector.models import health
from apiconnector.models.attempt import AuthorizationAttempt
from apiconnector.models.event import ConnectionEvent
from apiconnector.models.run import FeedRun
from apiconnector.models.token import NOTHING_FAILED, Token

if TYPE_CHECKING:
    from apiconnector.models.connection import Connection

#: What tells the site's own accounts apart: a token that was asked for with another value is not used with the new one.
_OWN_ACCOUNT: Final = frozenset({
    "token_url", "scope", "username", "api_key", "variables", "secret_variables", "dialect",
})  # fmt: skip  # in rows


def follow_up(connection: Connection, old: Connection) -> None:
    """Give up what was obtained for another client, and a problem that was corrected."""
    is_other_client = not connection.same_as(old, {"auth_method", "client_id"})
    if not connection.method_or_none or not connection.method.needs_person:
        # The site's own token is asked for again without anybody's help.
        is_other_client = is_other_client or not connection.same_as(old, set(_OWN_ACCOUNT))
    if is_other_client:
        Token.objects.filter(connection_id=connection.pk).delete()
        AuthorizationAttempt.objects.of(connection).forget_held("The connection was changed to another client.")
        connection._state.fields_cache.pop("token", None)
    failed = Token.objects.filter(connection_id=connection.pk, failures__gt=0)
    if failed.exists() and _reconfigured(connection, old):
        failed.update(**NOTHING_FAILED)  # what was corrected is tried at once
    is_corrected = old.problem == health.MISCONFIGURED and _reconfigured(connection, old)
    if (is_other_client or is_corrected) and health.put_aside(connection):
        _try_again(connection)
    if not connection.same_as(old, {"client_secret_expires_on"}):
        health.look_again(connection)


def _try_again(connection: Connection) -> None:
    ConnectionEvent.record(
        connection, ConnectionEvent.Kind.EDITED, "What stopped it was edited. The next request tells whether it works."
    )
    FeedRun.objects.waiting_for(connection).update(next_attempt_at=timezone.now())
    if connection.method_or_none and not connection.method.uses_token:
        health.works_again(connection)  # nothing is asked for that could be refused


def _reconfigured(connection: Connection, old: Connection) -> bool:
    """Whether anything was changed that a token request depends on."""
    fields = {"auth_method", "issuer", "dialect", "variables", "secret_variables"}
    fields |= set(connection.method.fields) if connection.method_or_none else set()
    return not connection.same_as(old, fields)
