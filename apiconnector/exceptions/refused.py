"""The errors of requests that can't be made: they are errors of ``requests``, too. Imported from the package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from requests import RequestException

from apiconnector.exceptions import Act, ApiConnectorError

if TYPE_CHECKING:
    from apiconnector.models import Connection


class RequestRefused(ApiConnectorError, RequestException):
    """The request can't be made; code that catches ``requests.RequestException`` catches this too."""


class DestinationRefused(RequestRefused):
    """The request would leave the connection's origin and allowed hosts. Nothing was sent there.

    ``sent`` is true when a redirect led there: the first request was sent and answered.
    """

    def __init__(self, message: str, *, sent: bool = False, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.sent = sent


class AuthorizationRequired(RequestRefused):
    """A person has to authorize ``.connection`` (again) before it can be used."""

    def __init__(self, message: str, *, connection: Connection | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.connection = connection


class TokenRequestFailed(RequestRefused):
    """The token endpoint gave no token.

    ``act`` says who has to act, ``retryable`` whether a later attempt may succeed without anybody acting.
    ``error`` and ``error_description`` are the provider's own words (RFC 6749 section 5.2), empty where it
    gave none; they are untrusted text. ``retry_after`` is when it wants to be asked again, in seconds; None where it
    did not say. ``is_unanswered``: it was sent, and whether the provider has acted on it is not known.
    """

    def __init__(
        self,
        message: str,
        *,
        act: Act = Act.NOBODY,
        error: str = "",
        error_description: str = "",
        status_code: int | None = None,
        retry_after: float | None = None,
        is_unanswered: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(message, **kwargs)
        self.act = act
        self.error = error
        self.error_description = error_description
        self.status_code = status_code
        self.retry_after = retry_after
        self.is_unanswered = is_unanswered

    @property
    def retryable(self) -> bool:
        """Whether a later attempt may succeed without anybody acting."""
        return self.act is Act.NOBODY


for _error in (RequestRefused, DestinationRefused, AuthorizationRequired, TokenRequestFailed):
    _error.__module__ = "apiconnector.exceptions"  # what people read, and what is pickled
