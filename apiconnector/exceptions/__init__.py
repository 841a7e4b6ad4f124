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

Those that are also errors of ``requests`` are imported, together with it, when somebody asks for one of them.
"""

from __future__ import annotations

from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist

from apiconnector.late import imported_late

if TYPE_CHECKING:
    from apiconnector.exceptions.refused import (
        AuthorizationRequired,
        DestinationRefused,
        RequestRefused,
        TokenRequestFailed,
    )
    from apiconnector.models import FeedRun
else:
    __getattr__, __dir__ = imported_late(
        __name__, refused=("AuthorizationRequired", "DestinationRefused", "RequestRefused", "TokenRequestFailed")
    )

__all__ = [
    "Act",
    "ApiConnectorError",
    "AuthorizationRequired",
    "ConfigurationError",
    "ConnectionNotFound",
    "DestinationRefused",
    "DialectError",
    "ExpressionError",
    "FeedFailed",
    "FeedMisconfigured",
    "FeedNotFound",
    "InvalidFeedData",
    "PaginationFailed",
    "RequestRefused",
    "SecretSealed",
    "SecretUnreadable",
    "TemplateError",
    "TokenRequestFailed",
]


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

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle it with its run: processes of a pool and of tests hand errors to each other."""
        return partial(type(self), run=self.run), self.args, self.__dict__


class PaginationFailed(ApiConnectorError):
    """The pages of a list can't be followed: no list, no JSON, or the API leads in a circle."""
