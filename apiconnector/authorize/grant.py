"""Exchange a code, and find out what comes with the token: values to keep, and whose account it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apiconnector.dialect import keep
from apiconnector.models import declared, token_requests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apiconnector.models import AuthorizationAttempt
    from apiconnector.oauth import Callback, TokenAnswer


@dataclass(frozen=True)
class NewToken:
    """A token that is not stored yet. ``hosts`` are those it is sealed for; ``note`` says what did not work."""

    answer: TokenAnswer = field(repr=False)
    values: Mapping[str, Any] = field(repr=False)
    hosts: frozenset[str]
    account_id: str = ""
    account_label: str = ""
    note: str = ""


def exchange(attempt: AuthorizationAttempt, callback: Callback) -> NewToken:
    """Hand in the code, send what the dialect wants to follow, and ask for the account. Nothing is stored.

    Raises ``TokenRequestFailed``, and ``ConfigurationError`` for values that are missing or lead to another host.
    """
    connection = attempt.connection
    dialect = connection.read_dialect()
    secrets = (callback.code, callback.state)
    values = keep(dialect.keep_from_callback, callback.params, where="The callback", secrets=secrets)
    trial = connection.try_out(values)
    granted = token_requests.exchange(trial, callback.code, attempt.redirect_uri, attempt.verifier)
    trial = connection.try_out(granted.values, granted.answer)
    values = {**granted.values, **declared.values_after(trial, granted.answer)}
    trial = connection.try_out(values, granted.answer)
    # A value that can't be a part of the API's address would be found out by the first request only.
    trial.address("base_url")
    hosts = trial.secret_hosts()
    if not (connection.label_template or connection.account_id_path):
        return NewToken(granted.answer, values, hosts)
    result = trial.test()
    note = "" if result.ok else f"But whose account it is could not be found out. {result.message}"
    return NewToken(granted.answer, values, hosts, result.account_id, result.label, note)
