"""The registry of the authentication methods there are. Those of this app are loaded when somebody asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from apiconnector.exceptions import ConfigurationError

if TYPE_CHECKING:
    from apiconnector.auth.method import AuthMethod

_registry: dict[str, type[AuthMethod]] = {}

Method = TypeVar("Method", bound="type[AuthMethod]")


def register(method: Method) -> Method:
    """Add a method, or replace the one of the same name. Usable as a class decorator.

    Raises ``ConfigurationError`` for what is no method.
    """
    from apiconnector.auth.method import AuthMethod

    if not (isinstance(method, type) and issubclass(method, AuthMethod)):
        raise ConfigurationError("auth.register() takes a subclass of apiconnector.auth.AuthMethod.")
    for attribute in ("name", "label"):
        if not isinstance(getattr(method, attribute, None), str) or not getattr(method, attribute):
            raise ConfigurationError(f"{method.__qualname__} needs a {attribute}.")
    _known()[method.name] = method
    return method


def find(name: str) -> type[AuthMethod] | None:
    """The method of this name; None where the app that registered it is gone."""
    return _known().get(name)


def methods() -> tuple[type[AuthMethod], ...]:
    """All methods, in the order they were registered."""
    return tuple(_known().values())


def choices() -> list[tuple[str, str]]:
    """The choices of ``Connection.auth_method``. A callable, so that a new method makes no migration."""
    return [(method.name, method.label) for method in _known().values()]


def _known() -> dict[str, type[AuthMethod]]:
    """The registry. The methods of this app come first: a site's own may replace them."""
    import apiconnector.auth.own  # noqa: F401 - registers them

    return _registry
