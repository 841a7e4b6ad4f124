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

from apiconnector.oauth.callback import MAX_BYTES, MAX_PARAMETERS

if TYPE_CHECKING:
    from django.http import HttpRequest

#: The standard ones. Others are passed on as long as the query has no more characters than these: most servers take
#: lines of 4 or 8 kilobytes. Tokens of other flows are long, and nobody reads them here.
_FIELDS = ("state", "code", "iss", "error", "error_description", "error_uri")
_UNREAD = ("id_token", "access_token")
_MOST_WITH_OTHERS = 7_500


class _NoFiles(FileUploadHandler):
    """Stops at the first file: anybody may post here, and nothing of it is to be kept."""

    def new_file(self, *_: object, **__: object) -> NoReturn:
        """Stop."""
        raise StopUpload(connection_reset=True)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Nothing arrives."""

    def file_complete(self, file_size: int) -> None:
        """Nothing is complete."""


def same_as_get(request: HttpRequest) -> str:
    """The address that brings the same answer by GET, on this very path; empty for what no provider sends."""
    with suppress(AttributeError):  # a middleware has read the form already
        request.upload_handlers = [_NoFiles(request)]
    try:
        pairs = [(name, value) for name in _FIELDS for value in request.POST.getlist(name)]
        known = {*_FIELDS, *_UNREAD}
        others = [(name, value) for name in request.POST if name not in known for value in request.POST.getlist(name)]
    except (BadRequest, SuspiciousOperation, MultiPartParserError, UnreadablePostError):
        return ""
    query = urlencode(pairs, errors="replace")
    for pair in others[:MAX_PARAMETERS]:
        # What a dialect may read; nothing that makes the address too long for a server.
        longer = f"{query}&{urlencode([pair], errors='replace')}".removeprefix("&")
        query = longer if len(longer) <= _MOST_WITH_OTHERS else query
    # A path that begins with two slashes would be read as a host.
    return f"{escape_leading_slashes(request.path)}?{query}" if len(query) <= MAX_BYTES else ""
