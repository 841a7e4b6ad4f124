"""Django's reports of errors, the debug page and the mails to the admins, without credentials.

On by default for the views of this app. A site that wants it for all of its own names it in its settings::

    DEFAULT_EXCEPTION_REPORTER = "apiconnector.redaction.reports.RedactingReporter"
    DEFAULT_EXCEPTION_REPORTER_FILTER = "apiconnector.redaction.reports.RedactingReporterFilter"
"""

from __future__ import annotations

from pprint import pformat
from typing import TYPE_CHECKING, Any

from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from apiconnector.redaction.live import redact

if TYPE_CHECKING:
    from types import FrameType

    from django.http import HttpRequest


class _Shown:
    """A value of a frame, as it is to be shown."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


class RedactingReporterFilter(SafeExceptionReporterFilter):
    """Django's filter, also with ``DEBUG``, and by value in the variables of frames."""

    def is_active(self, request: HttpRequest | None) -> bool:
        """Sensitive parameters are hidden from developers, too: the secret they type may be a real one."""
        del request
        return True

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> Any:
        """Redact before the report cuts long values: half a credential would not be recognised."""
        return [(name, _shown(value)) for name, value in super().get_traceback_frame_variables(request, tb_frame)]


def _shown(value: Any) -> Any:
    try:
        text = pformat(value)
    except Exception:  # noqa: BLE001 - a repr may do anything; Django's report says so
        return value
    clean = redact(text)
    return value if clean == text else _Shown(clean)


class RedactingReporter(ExceptionReporter):
    """Django's report, without the credentials that this process has used lately, wherever they stand."""

    def get_traceback_html(self) -> SafeString:
        """The debug page."""
        return SafeString(redact(super().get_traceback_html()))

    def get_traceback_text(self) -> SafeString:
        """The text of a mail, and of the debug page for scripts."""
        return SafeString(redact(super().get_traceback_text()))


def guard(request: HttpRequest) -> None:
    """Have an error while this request is answered reported without credentials, whatever the settings say."""
    request.exception_reporter_class = RedactingReporter
    request.exception_reporter_filter = RedactingReporterFilter()
