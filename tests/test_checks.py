"""System checks: each fires where something is wrong, stays silent where nothing is, and says what to do."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import django
import pytest
from django.contrib.auth.models import Permission, User
from django.core.checks import CheckMessage, run_checks
from django.db import connection as database
from django.http import HttpRequest, HttpResponse
from django.test.utils import CaptureQueriesContext
from django.urls import Resolver404, include, path, re_path
from django.urls.base import set_script_prefix
from django.utils import timezone, translation

from apiconnector import auth
from apiconnector.authorize.views import callback_view
from apiconnector.models import Connection, Feed, FeedRun, Token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.test import Client

    Site = Callable[..., None]
    Keep = Callable[..., FeedRun]

ROOT = Path(__file__).parent.parent
TASKS = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"


def ids(*, deploy: bool = False) -> set[str]:
    return {str(found.id) for found in findings(deploy=deploy)}


def findings(*, deploy: bool = False) -> list[CheckMessage]:
    return list(run_checks(tags=["apiconnector"], include_deployment_checks=deploy))


def the(check_id: str, *, deploy: bool = False) -> CheckMessage:
    (found,) = (found for found in findings(deploy=deploy) if found.id == f"apiconnector.{check_id}")
    assert found.hint
    return found


def test_a_site_in_order_hears_nothing(settings: Any) -> None:
    settings.APICONNECTOR_BASE_URL = "https://www.example.org"
    assert findings(deploy=True) == []


def test_each_level_is_the_letter_of_the_id(settings: Any) -> None:
    settings.APICONNECTOR_KEYS, settings.APICONNECTOR_TIMEOUT, settings.APICONNECTOR_COLOUR = [], 0, "blue"
    settings.ROOT_URLCONF, settings.SESSION_COOKIE_SAMESITE = "tests.urls_without_callback", "Strict"
    found = findings(deploy=True)
    assert len(found) >= 5
    assert {(type(one).__name__[0], str(one.id)[13]) for one in found} == {("E", "E"), ("W", "W"), ("I", "I")}


class TestKeys:
    @pytest.mark.parametrize("value", [None, [], "", ["canary"], "canary", "canary.path", ".canary", b"canary", 7])
    def test_no_usable_key(self, settings: Any, value: Any) -> None:
        settings.APICONNECTOR_KEYS = value
        found = the("E001")
        assert "keys generate" in str(found.hint)
        assert "canary" not in str(found)

    @pytest.mark.parametrize("name", ["failing_keys", "__doc__"])
    def test_a_callable_that_fails_is_an_error_without_its_text(self, settings: Any, name: str) -> None:
        settings.APICONNECTOR_KEYS = f"{__name__}.{name}"
        assert "canary" not in str(the("E001"))


def failing_keys() -> list[str]:
    raise RuntimeError("canary-password")


class TestValues:
    @pytest.mark.parametrize(
        "value",
        [
            "www.example.org", "https://", "ftp://www.example.org", "https://www.example.org/app", 7,
            "https://www.example.org?", "https://www.example.org#", "https://ada:pw@www.example.org",
            "https://www.example.org ", " https://www.example.org", "https://www.example.org\n", "https://a:99999",
            "https://a b", "https://www.example.org\\", ["https://www.example.org"],
        ],
    )  # fmt: skip  # in rows
    def test_a_bad_base_url(self, settings: Any, value: Any) -> None:
        settings.APICONNECTOR_BASE_URL = value
        found = the("E002", deploy=True)
        assert "APICONNECTOR_BASE_URL" in found.msg
        assert "pw" not in str(found)

    @pytest.mark.parametrize(
        "value", [None, "", "https://www.example.org/", "HTTPS://WWW.example.org:8443", "http://[::1]:8000"]
    )
    def test_a_good_base_url(self, settings: Any, value: Any) -> None:
        settings.APICONNECTOR_BASE_URL = value
        assert "apiconnector.E002" not in ids()

    @pytest.mark.parametrize(
        "value",
        [
            "localhost", {"localhost": True}, ["localhost:8000"], ["http://localhost"], ["localhost/"], [""], ["."],
            ["10.0.0.1/8"], ["10.0.0.0/33"], ["300.1.1.1"], ["*"], ["*.example"], ["a b"], [7], [None], ["[::1]"],
            ["bücher.example"], ["a..example"],
        ],
    )  # fmt: skip  # in rows
    def test_bad_trusted_hosts(self, settings: Any, value: Any) -> None:
        settings.APICONNECTOR_TRUSTED_HOSTS = value
        assert "APICONNECTOR_TRUSTED_HOSTS" in the("E003").msg

    @pytest.mark.parametrize(
        "value",
        [
            None, [], ["localhost"], (".internal.example",), {"127.0.0.1"}, ["10.0.0.0/8", "fd00::/8", "::1"],
            ["CRM.Example", "crm_1", "xn--bcher-kva.example"],
        ],
    )  # fmt: skip  # in rows
    def test_good_trusted_hosts(self, settings: Any, value: Any) -> None:
        settings.APICONNECTOR_TRUSTED_HOSTS = value
        assert "apiconnector.E003" not in ids()

    def test_a_bad_trusted_host_is_named_by_its_place(self, settings: Any) -> None:
        settings.APICONNECTOR_TRUSTED_HOSTS = ["localhost", "https://ada:canary@crm.example"]
        assert "APICONNECTOR_TRUSTED_HOSTS[1]" in the("E003").msg
        assert "canary" not in str(the("E003"))

    @pytest.mark.parametrize("value", [0, -1, "10", None, True, float("inf"), float("nan")])
    def test_a_bad_timeout(self, settings: Any, value: Any) -> None:
        settings.APICONNECTOR_TIMEOUT = value
        assert "seconds" in the("E004").msg

    @pytest.mark.parametrize("value", [0, -1, "30", 1.5, True, None])
    def test_bad_retention_days(self, settings: Any, value: Any) -> None:
        settings.APICONNECTOR_RETENTION_DAYS = value
        assert "days" in the("E005").msg

    def test_good_numbers(self, settings: Any) -> None:
        settings.APICONNECTOR_TIMEOUT, settings.APICONNECTOR_RETENTION_DAYS = 0.5, 1
        assert not ids() & {"apiconnector.E004", "apiconnector.E005"}
        del settings.APICONNECTOR_TIMEOUT, settings.APICONNECTOR_RETENTION_DAYS
        assert not ids() & {"apiconnector.E004", "apiconnector.E005"}


class TestUnknownSettings:
    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("APICONNECTOR_KEY", "APICONNECTOR_KEYS"),
            ("APICONNECTOR_TRUSTED_HOST", "APICONNECTOR_TRUSTED_HOSTS"),
            ("APICONNECTOR_TIME_OUT", "APICONNECTOR_TIMEOUT"),
            ("APICONNECTOR_BASEURL", "APICONNECTOR_BASE_URL"),
            ("APICONNECTOR_RETENTION", "APICONNECTOR_RETENTION_DAYS"),
        ],
    )
    def test_the_nearest_name_is_offered(self, settings: Any, name: str, meant: str) -> None:
        setattr(settings, name, "canary")
        found = the("W006")
        assert name in found.msg
        assert found.hint == f"Did you mean {meant}?"
        assert "canary" not in str(found)

    def test_one_near_none_gets_them_all(self, settings: Any) -> None:
        settings.APICONNECTOR_XYZ = 1
        assert "APICONNECTOR_KEYS, " in str(the("W006").hint)

    def test_other_prefixes_are_others_matter(self, settings: Any) -> None:
        settings.APICONNECTORS_KEY = settings.API_TIMEOUT = 1
        assert "apiconnector.W006" not in ids()


def catch_all(request: HttpRequest, **_: Any) -> HttpResponse:
    return HttpResponse("a page")


class CatchAll:
    def __call__(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return HttpResponse("a page")


@pytest.fixture
def site(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Give the site these URLs."""

    def use(*patterns: Any) -> None:
        module: Any = ModuleType("urls_of_one_test")
        module.urlpatterns = list(patterns)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        settings.ROOT_URLCONF = module.__name__

    return use


OURS = path("", include("apiconnector.urls"))


class TestCallback:
    @pytest.fixture(autouse=True)
    def _language(self, settings: Any) -> Iterator[None]:
        settings.LANGUAGE_CODE, settings.LANGUAGES = "en", [("en", "English"), ("de", "Deutsch")]
        with translation.override("en"):
            yield

    def callback_ids(self) -> set[str]:
        return ids() & {"apiconnector.W011", "apiconnector.E012", "apiconnector.W013"}

    def test_included_as_documented(self, site: Site) -> None:
        site(path("", catch_all), OURS, re_path(r"^.*$", catch_all))
        assert self.callback_ids() == set()

    def test_not_included(self, site: Site) -> None:
        site(path("", catch_all))
        assert self.callback_ids() == {"apiconnector.W011"}
        assert 'include("apiconnector.urls")' in str(the("W011").hint)

    def test_a_project_without_urls_is_left_alone(self, settings: Any) -> None:
        settings.ROOT_URLCONF = None
        assert self.callback_ids() == set()

    @pytest.mark.parametrize(
        ("view", "name"),
        [(catch_all, "catch_all"), (CatchAll(), "CatchAll"), (functools.partial(catch_all), "partial")],
    )
    def test_shadowed(self, site: Site, view: Any, name: str) -> None:
        site(re_path(r"^(?P<rest>.*)$", view), OURS)
        assert self.callback_ids() == {"apiconnector.E012"}
        assert the("E012").msg.endswith(f".{name}.")

    def test_shadowed_by_a_view_with_decorators(self, site: Site) -> None:
        site(path("oauth/callback", functools.wraps(catch_all)(CatchAll())), OURS)
        assert self.callback_ids() == {"apiconnector.E012"}

    def test_an_address_that_leads_nowhere_stops_no_command(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        def nowhere(_: str) -> None:
            raise Resolver404

        site(OURS)
        monkeypatch.setattr("apiconnector.checks.callback.resolve", nowhere)
        assert self.callback_ids() == {"apiconnector.E012"}
        assert the("E012").msg.endswith("is answered by nothing.")

    def test_decorators_of_the_site_are_no_shadow(self, site: Site) -> None:
        @functools.wraps(callback_view)
        def decorated(request: HttpRequest) -> Any:
            return callback_view(request)

        site(path("", include(([path("oauth/callback", decorated, name="callback")], "apiconnector"))))
        assert self.callback_ids() == set()

    def test_a_trailing_slash(self, site: Site) -> None:
        site(path("", include(([path("oauth/callback/", callback_view, name="callback")], "apiconnector"))))
        assert self.callback_ids() == {"apiconnector.W013"}
        assert "slash" in the("W013").msg

    def test_a_prefix(self, site: Site) -> None:
        site(path("integrations/", include("apiconnector.urls")))
        assert self.callback_ids() == {"apiconnector.W013"}
        assert "/integrations/oauth/callback" in the("W013").msg

    def test_a_prefix_beyond_ascii_shadows_nothing(self, site: Site) -> None:
        site(path("büro/", include("apiconnector.urls")))
        assert self.callback_ids() == {"apiconnector.W013"}

    @pytest.mark.parametrize("with_default", [True, False])
    def test_a_language_prefix(self, site: Site, *, with_default: bool) -> None:
        from django.conf.urls.i18n import i18n_patterns

        site(*i18n_patterns(OURS, prefix_default_language=with_default))
        assert self.callback_ids() == {"apiconnector.W013"}
        assert f"/{'en' if with_default else 'de'}/oauth/callback" in the("W013").msg
        with translation.override(None):  # as commands run that want no translations
            assert self.callback_ids() == {"apiconnector.W013"}

    def test_one_language_moves_nothing(self, site: Site, settings: Any) -> None:
        from django.conf.urls.i18n import i18n_patterns

        settings.LANGUAGES = [("en", "English")]
        site(*i18n_patterns(OURS, prefix_default_language=False))
        assert self.callback_ids() == set()
        settings.USE_I18N = False
        assert self.callback_ids() == set()

    def test_a_script_name_is_no_prefix(self, site: Site) -> None:
        site(OURS)
        set_script_prefix("/sub/")
        try:
            assert self.callback_ids() == set()
        finally:
            set_script_prefix("/")


class TestScheme:
    @pytest.mark.parametrize("url", ["http://www.example.org", "http://192.0.2.1:8000", "http://localhost.example.org"])
    def test_http_in_production(self, settings: Any, url: str) -> None:
        settings.APICONNECTOR_BASE_URL = url
        assert "https" in str(the("W014", deploy=True).hint)
        assert "apiconnector.W014" not in ids()
        settings.DEBUG = True
        assert "apiconnector.W014" not in ids(deploy=True)

    @pytest.mark.parametrize(
        "url",
        [
            "https://www.example.org",
            "http://localhost:8000",
            "http://shop.localhost",
            "http://127.0.0.1",
            "http://[::1]:8000",
            "nonsense",
        ],
    )
    def test_https_and_this_machine(self, settings: Any, url: str) -> None:
        settings.APICONNECTOR_BASE_URL = url
        assert not ids(deploy=True) & {"apiconnector.W014", "apiconnector.I015"}

    def test_no_word_about_the_origin_anywhere(self, settings: Any) -> None:
        assert "APICONNECTOR_BASE_URL" in str(the("I015", deploy=True).hint)
        assert "apiconnector.I015" not in ids()
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        assert "apiconnector.I015" not in ids(deploy=True)
        settings.SECURE_PROXY_SSL_HEADER = None
        settings.DEBUG = True
        assert "apiconnector.I015" not in ids(deploy=True)


class TestSessionCookie:
    def cookie_ids(self) -> set[str]:
        return ids(deploy=True) & {"apiconnector.W021", "apiconnector.I022"}

    @pytest.mark.parametrize("value", ["None", "none"])
    def test_none_without_secure(self, settings: Any, value: str) -> None:
        settings.SESSION_COOKIE_SAMESITE = value
        assert self.cookie_ids() == {"apiconnector.W021"}
        assert "SESSION_COOKIE_SECURE" in str(the("W021", deploy=True).hint)
        settings.SESSION_COOKIE_SECURE = True
        assert self.cookie_ids() == set()

    def test_strict_is_a_note(self, settings: Any) -> None:
        settings.SESSION_COOKIE_SAMESITE = "Strict"
        assert self.cookie_ids() == {"apiconnector.I022"}
        assert "works" in the("I022", deploy=True).msg
        assert not ids() & {"apiconnector.W021", "apiconnector.I022"}

    @pytest.mark.parametrize("value", ["Lax", False, None])
    def test_others_need_no_word(self, settings: Any, value: Any) -> None:
        settings.SESSION_COOKIE_SAMESITE = value
        assert self.cookie_ids() == set()

    def test_a_site_without_sessions(self, settings: Any) -> None:
        settings.SESSION_COOKIE_SAMESITE = "Strict"
        settings.INSTALLED_APPS = [
            name for name in settings.INSTALLED_APPS if name != "django.contrib.sessions" and "admin" not in name
        ]
        assert self.cookie_ids() == set()


class TestTasks:
    IMMEDIATE = f"{TASKS}.backends.immediate.ImmediateBackend"

    def task_ids(self) -> set[str]:
        return ids() & {"apiconnector.E031", "apiconnector.E032"}

    def test_no_setting_is_needed(self) -> None:
        assert self.task_ids() == set()

    def test_no_framework(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, TASKS, None)
        assert self.task_ids() == {"apiconnector.E031"}
        assert "pip install" in str(the("E031").hint)

    @pytest.mark.parametrize(
        "tasks",
        [
            {"default": {"BACKEND": "not.there.Backend"}},
            {"default": {"BACKEND": f"{TASKS}.backends.immediate.NotThere"}},
            {"default": {}},
            {"other": {"BACKEND": IMMEDIATE}},
            {"default": {"BACKEND": IMMEDIATE}, "apiconnector": {"BACKEND": "not.there.Backend"}},
            {"default": {"BACKEND": IMMEDIATE, "QUEUES": ["mail"]}},
            {"default": {"BACKEND": f"{__name__}.failing_backend"}},
        ],
    )
    def test_an_unusable_backend(self, settings: Any, tasks: Any) -> None:
        settings.TASKS = tasks
        assert self.task_ids() == {"apiconnector.E032"}
        assert "apiconnector deliver" in the("E032").msg
        assert "canary" not in str(the("E032"))

    @pytest.mark.parametrize(
        "tasks",
        [
            {"default": {"BACKEND": IMMEDIATE}},
            {"default": {"BACKEND": IMMEDIATE, "QUEUES": []}},
            {"default": {"BACKEND": IMMEDIATE, "QUEUES": ["mail", "default"]}},
            {"default": {"BACKEND": "not.there.Backend"}, "apiconnector": {"BACKEND": IMMEDIATE}},
        ],
    )
    def test_a_usable_backend(self, settings: Any, tasks: Any) -> None:
        settings.TASKS = tasks
        assert self.task_ids() == set()


def failing_backend(**_: Any) -> None:
    raise RuntimeError("redis://:canary@broker.example")


def of_database(check_id: str) -> list[CheckMessage]:
    found = run_checks(tags=["database"], databases=["default"])
    return [one for one in found if one.id == f"apiconnector.{check_id}"]


@pytest.fixture
def keep(bearer: Connection, make_feed: Callable[..., Feed]) -> Keep:
    """A run that should have been sent so many minutes ago."""
    feed = make_feed(bearer)

    def make(minutes: float | None = 60, **fields: Any) -> FeedRun:
        at = None if minutes is None else timezone.now() - timedelta(minutes=minutes)
        return FeedRun.objects.create(feed=feed, connection=bearer, next_attempt_at=at, **fields)

    return make


@pytest.mark.django_db
class TestOverdue:
    @pytest.mark.parametrize("status", ["pending", "running"])
    def test_long_due(self, keep: Keep, status: str) -> None:
        keep(20, status=status)
        (found,) = of_database("W041")
        assert found.msg.startswith("1 feed run is overdue, the oldest since 20")
        assert "apiconnector deliver" in str(found.hint)

    def test_the_oldest_is_named(self, keep: Keep, settings: Any) -> None:
        settings.TIME_ZONE = "UTC"
        keep(60)
        for status in ("pending", "running"):
            run = keep(status=status)
            FeedRun.objects.filter(pk=run.pk).update(
                next_attempt_at=datetime(2024, 2, 1 if status == "running" else 3, 9, 30, tzinfo=UTC)
            )
        (found,) = of_database("W041")
        assert found.msg.startswith("3 feed runs are overdue, the oldest since 2024-02-01 09:30 UTC.")

    @pytest.mark.parametrize(
        ("minutes", "status"),
        [(10, "pending"), (-60, "pending"), (-60, "running"), (60, "succeeded"), (60, "dead"), (None, "pending")],
    )
    def test_in_time_or_ended(self, keep: Keep, minutes: float | None, status: str) -> None:
        keep(minutes, status=status)
        assert of_database("W041") == []

    def test_many_are_not_all_counted(self, keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("apiconnector.checks.database.MOST", 2)
        for _ in range(4):
            keep()
        assert of_database("W041")[0].msg.startswith("More than 2 feed runs are overdue")


@pytest.mark.django_db
class TestMethods:
    def test_a_method_that_nobody_registers(self, make_connection: Callable[..., Connection]) -> None:
        make_connection(auth_method="acme_hmac")
        (found,) = of_database("W042")
        assert "crm (acme_hmac)" in found.msg
        assert "INSTALLED_APPS" in str(found.hint)

    def test_only_a_few_are_named(self, make_connection: Callable[..., Connection]) -> None:
        for number in range(7):
            make_connection(slug=f"c{number}", auth_method="acme_hmac")
        assert "c4 (acme_hmac) and more." in of_database("W042")[0].msg

    def test_registered_or_switched_off(self, make_connection: Callable[..., Connection]) -> None:
        make_connection(slug="off", auth_method="acme_hmac", is_active=False)
        for method in auth.methods():
            make_connection(slug=method.name.replace("_", "-"), auth_method=method.name)
        assert of_database("W042") == []


@pytest.mark.django_db
class TestSites:
    def copy(self, make_connection: Callable[..., Connection], slug: str, **token: Any) -> None:
        connection = make_connection(slug=slug, is_active=slug != "off")
        values = {"access_token": "a", "refresh_token": "r", "site": "https://www.example.com", **token}
        Token.objects.create(connection=connection, **values)

    def test_tokens_of_another_site(self, make_connection: Callable[..., Connection], settings: Any) -> None:
        settings.APICONNECTOR_BASE_URL = "https://staging.example.com"
        for number in range(7):
            self.copy(make_connection, f"c{number}")
        (found,) = of_database("W043")
        assert "another site (https://www.example.com)" in found.msg
        assert "c3, c4 and more." in found.msg
        assert "refresh --all --confirm-site" in str(found.hint)

    def test_its_own_and_those_nobody_refreshes(
        self, make_connection: Callable[..., Connection], settings: Any
    ) -> None:
        settings.APICONNECTOR_BASE_URL = "https://staging.example.com"
        self.copy(make_connection, "off")
        self.copy(make_connection, "own", site="https://staging.example.com")
        self.copy(make_connection, "nobody", site="")
        self.copy(make_connection, "short", refresh_token="")
        assert of_database("W043") == []


class NotHere:
    def allow_migrate(self, db: str, app_label: str, **_: Any) -> bool | None:
        return False if app_label == "apiconnector" else None


@pytest.mark.django_db
class TestDatabase:
    def own_queries(self, **arguments: Any) -> list[str]:
        with CaptureQueriesContext(database) as queries:
            run_checks(**arguments)
        return [query["sql"] for query in queries if "apiconnector" in query["sql"]]

    def test_read_only_when_asked(self) -> None:
        assert self.own_queries(include_deployment_checks=True) == []
        assert self.own_queries(tags=["apiconnector"]) == []
        assert self.own_queries(databases=["default"]) != []

    def test_a_database_that_holds_other_tables_is_left_alone(self, settings: Any) -> None:
        settings.DATABASE_ROUTERS = [f"{__name__}.NotHere"]
        assert self.own_queries(databases=["default"]) == []

    @pytest.mark.django_db(transaction=True)
    def test_a_missing_table_is_no_finding(self, monkeypatch: pytest.MonkeyPatch, keep: Keep) -> None:
        keep()
        for model in (FeedRun, Connection):
            monkeypatch.setattr(model._meta, "db_table", f"missing_{model._meta.model_name}")
        assert of_database("W041") == []
        assert of_database("W042") == []
        assert of_database("W043") == []
        monkeypatch.undo()
        assert len(of_database("W041")) == 1


def test_checks_before_the_first_migration() -> None:
    script = """
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "apiconnector"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    SECRET_KEY="x", APICONNECTOR_KEYS=["YSBrZXkgZm9yIHRlc3RzLCBub3QgYSBzZWNyZXQgOi0="],
)
import django
django.setup()
from django.core.management import call_command
call_command("check", databases=["default"], fail_level="INFO")
call_command("migrate", verbosity=0)
call_command("check", databases=["default"], fail_level="INFO")
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=dict(os.environ),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("no issues") == 2


@pytest.mark.django_db
class TestNotices:
    RUNS = "/admin/apiconnector/feedrun/"
    CONNECTIONS = "/admin/apiconnector/connection/"

    def messages(self, client: Client, url: str) -> list[str]:
        return [str(message) for message in client.get(url).context["messages"]]

    def test_overdue_runs_are_said_above_the_runs(self, admin_client: Client, keep: Keep) -> None:
        assert self.messages(admin_client, self.RUNS) == []
        keep()
        (notice,) = self.messages(admin_client, self.RUNS)
        assert "1 feed run is overdue" in notice
        assert "apiconnector deliver" in notice
        assert "overdue" in admin_client.get(self.RUNS).content.decode()
        assert self.messages(admin_client, self.CONNECTIONS) == []

    def test_unknown_methods_are_said_above_the_connections(
        self, admin_client: Client, make_connection: Callable[..., Connection]
    ) -> None:
        assert self.messages(admin_client, self.CONNECTIONS) == []
        connection = make_connection(auth_method="<b>hmac</b>")
        (notice,) = self.messages(admin_client, self.CONNECTIONS)
        assert "crm" in notice
        assert "<b>hmac" not in admin_client.get(self.CONNECTIONS).content.decode()
        # Said on the list alone: nothing is left over for the next page.
        assert self.messages(admin_client, f"{self.CONNECTIONS}{connection.pk}/change/") == []

    def test_an_action_is_not_answered_with_them(self, admin_client: Client, keep: Keep) -> None:
        connection = keep().connection
        Connection.objects.update(auth_method="acme_hmac")
        sent = {"action": "delete_selected", "_selected_action": [connection.pk]}
        assert "No installed app" not in admin_client.post(self.CONNECTIONS, sent).content.decode()

    def test_a_silenced_check_is_silent_here_too(self, admin_client: Client, keep: Keep, settings: Any) -> None:
        settings.SILENCED_SYSTEM_CHECKS = ["apiconnector.W041"]
        keep()
        assert self.messages(admin_client, self.RUNS) == []

    def test_whoever_may_not_see_the_list_hears_nothing(
        self, client: Client, keep: Keep, django_user_model: type[User]
    ) -> None:
        keep()
        person = django_user_model.objects.create_user("clerk", password="x", is_staff=True)
        person.user_permissions.add(Permission.objects.get(codename="view_feed"))
        client.force_login(person)
        assert client.get(self.RUNS).status_code == 403
        assert self.messages(client, "/admin/apiconnector/feed/") == []
