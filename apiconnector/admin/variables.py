"""The variables that a dialect declares, each with an input of its own in the form."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django import forms
from django.utils.html import format_html

from apiconnector.admin.secret_inputs import SecretField, SecretInput
from apiconnector.dialect import read
from apiconnector.exceptions import ConfigurationError, DialectError
from apiconnector.fields import REMOVE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from apiconnector.dialect import Variable

#: What the names of the inputs begin with.
PREFIX: Final = "variable_"
UNREADABLE: Final = "What is stored can't be read: no key opens it. Type it again; blank keeps it."


def declared_in(dialects: Iterable[Any]) -> dict[str, Variable]:
    """The variables that any of these dialects declares, a later one before an earlier one.

    What can't be read declares none; whatever else is wrong with such a dialect is said where it is checked.
    """
    found: dict[str, Variable] = {}
    for dialect in dialects:
        if isinstance(dialect, dict) and "variables" in dialect:
            try:
                found |= read({"variables": dialect["variables"]}).variables
            except DialectError:
                continue
    return found


def parsed(text: Any) -> Any:
    """JSON as it was typed; None where it can't be read."""
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None


def inputs(declared: Mapping[str, Variable], *, secrets: bool) -> dict[str, forms.Field]:
    """An input for each variable; those that are secret only for whoever may enter secrets."""
    return {
        PREFIX + name: _input(name, variable) for name, variable in declared.items() if secrets or not variable.secret
    }


def _input(name: str, variable: Variable) -> forms.Field:
    texts = [
        variable.help,
        format_html("Pattern: <code>{}</code>.", variable.pattern) if variable.pattern else "",
        f"Empty: {variable.default}." if variable.default else "",
    ]
    help_text = format_html("<code>{}</code>", f"{{{{ {name} }}}}")
    for text in filter(None, texts):
        help_text = format_html("{} {}", help_text, text)
    arguments: dict[str, Any] = {"required": False, "label": variable.label or name, "help_text": help_text}
    if variable.secret:
        return SecretField(widget=SecretInput(), **arguments)
    attrs = {"class": "vTextField", "spellcheck": "false", "placeholder": variable.default}
    return forms.CharField(widget=forms.TextInput(attrs), **arguments)


class VariableInputs(forms.Form):
    """The inputs of declared variables. The columns show the other names, and are saved with all of them."""

    #: What is declared; whoever makes the form has added the inputs.
    declared: ClassVar[Mapping[str, Variable]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.whole_variables: Any = {}
        #: The values that inputs show as text, as they are stored.
        self._stored: dict[str, Any] = {}
        #: None where no key opens them.
        self._stored_secrets: dict[str, Any] | None = {}

    def _names(self, *, secret: bool) -> list[str]:
        return [
            name
            for name, variable in self.declared.items()
            if variable.secret is secret and PREFIX + name in self.fields
        ]

    def split_variables(self, whole: Any) -> None:
        """Show variables: each declared one in its input, as far as that can show it, and the rest as JSON."""
        self.whole_variables = whole
        if not isinstance(whole, dict):
            return
        rest = dict(whole)
        for name in self._names(secret=False):
            self.initial.pop(PREFIX + name, None)
            if _fits(rest.get(name)):
                self._stored[name] = rest.pop(name)
                self.initial[PREFIX + name] = str(self._stored[name])
        self.initial["variables"] = rest

    def show_secret_variables(self, stored: Any, sealed_by: str) -> None:
        """Say at each input whether it is stored, and whether it has to be typed again; never what it is."""
        names = self._names(secret=True)
        if not names:
            return
        try:
            self._stored_secrets = stored.reveal() if stored else {}
        except ConfigurationError:
            self._stored_secrets = None
        for name in names:
            field = self.fields[PREFIX + name]
            self.initial.pop(PREFIX + name, None)
            assert isinstance(field.widget, SecretInput)
            if self._stored_secrets is None:
                field.help_text = UNREADABLE
            elif name in self._stored_secrets:
                field.widget.is_stored = True
                field.widget.sealed_by = sealed_by
        if sealed_by and len(self._stored_secrets or ()) > 1:
            for name in names:
                field = self.fields[PREFIX + name]
                field.help_text = format_html(
                    "{} The secret variables are kept together: typing one of them sends all of them there.",
                    field.help_text,
                )
        column = self.fields["secret_variables"].widget
        if isinstance(column, SecretInput) and self._stored_secrets is not None:
            column.is_stored = not set(self._stored_secrets) <= set(names)

    def merge_variables(self) -> None:
        """Make one object of the variables that were typed.

        A name typed as JSON counts where its own input is absent, empty or untouched.
        """
        cleaned, names = self.cleaned_data, self._names(secret=False)
        if "variables" not in cleaned or any(PREFIX + name not in cleaned for name in names):
            return  # what is wrong is said already
        is_typed = self.add_prefix("variables") in self.data
        typed = cleaned["variables"] if is_typed else self.initial.get("variables")
        if typed is None and is_typed:
            typed = {}
        if not isinstance(typed, dict):
            return
        found = dict(typed)
        for name in names:
            field, is_absent = PREFIX + name, self.add_prefix(PREFIX + name) not in self.data
            value = cleaned[field] if field in self.changed_data else self._stored.get(name)
            if is_absent:
                value = None if is_typed else self._stored.get(name)
            if value in (None, ""):
                continue
            if name not in typed:
                found[name] = value
            elif field in self.changed_data and not is_absent and typed[name] != value:
                self.add_error("variables", f"{name}: its own input says something else. Leave it out in one of them.")
                return
        cleaned["variables"] = found

    def typed_secrets(self, cleaned: Mapping[str, Any]) -> list[str]:
        """The inputs of secret variables that something was typed into, or whose value is to be removed."""
        fields = [PREFIX + name for name in self._names(secret=True)]
        return [field for field in fields if cleaned.get(field) not in (None, "")]

    def merge_secret_variables(self) -> None:
        """Make one object of the secret variables: those typed now, and those that are stored and were not touched."""
        cleaned = self.cleaned_data
        names = [field.removeprefix(PREFIX) for field in self.typed_secrets(cleaned)]
        if "secret_variables" not in cleaned or not self._names(secret=True):
            return
        typed, stored = cleaned["secret_variables"], self._stored_secrets
        if not names and typed in (None, ""):
            return
        if typed in (None, ""):
            if stored is None:
                for name in names:
                    self.add_error(
                        PREFIX + name,
                        "The secret variables that are stored can't be read, as no key opens them, and would be lost. "
                        "Tick Remove at “secret variables”, or enter all of them there.",
                    )
                return
            found = dict(stored)
        else:
            own = set(self._names(secret=True))
            found = {name: value for name, value in (stored or {}).items() if name in own}
            found |= {} if typed is REMOVE else typed
        for name in names:
            value = cleaned[PREFIX + name]
            if value is REMOVE:
                found.pop(name, None)
            else:
                found[name] = value
        cleaned["secret_variables"] = found or REMOVE

    def take_variable_problems(self, column: str, message: str, instance: Any) -> str:
        """Say what the model finds wrong with variables at their inputs; what is left of the message."""
        secret = column == "secret_variables"
        values: Any = instance.variables
        if secret:
            try:
                values = instance.secret_variables.reveal() if instance.secret_variables else {}
            except ConfigurationError:
                return message
        for name in self._names(secret=secret):
            variable = self.declared[name]
            problem = variable.problem(values.get(name)) if isinstance(values, dict) else ""
            said = f"{variable.label or name} ({name}): {problem}"
            if problem and said in message:
                self.add_error(PREFIX + name, problem)
                message = message.replace(said, "").strip()
        return message


def _fits(value: Any) -> bool:
    """Whether an input of one line can show a value."""
    if isinstance(value, str):
        return value == value.strip() and value.isprintable()
    return isinstance(value, int | float) and not isinstance(value, bool)
