"""The docs say what the code does."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import itertools
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import responses
from django.apps import apps
from django.dispatch import Signal

from apiconnector import auth, checks, conf, exceptions, models, signals
from apiconnector.admin import dialect_form
from apiconnector.fields import EncryptedField
from apiconnector.management.jobs import GROUPS
from apiconnector.models.status import Status
from apiconnector.shortcuts import connect, run_feed, submit
from apiconnector.templating import (
    AFTER_AUTHORIZE_NAMES,
    BROWSER_NAMES,
    CONNECTION_NAMES,
    FEED_ITEM_NAMES,
    FEED_NAMES,
    FILTERS,
    LABEL_NAMES,
    check,
    check_url,
    compile_expression,
    compile_template,
    expressions,
    kinds,
    parser,
    placeholders,
    plain,
    urls,
)
from apiconnector.templating.fill import MAX_FILLED
from apiconnector.templating.filters import base, dates
from apiconnector.templating.names import SECRETS

ROOT = Path(__file__).parent.parent
PACKAGE = Path(checks.__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def text(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_settings() -> None:
    assert set(re.findall(r"`(APICONNECTOR_[A-Z_]+)`", text("settings.md"))) == set(conf.NAMES)


def test_errors() -> None:
    public = {
        name
        for name, kind in ((name, getattr(exceptions, name)) for name in exceptions.__all__)
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
    sources = "".join(path.read_text(encoding="utf-8") for path in (PACKAGE / "admin").glob("*.py"))
    meanings = dict(table(text("settings.md"), "Permissions"))
    assert [name for name in own if "nothing yet" in meanings[f"`{name}`"] and name in sources] == []


#: Written by the machine for itself; may change without notice.
INTERNAL = {
    "Connection": {"discovered"},
    "Token": {"lease_owner", "lease_until", "refresh_started_at", "interruptions", "refused_when_new"},
    "AuthorizationAttempt": {"state", "verifier", "nonce", "fingerprint"},
}


def rows_of(page: str, heading: str) -> dict[str, str]:
    """The first table below a heading: each name of the first column, with the rest of its row."""
    section = re.split(rf"^## {heading}\n", page, flags=re.MULTILINE)[1].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \| (.*) \|$", section, re.MULTILINE)
    return {name: meaning for names, meaning in rows for name in re.findall(r"`([^`]+)`", names)}


def test_models() -> None:
    page = text("models.md")
    own = {model.__name__: model for model in apps.get_app_config("apiconnector").get_models()}
    headings = re.findall(r"^## (\w+)$", page, re.MULTILINE)
    assert sorted(headings) == sorted(models.__all__)
    for name, model in own.items():
        rows = rows_of(page, name)
        fields = {field.name: field for field in model._meta.concrete_fields if field.name != "id"}
        assert set(rows) == set(fields) - INTERNAL.get(name, set()), name
        # What the admin says beside a field is said here in the same words.
        assert [field for field in rows if str(fields[field].help_text) not in rows[field]] == []
    assert set(rows_of(page, "TestResult")) == {field.name for field in dataclasses.fields(models.TestResult)}


def test_encrypted_fields_are_said_to_be() -> None:
    page = text("models.md")
    for name in ("Connection", "Token"):
        rows = rows_of(page, name)
        for field in apps.get_model("apiconnector", name)._meta.concrete_fields:
            if isinstance(field, EncryptedField):
                assert "ncrypted" in rows[field.name], field.name


def test_signals() -> None:
    public = {name for name, value in vars(signals).items() if isinstance(value, Signal)}
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", text("signals.md"), re.MULTILINE))
    assert set(rows) == public
    sources = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    for name in public:
        sent = re.findall(rf"signals\.{name}\.send_robust\([^,]+, ([^\n]*)\)\n", sources)
        assert sent, name
        for arguments in sent:
            assert set(re.findall(r"(\w+)=", arguments)) == set(re.findall(r"`(\w+)`", rows[name]))
    assert len(re.findall(r"\.send(?:_robust)?\(type|\.send(?:_robust)?\(FeedRun", sources)) == sources.count(
        ".send_robust("
    )


def command_parser() -> tuple[argparse.ArgumentParser, dict[str, Any]]:
    """The parser of ``manage.py apiconnector``, and that of each job by its name."""
    parser = argparse.ArgumentParser()
    jobs: Any = parser.add_subparsers(required=True, parser_class=argparse.ArgumentParser)
    for group in GROUPS:
        group.add_parsers(jobs)
    return parser, jobs.choices


def test_command() -> None:
    _, jobs = command_parser()
    rows = re.findall(r"^\| `(\w+)[^|`]*(?:\\\|[^|`]*)*` \|", text("command.md"), re.MULTILINE)
    assert set(jobs) == set(rows)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_the_docs_are_understood(page: Path) -> None:
    parser, _ = command_parser()
    for line in re.findall(r"manage\.py apiconnector ([^\n`|\")]+)", page.read_text(encoding="utf-8")):
        if "…" in line or "[" in line or "<" in line:
            continue
        try:
            parser.parse_args(shlex.split(line))
        except SystemExit:
            pytest.fail(f"manage.py apiconnector {line}")


def test_security() -> None:
    """Each requirement names tests that are there, or says that it is not applicable."""
    page = text("security.md")
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \| (.*?) ?\|$", page, re.MULTILINE)
    rows = [row for row in rows if row[0] != "requirement"]
    assert len(rows) == len(re.findall(r"^\| (?!requirement \|)", page, re.MULTILINE))
    without = [requirement for requirement, _, met, tests in rows if not tests and "not applicable" not in met]
    assert without == []
    for requirement, source, _, tests in rows:
        assert re.search(r"§|good practice|update", source), requirement
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", tests)
        assert len(named) == tests.count("`") // 2, requirement
        for path, name in named:
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, (path, name)


def test_every_page_is_linked() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)", text("index.md")))
    assert linked == {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert "](docs/index.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_methods_and_statuses() -> None:
    page = text("connections.md")
    for method in auth.methods():
        assert f"`{method.name}`" in page
    for status in Status.values:
        assert f"`{status}`" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]+))?\)", page.read_text(encoding="utf-8")):
        other = page.parent / target if target else page
        assert other.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", other.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_in_the_docs_is_python(page: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        lines = block.splitlines()
        indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
        ast.parse("\n".join(line[indent:] for line in lines))


def table(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    section = re.split(rf"^#+ {heading}\n", page, flags=re.MULTILINE)[1]
    rows = itertools.takewhile(lambda line: line.startswith("|"), section[section.index("\n|") + 1 :].splitlines())
    return [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows][2:]


def test_filters() -> None:
    rows = {re.match(r"`(\w+)", cells[0])[1]: cells for cells in table(text("templates.md"), "Filters")}  # type: ignore[index]  # every row begins so
    assert set(rows) == set(FILTERS)
    for name, filter_ in FILTERS.items():
        written, takes, gives, note = rows[name]
        assert written == f"`{filter_.argument.example if filter_.argument else name}`"
        assert (takes, gives) == (filter_.takes.words, filter_.gives), name
        compile_template(f"{{{{ x|{written.strip('`')} }}}}")
        for example in re.findall(r"`(\{\{.*?\}\})`", note):
            compile_template(example)


def test_letters_of_dates() -> None:
    page = text("templates.md")
    paragraph = page[page.index("The letters of `date`") : page.index("Names are English.")]
    groups = re.findall(r"`([A-Za-z ]+)`", paragraph.removeprefix("The letters of `date`"))
    assert " ".join(groups).split() == [*dates.LETTERS]


def test_names_of_templates() -> None:
    page = text("templates.md")
    documented = [
        (set(re.findall(r"`([\w.]+)`", cells[1].partition(", and the keys")[0])), cells[2].partition(":")[0])
        for cells in table(page, "Names")
    ]
    kinds_of_fields = [CONNECTION_NAMES, BROWSER_NAMES, LABEL_NAMES, AFTER_AUTHORIZE_NAMES, FEED_NAMES, FEED_ITEM_NAMES]
    assert documented == [
        (set(allowed.exact | allowed.below), "no" if allowed.no_secrets else "yes") for allowed in kinds_of_fields
    ]
    said = page[page.index("Secrets are ") : page.index("secret variables. Fixed names")]
    assert set(re.findall(r"`(\w+)`", said)) == SECRETS


def test_limits_of_templates() -> None:
    most = " ".join(cells[1] for cells in table(text("templates.md"), "Limits"))
    assert [int(figure.replace(",", "")) for figure in re.findall(r"\d[\d,]*", most)] == [
        kinds.MAX_TEXT,
        MAX_FILLED,
        placeholders.MAX_PLACEHOLDER,
        placeholders.MAX_FILTERS,
        base.MAX_ITEMS,
        urls.MAX_URL,
        plain.MAX_DEPTH,
        expressions.MAX_LENGTH,
        parser.MAX_NESTING,
    ]


def test_examples_of_templates() -> None:
    page = text("templates.md")
    for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL):
        check(json.loads(block))
    for _, example, _ in table(page, "Addresses"):
        check_url(example.strip("`"))
    for _, _, prose in re.findall(r"(^|[^`\\])(`)(\{\{ \w.*? \}\})`", page.partition("### Filters")[2], re.MULTILINE):
        compile_template(prose.replace("\\|", "|").replace("|filter:argument", "").replace("|filter", ""))


def test_examples_of_expressions() -> None:
    page = text("templates.md")
    rows = page[page.index("| written |") : page.index("False are null")].replace("\\|", "%").splitlines()[2:-1]
    quoted = [found for row in rows for found in re.findall(r"``(.+?) ?``|`([^`]+)`", row.split(" | ")[0])]
    written = ["".join(found).replace("%", "|") for found in quoted]
    assert len(written) == 7
    for each in written:
        compile_expression(each)
    mistake = page[page.index("The expression can't be read at") :].partition("\n```")[0]
    with pytest.raises(exceptions.ExpressionError) as caught:
        compile_expression(mistake.splitlines()[1])
    assert str(caught.value) == mistake


def test_inputs_of_the_dialect() -> None:
    rows = [(label, key.strip("`")) for label, key in table(text("admin.md"), "How this provider differs")]
    fields = {key: dialect_form.DialectInputs.base_fields[dialect_form.PREFIX + key] for key in dialect_form.COMMON}
    assert rows == [(field.label, key) for key, field in fields.items()]


def test_public_names_import() -> None:
    assert all(callable(function) for function in (connect, run_feed, submit))


#: An example of the page on methods, with what it sends.
EXAMPLES = re.findall(
    r"<!-- method: (\w+) -->\n```python\n(.*?)```\n.*?```http\n(.*?)```", text("methods.md"), re.DOTALL
)


def test_every_method_has_an_example() -> None:
    assert {method.name for method in auth.methods()} == {name for name, _, _ in EXAMPLES} - {"signed"}


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "code", "request_text"), EXAMPLES, ids=[name for name, _, _ in EXAMPLES])
def test_examples_of_methods_send_what_the_page_says(
    monkeypatch: pytest.MonkeyPatch, method: str, code: str, request_text: str
) -> None:
    monkeypatch.setattr(auth.base, "_registry", {kind.name: kind for kind in auth.methods()})
    common = re.search(r"```python\n(.*?)```", text("methods.md"), re.DOTALL)
    assert common
    exec(common[1] + code, {})  # noqa: S102 - the page's own example
    connection = models.Connection.objects.get()
    connection.full_clean()
    assert connection.auth_method == method
    if connection.method.needs_person:
        models.Token.objects.create(connection=connection, access_token="the-access-token")

    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add("POST", "https://login.example.com/token", json={"access_token": "the-access-token"})
        mock.add("POST", "https://api.example.com/v1/contacts", status=201)
        with connect("crm") as api:
            api.post("contacts", json={"name": "Ada"})
        sent = mock.calls[-1].request

    head, _, body = request_text.partition("\n\n")
    line, *headers = head.splitlines()
    assert line == f"{sent.method} {sent.path_url}"
    said = dict(header.split(": ", 1) for header in headers)
    assert {name: sent.headers.get(name) for name in said} == said
    credentials = {"Authorization", "X-API-Key", "X-Auth-Key", "X-Signature"}
    assert credentials & set(sent.headers) == set(said)
    if body:
        assert sent.body == body.strip().encode()
