"""The HTTP and OAuth clients that this is measured beside, used as their own documentation shows it.

They keep no tokens: that is the caller's part. In the storm it is done as simply as many do it, with a file that each
session reads when it is made and their callback for a new token writes. httpx knows no OAuth and is not in the storm.
"""

from __future__ import annotations

import json
import os
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

REQUESTS_OAUTHLIB, AUTHLIB, HTTPX = "requests-oauthlib", "Authlib", "httpx"
#: Those that refresh a token.
OAUTH = (REQUESTS_OAUTHLIB, AUTHLIB)
_PACKAGES = {REQUESTS_OAUTHLIB: "requests_oauthlib", AUTHLIB: "authlib", HTTPX: "httpx"}


def installed() -> list[str]:
    return [name for name, package in _PACKAGES.items() if find_spec(package)]


def missing() -> list[str]:
    return [name for name in _PACKAGES if name not in installed()]


def described(name: str) -> str:
    """The name with its version."""
    return f"{name} {version(name)}"


def session_of(name: str, token: dict[str, Any], token_url: str, save: Callable[[Any], None]) -> Any:
    """A session of this client that sends the token; those of OAuth refresh it and hand a new one to ``save``."""
    # Both refuse http otherwise; the server is on this machine.
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    # By name, because type checkers need not find what need not be installed.
    if name == HTTPX:
        return import_module("httpx").Client(headers={"Authorization": f"Bearer {token['access_token']}"}, timeout=10)
    if name == REQUESTS_OAUTHLIB:
        return import_module("requests_oauthlib").OAuth2Session(
            "id", token=token, auto_refresh_url=token_url, token_updater=save,
            auto_refresh_kwargs={"client_id": "id", "client_secret": "secret"},
        )  # fmt: skip  # in rows
    return import_module("authlib.integrations.requests_client").OAuth2Session(
        "id", "secret", token=token, token_endpoint=token_url, update_token=lambda token, **_: save(token)
    )


class TokenFile:
    """A token kept in a file: written whole, so that nobody reads half of one."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def read(self) -> dict[str, Any]:
        token: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        return token

    def write(self, token: dict[str, Any]) -> None:
        part = self.path.with_suffix(f".{os.urandom(8).hex()}")
        part.write_text(json.dumps(token), encoding="utf-8")
        part.replace(self.path)
