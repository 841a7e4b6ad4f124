"""Every error of the package, grouped by what the caller can do about it.

::

    ApiConnectorError
    ├── ConnectionNotFound, FeedNotFound    name one that exists
    ├── ConfigurationError                  an administrator corrects settings, connection or feed
    │   ├── FeedMisconfigured
    │   ├── SecretUnreadable
    │   ├── SecretSealed
    │   ├── DialectError
    │   ├── TemplateError
    │   └── ExpressionError
    ├── InvalidFeedData                     the caller sends other data
    ├── FeedFailed                          raised by ``run.raise_for_status()``
    ├── PaginationFailed                    the pages of an API can't be followed as was said
    └── RequestRefused                      this request can't be made
        ├── DestinationRefused
        ├── AuthorizationRequired
        └── TokenRequestFailed

What a provider said is an attribute, never part of ``str(error)``: its words may repeat what was sent to it.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist
from requests import RequestException

if TYPE_CHECKING:
    from apiconnector.models import Connection, FeedRun


class Act(Enum):
    """Who has to act on a refused token request."""

    PERSON = "person"  # authorize again
    ADMINISTRATOR = "administrator"  # correct the connection or the registration at the provider
    NOBODY = "nobody"  # wait; the next attempt may succeed


class ApiConnectorError(Exception):
    """The root of all errors of this package."""


class ConnectionNotFound(ApiConnectorError, ObjectDoesNotExist):
    """No active connection has this slug."""


class FeedNotFound(ApiConnectorError, ObjectDoesNotExist):
    """No active feed has this slug."""


class ConfigurationError(ApiConnectorError, ImproperlyConfigured):
    """An administrator has to correct the settings, the connection or the feed."""


class FeedMisconfigured(ConfigurationError):
    """The feed can't be run as it is described."""


class SecretUnreadable(ConfigurationError):
    """No key in ``APICONNECTOR_KEYS`` opens a stored secret."""


class SecretSealed(ConfigurationError):
    """A host was changed since the secret was typed; it must be typed again before it is sent there."""


class DialectError(ConfigurationError):
    """A connection's dialect has an unknown key or a bad value."""


class TemplateError(ConfigurationError):
    """A placeholder can't be parsed or filled."""


class ExpressionError(ConfigurationError):
    """A JMESPath expression can't be compiled or evaluated."""


class InvalidFeedData(ApiConnectorError, ValueError):
    """The data handed to a feed can't be kept as JSON; nothing was saved or sent."""


class FeedFailed(ApiConnectorError):
    """A feed's run ended as ``failed`` or ``dead``; the run is ``.run``."""

    def __init__(self, message: str, *, run: FeedRun) -> None:
        super().__init__(message)
        self.run = run


class PaginationFailed(ApiConnectorError):
    """The pages of a list can't be followed: no list, no JSON, or the API leads in a circle."""


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
