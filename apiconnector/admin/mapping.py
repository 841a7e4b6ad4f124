"""The input of a feed's body: a table of targets and values, JSON, or text, whichever fits what is sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError

from apiconnector.feeds.targets import TargetError, from_targets, targets
from apiconnector.fields.json_text import JSONFormField

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLE, JSON, TEXT = "table", "json", "text"
#: Empty rows at the end of the table; the page adds more.
_SPARE = 3


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
        rows = [tuple(row) for row in value["rows"] if any(part.strip() for part in (row[0], row[2]))]
        return {"as": TABLE, "rows": [*rows, *_spare()], "json": _json_of(value), "text": ""}
    if isinstance(value, dict) and value.get("as") == TEXT:
        return {"as": TEXT, "rows": _spare(), "json": json.dumps(value["text"]), "text": value["text"]}
    text = str(value or "")
    try:
        body = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return {"as": JSON, "rows": _spare(), "json": text, "text": ""}
    if isinstance(body, str):
        return {"as": TEXT, "rows": _spare(), "json": text, "text": body}
    try:
        rows = [_row(path, leaf) for path, leaf in targets(body)] if isinstance(body, dict) else []
        is_table = body is None or (isinstance(body, dict) and from_targets(targets(body)) == body)
    except TargetError:
        rows, is_table = [], False
    return {"as": TABLE if is_table else JSON, "rows": [*rows, *_spare()], "json": text, "text": ""}


def _json_of(value: Mapping[str, Any]) -> str:
    try:
        return json.dumps(_body(value["rows"]), indent=2, ensure_ascii=False)
    except ValidationError:
        return ""


def _spare() -> list[tuple[str, str, str]]:
    return [("", TEXT, "")] * _SPARE


def _row(path: str, leaf: Any) -> tuple[str, str, str]:
    return (path, TEXT, leaf) if isinstance(leaf, str) else (path, JSON, json.dumps(leaf, ensure_ascii=False))


def _body(rows: list[list[str]]) -> Any:
    """The JSON that the rows make; None where all are empty."""
    found: list[tuple[str, Any]] = []
    numbers = []
    for number, (target, kind, value) in enumerate(rows, 1):
        if not target.strip():
            if value.strip():
                raise ValidationError(f"Row {number}: enter a target for this value, such as customer.email.")
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
        numbers.append(number)
    if not found:
        return None
    try:
        return from_targets(found)
    except TargetError as error:
        raise ValidationError(f"Row {numbers[error.row]}: {error}") from None


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
        """Compare what comes out."""
        try:
            return bool(self.to_python(data) != (self.to_python(initial) if isinstance(initial, str) else initial))
        except ValidationError:
            return True
