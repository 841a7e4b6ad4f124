"""The docs say what the code does."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest
from django.apps import apps

from apiconnector import auth, checks, conf, exceptions
from apiconnector.models.status import Status

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def text(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_settings() -> None:
    assert set(re.findall(r"`(APICONNECTOR_[A-Z_]+)`", text("settings.md"))) == set(conf.NAMES)


def test_errors() -> None:
    public = {
        name
        for name, kind in vars(exceptions).items()
        if inspect.isclass(kind) and issubclass(kind, exceptions.ApiConnectorError)
    }
    documented = {name for name in public if f"`{name}`" in text("errors.md")}
    assert public - documented == {"ApiConnectorError", "RequestRefused"}


def test_checks() -> None:
    sources = [path.read_text(encoding="utf-8") for path in Path(checks.__file__).parent.glob("*.py")]
    given = sorted(re.findall(r'"(apiconnector\.[EWI]\d{3})"', "".join(sources)))
    assert sorted(re.findall(r"^\| `(apiconnector\.[EWI]\d{3})`", text("checks.md"), re.MULTILINE)) == given
    # Unique by number, whatever the level.
    assert len({name[-3:] for name in given}) == len(given)
    tests = (ROOT / "tests" / "test_checks.py").read_text(encoding="utf-8")
    assert [name for name in given if name.removeprefix("apiconnector.") not in tests] == []


def test_permissions() -> None:
    own = {
        codename
        for model in apps.get_app_config("apiconnector").get_models()
        for codename, _ in model._meta.permissions
    }
    assert {name for name in own if f"`{name}`" in text("settings.md")} == own


def test_methods_and_statuses() -> None:
    page = text("connections.md")
    for method in auth.methods():
        assert f"`{method.name}`" in page
    for status in Status.values:
        assert f"`{status}`" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_in_the_docs_is_python(page: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        lines = block.splitlines()
        indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
        ast.parse("\n".join(line[indent:] for line in lines))


def test_public_names_import() -> None:
    from apiconnector.shortcuts import connect, run_feed, submit

    assert all(callable(function) for function in (connect, run_feed, submit))
