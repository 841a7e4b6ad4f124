"""Take credentials out of what is shown, by their values: texts, log records, reports of errors.

``reports`` is imported by whoever needs it: it takes Django's debug page along.
"""

from typing import TYPE_CHECKING

from apiconnector.late import imported_late
from apiconnector.redaction.frames import clean_frames
from apiconnector.redaction.live import redact, remember
from apiconnector.redaction.logs import RedactionFilter, get_logger
from apiconnector.redaction.redactor import REDACTED, SHORT, Redactor

if TYPE_CHECKING:
    from apiconnector.redaction.names import literal_secrets, looks_secret
else:
    __getattr__, __dir__ = imported_late(__name__, names=("literal_secrets", "looks_secret"))

__all__ = [
    "REDACTED",
    "SHORT",
    "RedactionFilter",
    "Redactor",
    "clean_frames",
    "get_logger",
    "literal_secrets",
    "looks_secret",
    "redact",
    "remember",
]
