"""What a page of ours that breaks down tells: the debug page, the mail to the admins and the log, with real secrets in."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NoReturn

import django
import pytest
from django.conf import settings as django_settings
from django.utils.log import AdminEmailHandler

from apiconnector import crypto
from apiconnector.models import AuthorizationAttempt, Connection
from apiconnector.models.attempt import AttemptQuerySet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.test import Client

#: Put together here, so that the source lines on a debug page do not hold it.
CANARY = "can" + "ary"


@pytest.fixture
def told(settings: Any, mailoutbox: list[Any], caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """What is in the log and in the mails to the admins, as thorough as Django writes them."""
    settings.ADMINS = [("A", "a@example.org")] if django.VERSION < (6, 0) else ["a@example.org"]
    handler = AdminEmailHandler(include_html=True)
    logging.getLogger("django.request").addHandler(handler)
    yield (
        lambda: (
            caplog.text
            + "".join(mail.subject + mail.body + "".join(part for part, _ in mail.alternatives) for mail in mailoutbox)
        )
    )
    logging.getLogger("django.request").removeHandler(handler)


def breaks_down(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError("the database is gone")


@pytest.mark.django_db
@pytest.mark.parametrize("debug", [True, False])
def test_a_callback_that_breaks_down(
    client: Client, monkeypatch: pytest.MonkeyPatch, told: Callable[[], str], debug: bool
) -> None:
    monkeypatch.setattr(django_settings, "DEBUG", debug)
    client.raise_request_exception = False
    monkeypatch.setattr(AttemptQuerySet, "for_state", breaks_down)
    answer = client.get(f"/oauth/callback?code={CANARY}-code&state={CANARY}-state")
    assert answer.status_code == 500
    page = answer.content.decode()
    assert ("the database is gone" in page) is debug
    assert "the database is gone" in (page if debug else told())
    assert CANARY not in page + told()
    posted = client.post("/oauth/callback", {"code": f"{CANARY}-code", "state": f"{CANARY}-state"})
    assert posted.status_code == 303


@pytest.mark.django_db
@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("where", ["save", "seal"])
def test_a_form_that_breaks_down_with_secrets_in_it(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, told: Callable[[], str], debug: bool, where: str
) -> None:
    monkeypatch.setattr(django_settings, "DEBUG", debug)
    admin_client.raise_request_exception = False
    if where == "save":
        monkeypatch.setattr(Connection, "save_base", breaks_down)
    else:
        monkeypatch.setattr(crypto, "_cipher", breaks_down)
    fields = {
        "name": "A", "slug": "a", "base_url": "https://api.example.com", "auth_method": "api_key", "is_active": "on",
        "api_key": f"{CANARY}-of-key", "secret_variables": f'{{"tenant": "{CANARY}-of-tenant"}}', "scope_delimiter": " ",
        "pkce": "S256", "client_auth": "client_secret_post", "credential_in": "header", "test_method": "GET",
        "default_headers": "{}", "default_params": "{}", "default_body": "{}", "allowed_hosts": "[]", "variables": "{}",
    }  # fmt: skip  # in rows
    answer = admin_client.post("/admin/apiconnector/connection/add/", fields)
    page = answer.content.decode()
    assert answer.status_code == 500, page
    assert "the database is gone" in (page if debug else told())
    assert CANARY not in page + told()
    assert not AuthorizationAttempt.objects.exists()
