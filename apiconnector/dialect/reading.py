"""Read a dialect from JSON: each key checked, each mistake said with its place."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from apiconnector.dialect.kept import Kept
from apiconnector.dialect.keys import (
    BASIC_ENCODINGS,
    EMPTY,
    EXPIRES_UNITS,
    FORMATS,
    METHODS,
    TOKEN_MEMBERS,
    Dialect,
)
from apiconnector.dialect.request import BODY_FORMATS, DECLARED_METHODS, DeclaredRequest, TestRequest
from apiconnector.dialect.variable import Variable
from apiconnector.exceptions import DialectError, ExpressionError, TemplateError
from apiconnector.templating import check, check_path, check_url, compile_expression
from apiconnector.templating.segments import leads_elsewhere
from apiconnector.templating.words import did_you_mean, listed, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

#: Names that mean something of their own in placeholders.
FIXED_NAMES: Final = frozenset({
    "access_token", "api_key", "body", "client_id", "client_secret", "code", "code_verifier", "cookies", "data",
    "false", "headers", "item", "now", "null", "password", "redirect_uri", "refresh_token", "run", "scope", "state",
    "status", "true", "username", "values",
})  # fmt: skip
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
#: What no path below the base URL begins with: two slashes, or a scheme of its own.
_ELSEWHERE: Final = re.compile(r"//|https?:(?!//)|(?!https?://)[A-Za-z][A-Za-z0-9+.-]*://", re.IGNORECASE)
#: What none has in it.
_UNFIT: Final = re.compile(r"[\\\x00-\x1f\x7f]")
_LONGEST_PATTERN: Final = 500
_LONGEST_LIFETIME: Final = 100 * 365 * 24 * 3600
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
    _known(data, [one.name for one in fields(Dialect)], "")
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


def _known(data: Mapping[str, Any], names: Collection[str], place: str) -> None:
    for key in data:
        if key not in names:
            raise _at(
                place, f"unknown key '{shown(str(key))}'{did_you_mean(str(key), names)}; there are: {listed(names)}"
            )


def _at(place: str, reason: str) -> DialectError:
    return DialectError(f"{shown(place, 200)}: {reason}." if place else f"{reason[:1].upper()}{reason[1:]}.")


def _object(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _at(place, 'enter a JSON object, such as {"name": "value"}')
    return value


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise _at(place, "enter text")
    return value


def _flag(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise _at(place, "enter true or false")
    return value


def _one_of(*choices: str) -> Callable[[Any, str], str]:
    def read_choice(value: Any, place: str) -> str:
        if value not in choices or not isinstance(value, str):
            raise _at(place, f"enter one of {', '.join(choices)}")
        return value

    return read_choice


def _or_null(reader: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    def read_optional(value: Any, place: str) -> Any:
        return None if value is None else reader(value, place)

    return read_optional


def _templates(value: Any, place: str) -> Any:
    try:
        check(value)
    except TemplateError as error:
        raise DialectError(f"{place}: {error}") from None
    return value


def _params(value: Any, place: str) -> Mapping[str, Any]:
    params = _object(value, place)
    for name in params:
        if not name or not name.isprintable():
            raise _at(place, "a parameter has no name that can be sent")
    return MappingProxyType(_templates(params, place))


def _plain_params(value: Any, place: str) -> Mapping[str, Any]:
    """Parameters of an address: a browser sends no lists and objects."""
    for name, content in _object(value, place).items():
        if isinstance(content, list | dict):
            raise _at(f"{place}.{name}", "enter text, a number, or null to leave it out")
    return _params(value, place)


def _headers(value: Any, place: str) -> Mapping[str, Any]:
    for name, content in _object(value, place).items():
        if not _HEADER.fullmatch(name):
            raise _at(place, f"'{shown(name)}' is no name of a header")
        is_one_line = isinstance(content, str | int | float) and str(content).isprintable()
        if content is not None and not is_one_line:
            raise _at(f"{place}.{name}", "a header is one line of text")
    return MappingProxyType(_templates(value, place))


def _expression(value: Any, place: str) -> str:
    text = _text(value, place)
    try:
        compile_expression(text)
    except ExpressionError as error:
        raise DialectError(f"{place}: {error}") from None
    return text


def _rule(value: Any, place: str) -> str:
    return _expression(value, place) if value != "" else ""


def _members(value: Any, place: str) -> Mapping[str, str]:
    members = _object(value, place)
    _known(members, TOKEN_MEMBERS, place)
    return MappingProxyType({name: _expression(text, f"{place}.{name}") for name, text in members.items()})


def _pattern(value: Any, place: str) -> str:
    text = _text(value, place)
    if len(text) > _LONGEST_PATTERN:
        raise _at(place, f"a pattern has at most {_LONGEST_PATTERN} characters")
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise _at(place, f"this is no regular expression: {shown(str(error), 200)}") from None
    return text


def _name(name: str, place: str) -> None:
    if not _NAME.fullmatch(name):
        raise _at(place, f"'{shown(name)}' is no name: write letters, digits and _, such as realm_id")
    if name in FIXED_NAMES:
        raise _at(place, f"the name '{name}' means something of its own in placeholders; choose another one")


def _kept(value: Any, place: str) -> Mapping[str, Kept]:
    found = {}
    for name, declared in _object(value, place).items():
        _name(name, place)
        here = f"{place}.{name}"
        _known(_object(declared, here), ("path", "pattern"), here)
        if "pattern" not in declared:
            raise _at(
                here, "enter a pattern, such as [0-9]+: the value comes from outside, and may become part of a URL"
            )
        path = _expression(declared.get("path", name), f"{here}.path")
        found[name] = Kept(path, _pattern(declared["pattern"], f"{here}.pattern"))
    return MappingProxyType(found)


def _variables(value: Any, place: str) -> Mapping[str, Variable]:
    found = {}
    for name, declared in _object(value, place).items():
        _name(name, place)
        here = f"{place}.{name}"
        _known(_object(declared, here), ("label", "pattern", "default", "secret", "help"), here)
        texts = {key: _text(declared[key], f"{here}.{key}") for key in ("label", "default", "help") if key in declared}
        variable = Variable(
            **texts,
            pattern=_pattern(declared.get("pattern", ""), f"{here}.pattern"),
            secret=_flag(declared.get("secret", False), f"{here}.secret"),
        )
        if variable.default and variable.secret:
            raise _at(f"{here}.default", "a secret has no default: a dialect is no place for it")
        if variable.default and variable.problem(variable.default):
            raise _at(f"{here}.default", "the default does not match the pattern")
        found[name] = variable
    return MappingProxyType(found)


def _seconds(value: Any, place: str) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value <= _LONGEST_LIFETIME:
        raise _at(place, "enter seconds, a number above 0")
    return float(value)


def _parameter_name(value: Any, place: str) -> str:
    name = _text(value, place)
    if not name or not name.isprintable() or len(name) > 100:
        raise _at(place, "enter the name of a parameter")
    return name


def _url(value: Any, place: str) -> str:
    url = _text(value, place)
    try:
        if url.lower().startswith(("https://", "http://", "{{")):
            check_url(url)
        else:
            check_path(url)
    except TemplateError as error:
        raise DialectError(f"{place}: {error}") from None
    path = re.split(r"[?#]", url, maxsplit=1)[0]
    if not url or _ELSEWHERE.match(url) or _UNFIT.search(url) or leads_elsewhere(path):
        raise _at(place, "enter an address, or a path below the base URL")
    return url


def _fields_of_body(request: DeclaredRequest | TestRequest, place: str) -> None:
    if request.body is not None and request.format != "json" and not isinstance(request.body, dict):
        raise _at(f"{place}.body", "fields of a form or of a query are a JSON object")


_REQUEST_READERS: Final[dict[str, Callable[[Any, str], Any]]] = {
    "url": _url,
    "method": _one_of(*DECLARED_METHODS),
    "format": _one_of(*BODY_FORMATS),
    "params": _params,
    "headers": _headers,
    "body": _or_null(_templates),
    "values": _kept,
    "token_response": _members,
    "after_refresh": _flag,
}


def _request(*keys: str, method: str) -> Callable[[Any, str], DeclaredRequest]:
    """A reader of requests that have these keys beside those of every one, and this method by default."""
    known = ("url", "method", "format", "params", "headers", "body", *keys)

    def read_request(value: Any, place: str) -> DeclaredRequest:
        declared = _object(value, place)
        _known(declared, known, place)
        if "url" not in declared:
            raise _at(place, "enter a url: a whole address, or a path below the base URL")
        values = {key: _REQUEST_READERS[key](content, f"{place}.{key}") for key, content in declared.items()}
        request = DeclaredRequest(**{"method": method, **values})
        _fields_of_body(request, place)
        if request.body is not None and request.method == "GET" and request.format != "query":
            raise _at(f"{place}.body", 'a GET has no body: choose the format "query", or another method')
        return request

    return read_request


def _statuses(value: Any, place: str) -> tuple[int, ...]:
    is_list = isinstance(value, list) and all(type(item) is int and 100 <= item <= 599 for item in value)
    if not is_list:
        raise _at(place, "enter a list of status codes, such as [200, 404]")
    return tuple(value)


_TEST_READERS: Final[dict[str, Callable[[Any, str], Any]]] = {
    "params": _params,
    "headers": _headers,
    "format": _one_of(*BODY_FORMATS),
    "body": _or_null(_templates),
    "statuses": _statuses,
    "success_when": _rule,
}


def _test(value: Any, place: str) -> TestRequest:
    declared = _object(value, place)
    _known(declared, tuple(_TEST_READERS), place)
    request = TestRequest(**{key: _TEST_READERS[key](content, f"{place}.{key}") for key, content in declared.items()})
    _fields_of_body(request, place)
    return request


_READERS: Final[dict[str, Callable[[Any, str], Any]]] = {
    "authorization_params": _plain_params,
    "token_params": _params,
    "refresh_params": _params,
    "token_request_format": _one_of(*FORMATS),
    "token_request_method": _one_of(*METHODS),
    "refresh_request_format": _or_null(_one_of(*FORMATS)),
    "refresh_request_method": _or_null(_one_of(*METHODS)),
    "token_headers": _headers,
    "token_response": _members,
    "expires_unit": _one_of(*EXPIRES_UNITS),
    "default_expires_in": _or_null(_seconds),
    "callback_code_param": _parameter_name,
    "callback_state_param": _parameter_name,
    "keep_from_callback": _kept,
    "keep_from_token": _kept,
    "after_authorize": _or_null(_request("values", method="GET")),
    "variables": _variables,
    "expired_when": _rule,
    "basic_encoding": _one_of(*BASIC_ENCODINGS),
    "login": _or_null(_request("token_response", method="POST")),
    "second_token": _or_null(_request("token_response", "after_refresh", method="POST")),
    "revoke": _or_null(_request(method="POST")),
    "test_request": _test,
}
