"""The form of a connection, with what was found at its provider: signed, since it goes through the browser."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core import signing
from django.core.exceptions import ValidationError

from apiconnector.admin.forms import ConnectionForm
from apiconnector.authorize.discovery import Found, found_in
from apiconnector.exceptions import ConfigurationError
from apiconnector.oauth import discovery

_SALT = "apiconnector.admin.discovering"


def signed(found: Found) -> str:
    """What was found, as text for an address or an input."""
    return signing.dumps(found.discovered, salt=_SALT, compress=True)


def opened(text: str) -> Found:
    """What was signed, looked at again. Raises ``ValidationError``."""
    try:
        return found_in(discovery.read(signing.loads(text, salt=_SALT)))
    except (signing.BadSignature, ConfigurationError):
        raise ValidationError(
            "What was found at the provider can't be read any more: press “Fill in from the provider” again."
        ) from None


class DiscoveryForm(ConnectionForm):
    """The connection's form. That of a new one brings along what was found at its provider, signed."""

    discovery = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            del self.fields["discovery"]

    def clean_discovery(self) -> str:
        """Keep the metadata with the connection."""
        text: str = self.cleaned_data["discovery"]
        if text:
            try:
                self.instance.discovered = opened(text).discovered
            except ValidationError as error:
                # The admin shows no error of a hidden field.
                self.add_error(None, error.messages)
        return text
