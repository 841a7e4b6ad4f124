"""Where a row is in the admin, for mails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

from django.urls import NoReverseMatch, reverse

from apiconnector import conf
from apiconnector.exceptions import ConfigurationError

if TYPE_CHECKING:
    from django.db.models import Model

_NO_BASE_URL: Final = "(Set APICONNECTOR_BASE_URL to have the whole address here.)"


def whereabouts(row: Model) -> str:
    """A paragraph with the address of the row's page; its path where the site's own address is not known."""
    meta = row._meta
    try:
        path = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])
    except NoReverseMatch:
        return f"Where: in the admin of this site, under {str(meta.verbose_name_plural).capitalize()}."
    try:
        origin = conf.base_url()
    except ConfigurationError:
        origin = ""
    return f"Where: {urljoin(origin, path)}" if origin else f"Where: {path}\n{_NO_BASE_URL}"
