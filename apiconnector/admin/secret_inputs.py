"""Inputs of secrets: what is typed goes in and does not come out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin.widgets import AdminTextInputWidget
from django.core.exceptions import ValidationError

from apiconnector.fields import REMOVE

if TYPE_CHECKING:
    from collections.abc import Mapping


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
        #: The hosts that are new to what is stored, in words.
        self.sealed_by = ""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Never hand the value to the template."""
        del value
        context = super().get_context(name, None, attrs)
        context["widget"] |= {
            "is_stored": self.is_stored,
            "sealed_by": self.sealed_by,
            "remove_name": f"{name}-remove",
            "rows": self.rows,
        }
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


class ShownInput(AdminTextInputWidget):
    """An input of a secret that is shown. Where it is sealed, a box beside it stands for typing it again."""

    template_name = "apiconnector/shown_input.html"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self.sealed_by = ""
        self.is_shown = False

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Hand over what is new to it; what is not shown after all can only be typed."""
        context = super().get_context(name, value, attrs)
        context["widget"] |= {"sealed_by": self.sealed_by, "again_name": f"{name}-again" if self.is_shown else ""}
        return context


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
