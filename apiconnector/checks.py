"""System checks."""

from __future__ import annotations

from typing import Any

from django.core import checks

from apiconnector import conf
from apiconnector.exceptions import ConfigurationError


def register() -> None:
    """Register every check of the app."""
    checks.register(check_keys, checks.Tags.security)


def check_keys(**_: Any) -> list[checks.CheckMessage]:
    """``apiconnector.E001``: there is no usable key."""
    try:
        conf.keys()
    except ConfigurationError as error:
        return [
            checks.Error(
                str(error).removesuffix(conf.GENERATE_HINT).strip(),
                hint=conf.GENERATE_HINT,
                id="apiconnector.E001",
            )
        ]
    return []
