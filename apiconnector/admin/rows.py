"""The rows of the connection's form: how they are grouped, and which of them a method shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpResponse
from django.utils.html import format_html

from apiconnector import auth
from apiconnector.models.hosts import ADDRESS_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.http import HttpRequest

    from apiconnector.models import Connection

_ABOUT_VARIABLES = "Names that stand in the addresses and requests of this provider."
_ABOUT_DIALECT = "The ways in which it departs from the OAuth standards. Empty for one that does not."

_FIELDSETS: list[tuple[str | None, dict[str, Any]]] = [
    (None, {"fields": ["preset", "name", "slug", "base_url", "auth_method"]}),
    (
        "Credentials",
        {
            "fields": ["client_id", "client_secret", "username", "password", "api_key"],
            "classes": ["apiconnector-group"],
        },
    ),
    ("OAuth", {"fields": ["authorization_url", "token_url", "scope"], "classes": ["apiconnector-group"]}),
    (
        "OAuth details",
        {
            "fields": [
                "pkce",
                "client_auth",
                "refresh_url",
                "revocation_url",
                "issuer",
                "scope_delimiter",
                "client_secret_expires_on",
            ],
            "classes": ["collapse", "apiconnector-group"],
        },
    ),
    (
        "Where the credential goes",
        {
            "fields": ["credential_in", "credential_name", "credential_prefix"],
            "classes": ["collapse", "apiconnector-group"],
        },
    ),
    (
        "Every request",
        {
            "fields": [
                "is_active",
                "timeout",
                "default_headers",
                "default_params",
                "default_body",
                "allowed_hosts",
                "variables",
                "secret_variables",
            ],
            "classes": ["collapse"],
        },
    ),
    (
        "Test request",
        {
            "fields": ["test_method", "test_path", "label_template", "account_id_path"],
            "classes": ["collapse"],
        },
    ),
]


def fieldsets(
    connection: Connection | None,
    *,
    variables: Sequence[str] = (),
    is_dialect_open: bool = False,
    may_change: bool = True,
) -> list[tuple[str | None, dict[str, Any]]]:
    """All groups, with one for what methods of the site's own use; the credentials say where they may go.

    ``variables`` are the inputs of those that are declared. Whoever may only look sees the dialect as the JSON it is.
    """
    from apiconnector.admin import dialect_form

    known = {name for _, options in _FIELDSETS for name in options["fields"]}
    extra = sorted({name for method in auth.methods() for name in method.fields} - known)
    more = [("More", {"fields": extra, "classes": ["apiconnector-group"]})] if extra else []
    declared = [("Variables", {"fields": list(variables), "description": _ABOUT_VARIABLES})] if variables else []
    own = [dialect_form.PREFIX + key for key in dialect_form.COMMON] if may_change else []
    differs = {"fields": [*own, "dialect"], "classes": [] if is_dialect_open else ["collapse"]}
    first, (title, options), *rest = _FIELDSETS
    credentials = (title, {**options, "description": _bound_to(connection)})
    return [
        first,
        *declared,
        credentials,
        rest[0],
        *more,
        *rest[1:],
        ("How this provider differs", {**differs, "description": _ABOUT_DIALECT}),
    ]


def _bound_to(connection: Connection | None) -> str:
    now = connection.hosts_in_words() if connection is not None else ""
    return format_html(
        "What is typed here is kept for the hosts that the URLs and the allowed hosts name when it is saved{}. Where "
        "one is added later, it has to be typed again.",
        f", now: {now}" if now else "",
    )


def fields_css(request: HttpRequest) -> HttpResponse:
    """Hide the rows that the chosen method does not use. Plain CSS: it works without JavaScript, as one chooses.

    An address that is filled in stays in sight: secrets are bound to its host, whether the method uses it or not.
    """
    from apiconnector.admin import dialect_form

    del request
    used = {name for method in auth.methods() for name in method.fields}
    rules = []
    for method in auth.methods():
        chosen = f'form:has(#id_auth_method option[value="{method.name}"]:checked)'
        hidden = sorted(used - set(method.fields))
        if "client_secret" not in method.fields:
            hidden.append("client_secret_expires_on")
        rules += [f"{chosen} .form-row.field-{name}{_unless_filled([name])}" for name in hidden]
        rules += [
            f"{chosen} fieldset.apiconnector-group:has(.field-{names[0]}){_unless_filled(names)}"
            for names in (options["fields"] for _, options in _FIELDSETS if "apiconnector-group" in _classes(options))
            if not set(names) & set(method.fields)
        ]
        # One with an error stays in sight, whatever it is for.
        rules += [
            f"{chosen} .form-row.field-{dialect_form.PREFIX}{key}:not(.errors)"
            for key in dialect_form.COMMON
            if not dialect_form.uses(method, key)
        ]
    response = HttpResponse(",\n".join(rules) + " { display: none; }\n", content_type="text/css")
    response["Cache-Control"] = "private, max-age=60"
    return response


def _classes(options: dict[str, Any]) -> list[str]:
    return list(options.get("classes", ()))


def _unless_filled(names: Iterable[str]) -> str:
    """A selector for what shows none of these addresses filled in."""
    inputs = ", ".join(f"#id_{name}[value]" for name in names if name in ADDRESS_FIELDS)
    return f":not(:has({inputs}))" if inputs else ""
