"""What is wrong with a connection's dialect, variables and placeholders, as ``{field: message}``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from apiconnector.dialect import problem_with_names
from apiconnector.exceptions import ConfigurationError, DialectError, ExpressionError, TemplateError
from apiconnector.models.hosts import ADDRESS_FIELDS
from apiconnector.models.names import SECRET_NAMES
from apiconnector.templating import (
    BROWSER_NAMES,
    CONNECTION_NAMES,
    LABEL_NAMES,
    check_names,
    compile_expression,
    secrets_before_path,
)

if TYPE_CHECKING:
    from apiconnector.dialect import Dialect
    from apiconnector.models.connection import Connection
    from apiconnector.templating import AllowedNames

#: An address is known before there is a token; only a refresh has one.
_ADDRESS_NAMES: Final = CONNECTION_NAMES._replace(secrets=CONNECTION_NAMES.secrets - {"access_token"})
_FIELDS: Final[dict[str, AllowedNames]] = {
    **dict.fromkeys(ADDRESS_FIELDS, _ADDRESS_NAMES),
    **dict.fromkeys(("refresh_url", "default_headers", "default_params", "default_body"), CONNECTION_NAMES),
    "authorization_url": BROWSER_NAMES,
    "issuer": BROWSER_NAMES,
    "allowed_hosts": BROWSER_NAMES,
    "label_template": LABEL_NAMES._replace(below=LABEL_NAMES.below | {"values"}),
}


def dialect_problems(connection: Connection) -> dict[str, str]:
    """What is wrong with dialect, variables, and the names that placeholders use; empty where nothing is."""
    try:
        dialect = connection.read_dialect()
    except DialectError as error:
        return {"dialect": str(error)}
    if not isinstance(connection.variables, dict):
        return {}  # said elsewhere
    secret = _secret_variables(connection)
    found = _variable_problems(connection, dialect, secret)
    if found:
        return found
    names = {*connection.variables, *dialect.kept_names()}
    names |= {name for name, variable in dialect.variables.items() if not variable.secret}
    # Secrets that no key opens now may have any name.
    is_open = secret is None
    hidden = {*(secret or {}), *(name for name, variable in dialect.variables.items() if variable.secret)}
    if not is_open and (message := problem_with_names(dialect, names, hidden)):
        found["dialect"] = message
    for name, allowed in _FIELDS.items():
        if message := _name_problem(connection, name, allowed._replace(open=is_open), names, hidden):
            found[name] = message
    if message := _expression_problem(connection.account_id_path):
        found["account_id_path"] = message
    return found


def _secret_variables(connection: Connection) -> dict[str, Any] | None:
    """The secret variables; None where they can't be read."""
    if not connection.secret_variables:
        return {}
    try:
        found = connection.secret_variables.reveal()
    except ConfigurationError:
        return None
    return found if isinstance(found, dict) else {}


def _variable_problems(connection: Connection, dialect: Dialect, secret: dict[str, Any] | None) -> dict[str, str]:
    """What declarations say of variables, and names that are taken twice."""
    both = sorted(set(connection.variables) & set(secret or {}))
    if both:
        return {"variables": f"{both[0]} is a secret variable, too: leave one of them out."}
    problems: dict[str, list[str]] = {}
    for name, declared in dialect.variables.items():
        column, values = ("secret_variables", secret) if declared.secret else ("variables", connection.variables)
        if declared.secret and name in connection.variables:
            problems.setdefault("variables", []).append(
                f"{declared.label or name}: this is a secret. Enter it among the secret variables."
            )
        elif values is not None and (message := declared.problem(values.get(name))):
            problems.setdefault(column, []).append(f"{declared.label or name} ({name}): {message}")
    return {column: " ".join(messages) for column, messages in problems.items()}


def _name_problem(connection: Connection, column: str, allowed: AllowedNames, names: set[str], hidden: set[str]) -> str:
    value = getattr(connection, column)
    if not any(mark in str(value) for mark in ("{{", "{%", "{#")):
        return ""
    try:
        check_names(value, allowed.with_variables(names, hidden))
        if column in ADDRESS_FIELDS and (secrets := secrets_before_path(value, {*hidden, *SECRET_NAMES})):
            return (
                f"{{{{ {secrets[0]} }}}} is a secret, and can't be a part of the host: which host gets the secrets has "
                "to be known without them."
            )
    except TemplateError as error:
        return str(error)
    return ""


def _expression_problem(path: str) -> str:
    if not path:
        return ""
    try:
        compile_expression(path)
    except ExpressionError as error:
        return str(error)
    return ""
