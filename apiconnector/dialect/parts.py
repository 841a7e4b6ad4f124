"""Read the parts of a dialect: each checked, each mistake said with its place."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from apiconnector.dialect.kept import Kept
from apiconnector.dialect.keys import TOKEN_MEMBERS
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
})  # fmt: skip  # in rows
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
#: What no path below the base URL begins with: two slashes, or a scheme of its own.
_ELSEWHERE: Final = re.compile(r"//|https?:(?!//)|(?!https?://)[A-Za-z][A-Za-z0-9+.-]*://", re.IGNORECASE)
#: What none has in it.
_UNFIT: Final = re.compile(r"[\\\x00-\x1f\x7f]")
_LONGEST_PATTERN: Final = 500
_LONGEST_LIFETIME: Final = 100 * 365 * 24 * 3600


def require_known(data: Mapping[str, Any], names: Collection[str], place: str) -> None:
    """Refuse a key that is not among ``names``, with the nearest one."""
    for key in data:
        if key not in names:
            raise mistake(
                place, f"unknown key '{shown(str(key))}'{did_you_mean(str(key), names)}; there are: {listed(names)}"
            )


def mistake(place: str, reason: str) -> DialectError:
    """The error for what is wrong at a place."""
    return DialectError(f"{shown(place, 200)}: {reason}." if place else f"{reason[:1].upper()}{reason[1:]}.")


def read_object(value: Any, place: str) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise mistake(place, 'enter a JSON object, such as {"name": "value"}')
    return value


def read_text(value: Any, place: str) -> str:
    """Text."""
    if not isinstance(value, str):
        raise mistake(place, "enter text")
    return value


def read_flag(value: Any, place: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise mistake(place, "enter true or false")
    return value


def one_of(*choices: str) -> Callable[[Any, str], str]:
    """A reader of one of these texts."""

    def read_choice(value: Any, place: str) -> str:
        if value not in choices or not isinstance(value, str):
            raise mistake(place, f"enter one of {', '.join(choices)}")
        return value

    return read_choice


def or_null(reader: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """The same reader, which also takes null."""

    def read_optional(value: Any, place: str) -> Any:
        return None if value is None else reader(value, place)

    return read_optional


def read_templates(value: Any, place: str) -> Any:
    """JSON whose texts are templates."""
    try:
        check(value)
    except TemplateError as error:
        raise DialectError(f"{place}: {error}") from None
    return value


def read_params(value: Any, place: str) -> Mapping[str, Any]:
    """Parameters by name; null leaves one out."""
    params = read_object(value, place)
    for name in params:
        if not name or not name.isprintable():
            raise mistake(place, "a parameter has no name that can be sent")
    return MappingProxyType(read_templates(params, place))


def read_plain_params(value: Any, place: str) -> Mapping[str, Any]:
    """Parameters of an address: a browser sends no lists and objects."""
    for name, content in read_object(value, place).items():
        if isinstance(content, list | dict):
            raise mistake(f"{place}.{name}", "enter text, a number, or null to leave it out")
    return read_params(value, place)


def read_headers(value: Any, place: str) -> Mapping[str, Any]:
    """Headers by name, each one line; null leaves one out."""
    for name, content in read_object(value, place).items():
        if not _HEADER.fullmatch(name):
            raise mistake(place, f"'{shown(name)}' is no name of a header")
        is_one_line = isinstance(content, str | int | float) and str(content).isprintable()
        if content is not None and not is_one_line:
            raise mistake(f"{place}.{name}", "a header is one line of text")
    return MappingProxyType(read_templates(value, place))


def read_expression(value: Any, place: str) -> str:
    """A JMESPath expression."""
    text = read_text(value, place)
    try:
        compile_expression(text)
    except ExpressionError as error:
        raise DialectError(f"{place}: {error}") from None
    return text


def read_rule(value: Any, place: str) -> str:
    """An expression, or empty text for none."""
    return read_expression(value, place) if value != "" else ""


def read_members(value: Any, place: str) -> Mapping[str, str]:
    """Where the members of a token answer are."""
    members = read_object(value, place)
    require_known(members, TOKEN_MEMBERS, place)
    return MappingProxyType({name: read_expression(text, f"{place}.{name}") for name, text in members.items()})


def read_pattern(value: Any, place: str) -> str:
    """A regular expression."""
    text = read_text(value, place)
    if len(text) > _LONGEST_PATTERN:
        raise mistake(place, f"a pattern has at most {_LONGEST_PATTERN} characters")
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise mistake(place, f"this is no regular expression: {shown(str(error), 200)}") from None
    return text


def _check_name(name: str, place: str) -> None:
    if not _NAME.fullmatch(name):
        raise mistake(place, f"'{shown(name)}' is no name: write letters, digits and _, such as realm_id")
    if name in FIXED_NAMES:
        raise mistake(place, f"the name '{name}' means something of its own in placeholders; choose another one")


def read_kept(value: Any, place: str) -> Mapping[str, Kept]:
    """Values to keep, by name."""
    found = {}
    for name, declared in read_object(value, place).items():
        _check_name(name, place)
        here = f"{place}.{name}"
        require_known(read_object(declared, here), ("path", "pattern"), here)
        if "pattern" not in declared:
            raise mistake(
                here, "enter a pattern, such as [0-9]+: the value comes from outside, and may become part of a URL"
            )
        path = read_expression(declared.get("path", name), f"{here}.path")
        found[name] = Kept(path, read_pattern(declared["pattern"], f"{here}.pattern"))
    return MappingProxyType(found)


def read_variables(value: Any, place: str) -> Mapping[str, Variable]:
    """Declarations of variables, by name."""
    found = {}
    for name, declared in read_object(value, place).items():
        _check_name(name, place)
        here = f"{place}.{name}"
        require_known(read_object(declared, here), ("label", "pattern", "default", "secret", "help"), here)
        texts = {
            key: read_text(declared[key], f"{here}.{key}") for key in ("label", "default", "help") if key in declared
        }
        variable = Variable(
            **texts,
            pattern=read_pattern(declared.get("pattern", ""), f"{here}.pattern"),
            secret=read_flag(declared.get("secret", False), f"{here}.secret"),
        )
        if variable.default and variable.secret:
            raise mistake(f"{here}.default", "a secret has no default: a dialect is no place for it")
        if variable.default and variable.problem(variable.default):
            raise mistake(f"{here}.default", "the default does not match the pattern")
        found[name] = variable
    return MappingProxyType(found)


def read_seconds(value: Any, place: str) -> float:
    """A number of seconds above 0."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value <= _LONGEST_LIFETIME:
        raise mistake(place, "enter seconds, a number above 0")
    return float(value)


def read_days(value: Any, place: str) -> float:
    """A number of days above 0."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value * 86_400 <= _LONGEST_LIFETIME:
        raise mistake(place, "enter days, a number above 0")
    return float(value)


def read_parameter_name(value: Any, place: str) -> str:
    """The name of a parameter."""
    name = read_text(value, place)
    if not name or not name.isprintable() or len(name) > 100:
        raise mistake(place, "enter the name of a parameter")
    return name


def read_url(value: Any, place: str) -> str:
    """A whole address, or a path below the base URL."""
    url = read_text(value, place)
    try:
        if url.lower().startswith(("https://", "http://", "{{")):
            check_url(url)
        else:
            check_path(url)
    except TemplateError as error:
        raise DialectError(f"{place}: {error}") from None
    path = re.split(r"[?#]", url, maxsplit=1)[0]
    if not url or _ELSEWHERE.match(url) or _UNFIT.search(url) or leads_elsewhere(path):
        raise mistake(place, "enter an address, or a path below the base URL")
    return url
