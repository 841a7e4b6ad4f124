"""Which names the templates of each key may use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from apiconnector.exceptions import TemplateError
from apiconnector.templating import (
    AFTER_AUTHORIZE_NAMES,
    BROWSER_NAMES,
    CONNECTION_NAMES,
    AllowedNames,
    check_names,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from apiconnector.dialect.keys import Dialect
    from apiconnector.dialect.request import DeclaredRequest, TestRequest


def _with(names: AllowedNames, *more: str) -> AllowedNames:
    return names._replace(exact=names.exact | frozenset(more))


#: Where no token is there yet.
_BEFORE_TOKEN: Final = CONNECTION_NAMES._replace(secrets=CONNECTION_NAMES.secrets - {"access_token"})

#: The keys that hold templates, each with the names they may use beside the connection's own.
TEMPLATE_FIELDS: Final[dict[str, AllowedNames]] = {
    "authorization_params": _with(BROWSER_NAMES, "scope", "redirect_uri", "state"),
    "token_params": _with(_BEFORE_TOKEN, "scope", "redirect_uri", "code", "code_verifier"),
    "refresh_params": _with(CONNECTION_NAMES, "scope", "refresh_token"),
    "token_headers": _with(_BEFORE_TOKEN, "scope"),
    "after_authorize": AFTER_AUTHORIZE_NAMES,
    "login": _with(_BEFORE_TOKEN, "scope"),
    "second_token": _with(CONNECTION_NAMES, "scope"),
    "revoke": _with(CONNECTION_NAMES, "refresh_token"),
    "test_request": CONNECTION_NAMES,
}


def problem_with_names(dialect: Dialect, names: Collection[str], secret: Collection[str]) -> str:
    """What is wrong with the names in a dialect's templates, given a connection's own; empty where nothing is."""
    for key, allowed in TEMPLATE_FIELDS.items():
        value = getattr(dialect, key)
        if not value:
            continue
        try:
            check_names(_templates_of(value), allowed.with_variables(names, secret))
        except TemplateError as error:
            return f"{key}: {error}"
    return ""


def _templates_of(value: Any) -> Any:
    if not hasattr(value, "body"):
        return dict(value)
    request: DeclaredRequest | TestRequest = value
    found = {"params": dict(request.params), "headers": dict(request.headers), "body": request.body}
    return found | ({"url": request.url} if hasattr(request, "url") else {})
