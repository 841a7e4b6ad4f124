"""The connection form: secrets go in and do not come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from apiconnector import auth, conf
from apiconnector.admin import dialect_form, variables
from apiconnector.admin.dialect_form import DialectInputs, MergedTextarea
from apiconnector.admin.secret_inputs import SecretInput, ShownInput
from apiconnector.admin.variables import UNREADABLE, VariableInputs
from apiconnector.exceptions import ConfigurationError
from apiconnector.fields import REMOVE, EncryptedField
from apiconnector.models import Connection
from apiconnector.presets import Preset, find

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Connection]
else:
    ModelForm = forms.ModelForm

#: Encrypted, but shown: they tell the person at the form which account this is.
SHOWN = ("client_id", "username")
#: What the names of inputs begin with that are no columns.
OWN = (dialect_form.PREFIX, variables.PREFIX)


class ConnectionForm(DialectInputs, VariableInputs, ModelForm):
    """A connection. What its method needs is said by the model, at the field."""

    #: What a new connection begins with.
    chosen: ClassVar[Preset | None] = None

    class Meta:
        model = Connection
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._split()
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
        self._show_sealed()

    def _split(self) -> None:
        """Show what stands in two columns of JSON at inputs of their own, as far as there are some."""
        whole = self.initial.get("dialect", {})
        if self.is_bound and self.chosen is not None:
            whole = self.chosen.fields.get("dialect", {})
        if "dialect" in self.fields:
            self.split_dialect(whole)
        else:
            self.drop_dialect_inputs()
        if "variables" in self.fields:
            self.split_variables(self.initial.get("variables", {}))
        for name in {"dialect", "variables"}.intersection(self.fields):
            self.fields[name].widget = MergedTextarea(self.fields[name].widget.attrs)

    def _show_sealed(self) -> None:
        """Say at each field that has to be typed again what is new to it."""
        seal = self.instance.sealed_by()
        is_sealed = seal is not None and "secret_variables" in seal.columns
        self.show_secret_variables(self.instance.secret_variables, seal.hosts if seal and is_sealed else "")
        if seal is None:
            return
        for name in set(seal.columns).intersection(self.fields):
            widget = self.fields[name].widget
            if isinstance(widget, SecretInput | ShownInput):
                widget.sealed_by = seal.hosts
            if isinstance(widget, ShownInput):
                widget.is_shown = bool(self.initial.get(name))

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
            self.fields[name].help_text = UNREADABLE
            return None

    def clean(self) -> dict[str, Any] | None:
        """Keep a shown secret that was not changed as it is stored, unless it was confirmed."""
        cleaned = super().clean() or self.cleaned_data
        self.merge_secret_variables()
        for name in SHOWN:
            if name not in cleaned:
                continue
            if name not in self.changed_data:
                if not self._is_confirmed(name, cleaned):
                    cleaned[name] = None
            elif not cleaned[name] and self.initial.get(name):
                cleaned[name] = REMOVE
        self._require_key(cleaned)
        self._merge()
        return cleaned

    def clean_preset(self) -> str:
        """Keep the preset; one that is not there is none."""
        typed: str = self.cleaned_data["preset"]
        if self.add_prefix("preset") not in self.data:
            return self.chosen.slug if self.chosen is not None else str(self.instance.preset)
        return typed if typed == self.instance.preset or find(typed) is not None else ""

    def _merge(self) -> None:
        """Bring the inputs of dialect and variables into their columns; in the history those count as changed."""
        wholes: dict[str, Any] = {}
        if "dialect" in self.fields:
            self.merge_dialect()
            wholes["dialect"] = self.whole_dialect
        if "variables" in self.fields:
            self.merge_variables()
            wholes["variables"] = self.whole_variables
        cleaned = self.cleaned_data
        changed = [name for name in self.changed_data if not name.startswith(OWN) and name not in wholes]
        changed += [name for name, whole in wholes.items() if name in cleaned and cleaned[name] != whole]
        if "secret_variables" not in changed and cleaned.get("secret_variables") not in (None, ""):
            changed.append("secret_variables")
        self.changed_data = changed

    def _is_confirmed(self, name: str, cleaned: dict[str, Any]) -> bool:
        """Whether a shown secret counts as typed again: its box was ticked, or a secret that is not shown was typed.

        Only one that the method uses: another one is not on the page.
        """
        method = auth.find(str(cleaned.get("auth_method")))
        if method is None or name not in method.fields:
            return False
        if cleaned[name] and self.data.get(f"{self.add_prefix(name)}-again"):
            self.changed_data.append(name)  # in the history it stands as typed
            return True
        return any(
            isinstance(field.widget, SecretInput) and cleaned.get(other) not in (None, "", REMOVE)
            for other, field in self.fields.items()
        )

    def _require_key(self, cleaned: dict[str, Any]) -> None:
        """Say that nothing can be encrypted before it is tried."""
        for field in self._meta.model._meta.concrete_fields:
            if isinstance(field, EncryptedField) and cleaned.get(field.name) not in (None, "", REMOVE):
                try:
                    conf.keys()
                except ConfigurationError as error:
                    for name in self._typed_for(field.name, cleaned):
                        self.add_error(name, str(error))

    def _typed_for(self, column: str, cleaned: dict[str, Any]) -> list[str]:
        """The inputs that what is in a column was typed into."""
        if column != "secret_variables" or column in self.changed_data:
            return [column]
        return self.typed_secrets(cleaned) or [column]

    def add_error(self, field: str | None, error: Any) -> None:
        """Say an error at the input it belongs to, or at the top if this person's form does not have the field."""
        if field is None and isinstance(error, ValidationError) and hasattr(error, "error_dict"):
            self._to_inputs(error.error_dict)
            elsewhere = [name for name in error.error_dict if name not in self.fields and name != NON_FIELD_ERRORS]
            messages = {name: error.error_dict.pop(name) for name in elsewhere}
            top = [f"{name}: {text}" for name, errors in messages.items() for one in errors for text in one.messages]
            if top:
                super().add_error(None, ValidationError(top))
            if not error.error_dict:
                return
        super().add_error(field, error)

    def _to_inputs(self, found: dict[str, list[ValidationError]]) -> None:
        """Take what is wrong with parts of a column to the inputs of those parts."""
        for column in ("dialect", "variables", "secret_variables"):
            texts = [text for one in found.pop(column, []) for text in one.messages]
            for text in texts:
                name, left = column, text
                if column == "dialect":
                    name = self.dialect_source(text)
                else:
                    left = self.take_variable_problems(column, text, self.instance)
                if left:
                    found.setdefault(name, []).append(ValidationError(left))
