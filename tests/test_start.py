"""What the start of a process loads, and the names that are imported when they are first used."""

from __future__ import annotations

import ast
import os
import pickle
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import requests

import apiconnector
from apiconnector import exceptions
from apiconnector.exceptions import RequestRefused, TokenRequestFailed
from apiconnector.late import imported_late

ROOT = Path(__file__).parent.parent
PACKAGE = Path(apiconnector.__file__).parent
BASE = ["django.contrib.auth", "django.contrib.contenttypes"]
ADMIN = [*BASE, "django.contrib.admin", "django.contrib.sessions", "django.contrib.messages"]
LIBRARIES = ("requests", "urllib3", "cryptography", "jmespath", "django_tasks")

START = """
import sys
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=sys.argv[1].split(",") + ["apiconnector"], USE_TZ=True, SECRET_KEY="-")
django.setup()
{more}
print(*sys.modules)
"""


def loaded(apps: list[str], more: str = "") -> set[str]:
    """What a new process has loaded."""
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-c", START.replace("{more}", more), ",".join(apps)],
        capture_output=True, text=True, check=True, cwd=ROOT, env=environment,
    )  # fmt: skip  # in rows
    return set(done.stdout.split())


def own(modules: set[str]) -> set[str]:
    """The parts of this app that are among them: modules and packages at its top, and the modules of ``models``."""
    parts = [name.split(".") for name in modules if name.startswith("apiconnector.")]
    return {part[1] if part[1] != "models" else ".".join(part[1:3]) for part in parts}


@pytest.mark.parametrize("apps", [BASE, ADMIN], ids=["alone", "with the admin"])
def test_what_only_use_needs_is_not_loaded(apps: list[str]) -> None:
    found = loaded(apps)
    assert {name for name in found if name.split(".")[0] in LIBRARIES} == set()
    described = {"attempt", "connection", "event", "feed", "file", "run", "token"}
    parts = {"addresses", "binding", "clock", "hosts", "sealing", "watched"}
    expected = {
        "apps",
        "auth",
        "checks",
        "conf",
        "crypto",
        "exceptions",
        "fields",
        "late",
        "models",
        "redaction",
        "signals",
    }
    expected |= {f"models.{name}" for name in described | parts} | (
        {"admin"} if "django.contrib.admin" in apps else set()
    )
    assert own(found) == expected
    forms = {f"apiconnector.admin.{name}" for name in ("forms", "dialect_form", "discovery_form", "variables")}
    assert found & {*forms, "apiconnector.auth.own", "apiconnector.exceptions.refused"} == set()


def test_secrets_are_masked_from_the_first_record_on() -> None:
    """Before anything that sends was loaded, and in the loggers of a library that is not there yet."""
    more = """
import logging
from apiconnector.models import Connection
logging.basicConfig(stream=sys.stdout, format="%(name)s %(message)s")
Connection(api_key="canary-of-the-start")
for name in ("urllib3.connectionpool", "django.request"):
    logging.getLogger(name).error("sent canary-of-the-start")
"""
    found = loaded(BASE, more)
    assert "[redacted]" in found
    assert "canary-of-the-start" not in found
    assert "urllib3" not in found


def test_the_shortcuts_load_what_sending_needs() -> None:
    """A server that forks its workers imports them before, and all share it."""
    found = loaded(BASE, "import apiconnector.shortcuts")
    assert {"requests", "jmespath", "apiconnector.client", "apiconnector.oauth", "apiconnector.models.session"} <= found


# Packages whose names are imported late


def late_packages() -> list[str]:
    found = [path for path in PACKAGE.rglob("__init__.py") if "imported_late(" in path.read_text(encoding="utf-8")]
    return sorted(".".join(path.parent.relative_to(PACKAGE.parent).parts) for path in found)


def names_by_module(package: str) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """The names that a package tells type checkers, and those it finds late, by the module they are in."""
    tree = ast.parse((PACKAGE.parent / package.replace(".", "/") / "__init__.py").read_text(encoding="utf-8"))
    (both,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    told = {
        str(node.module).removeprefix(f"{package}."): {alias.name for alias in node.names}
        for node in both.body
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(f"{package}.")
    }
    (call,) = (node for node in ast.walk(both) if isinstance(node, ast.Call))
    return told, {str(keyword.arg): set(ast.literal_eval(keyword.value)) for keyword in call.keywords}


def test_the_packages() -> None:
    assert late_packages() == [f"apiconnector.{name}" for name in ("auth", "exceptions", "models", "redaction")]


@pytest.mark.parametrize("package", late_packages())
class TestLateNames:
    def test_both_lists_agree(self, package: str) -> None:
        told, late = names_by_module(package)
        assert told == late
        assert set().union(*late.values()) <= set(import_module(package).__all__)

    def test_each_is_found_and_kept(self, package: str) -> None:
        module: Any = import_module(package)
        for home, names in names_by_module(package)[1].items():
            for name in names:
                assert getattr(module, name) is getattr(import_module(f"{package}.{home}"), name)
                assert name in vars(module)
        assert set(module.__all__) <= set(dir(module))

    def test_none_is_called_like_a_module(self, package: str) -> None:
        """Importing that module would put it in the place of the name."""
        modules = {info.name for info in pkgutil.iter_modules(import_module(package).__path__)}
        assert modules.isdisjoint(import_module(package).__all__)

    def test_another_name_is_an_error(self, package: str) -> None:
        with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
            _ = import_module(package).nothing
        with pytest.raises(ImportError):
            exec(f"from {package} import nothing")  # noqa: S102 - as a site would write it


def test_a_name_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    find, names = imported_late("apiconnector.redaction", names=("looks_secret",))
    monkeypatch.delitem(vars(apiconnector.redaction), "looks_secret", raising=False)
    assert "looks_secret" in names()
    assert find("looks_secret") is vars(apiconnector.redaction)["looks_secret"]


# The errors that are errors of requests


def test_they_are_what_they_were() -> None:
    assert exceptions.RequestRefused is RequestRefused
    assert issubclass(RequestRefused, requests.RequestException)
    assert issubclass(RequestRefused, exceptions.ApiConnectorError)
    for name in ("DestinationRefused", "AuthorizationRequired", "TokenRequestFailed"):
        kind = getattr(exceptions, name)
        assert issubclass(kind, RequestRefused)
        assert f"{kind.__module__}.{kind.__qualname__}" == f"apiconnector.exceptions.{name}"


def test_one_can_be_pickled() -> None:
    error = TokenRequestFailed("no", act=exceptions.Act.PERSON, error="invalid_grant", status_code=400)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.act, again.error, again.status_code) == (
        TokenRequestFailed, "no", exceptions.Act.PERSON, "invalid_grant", 400,
    )  # fmt: skip  # in rows


def test_a_pickled_one_is_read_where_nothing_else_is_loaded() -> None:
    stored = pickle.dumps(exceptions.DestinationRefused("elsewhere", sent=True))
    more = f"""
import pickle
error = pickle.loads({stored!r})
try:
    raise error
except __import__("apiconnector").exceptions.RequestRefused as caught:
    assert caught.sent
"""
    assert "requests" in loaded(BASE, more)
