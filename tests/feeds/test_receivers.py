"""Models that submit: what is sent of which save, in which transaction, and what never breaks it."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import AbstractUser, Group, Permission, User
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection as database
from django.db import transaction
from django.db.models.signals import post_delete, post_save

from apiconnector.forms import submits_model
from apiconnector.models import Feed, FeedRun
from apiconnector.testing import FakeApi, delivered, fake_connection

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class City:
    name: str


@pytest.fixture(autouse=True)
def unconnected() -> Iterator[None]:
    """What a test connects ends with it."""
    before = [(signal, list(signal.receivers)) for signal in (post_save, post_delete)]
    yield
    for signal, receivers in before:
        signal.receivers = receivers
        signal.sender_receivers_cache.clear()


@pytest.fixture
def crm(db: None) -> Iterator[FakeApi]:
    with fake_connection("crm") as api:
        Feed.objects.create(slug="group", connection=api.connection, trigger="group", path="groups")
        yield api


def inputs() -> list[Any]:
    return [run.input for run in FeedRun.objects.order_by("pk")]


def events() -> list[dict[str, Any]]:
    group = Group.objects.create(name="one")
    group.name = "two"
    group.save()
    group.delete()
    return inputs()


def test_fields(crm: FakeApi) -> None:
    submits_model("group", Group, fields=["pk", "name"])
    with delivered() as runs:
        group = Group.objects.create(name="one")
    assert [(run.status, run.input) for run in runs] == [("succeeded", {"pk": group.pk, "name": "one"})]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ["one", "two"]),
        ({"created": True}, ["one"]),
        ({"created": False}, ["two"]),
        ({"deleted": True}, ["two"]),
    ],
)
def test_which_event(crm: FakeApi, options: dict[str, bool], names: list[str]) -> None:
    submits_model("group", Group, fields=["name"], **options)
    assert events() == [{"name": name} for name in names]


def test_what_was_deleted_still_has_its_key(crm: FakeApi) -> None:
    submits_model("group", Group, fields=["id"], deleted=True)
    group = Group.objects.create(name="one")
    pk = group.pk
    Group.objects.all().delete()
    assert inputs() == [{"id": pk}]


def test_a_function(crm: FakeApi) -> None:
    @submits_model("group", Group, created=True)
    def group_data(group: Group) -> dict[str, Any]:
        return {"shout": group.name.upper()}

    submits_model("group", Group, data=group_data, created=True)  # the same once more
    assert events() == [{"shout": "ONE"}]
    assert group_data(Group(name="still a function")) == {"shout": "STILL A FUNCTION"}


def test_a_relation_gives_its_key_without_a_query(crm: FakeApi, django_assert_num_queries: Any) -> None:
    submits_model("group", "auth.Permission", fields=["codename", "content_type"], created=False)
    permission = Permission.objects.get(codename="add_group")
    permission.save()
    assert inputs() == [{"codename": "add_group", "content_type": permission.content_type_id}]


def test_twice_is_once(crm: FakeApi) -> None:
    for _ in range(2):
        submits_model("group", Group, fields=["name"])
        submits_model("group", "auth.Group", fields=["name"])
    Group.objects.create(name="one")
    assert inputs() == [{"name": "one"}]


def test_fixtures_are_not_submitted(crm: FakeApi, tmp_path: Path) -> None:
    submits_model("group", Group, fields=["name"])
    fixture = tmp_path / "groups.json"
    fixture.write_text('[{"model": "auth.group", "pk": 77, "fields": {"name": "loaded", "permissions": []}}]')
    call_command("loaddata", str(fixture), verbosity=0)
    assert Group.objects.get().name == "loaded"
    assert inputs() == []


class TestTransactions:
    @pytest.fixture
    def crm(self, transactional_db: None) -> Iterator[FakeApi]:
        with fake_connection("crm") as api:
            for slug in ("group", "other"):
                Feed.objects.create(name=slug, slug=slug, connection=api.connection, trigger="group", path="groups")
            yield api

    def test_a_save_that_is_rolled_back_sends_nothing(self, crm: FakeApi) -> None:
        submits_model("group", Group, fields=["name"])
        with pytest.raises(RuntimeError), transaction.atomic():
            Group.objects.create(name="one")
            raise RuntimeError
        assert (inputs(), crm.requests) == ([], [])

    def test_it_is_sent_after_the_commit(self, crm: FakeApi) -> None:
        submits_model("group", Group, fields=["name"])
        with transaction.atomic():
            Group.objects.create(name="one")
            assert (len(inputs()), crm.requests) == (2, [])
        assert len(crm.requests) == 2

    def test_without_a_transaction(self, crm: FakeApi) -> None:
        submits_model("group", Group, fields=["name"])
        Group.objects.create(name="one")
        assert len(crm.requests) == 2

    def test_a_query_that_fails_in_the_function_breaks_nothing(
        self, crm: FakeApi, caplog: pytest.LogCaptureFixture
    ) -> None:
        @submits_model("group", Group)
        def failing(group: Group) -> dict[str, Any]:
            with database.cursor() as cursor:
                cursor.execute("SELECT canary FROM nowhere")
            return {}

        with transaction.atomic():
            Group.objects.create(name="one")
            Group.objects.create(name="two")
        assert Group.objects.count() == 2
        assert (inputs(), crm.requests) == ([], [])
        line = failing.__code__.co_firstlineno + 3
        assert re.search(rf"failing submitted nothing to “group”: it raised \w+ in line {line}\.", caplog.text)
        assert "canary" not in caplog.text


def test_what_can_not_be_kept_is_logged_and_the_save_goes_on(crm: FakeApi, caplog: pytest.LogCaptureFixture) -> None:
    @submits_model("group", Group)
    def whole(group: Group) -> dict[str, Any]:
        return {"group": group}

    with caplog.at_level(logging.ERROR, "apiconnector.forms"):
        Group.objects.create(name="canary")
    assert Group.objects.exists()
    assert inputs() == []
    (record,) = caplog.records
    assert "whole submitted nothing to “group”, because a field can't be kept: group: Group can't" in record.message
    assert record.exc_info is None
    assert "canary" not in caplog.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fields": ["name", "nmae"]}, "“nmae” is no column of it"),
        ({"fields": ["permissions"]}, "“permissions” is no column of it"),
        ({"fields": ["user"]}, "“user” is no column of it"),
        ({"fields": "name"}, r"fields=\['name'\]"),
        ({"fields": ["name"], "data": dict}, "not both"),
        ({"fields": ["name"], "created": True, "deleted": True}, "a trigger of its own"),
        ({"fields": ["name"], "trigger": ""}, "needs a trigger"),
        ({"fields": ["username"], "model": AbstractUser}, "abstract"),
        ({"fields": ["name"], "model": "auth.Gruop"}, "no model “auth.Gruop”"),
        ({"fields": ["name"], "model": "atuh.Group"}, "no model “atuh.Group”"),
        ({"fields": ["name"], "model": "Group"}, "such as “shop.Customer”"),
        ({"fields": ["name"], "model": "auth."}, "no model “auth.”"),
    ],
)
def test_mistakes_are_said_when_it_is_connected(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=message):
        submits_model(**{"trigger": "group", "model": Group, **arguments})


@pytest.mark.parametrize("decorated", [User, None])
def test_only_functions_are_decorated(decorated: Any) -> None:
    decorate: Any = submits_model("group", Group)
    with pytest.raises(ImproperlyConfigured, match="decorates a function"):
        decorate(decorated)


SECTION = (Path(__file__).parents[2] / "docs" / "forms.md").read_text(encoding="utf-8")
SECTION = SECTION[SECTION.index("\n## Models\n") :].partition("\n## Anywhere else\n")[0]


def test_a_site_starts_with_what_the_page_says(tmp_path: Path) -> None:
    """An app's module is imported before any model: what stands there must not need one."""
    app, receivers = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    models = "from django.db.models import *\nclass Customer(Model):\n    email, city = TextField(), TextField()\n"
    installed = ["shop.apps.ShopConfig", "django.contrib.contenttypes", "django.contrib.auth", "apiconnector"]
    settings = f'SECRET_KEY = "x"\nINSTALLED_APPS = {installed}\n'
    files = {"apps": app, "models": models, "receivers": receivers, "settings": settings, "__init__": ""}
    (tmp_path / "shop").mkdir()
    for name, content in files.items():
        (tmp_path / "shop" / f"{name}.py").write_text(content, encoding="utf-8")
    code = (
        "import django; django.setup(); import shop.receivers\n"
        "from django.db.models.signals import post_delete, post_save; from shop.models import Customer\n"
        "print([len(signal._live_receivers(Customer)[0]) for signal in (post_save, post_delete)])"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "shop.settings"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("[2, 1]\n", 0), done.stderr


def test_the_page(crm: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """What docs/forms.md says of models, with this site's users in place of the shop's customers."""
    shop = ModuleType("shop.models")
    shop.Customer = User  # type: ignore[attr-defined]  # a module made here
    monkeypatch.setitem(sys.modules, "shop", ModuleType("shop"))
    monkeypatch.setitem(sys.modules, "shop.models", shop)
    monkeypatch.setattr(User, "city", City("London"), raising=False)
    names: dict[str, Any] = {"__name__": "shop.apps"}
    for block in re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL):
        exec(block.replace("shop.Customer", "auth.User").replace('"city"]', '"username"]'), names)  # noqa: S102 - our own page
    names["ShopConfig"].ready(None)
    for trigger in ("new-customer", "customer-gone", "customer"):
        Feed.objects.create(name=trigger, slug=trigger, connection=crm.connection, trigger=trigger)
    user = User.objects.create(email="ada@example.org", username="ada")
    pk = user.pk
    user.save()
    user.delete()
    sent = [(run.feed.slug, run.input) for run in FeedRun.objects.order_by("pk")]
    assert sorted(sent, key=str) == sorted(
        [
            ("new-customer", {"pk": pk, "email": "ada@example.org", "username": "ada"}),
            *[("customer", {"email": "ada@example.org", "city": "London"})] * 2,
            ("customer-gone", {"pk": pk}),
        ],
        key=str,
    )
