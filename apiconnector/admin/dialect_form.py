"""A dialect in the form: an input for each common key, one field of JSON for the rest."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.utils.html import format_html, format_html_join

from apiconnector.dialect.keys import BASIC_ENCODINGS, EXPIRES_UNITS, FORMATS, documented
from apiconnector.fields import JSONTextField
from apiconnector.fields.json_text import JSONFormField

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.utils.safestring import SafeString

    from apiconnector.auth import AuthMethod

#: What the names of the inputs begin with.
PREFIX: Final = "dialect_"
_COLUMN: Final = JSONTextField(blank=True, json_type=dict)
_DOCUMENTED: Final = {key: (default, meaning, example) for key, default, meaning, example in documented()}
_CODE: Final = re.compile(r"``\s?(.+?)\s?``|`([^`]+)`")


def _help(key: str) -> SafeString:
    _, meaning, example = _DOCUMENTED[key]
    return format_html("<code>{}</code>: {} For example {}.", key, _marked(meaning), _marked(example.rstrip(".")))


def _marked(text: str) -> SafeString:
    """Text with its code, which stands in backquotes, as HTML."""
    pieces = _CODE.split(text)
    texts, codes = pieces[::3], [one or other for one, other in zip(pieces[1::3], pieces[2::3], strict=True)]
    rest = format_html_join("", "<code>{}</code>{}", zip(codes, texts[1:], strict=True))
    return format_html("{}{}", texts[0], rest)


class ObjectField(JSONFormField):
    """A JSON object; empty means none."""

    def validate(self, value: Any) -> None:
        """Refuse another kind of JSON, and what can't be kept."""
        super().validate(value)
        _COLUMN.validate(value, None)


class SecondsField(forms.FloatField):
    """A number that stays a whole one if it is one."""

    def to_python(self, value: Any) -> Any:
        """Read a number."""
        number = super().to_python(value)
        return int(number) if number is not None and math.isfinite(number) and number.is_integer() else number


class MergedTextarea(forms.Textarea):
    """JSON that is saved together with inputs: its own absence from what was sent decides nothing."""

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        """Let the merged value be saved."""
        del data, files, name
        return False


def _object(key: str, label: str) -> ObjectField:
    widget = forms.Textarea({"rows": 2, "cols": 60, "spellcheck": "false", "placeholder": "{}"})
    return ObjectField(required=False, label=label, help_text=_help(key), widget=widget)


def _choice(key: str, label: str, words: Mapping[str, str]) -> forms.ChoiceField:
    return forms.ChoiceField(
        required=False, label=label, help_text=_help(key), choices=list(words.items()), initial=_DOCUMENTED[key][0]
    )


def _text(key: str, label: str, placeholder: str) -> forms.CharField:
    widget = forms.TextInput({"class": "vTextField", "spellcheck": "false", "placeholder": placeholder})
    return forms.CharField(required=False, label=label, help_text=_help(key), widget=widget)


class DialectInputs(forms.Form):
    """The inputs of a dialect. The column ``dialect`` shows what is left, and is saved with all of it."""

    dialect_authorization_params = _object("authorization_params", "Authorization parameters")
    dialect_token_request_format = _choice(
        "token_request_format",
        "Token request format",
        dict(zip(FORMATS, ("Form", "JSON", "Query of the address"), strict=True)),
    )
    dialect_token_params = _object("token_params", "Token parameters")
    dialect_basic_encoding = _choice(
        "basic_encoding",
        "Encoding for Basic",
        dict(zip(BASIC_ENCODINGS, ("Percent-encoded", "As in a form", "As they are"), strict=True)),
    )
    dialect_callback_code_param = _text("callback_code_param", "Callback parameter with the code", "code")
    dialect_keep_from_callback = _object("keep_from_callback", "Keep from the callback")
    dialect_keep_from_token = _object("keep_from_token", "Keep from the token answer")
    dialect_expired_when = _text("expired_when", "Token has expired when", "status == `401`")
    dialect_default_expires_in = SecondsField(
        required=False,
        label="Lifetime where none is stated",
        help_text=_help("default_expires_in"),
        widget=forms.NumberInput({"min": 1, "step": "any"}),
    )
    dialect_expires_unit = _choice("expires_unit", "Unit of lifetimes", {unit: unit for unit in EXPIRES_UNITS})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: The name of the field that each key was taken from.
        self.dialect_sources: dict[str, str] = {}
        self.whole_dialect: Any = {}

    def split_dialect(self, whole: Any) -> None:
        """Show a dialect: each common key in its input, as far as that can show it, and the rest as JSON."""
        self.whole_dialect = whole
        rest = dict(whole) if isinstance(whole, dict) else whole
        for key in COMMON:
            name = PREFIX + key
            if name not in self.fields:
                continue
            self.initial.pop(name, None)
            if isinstance(rest, dict) and key in rest and _fits(key, rest[key]):
                value = rest.pop(key)
                if value != DEFAULTS[key]:
                    self.initial[name] = value
        self.initial["dialect"] = rest
        field = self.fields["dialect"]
        field.label = "Everything else (dialect)"
        field.help_text = format_html(
            "A JSON object with the other keys: {}. A key that has an input of its own may stand here, too.",
            format_html_join(", ", "<code>{}</code>", ((key,) for key in _DOCUMENTED if key not in COMMON)),
        )

    def drop_dialect_inputs(self) -> None:
        """Take the inputs away, in a form that does not have the column."""
        for key in COMMON:
            self.fields.pop(PREFIX + key, None)

    def merge_dialect(self) -> None:
        """Make one dialect of what was typed.

        A key typed as JSON counts where its own input is absent, at its default or untouched.
        """
        cleaned = self.cleaned_data
        inputs = [key for key in COMMON if PREFIX + key in self.fields]
        if "dialect" not in cleaned:
            return  # what is wrong is said already
        if any(PREFIX + key not in cleaned for key in inputs):
            cleaned["dialect"] = self.whole_dialect  # half of what was typed would be wrong in other ways
            return
        is_typed = self.add_prefix("dialect") in self.data
        typed = cleaned["dialect"] if is_typed else self.initial["dialect"]
        typed = typed if typed or not is_typed else {}
        absent = {key for key in inputs if self.add_prefix(PREFIX + key) not in self.data}
        if not isinstance(typed, dict):
            if is_typed:
                self.add_error("dialect", 'Enter a JSON object, such as {"token_request_method": "GET"}.')
            else:
                cleaned["dialect"] = self.whole_dialect
            return
        found: dict[str, Any] = {}
        for key in inputs:
            name = PREFIX + key
            value = self.initial.get(name) if key in absent and not is_typed else cleaned[name]
            is_set = value not in (None, "") and value != DEFAULTS[key] and not (key in absent and is_typed)
            if key not in typed:
                if is_set:
                    found[key], self.dialect_sources[key] = value, name
            elif is_set and name in self.changed_data and typed[key] != value:
                self.add_error("dialect", f"{key}: its own input says something else. Leave it out in one of them.")
                return
        left = {key: value for key, value in typed.items() if key not in COMMON or value != DEFAULTS[key]}
        cleaned["dialect"] = found | left

    def dialect_source(self, message: str) -> str:
        """The field that a message of ``read()`` is about: it begins with the place of what is wrong."""
        return self.dialect_sources.get(re.split(r"\W", message, maxsplit=1)[0], "dialect")


#: The keys with an input of their own, in the order of the form.
COMMON: Final = tuple(name.removeprefix(PREFIX) for name in DialectInputs.base_fields)
CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "token_request_format": FORMATS,
    "basic_encoding": BASIC_ENCODINGS,
    "expires_unit": EXPIRES_UNITS,
}
DEFAULTS: Final = {key: _DOCUMENTED[key][0] for key in COMMON}


def _fits(key: str, value: Any) -> bool:
    """Whether the input of a key can show a value; another one is shown as JSON."""
    field = DialectInputs.base_fields[PREFIX + key]
    if isinstance(field, ObjectField):
        return isinstance(value, dict)
    if isinstance(field, SecondsField):
        return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
    if not isinstance(value, str):
        return False
    if key in CHOICES:
        return value in CHOICES[key]
    return value == value.strip() and value.isprintable() and (bool(value) or DEFAULTS[key] == "")


def uses(method: type[AuthMethod], key: str) -> bool:
    """Whether a method has a use for the input of a key; the other inputs are not shown."""
    if key in {"authorization_params", "callback_code_param", "keep_from_callback"}:
        return "authorization_url" in method.fields
    if key in {"token_request_format", "token_params", "keep_from_token"}:
        return "token_url" in method.fields
    if key == "basic_encoding":
        return "client_auth" in method.fields
    return method.uses_token


def is_filled(posted: Mapping[str, Any], shown: Any) -> bool:
    """Whether a form says that a provider differs: what was sent of it, or what it begins with."""
    if shown:
        return True
    inputs = {key: str(posted.get(PREFIX + key, "")).strip() for key in COMMON}
    if any(text not in {"", "{}"} and text != DEFAULTS[key] for key, text in inputs.items()):
        return True
    return str(posted.get("dialect", "")).strip() not in {"", "{}", "null"}
