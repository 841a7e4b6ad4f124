"""Log records without credentials, for every logger of the process and by default."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from apiconnector.redaction.live import redact

if TYPE_CHECKING:
    from collections.abc import Iterator

#: They write down addresses, or what went wrong with them, whoever listens.
LOGGERS: Final = (
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.poolmanager",
    "urllib3.response",
    "urllib3.util.retry",
    "django.request",
    "django.security",
    "django.security.csrf",
    "django.server",
)


class RedactionFilter(logging.Filter):
    """Takes the credentials that this process has used lately out of a record: its message, traceback and stack.

    A record that holds none is left as it is. One that does loses its arguments, and a traceback with a credential in
    its text is kept as redacted text only, without the frames that hold it.

    It is on the loggers of this app, of urllib3 and of Django's requests, and on every handler there is when Django
    starts. A handler that is added later is given it by name::

        "filters": {"credentials": {"()": "apiconnector.redaction.RedactionFilter"}}
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact a record in place; every record passes."""
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - arguments that do not fit are reported by the handler
            return True
        if (clean := redact(message)) != message:
            record.msg, record.args = clean, None
        if record.exc_info and record.exc_info[0] is not None:
            trace = record.exc_text or _formatter.formatException(record.exc_info)
            if (clean := redact(trace)) != trace:
                record.exc_text, record.exc_info = clean, None
        elif record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True


_formatter: Final = logging.Formatter()
_filter: Final = RedactionFilter()


def get_logger(name: str) -> logging.Logger:
    """A logger whose records hold no credential, whoever listens."""
    logger = logging.getLogger(name)
    logger.addFilter(_filter)
    return logger


def install() -> None:
    """Put the filter on the loggers that write down addresses, and on all handlers there are."""
    for name in LOGGERS:
        get_logger(name)
    for handler in _handlers():
        handler.addFilter(_filter)


def _handlers() -> Iterator[logging.Handler]:
    # What no other handler takes: with Django's defaults, a site's own errors.
    if logging.lastResort is not None:
        yield logging.lastResort
    yield from logging.root.handlers
    for logger in list(logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            yield from logger.handlers
