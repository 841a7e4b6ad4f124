"""Read a dialect from JSON: each key checked, each mistake said with its place."""

from __future__ import annotations

import json
from dataclasses import fields
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from apiconnector.dialect.keys import (
    BASIC_ENCODINGS,
    EMPTY,
    EXPIRES_UNITS,
    FORMATS,
    METHODS,
    Dialect,
)
from apiconnector.dialect.parts import (
    mistake,
    one_of,
    or_null,
    read_days,
    read_expression,
    read_flag,
    read_headers,
    read_kept,
    read_members,
    read_object,
    read_parameter_name,
    read_params,
    read_plain_params,
    read_rule,
    read_seconds,
    read_templates,
    read_text,
    read_url,
    read_variables,
    require_known,
)
from apiconnector.dialect.request import BODY_FORMATS, DECLARED_METHODS, DeclaredRequest, Explained, TestRequest
from apiconnector.exceptions import DialectError
from apiconnector.templating.words import shown

if TYPE_CHECKING:
    from collections.abc import Callable

#: The largest dialect, in characters of JSON.
_LARGEST: Final = 100_000


def read(data: Any) -> Dialect:
    """Read the JSON of a dialect; the same one is read once.

    Raises ``DialectError`` with the place of what is wrong: an unknown key (with the nearest one), a value of the wrong
    kind, a template or expression that can't be read.
    """
    if data in ({}, None):
        return EMPTY
    if not isinstance(data, dict):
        raise DialectError('A dialect is a JSON object, such as {"token_request_format": "json"}.')
    try:
        text = json.dumps(data)
    except (TypeError, ValueError, RecursionError):
        raise DialectError("The dialect is no JSON, or nested too deeply.") from None
    if len(text) > _LARGEST:
        raise DialectError(f"The dialect has {len(text):,} characters; at most {_LARGEST:,} are read.")
    return _read(text)


@lru_cache(maxsize=512)
def _read(text: str) -> Dialect:
    data: dict[str, Any] = json.loads(text)
    require_known(data, [one.name for one in fields(Dialect)], "")
    values = {name: _READERS[name](value, name) for name, value in data.items()}
    found = Dialect(**values)
    _check_whole(found)
    return found


def _check_whole(found: Dialect) -> None:
    """What no key can tell alone."""
    sources: dict[str, str] = {}
    after = found.after_authorize.values if found.after_authorize else {}
    for key, names in (
        ("variables", found.variables),
        ("keep_from_callback", found.keep_from_callback),
        ("keep_from_token", found.keep_from_token),
        ("after_authorize.values", after),
    ):
        for name in names:
            if key != "variables" and sources.get(name, "variables") != "variables":
                raise DialectError(f"{key}: the name “{name}” is used in {sources[name]} already.")
            if sources.get(name) == "variables" and found.variables[name].secret:
                raise DialectError(f"{key}: the name “{name}” is that of a secret variable already.")
            sources[name] = key
    for name, request in found.declared_requests().items():
        if request.values and name != "after_authorize":
            raise DialectError(f"{name}.values: values are kept of after_authorize only.")
    if found.after_authorize is not None and not found.after_authorize.values:
        raise DialectError(
            'after_authorize.values: name what to keep of the answer, such as {"tenant": {"path": "body[0].id", '
            '"pattern": "[0-9a-f-]+"}}.'
        )
    if found.renews_itself and "access_token" not in json.dumps(dict(found.refresh_params)):
        raise DialectError(
            "refresh_params: without a refresh_token they have to name {{ access_token }}, which is then renewed."
        )


_REQUEST_READERS: Final[dict[str, Callable[[Any, str], Any]]] = {
    "url": read_url,
    "method": one_of(*DECLARED_METHODS),
    "format": one_of(*BODY_FORMATS),
    "params": read_params,
    "headers": read_headers,
    "body": or_null(read_templates),
    "values": read_kept,
    "token_response": read_members,
    "after_refresh": read_flag,
}


def _fields_of_body(request: DeclaredRequest | TestRequest, place: str) -> None:
    if request.body is not None and request.format != "json" and not isinstance(request.body, dict):
        raise mistake(f"{place}.body", "fields of a form or of a query are a JSON object")


def _request(*keys: str, method: str) -> Callable[[Any, str], DeclaredRequest]:
    """A reader of requests that have these keys beside those of every one, and this method by default."""
    known = ("url", "method", "format", "params", "headers", "body", *keys)

    def read_request(value: Any, place: str) -> DeclaredRequest:
        declared = read_object(value, place)
        require_known(declared, known, place)
        if "url" not in declared:
            raise mistake(place, "enter a url: a whole address, or a path below the base URL")
        values = {key: _REQUEST_READERS[key](content, f"{place}.{key}") for key, content in declared.items()}
        request = DeclaredRequest(**{"method": method, **values})
        _fields_of_body(request, place)
        if request.body is not None and request.method == "GET" and request.format != "query":
            raise mistake(f"{place}.body", 'a GET has no body: choose the format "query", or another method')
        return request

    return read_request


def _statuses(value: Any, place: str) -> tuple[int, ...]:
    is_list = isinstance(value, list) and all(type(item) is int and 100 <= item <= 599 for item in value)
    if not is_list:
        raise mistake(place, "enter a list of status codes, such as [200, 404]")
    return tuple(value)


def _explained(value: Any, place: str) -> Explained:
    declared = read_object(value, place)
    require_known(declared, ("path", "words"), place)
    if not declared.get("path") or not declared.get("words"):
        raise mistake(
            place, 'enter where the code is, and what the codes mean: {"path": "body.code", "words": {"17": "…"}}'
        )
    words = {
        code: read_text(text, f"{place}.words.{shown(code)}")
        for code, text in read_object(declared["words"], f"{place}.words").items()
    }
    return Explained(read_expression(declared["path"], f"{place}.path"), MappingProxyType(words))


_TEST_READERS: Final[dict[str, Callable[[Any, str], Any]]] = {
    "params": read_params,
    "headers": read_headers,
    "format": one_of(*BODY_FORMATS),
    "body": or_null(read_templates),
    "statuses": _statuses,
    "success_when": read_rule,
    "explain": or_null(_explained),
}


def _test(value: Any, place: str) -> TestRequest:
    declared = read_object(value, place)
    require_known(declared, tuple(_TEST_READERS), place)
    request = TestRequest(**{key: _TEST_READERS[key](content, f"{place}.{key}") for key, content in declared.items()})
    _fields_of_body(request, place)
    return request


_READERS: Final[dict[str, Callable[[Any, str], Any]]] = {
    "authorization_params": read_plain_params,
    "token_params": read_params,
    "refresh_params": read_params,
    "token_request_format": one_of(*FORMATS),
    "token_request_method": one_of(*METHODS),
    "refresh_request_format": or_null(one_of(*FORMATS)),
    "refresh_request_method": or_null(one_of(*METHODS)),
    "token_headers": read_headers,
    "token_response": read_members,
    "expires_unit": one_of(*EXPIRES_UNITS),
    "default_expires_in": or_null(read_seconds),
    "refresh_token_idle_days": or_null(read_days),
    "callback_code_param": read_parameter_name,
    "callback_state_param": read_parameter_name,
    "keep_from_callback": read_kept,
    "keep_from_token": read_kept,
    "after_authorize": or_null(_request("values", method="GET")),
    "variables": read_variables,
    "expired_when": read_rule,
    "basic_encoding": one_of(*BASIC_ENCODINGS),
    "login": or_null(_request("token_response", method="POST")),
    "second_token": or_null(_request("token_response", "after_refresh", method="POST")),
    "revoke": or_null(_request(method="POST")),
    "test_request": _test,
}
