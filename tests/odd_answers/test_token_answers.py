"""Each answer of the table, over HTTP, through a stored connection: what becomes of the token and of the status."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from apiconnector.exceptions import Act, AuthorizationRequired, TokenRequestFailed
from apiconnector.models import AuthorizationAttempt, Connection, Token, token_requests
from apiconnector.models.source import TokenSource
from tests.odd_answers.shapes import OLD_REFRESH, SCOPE, Refusal, TokenRow
from tests.odd_answers.shapes import Token as Expected
from tests.odd_answers.token_answers import MADE, TOKEN_ANSWERS

if TYPE_CHECKING:
    from tests.odd_answers.conftest import OddServer

pytestmark = pytest.mark.django_db
METHODS = {
    "code": "oauth2_authorization_code",
    "refresh": "oauth2_authorization_code",
    "client": "oauth2_client_credentials",
    "password": "oauth2_password",
}
#: The longest that a row may take between answer and look, in seconds.
SLACK = 30
STATUS = {Act.PERSON: "needs_reauthorization", Act.ADMINISTRATOR: "misconfigured"}


def make(server: OddServer, row: TokenRow) -> Connection:
    connection = Connection(
        name="Odd", slug="odd", base_url=f"{server.origin}/api", auth_method=METHODS[row.grant], client_id="site",
        client_secret="canary-client-secret", authorization_url=f"{server.origin}/authorize",
        token_url=f"{server.origin}/token", scope=SCOPE, dialect=dict(row.dialect), username="ada",
        password="canary-password",
    )  # fmt: skip  # in rows
    connection.full_clean()
    connection.save()
    if row.grant == "refresh":
        token = Token(
            connection=connection, access_token="old-access-value", refresh_token=OLD_REFRESH, scope=SCOPE,
            expires_at=timezone.now() + timedelta(hours=5), generation=1,
        )  # fmt: skip  # in rows
        token.save()
    return Connection.objects.get(pk=connection.pk)


def ask(connection: Connection, row: TokenRow) -> dict[str, Any]:
    """Ask as the package does; the columns of the token afterwards."""
    if row.grant != "code":
        TokenSource(connection).refresh()
        token = Token.objects.get()
        return {name: getattr(token, name) for name in COLUMNS}
    attempt = AuthorizationAttempt(connection=connection, verifier="canary-verifier")
    granted = token_requests.exchange(
        connection.try_out({}), "canary-code", "https://site.example/oauth/callback", attempt.verifier
    )
    return Token.values_from(granted.answer, scope=connection.scope, hosts=connection.secret_hosts())


COLUMNS = ("access_token", "refresh_token", "expires_at", "refresh_expires_at", "scope")


def is_about(moment: datetime | None, seconds: float | None, begun: datetime) -> bool:
    if moment is None or seconds is None:
        return moment is None and seconds is None
    # Moments of the table were made when it was read, which may be minutes ago.
    ends = [base + timedelta(seconds=seconds) for base in (begun, MADE)]
    return any(timedelta(seconds=-SLACK) <= moment - end <= timedelta(seconds=SLACK) for end in ends)


@pytest.mark.parametrize("row", [row for row in TOKEN_ANSWERS if isinstance(row.expected, Expected)], ids=str)
def test_an_answer_with_a_token(server: OddServer, row: TokenRow) -> None:
    assert isinstance(row.expected, Expected)
    connection, begun = make(server, row), timezone.now()
    server.row = row
    found = ask(connection, row)
    assert found["access_token"].reveal() == row.expected.access_token
    assert found["refresh_token"].reveal() == row.expected.refresh_token
    assert is_about(found["expires_at"], row.expected.expires_in, begun), found["expires_at"]
    assert is_about(found["refresh_expires_at"], row.expected.refresh_expires_in, begun), found["refresh_expires_at"]
    assert found["scope"] == row.expected.scope
    assert len(server.asked) == 1


@pytest.mark.parametrize("row", [row for row in TOKEN_ANSWERS if isinstance(row.expected, Refusal)], ids=str)
def test_an_answer_without_one(server: OddServer, row: TokenRow) -> None:
    assert isinstance(row.expected, Refusal)
    connection = make(server, row)
    server.row = row
    before = connection.status
    with pytest.raises((TokenRequestFailed, AuthorizationRequired)) as caught:
        ask(connection, row)
    failure: Any = caught.value
    if isinstance(failure, AuthorizationRequired):
        failure = failure.__cause__
    assert failure.act is row.expected.act, str(failure)
    assert row.expected.phrase
    assert row.expected.phrase in str(failure)
    assert "canary" not in f"{failure} {failure.error} {failure.error_description}"
    assert len(server.asked) == 1, "asked once"
    stored = Connection.objects.get()
    if row.grant == "code":
        # What becomes of the connection is the callback's matter.
        assert not Token.objects.exists()
        return
    assert stored.status == STATUS.get(row.expected.act, before)
    if row.grant == "refresh":
        token = Token.objects.get()
        assert token.access_token.reveal() == "old-access-value", "nothing is lost"
        assert token.refresh_token.reveal() == OLD_REFRESH
        assert (token.generation, token.lease_owner) == (1, "")


def test_the_table_is_broad() -> None:
    names = [str(row) for row in TOKEN_ANSWERS]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert len(TOKEN_ANSWERS) >= 120
    acts = Counter(row.expected.act for row in TOKEN_ANSWERS if isinstance(row.expected, Refusal))
    assert min(acts[act] for act in Act) >= 20
    assert len([row for row in TOKEN_ANSWERS if row.dialect]) >= 20
