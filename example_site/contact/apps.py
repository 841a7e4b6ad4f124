"""The app."""

from django.apps import AppConfig


class ContactConfig(AppConfig):
    name = "example_site.contact"
    verbose_name = "Contact form"
