"""JSON kept as text, and its form field."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.forms.fields import InvalidJSONInput

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    TextField = models.TextField[Any, Any]
else:
    TextField = models.TextField


class JSONFormField(forms.JSONField):
    """A form's JSON that shows again whatever was typed, also what can't be kept."""

    def to_python(self, value: Any) -> Any:
        """Parse; nesting too deep for the parser is an error of the field like any other."""
        try:
            return super().to_python(value)
        except (RecursionError, ValueError):  # Python reads no number of more than 4,300 digits
            raise ValidationError(
                "This is nested too deep, or holds a number too long to read.", code="invalid"
            ) from None

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Show the text as it was typed."""
        if self.disabled:
            return initial
        return InvalidJSONInput(data) if isinstance(data, str) else data

    def prepare_value(self, value: Any) -> Any:
        """Show a stored value on several lines."""
        if isinstance(value, InvalidJSONInput):
            return value
        if value is None:
            return ""
        return json.dumps(value, indent=2, ensure_ascii=not encodable(value))

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare values; what can't be parsed has changed."""
        try:
            return bool(super().has_changed(initial, data))
        except (RecursionError, ValueError, ValidationError):
            return True


def encodable(value: Any) -> bool:
    """Whether its JSON can be written without escapes: half a surrogate pair can't."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


class JSONTextField(TextField):
    """JSON kept as text.

    PostgreSQL's jsonb loses the order of keys and rewrites numbers; what is sent to an API, or came from one, has to
    come back as it was.
    """

    if TYPE_CHECKING:
        _pyi_private_set_type: Any
        _pyi_private_get_type: Any

    def __init__(self, *args: Any, json_type: type | tuple[type, ...] | None = None, **kwargs: Any) -> None:
        self.json_type = json_type
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        """Name the package: migrations outlive the file a class is in."""
        name, _, args, kwargs = super().deconstruct()
        return name, f"apiconnector.fields.{type(self).__name__}", args, kwargs

    def from_db_value(self, value: str | None, *_: Any) -> Any:
        """Parse what is stored."""
        return None if value is None else json.loads(value)

    def get_prep_value(self, value: Any) -> Any:
        """Write JSON text; what JSON has no word for (NaN, a set) raises ``ValueError`` or ``TypeError``."""
        if value is None or hasattr(value, "resolve_expression"):
            return value
        return dumps(value)

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        """Write the text, without a look at what kind of value it is where that is plain."""
        if type(value) in {dict, list}:
            return dumps(value)
        return super().get_db_prep_save(value, connection)

    def value_to_string(self, obj: models.Model) -> Any:
        """Give serializers the value itself."""
        return self.value_from_object(obj)

    def to_python(self, value: Any) -> Any:
        """Leave the value alone: text is a JSON string here."""
        return value

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        """Check the kind of JSON this column is for."""
        del model_instance
        if not self.blank and value in (None, ""):
            raise ValidationError(self.error_messages["blank"], code="blank")
        if self.json_type and value is not None and not isinstance(value, self.json_type):
            # Of the code “invalid” a form would say its own: that this is no JSON.
            raise ValidationError(_expected(self.json_type), code="kind")
        try:
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError):
            raise ValidationError(
                "This can't be kept as JSON: it holds NaN, infinity, half a surrogate pair, or is nested too deep.",
                code="unfit",
            ) from None

    def save_form_data(self, instance: models.Model, data: Any) -> None:
        """A form emptied means the default, such as {}."""
        setattr(instance, self.attname, self.get_default() if data is None else data)

    def formfield(self, *args: Any, **kwargs: Any) -> Any:
        """Edit it as JSON."""
        kwargs.setdefault("form_class", JSONFormField)
        # Django adds it for callable defaults, for fields whose value the page itself changes.
        kwargs.setdefault("show_hidden_initial", False)
        kwargs.setdefault("widget", forms.Textarea(attrs={"rows": 3, "cols": 60, "spellcheck": "false"}))
        return models.Field.formfield(self, *args, **kwargs)


_KINDS: dict[type, str] = {
    dict: 'an object, such as {"name": "value"}',
    list: 'a list, such as ["value"]',
    str: "a text",
}


def _expected(kinds: type | tuple[type, ...]) -> str:
    names = [_KINDS[kind] for kind in (kinds if isinstance(kinds, tuple) else (kinds,))]
    return f"Enter {' or '.join(names)}."


#: Made once: json.dumps() makes one for each text.
_readable = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def dumps(value: Any) -> str:
    """The JSON text that is stored: order kept, readable where it can be, no NaN.

    What an API answered may hold half a surrogate pair, which no database takes as text: then the whole is written
    in ASCII. Raises ``ValueError`` for NaN and infinity, ``TypeError`` for what is no JSON.
    """
    text = _readable(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text
