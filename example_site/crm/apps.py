"""The app."""

from django.apps import AppConfig


class CrmConfig(AppConfig):
    name = "example_site.crm"
    verbose_name = "CRM"
