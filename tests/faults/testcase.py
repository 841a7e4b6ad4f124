"""A site's own ``TestCase`` tests, as ``manage.py test`` runs them, need no special set-up."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.fault import fault
from tests.faults.site import HANG, ROOT

if TYPE_CHECKING:
    from tests.faults.site import Site

FILES = {
    "manage.py": """
import os
import sys

from django.core.management import execute_from_command_line

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
execute_from_command_line(sys.argv)
""",
    "settings.py": """
import environ

SECRET_KEY = "not a secret"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "apiconnector", "contact"]
ROOT_URLCONF = "contact.urls"
USE_TZ = True
DATABASES = {"default": environ.Env().db_url("DATABASE_URL", default="sqlite:///site.sqlite3")}
DATABASES["default"].setdefault("TEST", {})["NAME"] = NAME
APICONNECTOR_KEYS = ["YSBrZXkgZm9yIHRlc3RzLCBub3QgYSBzZWNyZXQgOi0="]
""",
    "contact/__init__.py": "",
    "contact/urls.py": """
from django.urls import include, path

urlpatterns = [path("", include("apiconnector.urls"))]
""",
    "contact/tests.py": """
from datetime import timedelta

import responses
from django.db import transaction
from django.test import TestCase, TransactionTestCase
from django.utils import timezone

from apiconnector.models import Connection, Token
from apiconnector.shortcuts import connect

API = "https://api.example.com"


class Expired:
    def setUp(self):
        connection = Connection.objects.create(
            name="CRM", slug="crm", base_url=API, auth_method="oauth2_authorization_code", client_id="id",
            client_secret="secret", token_url=f"{API}/token", authorization_url=f"{API}/authorize",
        )
        Token.objects.create(
            connection=connection, access_token="old", refresh_token="refresh-1",
            issued_at=timezone.now() - timedelta(hours=1),
            expires_at=timezone.now() + timedelta(seconds=self.left),
        )

    def answer(self, status=200, **answer):
        answer = answer or {"access_token": "new", "refresh_token": "refresh-2", "expires_in": 3600}
        responses.post(f"{API}/token", json=answer, status=status)
        responses.get(f"{API}/me", json={})

    def call(self):
        with connect("crm") as api:
            api.get("me").raise_for_status()
        return responses.calls[-1].request.headers["Authorization"]

    @responses.activate
    def test_it_is_renewed(self):
        self.answer()
        self.assertEqual(self.call(), "Bearer new")
        token = Token.objects.get()
        self.assertEqual(token.refresh_token.reveal(), "refresh-2")
        self.assertEqual(token.generation, 1)

    @responses.activate
    def test_and_again_since_nothing_is_left_of_another_test(self):
        self.answer()
        self.assertEqual(Token.objects.get().access_token.reveal(), "old")
        self.assertEqual(self.call(), "Bearer new")
        self.assertEqual(self.call(), "Bearer new")
        responses.assert_call_count(f"{API}/token", 1)

    @responses.activate
    def test_in_a_block_of_the_code_under_test(self):
        self.answer()
        with self.assertRaises(ZeroDivisionError), transaction.atomic():
            self.assertEqual(self.call(), "Bearer new")
            1 / 0


class EndedTests(Expired, TestCase):
    left = -1


class EndingTests(Expired, TestCase):
    left = 20


class EndedTransactionTests(Expired, TransactionTestCase):
    left = -1
""",
}


@fault("A site's own tests: <code>TestCase</code> and <code>TransactionTestCase</code> with <code>responses</code>")
def sites_own_tests(site: Site) -> str:
    with tempfile.TemporaryDirectory(prefix="apiconnector-site-") as folder:
        for path, text in FILES.items():
            file = Path(folder) / path
            file.parent.mkdir(exist_ok=True)
            name = (
                f"{folder}/tests.sqlite3" if site.vendor == "sqlite" else f"test_{Path(folder).name.replace('-', '_')}"
            )
            file.write_text(text.replace("NAME\n", f"{name!r}\n"), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-W", "error", "manage.py", "test", "--shuffle"],
            cwd=folder, env={**site.environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
            timeout=HANG, check=False,
        )  # fmt: skip  # in rows
    assert done.returncode == 0, done.stderr
    ran = re.search(r"Ran (\d+) tests", done.stderr)
    assert ran, done.stderr
    return f"{ran[1]} tests pass"
