"""What an answer or an error means for a run: the rules of re-sending, in one place.

GET, PUT and DELETE are idempotent (RFC 9110 section 9.2.2) and re-sent freely. POST and PATCH are re-sent only where
the API can't have acted on them, or knows the run's idempotency key.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import requests

from apiconnector.exceptions import (
    AuthorizationRequired,
    ConfigurationError,
    DestinationRefused,
    ExpressionError,
    FeedMisconfigured,
    TemplateError,
    TokenRequestFailed,
)
from apiconnector.feeds import schedule
from apiconnector.feeds.files import FileUnavailableError
from apiconnector.models import FeedRun
from apiconnector.templating import looks_at, search, truth
from apiconnector.templating.kinds import kind

if TYPE_CHECKING:
    from collections.abc import Mapping

Outcome = FeedRun.Outcome
#: Methods that may be repeated without harm.
IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_TEMPORARY = frozenset({408, 425, 429})
_UNAUTHORIZED = 401
#: Errors of requests that are raised while it prepares a request, before anything is sent.
_NOT_PREPARED = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidJSONError,
)


class End(Enum):
    """What becomes of the run."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETRY = "retry"
    #: The connection is not ready: the run waits for a person, or for the token endpoint, and no attempt is used.
    WAIT = "wait"


@dataclass(frozen=True)
class Verdict:
    """What becomes of the run, whether the API got it, and why: ``error`` is a kind, ``message`` our own words."""

    end: End
    outcome: FeedRun.Outcome
    error: str = ""
    message: str = ""
    #: When the token endpoint wants to be asked again, in seconds; None for a run that waits for a person.
    again_in: float | None = None


def of_answer(method: str, status_code: int, headers: Mapping[str, str], *, has_key: bool, is_expired: bool) -> Verdict:
    """Judge an answer of the API. ``has_key``: the request carried an idempotency key in a header.

    ``is_expired``: it says that the token has expired, so that the API did not act on the request, as with a 401.
    """
    if is_expired or status_code == _UNAUTHORIZED:
        message = f"The API answered {status_code}: it does not accept the credential any more."
        return Verdict(End.RETRY, Outcome.SENT, "http_status", message)
    if 200 <= status_code < 300:
        return Verdict(End.SUCCEEDED, Outcome.SENT)
    if 300 <= status_code < 400:
        return Verdict(
            End.FAILED,
            Outcome.SENT,
            "redirect",
            f"The API answered with a redirect ({status_code}), which was not followed.",
        )
    message = f"The API answered {status_code}."
    lower = {name.lower(): value for name, value in headers.items()}
    is_temporary = status_code in _TEMPORARY or status_code >= 500
    may_repeat = method in IDEMPOTENT or has_key or not is_in_doubt(status_code, headers)
    resendable = schedule.refuses_for_now(status_code, lower) or (is_temporary and may_repeat)
    return Verdict(End.RETRY if resendable else End.FAILED, Outcome.SENT, "http_status", message)


def is_in_doubt(status_code: int, headers: Mapping[str, str]) -> bool:
    """Whether an API that answered with this error may have acted on the request: not if it asks to come back."""
    if status_code == 503 and "retry-after" in {name.lower() for name in headers}:
        return False
    return status_code in _TEMPORARY - {429} or status_code >= 500


def _of_feed(error: ConfigurationError) -> Verdict:
    if isinstance(error, FileUnavailableError):
        return Verdict(End.FAILED if error.is_gone else End.RETRY, Outcome.NOT_SENT, "file", str(error))
    return Verdict(End.FAILED, Outcome.NOT_SENT, "template", str(error))


def asks_rule(judged: Verdict, rule: str) -> bool:
    """Whether the success rule of the feed is asked of an answer: of an error only where it looks at the status.

    One that does not, such as ``body.id``, is often true of errors, too.
    """
    return judged.end is End.SUCCEEDED or looks_at(rule, "status")


def of_rule(rule: str, root: Mapping[str, Any]) -> Verdict | None:
    """Judge an answer by the success rule of the feed; None where it is a success.

    ``root`` is ``{status, headers, body}``.
    """
    try:
        if truth(search(rule, root)):
            return None
    except ExpressionError as error:
        return Verdict(End.FAILED, Outcome.SENT, "success_rule", f"success_when: {error}")
    body = root["body"]
    seen = "its body is empty, or too large to be read" if body is None else f"its body is {kind(body)}"
    message = f"The API answered {root['status']}, and the success rule is not true of that answer ({seen}): {rule}"
    return Verdict(End.FAILED, Outcome.SENT, "success_rule", message)


def of_size(judged: Verdict, size: int, *, is_whole: bool) -> Verdict:
    """Say of an answer that arrived well that it is too large to be kept; ``size`` is what was read, in bytes."""
    if judged.error:
        return judged
    read = f"has {size:,} bytes" if is_whole else f"was not read to its end: it has more than {size:,} bytes"
    message = f"The answer {read}. It is too large to be kept as data; its beginning is in the record."
    return Verdict(judged.end, judged.outcome, "too_large", message)


def of_error(error: Exception, method: str, *, written: bool | None, has_key: bool) -> Verdict:
    """Judge an error of our own or of the network.

    ``written`` says whether the first byte of the request was handed to the network; None where nobody could tell.
    """
    if isinstance(error, TemplateError | ExpressionError | FeedMisconfigured):
        return _of_feed(error)
    if isinstance(error, AuthorizationRequired | ConfigurationError):
        return Verdict(End.WAIT, Outcome.NOT_SENT, "not_ready", str(error))
    if isinstance(error, TokenRequestFailed):
        # Also where the token endpoint is away: nothing was asked of the API, so no attempt is used.
        again_in = error.retry_after or 0.0 if error.retryable else None
        return Verdict(End.WAIT, Outcome.NOT_SENT, "not_ready", str(error), again_in)
    if isinstance(error, DestinationRefused):
        outcome = Outcome.SENT if error.sent else Outcome.NOT_SENT
        return Verdict(End.FAILED, outcome, "destination", str(error))
    if isinstance(error, _NOT_PREPARED):
        return Verdict(
            End.FAILED,
            Outcome.NOT_SENT,
            "invalid_request",
            "The request can't be made: check path, query and headers of the feed.",
        )
    if isinstance(error, requests.exceptions.TooManyRedirects):
        return Verdict(End.FAILED, Outcome.SENT, "redirect", "The API redirected too often.")
    if written is None:
        written = not isinstance(error, requests.exceptions.ConnectTimeout)
    timed_out = isinstance(error, requests.Timeout)
    kind = "timeout" if timed_out else "connection"
    if not written:
        what = "could not be reached in time" if timed_out else "could not be reached"
        return Verdict(End.RETRY, Outcome.NOT_SENT, kind, f"The API {what}. Nothing was sent.")
    what = "did not answer in time" if timed_out else "broke off the connection"
    if method in IDEMPOTENT or has_key:
        return Verdict(End.RETRY, Outcome.UNKNOWN, kind, f"The API {what}.")
    return Verdict(
        End.FAILED,
        Outcome.UNKNOWN,
        kind,
        f"The API {what} after the request was sent: whether it acted on it is unknown. "
        "Look there before sending it again.",
    )
