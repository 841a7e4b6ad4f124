"""Read the body of an answer: which data it holds, whatever its label says, and which error (RFC 6749 section 5.2)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_FIELDS = 100
_FORM_NAME = re.compile(r"[\w.\-\[\]]+")

# Names are compared without case and punctuation: errorCode, error_code and ERROR-CODE are one.
_ERROR_NAMES = ("error", "errorcode", "errortype", "errcode", "errors", "err", "ecode")
#: They name an error where there is one, and say nothing beside a token: ``"status": "success"``.
_CODE_NAMES = (*_ERROR_NAMES, "code", "status", "name")
#: ``type`` counts inside an error only; at the top it is the address of a page (RFC 9457 section 3.1.1).
_INNER_CODE_NAMES = (*_CODE_NAMES, "type")
_WORD_NAMES = (
    "errordescription",
    "errormessage",
    "errorsummary",
    "errormsg",
    "errmsg",
    "message",
    "description",
    "detail",
    "msg",
    "title",
    "hint",
    "reason",
)
_MAX_DEPTH = 4
_MAX_ITEMS = 10


def parse_body(body: bytes) -> Any:
    """Parse a body as JSON, else as form data, whatever its content type says; None for what is neither.

    Invalid UTF-8 becomes replacement characters. Only objects, lists and texts count as JSON here: a bare number or
    ``null`` says nothing.
    """
    text = body.decode(json.detect_encoding(body), "replace").strip()
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return _parse_form(text)
    return data if isinstance(data, dict | list | str) else None


def _parse_form(text: str) -> dict[str, str] | None:
    if "=" not in text:
        return None
    try:
        # A scope that is empty says that none was granted.
        pairs = parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=_MAX_FIELDS)
    except ValueError:
        return None
    # A sentence or a page with "=" in it is no form.
    return dict(pairs) if pairs and all(_FORM_NAME.fullmatch(name) for name, _ in pairs) else None


def is_page(body: bytes) -> bool:
    """Whether a body looks like HTML or XML."""
    return body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


@dataclass(frozen=True)
class ErrorReport:
    """What an answer says about an error, in the provider's own, unbounded words.

    ``present`` is true if a member says that there is an error, and not if there merely is a status or a message.
    """

    present: bool
    codes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The first code that is no number, else the first."""
        return next((code for code in self.codes if not _is_number(code)), next(iter(self.codes), ""))


def read_error(data: Any) -> ErrorReport:
    """Find the error in a parsed body: a text, an object, a number or a list, under any of the known names.

    An ``error`` of null, false, 0, ``""``, ``[]`` or ``{}`` is none.
    """
    codes: list[str] = []
    words: list[str] = []
    _collect(data, codes, words, depth=0)
    members = _by_plain_name(data) if isinstance(data, dict) else {}
    present = any(_is_error(members.get(name)) for name in _ERROR_NAMES)
    return ErrorReport(present, tuple(dict.fromkeys(codes)), tuple(dict.fromkeys(words)))


def reported(data: Any, picked: Mapping[str, Any]) -> ErrorReport:
    """The error of a parsed body, where ``picked`` may hold the ``error`` and ``error_description`` found elsewhere.

    With an ``error`` of its own nothing else counts as one.
    """
    report = read_error(data)
    if "error" in picked:
        found = picked["error"]
        codes: list[str] = []
        words: list[str] = []
        if _is_error(found):
            _collect(found, codes, words, depth=1)
        report = ErrorReport(_is_error(found), tuple(codes), report.words if _is_error(found) else ())
    description = picked.get("error_description")
    if isinstance(description, str) and description:
        report = replace(report, words=(description,))
    return report


def plain_name(name: str) -> str:
    """A name without case and punctuation: ``invalid_grant``, ``InvalidGrant`` and ``INVALID-GRANT`` are one."""
    return re.sub(r"[\W_]", "", name).lower()


def _is_error(value: Any) -> bool:
    # Form data has no other way to say 0, false and null.
    return value.strip().lower() not in {"", "0", "false", "null"} if isinstance(value, str) else bool(value)


def _collect(value: Any, codes: list[str], words: list[str], *, depth: int) -> None:
    # Errors are shallow; what lies deeper or further back is not worth the time of a hostile answer.
    if depth > _MAX_DEPTH or not value or value is True:
        return
    if isinstance(value, dict):
        members = _by_plain_name(value)
        for name in _INNER_CODE_NAMES if depth else _CODE_NAMES:
            _collect(members.get(name), codes, words, depth=depth + 1)
        words += [members[name] for name in _WORD_NAMES if isinstance(members.get(name), str) and members[name]]
        field, code = members.get("field"), members.get("code")
        if field and isinstance(field, str) and isinstance(code, str):
            words.append(f"{field}: {code}")  # of a list of parameters, each with what is wrong with it
    elif isinstance(value, list):
        for item in value[:_MAX_ITEMS]:
            _collect(item, codes, words, depth=depth + 1)
    else:
        codes.append(str(value).strip())


def _by_plain_name(members: dict[str, Any]) -> dict[str, Any]:
    return {plain_name(name): value for name, value in islice(members.items(), _MAX_FIELDS)}


def _is_number(code: str) -> bool:
    return re.fullmatch(r"-?[\d.]+", code) is not None
