"""The project itself: layers, migrations, checks, the shell command, and what it takes to install."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import responses
from cryptography.fernet import Fernet
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.utils import timezone

from apiconnector.models import Connection, Feed, FeedRun
from apiconnector.shortcuts import submit

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment},
        check=False,
    )  # fmt: skip  # in rows


def test_imports_go_down_only() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", "--check", "--dry-run", stdout=io.StringIO())


def test_a_missing_key_is_an_error_that_names_the_command(settings: Any) -> None:
    assert [error for error in run_checks() if "apiconnector" in str(error.id)] == []
    settings.APICONNECTOR_KEYS = []
    (error,) = (error for error in run_checks() if error.id == "apiconnector.E001")
    assert "apiconnector keys generate" in str(error.hint)
    settings.APICONNECTOR_KEYS = ["canary-no-key"]
    (error,) = (error for error in run_checks() if error.id == "apiconnector.E001")
    assert "canary" not in str(error)


BARE = """
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "apiconnector"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    ROOT_URLCONF="apiconnector.urls", SECRET_KEY="x", {more}
)
import django
django.setup()
from django.core.management import call_command
"""


def test_generating_a_key_needs_none() -> None:
    done = run("-W", "error", "-c", BARE.replace("{more}", "") + 'call_command("apiconnector", "keys", "generate")')
    assert done.returncode == 0, done.stderr
    Fernet(done.stdout.strip())


def test_installed_apps_is_the_only_line_needed() -> None:
    """No TASKS, no django_tasks in INSTALLED_APPS, no admin: submit works and sends."""
    script = (
        BARE.replace("{more}", f'APICONNECTOR_KEYS=["{Fernet.generate_key().decode()}"]')
        + """
call_command("migrate", verbosity=0)
call_command("check")
import responses
from apiconnector.models import Connection, Feed
from apiconnector.shortcuts import submit
connection = Connection.objects.create(name="A", slug="a", base_url="https://a.example", auth_method="bearer", api_key="k")
Feed.objects.create(name="F", slug="f", connection=connection, trigger="t", path="x")
with responses.RequestsMock() as mock:
    mock.post("https://a.example/x", json={})
    (run,) = submit("t", {})
    run.refresh_from_db()
    print(run.status)
"""
    )
    done = run("-W", "error", "-c", script)
    assert done.stdout.splitlines()[-1:] == ["succeeded"], done.stdout + done.stderr


@pytest.mark.django_db
class TestDeliver:
    @pytest.fixture
    def waiting(self, bearer: Connection, make_feed: Callable[..., Feed]) -> FeedRun:
        make_feed(bearer)
        (run,) = submit("contact", {"email": "a"})
        return run

    @responses.activate
    def test_it_sends_what_is_due(self, waiting: FeedRun, capsys: pytest.CaptureFixture[str]) -> None:
        responses.post("https://api.example.com/v1/leads", json={})
        call_command("apiconnector", "deliver")
        assert "1 due: 1 succeeded." in capsys.readouterr().out
        call_command("apiconnector", "deliver")
        assert "Nothing is due." in capsys.readouterr().out

    @responses.activate
    def test_a_bad_end_is_exit_1(self, waiting: FeedRun) -> None:
        responses.post("https://api.example.com/v1/leads", status=400)
        with pytest.raises(SystemExit) as ended:
            call_command("apiconnector", "deliver")
        assert ended.value.code == 1

    def test_what_is_not_due_waits(self, waiting: FeedRun) -> None:
        FeedRun.objects.update(next_attempt_at=timezone.now() + timedelta(hours=1))
        call_command("apiconnector", "deliver")
        waiting.refresh_from_db()
        assert waiting.status == "pending"


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["keys"], ["deliver", "--limit", "x"]])
def test_wrong_usage(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("apiconnector", *arguments)
    assert run("manage.py", "apiconnector", *arguments, DJANGO_SETTINGS_MODULE="tests.settings").returncode == 2
