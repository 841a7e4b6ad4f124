"""The connection form: secrets go in and do not come out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from apiconnector import conf
from apiconnector.exceptions import ConfigurationError
from apiconnector.fields import REMOVE, EncryptedField
from apiconnector.models import Connection

if TYPE_CHECKING:
    from collections.abc import Mapping

    ModelForm = forms.ModelForm[Connection]
else:
    ModelForm = forms.ModelForm

#: Encrypted, but shown: they tell the person at the form which account this is.
SHOWN = ("client_id", "username")


class SecretInput(forms.TextInput):
    """An input that never renders its value; blank keeps what is stored, a box beside it removes it."""

    input_type = "password"
    template_name = "apiconnector/secret_input.html"
    rows = 0

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(
            {"autocomplete": "new-password", "spellcheck": "false", "class": "vTextField", **(attrs or {})}
        )
        self.is_stored = False

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Never hand the value to the template."""
        del value
        context = super().get_context(name, None, attrs)
        context["widget"] |= {"is_stored": self.is_stored, "remove_name": f"{name}-remove", "rows": self.rows}
        return context

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        """What was typed; ``REMOVE`` where the box was ticked and nothing typed."""
        value = super().value_from_datadict(data, files, name)
        return REMOVE if not value and data.get(f"{name}-remove") else value

    def use_required_attribute(self, initial: Any) -> bool:
        """Blank means "keep"; the model says what is required."""
        del initial
        return False


class SecretTextarea(SecretInput):
    """The same for JSON, which needs more room."""

    rows = 3


class SecretField(forms.CharField):
    """Text that may be ``REMOVE``, and has changed only when something was typed or the box ticked."""

    def to_python(self, value: Any) -> Any:
        """Let ``REMOVE`` pass."""
        return value if value is REMOVE else super().to_python(value)

    def run_validators(self, value: Any) -> None:
        """Let ``REMOVE`` pass."""
        if value is not REMOVE:
            super().run_validators(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether something was typed or is to be removed."""
        del initial
        return bool(data)


class SecretJSONField(SecretField):
    """A JSON object that is not shown again."""

    def to_python(self, value: Any) -> Any:
        """Parse what was typed; the message never repeats it."""
        value = super().to_python(value)
        if value is REMOVE or not value:
            return value
        try:
            parsed = json.loads(value, parse_constant=_no_constant)
            json.dumps(parsed, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            parsed = None
        if not isinstance(parsed, dict):
            raise ValidationError('Enter a JSON object, such as {"name": "value"}.', code="invalid")
        return parsed


def _no_constant(name: str) -> Any:
    raise ValueError(name)


class ConnectionForm(ModelForm):
    """A connection. What its method needs is said by the model, at the field."""

    class Meta:
        model = Connection
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self._meta.model._meta.concrete_fields:
            if not isinstance(field, EncryptedField) or field.name not in self.fields:
                continue
            secret = getattr(self.instance, field.attname)
            if field.name in SHOWN:
                self._show(field.name, secret)
            else:
                self.initial.pop(field.name, None)
                widget = self.fields[field.name].widget
                assert isinstance(widget, SecretInput)
                widget.is_stored = bool(secret)
                self._opened(field.name, secret)

    def _show(self, name: str, secret: Any) -> None:
        opened = self._opened(name, secret)
        if opened and name == "username" and not self.instance.password:
            opened = ""
            self.fields[
                name
            ].help_text = "Stored, and not shown: without a password it is a key itself. Blank keeps it."
        self.initial[name] = opened or ""

    def _opened(self, name: str, secret: Any) -> Any:
        """What is stored; None, and a word beside the field, where no key opens it."""
        try:
            return secret.reveal()
        except ConfigurationError:
            self.fields[
                name
            ].help_text = "What is stored can't be read: no key opens it. Type it again; blank keeps it."
            return None

    def clean(self) -> dict[str, Any] | None:
        """Keep a shown secret that was not changed as it is stored: it was not typed again."""
        cleaned = super().clean() or self.cleaned_data
        for name in SHOWN:
            if name not in cleaned:
                continue
            if name not in self.changed_data:
                cleaned[name] = None
            elif not cleaned[name] and self.initial.get(name):
                cleaned[name] = REMOVE
        self._require_key(cleaned)
        return cleaned

    def _require_key(self, cleaned: dict[str, Any]) -> None:
        """Say that nothing can be encrypted before it is tried."""
        for field in self._meta.model._meta.concrete_fields:
            if isinstance(field, EncryptedField) and cleaned.get(field.name) not in (None, "", REMOVE):
                try:
                    conf.keys()
                except ConfigurationError as error:
                    self.add_error(field.name, str(error))

    def add_error(self, field: str | None, error: Any) -> None:
        """Say an error of a field that this person's form does not have at the top instead of failing."""
        if field is None and isinstance(error, ValidationError) and hasattr(error, "error_dict"):
            elsewhere = [name for name in error.error_dict if name not in self.fields and name != NON_FIELD_ERRORS]
            messages = {name: error.error_dict.pop(name) for name in elsewhere}
            top = [f"{name}: {text}" for name, errors in messages.items() for one in errors for text in one.messages]
            if top:
                super().add_error(None, ValidationError(top))
            if not error.error_dict:
                return
        super().add_error(field, error)
