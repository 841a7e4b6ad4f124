"""The proof that goes with a code: RFC 7636, RFC 9700 sections 2.1.1 and 4.8, OAuth 2.1 section 7.5.1."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from apiconnector.models import AuthorizationAttempt, Connection, Token
from apiconnector.oauth import new_proof
from tests.provider import Person
from tests.security.dance import CODE, come_back, land, param, press, state_of, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tests.token_server import TokenServer

pytestmark = pytest.mark.django_db


def s256(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def test_s256_is_what_a_new_connection_gets(site: Client, connection: Connection, server: TokenServer) -> None:
    url = press(site, connection)
    assert param(url, "code_challenge_method") == "S256"
    assert land(site, state=state_of(url), code=CODE).status_code == 200
    (sent,) = server.requests
    assert s256(sent["code_verifier"]) == param(url, "code_challenge")
    assert re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", sent["code_verifier"])


def test_plain_and_none_only_where_they_were_chosen(
    site: Client, server: TokenServer, connect_to: Callable[..., Connection]
) -> None:
    plain, off = connect_to(server, "plain", pkce="plain"), connect_to(server, "off", pkce="")
    url = press(site, plain)
    assert param(url, "code_challenge_method") == "plain"
    assert "code_challenge" not in parse_qs(urlsplit(press(site, off)).query)
    assert land(site, state=state_of(url), code=CODE).status_code == 200
    assert server.requests[0]["code_verifier"] == param(url, "code_challenge")


def test_the_verifier_can_not_be_guessed() -> None:
    """256 bits or more, and as evenly spread as random letters are."""
    verifiers = [proof.verifier for proof in (new_proof("S256") for _ in range(200)) if proof is not None]
    assert len(set(verifiers)) == 200
    counts: dict[str, int] = {}
    for letter in "".join(verifiers):
        counts[letter] = counts.get(letter, 0) + 1
    total = sum(counts.values())
    entropy = -sum(count / total * math.log2(count / total) for count in counts.values())
    assert min(map(len, verifiers)) * entropy > 256


def test_every_attempt_has_a_proof_of_its_own(site: Client, connection: Connection, server: TokenServer) -> None:
    """Also after one that failed: nothing of it is used again (OAuth 2.1 section 7.5.1)."""
    urls = [press(site, connection)]
    land(site, state=state_of(urls[0]), error="server_error")
    urls += [press(site, connection) for _ in range(3)]
    assert len({param(url, "code_challenge") for url in urls}) == 4
    for url in reversed(urls[1:]):
        land(site, state=state_of(url), code=CODE)
    assert [s256(sent["code_verifier"]) for sent in server.requests] == [
        param(url, "code_challenge") for url in reversed(urls[1:])
    ]


def test_the_verifier_leaves_the_server_with_the_token_request_only(
    site: Client, connection: Connection, server: TokenServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    before = site.post(f"/admin/apiconnector/connection/{connection.pk}/authorize/")
    after = land(site, state=state_of(before["Location"]), code=CODE)
    (sent,) = server.requests
    verifier = sent["code_verifier"]
    for seen in (before.headers, before.cookies, before.content, after.headers, after.cookies, after.content):
        assert verifier not in str(seen)
    assert verifier not in caplog.text


@pytest.mark.parametrize(
    "params", [{"code": CODE}, {"error": "access_denied"}, {}, {"code": CODE, "iss": "https://evil.example"}]
)
def test_the_row_forgets_the_verifier_when_the_state_is_spent(
    site: Client, connection: Connection, params: dict[str, str]
) -> None:
    connection.issuer = "https://issuer.example"
    connection.save()
    url = press(site, connection)
    assert AuthorizationAttempt.objects.get().verifier
    land(site, state=state_of(url), **params)
    attempt = AuthorizationAttempt.objects.get()
    assert attempt.used_at is not None
    assert not attempt.verifier
    assert attempt.verifier.stored == ""


class TestDowngrade:
    """RFC 9700 section 4.8: without a verifier a code of anybody would do."""

    def test_an_attempt_without_its_verifier_is_refused(
        self, site: Client, connection: Connection, server: TokenServer
    ) -> None:
        url = press(site, connection)
        AuthorizationAttempt.objects.update(verifier="")
        page = land(site, state=state_of(url), code=CODE)
        assert page.status_code == 400
        assert "The code verifier of this attempt is gone" in text(page)
        assert server.requests == []
        assert not Token.objects.exists()

    def test_a_verifier_of_another_attempt_is_refused_by_the_provider(self, site: Client, real: Connection) -> None:
        person = Person()
        mine, other = press(site, real), press(site, real)
        code = param(person.answer(other), "code")
        page = land(site, state=state_of(mine), code=code)
        assert page.status_code == 400
        assert "invalid_grant" in text(page)
        assert not Token.objects.exists()

    def test_a_code_asked_for_without_a_challenge_is_still_bound_by_state_and_cookie(
        self, site: Client, connection: Connection, server: TokenServer
    ) -> None:
        """The attacker's own code, at a server that lets PKCE be left out: it does not get as far as the server."""
        url = press(site, connection)
        page = land(site, state="A" * 40, code="code-of-the-attacker")
        assert page.status_code == 400
        assert server.requests == []
        assert land(site, state=state_of(url), code=CODE).status_code == 200

    def test_the_provider_gets_challenge_and_verifier_of_one_attempt(self, site: Client, real: Connection) -> None:
        """The tests' provider insists on PKCE: it would not answer otherwise."""
        assert come_back(site, Person().answer(press(site, real))).status_code == 200


def test_an_unknown_method_begins_nothing(site: Client, connection: Connection) -> None:
    Connection.objects.update(pkce="S512")
    response: Any = site.post(f"/admin/apiconnector/connection/{connection.pk}/authorize/", follow=True)
    assert "PKCE method must be S256, plain or empty" in " ".join(map(str, response.context["messages"]))
    assert not AuthorizationAttempt.objects.exists()
