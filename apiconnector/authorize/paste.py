"""Authorize without a browser on this machine: what the provider sent is pasted back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.utils.crypto import constant_time_compare

from apiconnector.authorize.answered import read_for
from apiconnector.authorize.complete import again, spend, unusable
from apiconnector.models import AuthorizationAttempt
from apiconnector.models.attempt import digest
from apiconnector.oauth import parse_callback

if TYPE_CHECKING:
    from apiconnector.authorize.begin import Begun

_AGAIN = again(AuthorizationAttempt.Via.COMMAND)


@dataclass(frozen=True)
class Pasted:
    """How it ended, in our words; ``error`` and ``error_description`` are the provider's, and not to be trusted.

    ``held`` is the attempt whose token is another account's, and waits for ``use_held()`` or ``discard_held()``.
    """

    ok: bool
    message: str
    error: str = ""
    error_description: str = ""
    held: AuthorizationAttempt | None = field(default=None, repr=False)


def paste(begun: Begun, text: str) -> Pasted:
    """Complete the attempt ``begun`` with the address, or its query, that the browser was sent back to.

    Only the state of this very attempt is taken: whoever holds ``begun`` is who began it, as the cookie proves it in a
    browser. Another one spends nothing. Never raises for what the provider did.
    """
    text = text.strip().strip("'\"<>")
    if not text:
        return Pasted(ok=False, message=f"Nothing was pasted, and nothing is authorized. {_AGAIN}")
    if text == begun.url:
        return Pasted(
            ok=False,
            message=f"That is the address to open. Paste the one the browser is sent to afterwards. {_AGAIN}",
        )
    attempt = AuthorizationAttempt.objects.for_state(digest(begun.state))
    callback = parse_callback(_query(text))
    if attempt is not None:
        callback = read_for(attempt, callback)
    if reason := unusable(callback):
        return Pasted(ok=False, message=f"{reason} {_AGAIN}")
    if attempt is None or not constant_time_compare(callback.state, begun.state):
        return Pasted(
            ok=False, message=f"The state is not the one of this attempt: the address belongs to another one. {_AGAIN}"
        )
    if not spend(attempt, callback):
        return Pasted(ok=False, message=f"This address was used already. {_AGAIN}")
    return Pasted(
        ok=attempt.outcome == AuthorizationAttempt.Outcome.AUTHORIZED,
        message=attempt.message,
        error=attempt.error,
        error_description=attempt.error_description,
        held=attempt if attempt.outcome == AuthorizationAttempt.Outcome.HELD else None,
    )


def _query(text: str) -> str:
    """The query of an address; what holds no address is taken for the query itself."""
    if "?" not in text:
        return text.partition("#")[0]
    try:
        return urlsplit(text).query
    except ValueError:
        return text.partition("?")[2].partition("#")[0]
