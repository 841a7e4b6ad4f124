"""The input of a feed's body: a table of targets and values, JSON, or text, whichever fits what is sent."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError

from apiconnector.feeds.targets import TargetError, from_targets, targets
from apiconnector.fields.json_text import JSONFormField, encodable

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLE, JSON, TEXT = "table", "json", "text"
#: Empty rows at the end of the table; the page adds more.
_SPARE = 3
#: A longer table is shown as JSON: of each row three inputs are sent, and Django takes a thousand (by its setting
#: DATA_UPLOAD_MAX_NUMBER_FIELDS).
_MOST_ROWS = 200
#: What no input of one line holds: browsers leave it out.
_NO_LINE = re.compile(r"[\x00-\x1f\x7f]")
#: What no input of several lines gives back: any line break comes as \r\n, and is taken for \n.
_NO_LINES = re.compile(r"[\x00\r]")


class MappingInput(forms.Widget):
    """Three ways to say the same; the one that is chosen counts."""

    template_name = "apiconnector/mapping_input.html"

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        """What was typed, with the way it was typed in; the text alone where no way is said."""
        del files
        way = data.get(f"{name}-as")
        if way == TEXT:
            return {"as": TEXT, "text": data.get(f"{name}-text", "")}
        if way == TABLE and hasattr(data, "getlist"):
            columns = [data.getlist(f"{name}-{column}") for column in ("target", "kind", "value")]
            return {"as": TABLE, "rows": [list(row) for row in zip(*columns, strict=False)]}
        return data.get(name)

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        """Whether none of the ways is there."""
        del files
        return name not in data and f"{name}-as" not in data

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        """Show all three, as far as what is there can be shown so."""
        context: dict[str, Any] = super().get_context(name, value, attrs)
        context["mapping"] = _shown(value)
        return context


def _shown(value: Any) -> dict[str, Any]:
    if isinstance(value, dict) and value.get("as") == TABLE:
        typed = [tuple(row) for row in value["rows"]]
        while typed and not (typed[-1][0].strip() or typed[-1][2].strip()):
            typed.pop()  # those between others stay: errors name rows by their number
        return {"as": TABLE, "rows": [*typed, *_spare()], "json": _json_of(value), "text": ""}
    if isinstance(value, dict) and value.get("as") == TEXT:
        return {"as": TEXT, "rows": _spare(), "json": json.dumps(value["text"]), "text": value["text"]}
    text = str(value or "")
    try:
        body = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return {"as": JSON, "rows": _spare(), "json": text, "text": ""}
    if isinstance(body, str) and encodable(body) and not _NO_LINES.search(body):
        return {"as": TEXT, "rows": _spare(), "json": text, "text": body}
    try:
        rows = _rows(body)
    except (TargetError, RecursionError):
        rows = None
    return {"as": JSON if rows is None else TABLE, "rows": [*(rows or ()), *_spare()], "json": text, "text": ""}


def _rows(body: Any) -> list[tuple[str, str, str]] | None:
    """The rows that say all of a body; None where none do."""
    if body is None:
        return []
    if not isinstance(body, dict) or not encodable(body):
        return None
    found = targets(body)
    is_all = len(found) <= _MOST_ROWS and from_targets(found) == body
    return [_row(path, leaf) for path, leaf in found] if is_all else None


def _json_of(value: Mapping[str, Any]) -> str:
    try:
        body = _body(value["rows"])
        return json.dumps(body, indent=2, ensure_ascii=not encodable(body))
    except (ValidationError, RecursionError):
        return ""


def _spare() -> list[tuple[str, str, str]]:
    return [("", TEXT, "")] * _SPARE


def _row(path: str, leaf: Any) -> tuple[str, str, str]:
    is_line = isinstance(leaf, str) and not _NO_LINE.search(leaf)
    return (path, TEXT, leaf) if is_line else (path, JSON, json.dumps(leaf, ensure_ascii=False))


def _body(rows: list[list[str]]) -> Any:
    """The JSON that the rows make; None where all are empty."""
    found: list[tuple[str, Any] | None] = []
    for number, (target, kind, value) in enumerate(rows, 1):
        if not target.strip():
            if value.strip():
                raise ValidationError(f"Row {number}: enter a target for this value, such as customer.email.")
            found.append(None)
            continue
        leaf: Any = value
        if kind == JSON:
            try:
                leaf = json.loads(value)
            except (ValueError, RecursionError):
                raise ValidationError(
                    f"Row {number}, {target}: this is no JSON. Enter a number, true, false, null, a list or an object, "
                    "or choose text."
                ) from None
        found.append((target.strip(), leaf))
    if not any(found):
        return None
    try:
        return from_targets(found)
    except TargetError as error:
        raise ValidationError(f"Row {error.row + 1}: {error}") from None


class MappingField(JSONFormField):
    """The body of a feed, from whichever way it was typed in."""

    widget = MappingInput

    def to_python(self, value: Any) -> Any:
        """What the chosen way makes; raises ``ValidationError`` that names the row."""
        if isinstance(value, dict) and value.get("as") == TABLE:
            return _body(value["rows"])
        if isinstance(value, dict) and value.get("as") == TEXT:
            # Browsers send a line break as two characters, whatever was typed.
            return value["text"].replace("\r\n", "\n") or None
        return super().to_python(value)

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Show what was typed, in the way it was."""
        return data if isinstance(data, dict) else super().bound_data(data, initial)

    def prepare_value(self, value: Any) -> Any:
        """Leave what was typed alone."""
        return value if isinstance(value, dict) and "as" in value else super().prepare_value(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare what comes out: as JSON, where 1 is not true."""
        try:
            return json.dumps(self.to_python(data)) != json.dumps(initial)
        except (ValidationError, RecursionError):
            return True
