"""What a connection or feed must hold before it is used, as ``{field: message}``."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from apiconnector import conf
from apiconnector.client import Destinations, Origin, egress, validate_base_url
from apiconnector.exceptions import ConfigurationError, RequestRefused, TemplateError
from apiconnector.models.dialect_validation import dialect_problems
from apiconnector.oauth import CLIENT_AUTHENTICATIONS
from apiconnector.templating import check, check_url, compile_template
from apiconnector.templating.words import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apiconnector.models.connection import Connection

URL_FIELDS = ("base_url", "issuer", "authorization_url", "token_url", "refresh_url", "revocation_url")
#: Headers that are wrong whenever they say anything else than what is sent (RFC 9112 sections 3.2 and 6).
_FRAMING = frozenset({"content-length", "host", "transfer-encoding"})
_IS_WRITTEN = "is written for each request: it says where that goes, or where its body ends"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_ALLOWED_HOST = re.compile(r"\.?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:\d{1,5})?")


def is_findable(name: Any) -> bool:
    """Whether a name can be looked up: databases refuse NUL and half surrogate pairs."""
    if not isinstance(name, str) or "\x00" in name:
        return False
    return name.isascii() or not any("\ud800" <= c <= "\udfff" for c in name)


def connection_problems(connection: Connection) -> dict[str, str]:
    """Everything wrong with a connection, by field; what its method requires first."""
    method = connection.method_or_none
    if method is None:
        return {
            "auth_method": f"The method “{connection.auth_method}” is not there: the app that registers it is not "
            "installed. Choose another one, or install it."
        }
    found = {name: "This field is required." for name in method.required() if not getattr(connection, name)}
    for name, message in method.problems(connection).items():
        found.setdefault(name, message)
    for name in URL_FIELDS:
        if message := url_problem(getattr(connection, name)):
            found.setdefault(name, message)
    for name in ("default_headers", "default_params", "default_body"):
        if message := json_problem(getattr(connection, name), headers=name == "default_headers"):
            found.setdefault(name, message)
    found |= _other_problems(connection, found)
    return found


def _other_problems(connection: Connection, found: Mapping[str, str]) -> dict[str, str]:  # noqa: C901 - one branch a field
    problems: dict[str, str] = {}
    if not isinstance(connection.allowed_hosts, list) or not all(map(_is_allowed_host, connection.allowed_hosts)):
        problems["allowed_hosts"] = 'Enter a list of hosts such as ["files.example.com", ".example.org:8443"].'
    method = connection.method_or_none
    if method and "client_auth" in method.fields and connection.client_auth not in CLIENT_AUTHENTICATIONS:
        problems["client_auth"] = f"The client authentication “{connection.client_auth}” is not available."
    if not isinstance(connection.variables, dict):
        problems["variables"] = 'Enter a JSON object, such as {"name": "value"}.'
    for name, message in dialect_problems(connection).items():
        if name not in found:
            problems.setdefault(name, message)
    if connection.credential_name and not _HEADER_NAME.fullmatch(connection.credential_name):
        problems["credential_name"] = "A name of a header or parameter has no spaces, colons or line breaks."
    elif connection.credential_in == "header" and connection.credential_name.lower() in _FRAMING:
        problems["credential_name"] = f"The header {connection.credential_name} {_IS_WRITTEN}."
    if not connection.credential_prefix.isprintable() or not connection.credential_prefix.isascii():
        problems["credential_prefix"] = "A prefix is plain text without line breaks, such as Token."
    if connection.timeout is not None and not 0 < connection.timeout <= conf.MAX_TIMEOUT:
        problems["timeout"] = f"Enter seconds above 0 and up to {conf.MAX_TIMEOUT}, or nothing for the site's setting."
    problems |= _secret_problems(connection)
    is_known = "base_url" not in found and "allowed_hosts" not in problems
    if connection.test_path and is_known and "{{" not in connection.base_url:
        try:
            destinations = Destinations(connection.base_url, connection.filled_allowed_hosts)
            destinations.check(destinations.join(connection.test_path))
        except (RequestRefused, ConfigurationError, ValueError) as error:
            problems["test_path"] = str(error)
    return problems


def _is_allowed_host(entry: Any) -> bool:
    if not isinstance(entry, str):
        return False
    try:
        # A placeholder stands for a part of a name.
        parts = compile_template(entry).parts
    except TemplateError:
        return False
    return bool(_ALLOWED_HOST.fullmatch("".join(part if isinstance(part, str) else "x" for part in parts)))


def _secret_problems(connection: Connection) -> dict[str, str]:
    """What is wrong with secrets that were typed just now; stored ones were looked at when they were."""
    problems: dict[str, str] = {}
    for name in ("client_id", "client_secret", "username", "password", "api_key"):
        secret = getattr(connection, name)
        if secret and not secret.stored and not _sendable(secret.reveal()):
            problems[name] = "This holds a line break or another control character: paste it again."
    variables = connection.secret_variables
    if variables and not variables.stored and not _can_be_kept(variables.reveal()):
        unfit = "This can't be kept as JSON, or holds half of a surrogate pair."
        problems["secret_variables"] = unfit
    return problems


def _sendable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return not any(ord(character) < 32 or ord(character) == 127 for character in text)


def _can_be_kept(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def url_problem(url: str) -> str:
    """What is wrong with an address an admin typed; empty for a good one, and for none."""
    if not url:
        return ""
    if "{{" in url:
        try:
            check_url(url)
        except TemplateError as error:
            return str(error)
        return ""
    try:
        validate_base_url(url)
        problem = egress.policy().problem(Origin.of(url))
    except ConfigurationError as error:
        return str(error)
    if problem:
        return (
            f"{problem} Only hosts in the setting APICONNECTOR_TRUSTED_HOSTS may be reached so: whoever runs this "
            "server can name it there."
        )
    return ""


def json_problem(value: Any, *, headers: bool = False, pairs: bool = False) -> str:
    """What is wrong with headers, parameters or form fields; empty when nothing is.

    ``pairs`` also allows a list of ``[name, value]``, for those whose order or repetition matters.
    """
    if isinstance(value, dict):
        items = list(value.items())
    elif pairs and isinstance(value, list) and all(_is_pair(item) for item in value):
        items = [(name, content) for name, content in value]
    else:
        return 'Enter a JSON object, such as {"name": "value"}' + (
            ', or a list of pairs, such as [["name", "value"]].' if pairs else "."
        )
    try:
        check(value)
    except TemplateError as error:
        return str(error)
    found = (_header_problem(name, content) if headers else "" for name, content in items)
    return (_nesting_problem(items) if pairs else "") or next(filter(None, found), "")


def _nesting_problem(items: list[tuple[Any, Any]]) -> str:
    for name, content in items:
        if any(isinstance(item, dict | list) for item in (content if isinstance(content, list) else [content])):
            return f"{shown(name)}: only texts, numbers and lists of them fit there, no object."
    return ""


def _header_problem(name: Any, content: Any) -> str:
    if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
        return f"{name!r} is no name of a header."
    if name.lower() in _FRAMING:
        return f"The header {name} {_IS_WRITTEN}."
    if not isinstance(content, str | int | float) or not str(content).isprintable():
        return f"The header {name} must be one line of text."
    if "{{" not in str(content) and not _is_latin(str(content)):
        return f"The header {name} has characters that a header can't carry (only Latin-1)."
    return ""


def _is_latin(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _is_pair(item: Any) -> bool:
    return isinstance(item, list) and len(item) == 2 and isinstance(item[0], str)
