"""Whose browser and whose session: RFC 9700 sections 2.1 and 4.7, OAuth 2.1 sections 2.3.3, 2.3.4 and 7.10."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from apiconnector.models import AuthorizationAttempt, Connection, Token
from tests.provider import Person
from tests.security.dance import CALLBACK, CODE, come_back, land, press, state_of, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User

    from tests.token_server import TokenServer

pytestmark = pytest.mark.django_db


def own_cookie(site: Client, *, prefix: str = "apiconnector_") -> str:
    """The name of the one cookie of an attempt."""
    (name,) = (name for name in site.cookies if name.startswith(prefix))
    return name


def unspent(server: TokenServer) -> bool:
    return server.requests == [] and AuthorizationAttempt.objects.get().used_at is None


@pytest.fixture
def clerk(django_user_model: type[User]) -> Client:
    """Another admin of this site, who may authorize too."""
    person = django_user_model.objects.create_user("clerk", password="x", is_staff=True)
    names = ("view_connection", "authorize_connection")
    person.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(person)
    return client


class TestCrossSiteRequests:
    def test_authorize_takes_no_request_of_another_site(self, connection: Connection, admin_user: User) -> None:
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(admin_user)
        url = f"/admin/apiconnector/connection/{connection.pk}/authorize/"
        assert browser.get(url).status_code == 405
        assert browser.post(url).status_code == 403
        assert not AuthorizationAttempt.objects.exists()

    def test_an_answer_nobody_asked_for_is_refused(
        self, site: Client, connection: Connection, server: TokenServer
    ) -> None:
        """The attacker's code in the victim's browser, without an attempt or with a made-up state."""
        for params in ({"code": CODE}, {"code": CODE, "state": "A" * 40}, {"code": CODE, "state": ""}):
            assert land(site, **params).status_code == 400
        assert server.requests == []

    def test_the_attackers_own_answer_is_refused_in_the_victims_browser(
        self, site: Client, clerk: Client, real: Connection
    ) -> None:
        """Login CSRF: the clerk would connect an account of their own from the admin's browser."""
        back = Person().answer(press(clerk, real))
        refused = come_back(site, back)
        assert refused.status_code == 403
        assert not Token.objects.exists()
        assert come_back(clerk, back).status_code == 200

    def test_a_form_of_another_site_gets_no_further_than_a_get(
        self, site: Client, connection: Connection, server: TokenServer
    ) -> None:
        """A cross-site POST brings no cookie; the browser repeats it as a GET, where everything is looked at."""
        state = state_of(press(site, connection))
        answer = Client(enforce_csrf_checks=True).post(CALLBACK, {"state": state, "code": CODE})
        assert answer.status_code == 303
        assert unspent(server)
        assert Client().get(answer["Location"]).status_code == 403
        assert unspent(server)


class TestSessionFixation:
    def test_a_victim_who_follows_the_attackers_address_is_refused(
        self, site: Client, clerk: Client, real: Connection
    ) -> None:
        """The victim approves at the provider what the attacker began: the account does not become the attacker's."""
        back = Person().answer(press(clerk, real))
        for browser in (Client(), site):
            assert come_back(browser, back).status_code == 403
        assert not Token.objects.exists()
        assert AuthorizationAttempt.objects.get().used_at is None

    @pytest.mark.parametrize("forged", ["", "x", "0" * 64, "{nonce}x", "{other}"])
    def test_the_nonce_can_not_be_forged(
        self, site: Client, connection: Connection, server: TokenServer, forged: str
    ) -> None:
        """By a cookie for the whole domain, set from a sub-domain."""
        press(site, connection)
        other = site.cookies[own_cookie(site)].value
        site.cookies.clear()
        state = state_of(self.press_again(site, connection))
        name = own_cookie(site)
        site.cookies[name] = forged.format(nonce=site.cookies[name].value, other=other)
        assert land(site, state=state, code=CODE).status_code == 403
        assert server.requests == []

    def press_again(self, site: Client, connection: Connection) -> str:
        site.force_login(AuthorizationAttempt.objects.get().user)  # type: ignore[arg-type]  # it has one
        return press(site, connection)

    def test_the_hash_in_the_table_is_no_nonce(self, site: Client, connection: Connection, server: TokenServer) -> None:
        state = state_of(press(site, connection))
        site.cookies[own_cookie(site)] = AuthorizationAttempt.objects.get().nonce
        assert land(site, state=state, code=CODE).status_code == 403
        assert unspent(server)

    def test_on_https_a_cookie_planted_over_http_does_not_count(
        self, site: Client, connection: Connection, server: TokenServer, settings: Any
    ) -> None:
        """Browsers take a name with this prefix from https pages only (RFC 6265bis section 4.1.3.1)."""
        settings.APICONNECTOR_BASE_URL = "https://testserver"
        state = state_of(press(site, connection))
        name = own_cookie(site, prefix="__Secure-apiconnector_")
        nonce = site.cookies.pop(name).value
        site.cookies[name.removeprefix("__Secure-")] = nonce
        assert land(site, state=state, code=CODE).status_code == 403
        assert unspent(server)
        site.cookies[name] = nonce
        assert land(site, state=state, code=CODE).status_code == 200

    def test_the_cookie_says_nothing_and_goes_nowhere_else(
        self, site: Client, connection: Connection, settings: Any
    ) -> None:
        settings.APICONNECTOR_BASE_URL = "https://testserver"
        url = press(site, connection)
        cookie = site.cookies[own_cookie(site, prefix="__Secure-apiconnector_")]
        assert (cookie["path"], cookie["domain"], cookie["samesite"]) == (CALLBACK, "", "Lax")
        assert cookie["httponly"]
        assert cookie["secure"]
        assert len(cookie.value) >= 43  # 256 bits
        assert state_of(url) not in f"{cookie.key}{cookie.value}"
        assert cookie.value not in url

    def test_the_session_is_neither_needed_nor_touched(
        self, site: Client, connection: Connection, server: TokenServer
    ) -> None:
        """A Strict session stays behind; and what comes back lands in none."""
        state = state_of(press(site, connection))
        before = dict(site.session.items())
        session = site.cookies.pop("sessionid")
        page = land(site, state=state, code=CODE)
        assert page.status_code == 200
        assert "sessionid" not in page.cookies
        site.cookies["sessionid"] = session.value
        assert dict(site.session.items()) == before


class TestOtherUsers:
    def test_somebody_else_who_signed_in_meanwhile_is_refused(
        self, site: Client, connection: Connection, server: TokenServer, django_user_model: type[User]
    ) -> None:
        state = state_of(press(site, connection))
        nonces = {name: morsel.value for name, morsel in site.cookies.items() if name.startswith("apiconnector_")}
        site.force_login(django_user_model.objects.create_superuser("other"))
        for name, value in nonces.items():
            site.cookies[name] = value
        page = land(site, state=state, code=CODE)
        assert page.status_code == 403
        assert "another user" in text(page)
        assert unspent(server)

    @pytest.mark.parametrize("strict", [False, True])
    @pytest.mark.parametrize("gone", ["permission", "active"])
    def test_who_may_not_authorize_any_more_is_refused(
        self, clerk: Client, connection: Connection, server: TokenServer, django_user_model: type[User],
        *, gone: str, strict: bool,
    ) -> None:  # fmt: skip  # in rows
        state = state_of(press(clerk, connection))
        person = django_user_model.objects.get(username="clerk")
        if gone == "permission":
            person.user_permissions.clear()
        else:
            person.is_active = False
            person.save()
        if strict:
            del clerk.cookies["sessionid"]
        page = land(clerk, state=state, code=CODE)
        assert page.status_code == 403
        assert "may not authorize connections any more" in text(page)
        assert unspent(server)

    def test_who_was_deleted_takes_the_attempt_along(
        self, clerk: Client, connection: Connection, server: TokenServer, django_user_model: type[User]
    ) -> None:
        state = state_of(press(clerk, connection))
        django_user_model.objects.get(username="clerk").delete()
        assert land(clerk, state=state, code=CODE).status_code == 400
        assert server.requests == []

    def test_who_may_not_authorize_begins_nothing(self, connection: Connection, django_user_model: type[User]) -> None:
        person = django_user_model.objects.create_user("viewer", password="x", is_staff=True)
        names = ("view_connection", "change_connection", "test_connection", "enter_secrets_connection")
        person.user_permissions.set(Permission.objects.filter(codename__in=names))
        browser = Client()
        browser.force_login(person)
        assert browser.post(f"/admin/apiconnector/connection/{connection.pk}/authorize/").status_code == 403
        assert not AuthorizationAttempt.objects.exists()


def test_two_tabs_and_two_connections(
    site: Client,
    connection: Connection,
    server: TokenServer,
    attacker: TokenServer,
    connect_to: Callable[..., Connection],
) -> None:
    """Each answer belongs to its own attempt, in whatever order they come."""
    other = connect_to(attacker, "other")
    first, second, third = press(site, connection), press(site, other), press(site, connection)
    for url in (third, second, first):
        assert land(site, state=state_of(url), code=CODE).status_code == 200
    assert [sent["client_id"] for sent in server.requests] == ["id-of-crm", "id-of-crm"]
    assert [sent["client_id"] for sent in attacker.requests] == ["id-of-other"]
