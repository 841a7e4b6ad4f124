"""The optional mails to the admins: one when somebody has to act, one when it works again."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import django
import pytest
from django.core.checks import run_checks
from django.core.checks.registry import registry
from django.test import modify_settings
from django.utils import timezone

from apiconnector import signals
from apiconnector.models import Connection, Token, health

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.django_db


def admins(*addresses: str) -> list[Any]:
    """The setting ``ADMINS``: since Django 6.0 without names."""
    return list(addresses) if django.VERSION >= (6, 0) else [("An admin", address) for address in addresses]


@pytest.fixture(autouse=True)
def installed(settings: Any) -> Iterator[None]:
    settings.ADMINS = admins("ada@example.org", "grace@example.org")
    with modify_settings(INSTALLED_APPS={"append": "apiconnector.contrib.mail"}):
        yield
    from apiconnector.contrib.mail.notices import check_settings

    known: Any = registry.registered_checks
    known.remove(check_settings)
    for signal in (signals.connection_needs_attention, signals.connection_recovered):
        assert signal.disconnect(dispatch_uid="apiconnector.contrib.mail")


@pytest.fixture
def connection(make_connection: Callable[..., Connection]) -> Connection:
    connection = make_connection(
        name="CRM\n of sales", auth_method="oauth2_authorization_code", client_id="id", client_secret="canary-secret",
        token_url="https://idp.example.com/token", authorization_url="https://idp.example.com/authorize",
    )  # fmt: skip  # in rows
    Token.objects.create(connection=connection, access_token="canary-access", refresh_token="canary-refresh")
    return connection


def test_one_mail_when_somebody_has_to_act_and_one_when_it_works(
    connection: Connection, mailoutbox: list[Any], settings: Any
) -> None:
    settings.APICONNECTOR_BASE_URL = "https://www.example.org"
    for _ in range(3):
        health.needs_attention(connection, "needs_reauthorization", "The provider refused the refresh token.")
    (mail,) = mailoutbox
    assert mail.subject.endswith("CRM of sales needs you")
    assert mail.to == ["ada@example.org", "grace@example.org"]
    assert "The provider refused the refresh token." in mail.body
    assert f"https://www.example.org/admin/apiconnector/connection/{connection.pk}/change/" in mail.body
    for _ in range(2):
        health.works_again(connection)
    (_, mail) = mailoutbox
    assert mail.subject.endswith("CRM of sales works again")
    assert "What is left" not in mail.body
    assert "canary" not in "".join(mail.body for mail in mailoutbox)


def test_what_ends_is_told_ahead_and_stays_in_sight(connection: Connection, mailoutbox: list[Any]) -> None:
    connection.client_secret_expires_on = timezone.localdate() + timedelta(days=3)
    connection.save()
    (mail,) = mailoutbox
    assert "The client secret ends on " in mail.body
    health.needs_attention(connection, "misconfigured", "no")
    health.works_again(connection)
    assert [mail.subject.rsplit(" ", 2)[-1] for mail in mailoutbox] == ["you", "you", "again"]
    assert "What is left: The client secret ends on " in mailoutbox[-1].body


def test_without_the_address_of_the_site_there_is_the_path(connection: Connection, mailoutbox: list[Any]) -> None:
    health.needs_attention(connection, "misconfigured", "no")
    (mail,) = mailoutbox
    assert f"Where: /admin/apiconnector/connection/{connection.pk}/change/\n" in mail.body
    assert "APICONNECTOR_BASE_URL" in mail.body


@pytest.mark.parametrize("base_url", ["", "https://www.example.org", "no origin"])
def test_a_site_without_the_admin(connection: Connection, mailoutbox: list[Any], settings: Any, base_url: str) -> None:
    settings.ROOT_URLCONF, settings.APICONNECTOR_BASE_URL = "apiconnector.urls", base_url
    health.needs_attention(connection, "misconfigured", "no")
    (mail,) = mailoutbox
    assert "in the admin of this site" in mail.body


def test_a_mail_server_that_fails_breaks_nothing(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("canary-password")

    monkeypatch.setattr("apiconnector.contrib.mail.notices.mail_admins", refuse)
    with caplog.at_level(logging.INFO):
        health.needs_attention(connection, "misconfigured", "no")
        health.works_again(connection)
    assert Connection.objects.get().problem == ""
    (first, second) = (record for record in caplog.records if "written to" in record.getMessage())
    assert "OSError" in first.getMessage()
    assert {first.levelname, second.levelname} == {"WARNING"}
    assert "canary" not in caplog.text


def test_checks(settings: Any) -> None:
    def found() -> list[str]:
        return [str(each.id) for each in run_checks() if str(each.id).startswith("apiconnector_mail")]

    assert found() == []
    settings.ADMINS = []
    assert found() == ["apiconnector_mail.W001"]
    settings.ADMINS = admins("ada@example.org")
    assert found() == []
    if django.VERSION >= (6, 1):
        return  # each of the MAILERS has a time-out of its own
    del settings.MAILERS
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    assert found() == ["apiconnector_mail.W002"]
    settings.EMAIL_TIMEOUT = 5
    assert found() == []
