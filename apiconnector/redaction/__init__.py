"""Take credentials out of what is shown, by their values: texts, log records, reports of errors.

``reports`` is imported by whoever needs it: it takes Django's debug page along.
"""

from apiconnector.redaction.frames import clean_frames
from apiconnector.redaction.live import redact, remember
from apiconnector.redaction.logs import RedactionFilter, get_logger
from apiconnector.redaction.names import literal_secrets, looks_secret
from apiconnector.redaction.redactor import REDACTED, SHORT, Redactor

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
