"""The form."""

from django import forms

from example_site.contact.models import Message


class ContactForm(forms.ModelForm):  # type: ignore[type-arg]  # ModelForm[Message] fails at run time
    class Meta:
        model = Message
        fields = ("name", "email", "message")
