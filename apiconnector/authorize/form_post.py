"""An answer that comes as a form (OAuth 2.0 Form Post Response Mode), turned into the address of the same answer."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlencode

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler, StopUpload
from django.http import UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.utils.http import escape_leading_slashes

from apiconnector.authorize.answered import dialect_of, find
from apiconnector.dialect import EMPTY
from apiconnector.oauth import Callback
from apiconnector.oauth.callback import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.http import HttpRequest

#: Anything else is passed on only where a dialect reads it.
_FIELDS = ("state", "code", "iss", "error", "error_description", "error_uri")


class _NoFiles(FileUploadHandler):
    """Stops at the first file: anybody may post here, and nothing of it is to be kept."""

    def new_file(self, *_: object, **__: object) -> NoReturn:
        """Stop."""
        raise StopUpload(connection_reset=True)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Nothing arrives."""

    def file_complete(self, file_size: int) -> None:
        """Nothing is complete."""


def _fields_for(request: HttpRequest) -> Iterable[str]:
    """The fields to pass on: the standard ones, and all of them where the attempt's connection keeps others, too."""
    attempt = find(Callback(params={name: str(value) for name, value in request.POST.items()}))
    dialect = dialect_of(attempt.connection) if attempt is not None else EMPTY
    is_standard = (dialect.callback_code_param, dialect.callback_state_param) == ("code", "state")
    return _FIELDS if is_standard and not dialect.keep_from_callback else list(request.POST)


def same_as_get(request: HttpRequest) -> str:
    """The address that brings the same answer by GET, on this very path; empty for what no provider sends."""
    with suppress(AttributeError):  # a middleware has read the form already
        request.upload_handlers = [_NoFiles(request)]
    try:
        names = _fields_for(request)
        pairs = [(name, value) for name in names for value in request.POST.getlist(name)]
    except (BadRequest, SuspiciousOperation, MultiPartParserError, UnreadablePostError):
        return ""
    query = urlencode(pairs, errors="replace")
    # A path that begins with two slashes would be read as a host.
    return f"{escape_leading_slashes(request.path)}?{query}" if len(query) <= MAX_BYTES else ""
