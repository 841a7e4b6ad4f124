"""The forms."""

from typing import Any

from django import forms

from example_site.contact.models import Message


class ContactForm(forms.ModelForm):  # type: ignore[type-arg]  # ModelForm[Message] fails at run time
    class Meta:
        model = Message
        fields = ("name", "email", "message")


class BrochureForm(forms.ModelForm):  # type: ignore[type-arg]  # likewise
    class Meta:
        model = Message
        fields = ("name", "email")

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        self.instance.message = "Please send me the brochure."
        return super().save(commit)
