"""The body of a request in each format: what a feed is filled to, and what is sent of that.

What it is filled to is JSON, in which files are referred to. Their content is read when it is sent.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final, Protocol

from apiconnector.exceptions import FeedMisconfigured, TemplateError
from apiconnector.models import Feed
from apiconnector.redaction import clean_frames
from apiconnector.templating import (
    MARKER,
    OMITTED,
    REFERENCE,
    Empty,
    compile_template,
    fill,
    fill_pairs,
    is_file,
    references,
)
from apiconnector.templating.kinds import as_text, kind
from apiconnector.templating.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django.core.files.base import File

    from apiconnector.feeds.files import Source

Format = Feed.BodyFormat
References = dict[str, dict[str, Any]]

_TEXT: Final = "text/plain; charset=utf-8"
_OTHER: Final = "application/octet-stream"


class Contents(Protocol):
    """What stands in a body for a file."""

    def raw(self, reference: dict[str, Any]) -> bytes:
        """Where the file itself is sent."""

    def body(self, reference: dict[str, Any]) -> Any:
        """Where it is the whole body: bytes, or what they can be read from."""

    def base64(self, reference: dict[str, Any]) -> str:
        """Where it is sent as Base64."""


class Stream:
    """A file as a body that requests reads as it sends it."""

    def __init__(self, file: File[bytes], size: int) -> None:
        self._file, self._size = file, size
        self.read, self.seek, self.tell = file.read, file.seek, file.tell

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        """By this requests knows that it can be read."""
        return iter(self._file)


class Sent:
    """The content. What it leaves open is put into ``opened``."""

    def __init__(self, source: Source, opened: list[File[bytes]]) -> None:
        self._source, self._opened = source, opened

    def body(self, reference: dict[str, Any]) -> Any:
        """Something to read from; a stream of nothing would be sent in chunks."""
        file = self._source.open(reference)
        self._opened.append(file)
        return Stream(file, reference["size"]) if reference["size"] else b""

    def raw(self, reference: dict[str, Any]) -> bytes:
        """The bytes. Raises ``FileUnavailableError``."""
        return self._source.read(reference)

    def base64(self, reference: dict[str, Any]) -> str:
        """The same as text."""
        return b64encode(self._source.read(reference)).decode()


class Shown:
    """Which file it is: for records and previews."""

    def body(self, reference: dict[str, Any]) -> Any:
        """Name and size."""
        return self.raw(reference)

    def raw(self, reference: dict[str, Any]) -> bytes:
        """Name and size."""
        return f"[file {reference.get('name')}, {reference.get('size')} bytes]".encode()

    def base64(self, reference: dict[str, Any]) -> str:
        """The same."""
        return f"[file {reference.get('name')}, {reference.get('size')} bytes, in Base64]"


def filled(feed: Feed, context: Mapping[str, Any], rule: Empty | None) -> tuple[str, Any]:
    """The format and the filled body: JSON, pairs, text, or the reference to a file. Raises ``TemplateError``."""
    body = feed.body
    match feed.body_format:
        case Format.JSON:
            value = fill({} if body is None else body, context, rule)
            if value is OMITTED:
                return Format.NONE.value, None
            _check_no_file(value, ())
            return Format.JSON.value, value
        case Format.FORM:
            return Format.FORM.value, texts(fill_pairs(body or {}, context, rule))
        case Format.MULTIPART:
            return Format.MULTIPART.value, _parts(fill_pairs(body or {}, context, rule))
        case Format.TEXT:
            return Format.TEXT.value, _text_or_file(body, context, rule)
    return Format.NONE.value, None


def _check_no_file(value: Any, place: tuple[str | int, ...]) -> None:
    """Refuse a file in JSON: nobody would know what to do with the reference."""
    if is_file(value):
        steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
        raise TemplateError(
            f"{steps[:300] or 'body'}: a file has no place in JSON by itself; put the filter base64 behind it, or name "
            "its name, size or content_type. In a multipart body it is sent as a file."
        )
    if isinstance(value, dict | list):
        for step, item in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(item, dict | list):
                _check_no_file(item, (*place, step))


def texts(pairs: list[tuple[str, Any]]) -> list[list[str]]:
    """Name and text of each parameter; a list gives one pair for each item, and None none."""
    return [[_encodable(name, name), _text(name, item)] for name, item in _flat(pairs)]


def _flat(pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [
        (name, item)
        for name, content in pairs
        for item in (content if isinstance(content, list) else [content])
        if item is not None
    ]


def _parts(pairs: list[tuple[str, Any]]) -> list[list[Any]]:
    return [[_encodable(name, name), item if is_file(item) else _text(name, item)] for name, item in _flat(pairs)]


def _text(name: str, item: Any) -> str:
    if isinstance(item, bool):
        return "true" if item else "false"
    if is_file(item):
        raise FeedMisconfigured(
            f"{name[:100]}: a file can't be sent here: choose the body format multipart, or put the filter base64 "
            "behind it."
        )
    if isinstance(item, dict | list):
        raise FeedMisconfigured(
            f"{shown(name)}: a query, header or form field holds {kind(item)} there: only texts, numbers and lists of "
            "them fit."
        )
    return _encodable(name, str(item))


def _encodable(name: str, text: str) -> str:
    """The text, which an API may have cut in the middle of a character: JSON can say that, and nothing else can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        pass
    else:
        return text
    # Raised outside the except clause: the error of the codec holds the value.
    raise TemplateError(f"{shown(name)}: this text holds half of a surrogate pair, which only JSON can write.")


@clean_frames
def _text_or_file(body: Any, context: Mapping[str, Any], rule: Empty | None) -> Any:
    value = fill(body or "", context, rule)
    if isinstance(value, str):
        return _encodable("body", value)
    if is_file(value):
        return value
    if value is OMITTED or (value is None and rule is not None):
        return ""
    if isinstance(value, int | float):
        return as_text(value)
    (placeholder,) = compile_template(body).parts
    assert not isinstance(placeholder, str)  # text would have been one
    return placeholder.text(value)  # says why there is none


def arguments(body_format: str, body: Any, files: References, contents: Contents) -> tuple[dict[str, Any], str]:
    """Arguments of requests for a filled body, and its content type where requests doesn't set one.

    Raises ``FileUnavailableError``.
    """
    match body_format:
        case Format.JSON:
            value = _embedded(body, files, contents) if files else body
            # No body at all is what requests takes None for.
            return ({"data": b"null"}, "application/json") if value is None else ({"json": value}, "")
        case Format.FORM:
            fields = _embedded(body, files, contents) if files else body
            return {"data": [(name, text) for name, text in fields]}, ""
        case Format.MULTIPART:
            return _multipart(body, files, contents), ""
        case Format.TEXT if is_file(body):
            return {"data": contents.body(body)}, body.get("content_type") or _OTHER
        case Format.TEXT:
            text = _embedded(body, files, contents) if files else body
            return {"data": text.encode()}, _TEXT
    return {}, ""


def _embedded(value: Any, files: References, contents: Contents) -> Any:
    """JSON with the content of files in the place of what stands for it."""
    if isinstance(value, str):
        return MARKER.sub(lambda found: _content(found, files, contents), value) if MARKER.search(value) else value
    if isinstance(value, list):
        return [_embedded(item, files, contents) for item in value]
    if isinstance(value, dict):
        return {_embedded(name, files, contents): _embedded(item, files, contents) for name, item in value.items()}
    return value


def _content(found: Any, files: References, contents: Contents) -> str:
    # What looks like a marker and is none of these files' was submitted so.
    return contents.base64(files[found[1]]) if found[1] in files else str(found[0])


def _multipart(body: list[list[Any]], files: References, contents: Contents) -> dict[str, Any]:
    """Fields as ``data``, to which the connection's default body is added, and ``files``."""
    fields = [(name, _embedded(item, files, contents)) for name, item in body if not is_file(item)]
    parts: list[tuple[str, tuple[Any, ...]]] = [
        (name, (item.get("name"), contents.raw(item), item.get("content_type") or _OTHER))
        for name, item in body
        if is_file(item)
    ]
    if not parts and fields:
        # Without any file requests would send a form: a part without a file name is a field.
        name, text = fields.pop()
        parts.append((name, (None, text)))
    return {"data": fields, "files": parts}


def check_no_content(value: Any, files: References) -> None:
    """Refuse the content of a file in a path, query or header."""
    if isinstance(value, str):
        if any(found[1] in files for found in MARKER.finditer(value)):
            raise FeedMisconfigured("Path, query and headers: the content of a file belongs in a body.")
    else:
        for item in value:
            check_no_content(item, files)


def referred(data: Any) -> References:
    """The files that submitted data refers to, by their key."""
    return {found[REFERENCE]: found for found in references(data)}
