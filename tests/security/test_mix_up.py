"""An answer of one provider handed to another: RFC 9207, RFC 9700 section 4.4, OAuth 2.1 section 7.15."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from apiconnector.models import AuthorizationAttempt, Connection, ConnectionEvent, Token
from apiconnector.oauth import authorization_url
from tests import provider
from tests.provider import Person
from tests.security.dance import CODE, change_url, come_back, land, param, press, state_of, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tests.token_server import TokenServer

pytestmark = pytest.mark.django_db
ISSUER = "https://issuer.example/Tenant"
PROMISED = {"authorization_response_iss_parameter_supported": True}


def nothing_happened(server: TokenServer) -> bool:
    return server.requests == [] and not Token.objects.exists()


@pytest.mark.parametrize(
    "iss",
    [
        "https://evil.example", f"{ISSUER}/", "https://issuer.example/tenant", "HTTPS://issuer.example/Tenant",
        "https://issuer.example:443/Tenant", "https://issuer.example/%54enant", "https://issuer.example/./Tenant",
        f" {ISSUER}", f"{ISSUER}\x00", f"{ISSUER}?", "null", "0",
    ],
)  # fmt: skip  # in rows
def test_an_answer_of_another_issuer_is_refused_byte_by_byte(
    site: Client, connection: Connection, server: TokenServer, iss: str
) -> None:
    connection.issuer = ISSUER
    connection.save()
    page = land(site, state=state_of(press(site, connection)), code=CODE, iss=iss)
    assert page.status_code == 400
    assert "another issuer" in text(page)
    assert nothing_happened(server)
    assert AuthorizationAttempt.objects.get().outcome == "failed"


def test_the_issuer_itself_is_accepted(site: Client, connection: Connection, server: TokenServer) -> None:
    connection.issuer = ISSUER
    connection.save()
    assert land(site, state=state_of(press(site, connection)), code=CODE, iss=ISSUER).status_code == 200
    assert len(server.requests) == 1


def test_an_error_of_another_issuer_is_not_believed(site: Client, connection: Connection) -> None:
    connection.issuer = ISSUER
    connection.save()
    url = press(site, connection)
    page = land(
        site, state=state_of(url), error="access_denied", error_description="Call us", iss="https://evil.example"
    )
    assert "access_denied" not in text(page)
    assert "Call us" not in text(page)
    attempt = AuthorizationAttempt.objects.get()
    assert (attempt.outcome, attempt.error, attempt.error_description) == ("failed", "", "")


@pytest.mark.parametrize(
    ("discovered", "params", "status"),
    [
        (PROMISED, {}, 400),
        (PROMISED, {"iss": ""}, 400),
        (PROMISED, {"iss": ISSUER}, 200),
        ({**PROMISED, "issuer": ISSUER}, {}, 400),
        # A promise that another issuer's metadata made, or none.
        ({**PROMISED, "issuer": "https://older.example"}, {}, 200),
        ({"authorization_response_iss_parameter_supported": False}, {}, 200),
        ({"authorization_response_iss_parameter_supported": "true"}, {}, 200),
        ({"issuer": ISSUER}, {}, 200),
        ({}, {}, 200),
    ],
)  # fmt: skip  # in rows
def test_a_promised_issuer_may_not_be_missing(
    site: Client, connection: Connection, discovered: dict[str, Any], params: dict[str, str], status: int
) -> None:
    connection.issuer, connection.discovered = ISSUER, discovered
    connection.save()
    page = land(site, state=state_of(press(site, connection)), code=CODE, **params)
    assert page.status_code == status
    assert Token.objects.exists() is (status == 200)
    assert ("does not say whose it is" in text(page)) is (status == 400)


def test_a_promised_issuer_may_be_missing_from_an_error(site: Client, connection: Connection) -> None:
    connection.issuer, connection.discovered = ISSUER, PROMISED
    connection.save()
    page = land(site, state=state_of(press(site, connection)), error="access_denied")
    assert "was denied" in text(page)
    assert AuthorizationAttempt.objects.get().outcome == "denied"


def test_an_issuer_that_only_discovery_knows_is_compared(site: Client, connection: Connection) -> None:
    connection.discovered = {"issuer": ISSUER}
    connection.save()
    assert land(site, state=state_of(press(site, connection)), code=CODE, iss="https://evil.example").status_code == 400
    assert land(site, state=state_of(press(site, connection)), code=CODE, iss=ISSUER).status_code == 200


def test_what_is_edited_in_between_does_not_decide_on_the_issuer(site: Client, connection: Connection) -> None:
    connection.issuer, connection.discovered = ISSUER, PROMISED
    connection.save()
    states = [state_of(press(site, connection)) for _ in range(2)]
    Connection.objects.update(issuer="https://evil.example", discovered={})
    assert land(site, state=states[0], code=CODE, iss="https://evil.example").status_code == 400
    assert land(site, state=states[1], code=CODE).status_code == 400
    assert not Token.objects.exists()


class TestIssuersOfOtherConnections:
    """A connection whose own issuer nobody entered."""

    def test_the_issuer_of_another_connection_is_refused(
        self, site: Client, connection: Connection, server: TokenServer, attacker: TokenServer,
        connect_to: Callable[..., Connection],
    ) -> None:  # fmt: skip  # in rows
        connect_to(attacker, "honest", issuer=ISSUER)
        page = land(site, state=state_of(press(site, connection)), code=CODE, iss=ISSUER)
        assert page.status_code == 400
        assert "the issuer of another connection, “HONEST”" in text(page)
        assert "Enter the issuer of this connection" in text(page)
        assert nothing_happened(server)

    @pytest.mark.parametrize("iss", ["https://unknown.example", f"{ISSUER}/", ISSUER.lower(), "a\x00b", "x" * 2000])
    def test_an_unknown_issuer_is_not_mistaken_for_it(
        self,
        site: Client,
        connection: Connection,
        attacker: TokenServer,
        connect_to: Callable[..., Connection],
        iss: str,
    ) -> None:
        connect_to(attacker, "honest", issuer=ISSUER)
        assert land(site, state=state_of(press(site, connection)), code=CODE, iss=iss).status_code == 200

    def test_two_accounts_at_one_provider_are_no_mix_up(
        self, site: Client, connection: Connection, server: TokenServer, connect_to: Callable[..., Connection]
    ) -> None:
        connect_to(server, "second-account", issuer=ISSUER)
        assert land(site, state=state_of(press(site, connection)), code=CODE, iss=ISSUER).status_code == 200


class TestIssuersAreUnique:
    """``iss`` tells nothing where two servers go by one name (RFC 9207 section 4)."""

    def sent_back(self, site: Client, connection: Connection) -> str:
        response = site.post(f"/admin/apiconnector/connection/{connection.pk}/authorize/", follow=True)
        assert response.redirect_chain[0][0] == f"{change_url(connection)}#id_issuer"
        assert not AuthorizationAttempt.objects.exists()
        return " ".join(str(message) for message in response.context["messages"])

    def test_one_issuer_has_one_token_endpoint(
        self, site: Client, connection: Connection, attacker: TokenServer, connect_to: Callable[..., Connection]
    ) -> None:
        connection.issuer = ISSUER
        connection.save()
        connect_to(attacker, "evil", issuer=ISSUER)
        assert "“EVIL” has the same issuer and another token URL" in self.sent_back(site, connection)

    def test_two_accounts_may_share_it(
        self, site: Client, connection: Connection, server: TokenServer, attacker: TokenServer,
        connect_to: Callable[..., Connection],
    ) -> None:  # fmt: skip  # in rows
        connection.issuer = ISSUER
        connection.save()
        connect_to(server, "second-account", issuer=ISSUER, token_url=f"{server.origin}/token?account=2")
        connect_to(attacker, "switched-off", issuer=ISSUER, is_active=False)
        connect_to(attacker, "other-issuer", issuer=ISSUER.lower())
        assert press(site, connection)


class TestTheAttackItself:
    """Steps 1 to 6 of RFC 9700 section 4.4.1: the attacker's provider sends the browser on to the honest one."""

    def attacked(self, site: Client, evil: Connection, honest: Connection) -> str:
        """Press Authorize at the attacker's; where the honest provider sends the browser, with a good code."""
        begun = press(site, evil)
        return Person().answer(
            authorization_url(
                honest.authorization_url, client_id=provider.CLIENT_ID, redirect_uri=param(begun, "redirect_uri"),
                scope="read", state=param(begun, "state"), proof=None,
            ) + f"&code_challenge={param(begun, 'code_challenge')}&code_challenge_method=S256"
        )  # fmt: skip  # in rows

    @pytest.mark.parametrize("issuer_of_evil", ["https://evil.example", ""])
    def test_the_code_does_not_reach_the_attacker(
        self, site: Client, real: Connection, attacker: TokenServer, connect_to: Callable[..., Connection],
        issuer_of_evil: str,
    ) -> None:  # fmt: skip  # in rows
        real.issuer = ISSUER
        real.save()
        evil = connect_to(attacker, "evil", issuer=issuer_of_evil)
        page = come_back(site, f"{self.attacked(site, evil, real)}&iss={ISSUER}")
        assert page.status_code == 400
        assert "Nothing was exchanged" in text(page)
        assert nothing_happened(attacker)
        assert ConnectionEvent.objects.get(kind="failed").connection == evil

    def test_without_iss_the_code_is_worth_nothing_without_the_client_secret(
        self, site: Client, real: Connection, attacker: TokenServer, connect_to: Callable[..., Connection]
    ) -> None:
        """What is left where a provider sends no ``iss``; see the page on security."""
        evil = connect_to(attacker, "evil")
        come_back(site, self.attacked(site, evil, real))
        (stolen,) = attacker.requests
        assert stolen["client_id"] == "id-of-evil"
        assert stolen["client_secret"] == "canary-secret-of-evil"
        stolen = {**stolen, "client_id": provider.CLIENT_ID, "client_secret": "guessed"}
        answer = requests.post(real.token_url, data=stolen, timeout=10)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        with_secret = {**stolen, "client_secret": provider.CLIENT_SECRET}
        assert requests.post(real.token_url, data=with_secret, timeout=10).status_code == 200
