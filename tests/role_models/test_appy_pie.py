"""Appy Pie Connect, with the dialect that the docs have for it."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from apiconnector.exceptions import DialectError
from apiconnector.models import Connection, Feed, Token
from apiconnector.shortcuts import connect, run_feed
from tests.role_models.appy_pie import CODES, AppyPie
from tests.role_models.dance import CLIENT_ID, CLIENT_SECRET, authorize, disconnect, press_authorize, press_test, text
from tests.role_models.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

pytestmark = pytest.mark.django_db
PAGE = (Path(__file__).parent.parent.parent / "docs" / "equivalents.md").read_text(encoding="utf-8")


def dialect() -> dict[str, Any]:
    found = re.search(r"<!-- dialect: appy-pie -->\n```json\n(.*?)```", PAGE, re.DOTALL)
    assert found
    read: dict[str, Any] = json.loads(found[1])
    return read


@contextmanager
def connected(server: AppyPie, **fields: Any) -> Iterator[Connection]:
    with serving(server.accounts) as accounts, serving(server.api) as api:
        connection = Connection(**{
            "name": "Connect", "slug": "connect", "base_url": f"{api}/api/v2/integrations/",
            "auth_method": "oauth2_authorization_code", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
            "authorization_url": f"{accounts}/oAuth/authorize", "token_url": f"{accounts}/v1/oauth2/token",
            "scope": "*", "pkce": "", "client_auth": "client_secret_basic", "test_path": "me",
            "label_template": "{{ body.data.name }}", "account_id_path": "body.data._id", "dialect": dialect(),
            **fields,
        })  # fmt: skip  # in rows
        connection.full_clean()
        connection.save()
        yield connection


@pytest.mark.parametrize("client_auth", ["client_secret_basic", "client_secret_post"])
def test_the_whole_dance(site: Client, client_auth: str) -> None:
    server = AppyPie()
    with connected(server, client_auth=client_auth) as connection:
        url = press_authorize(site, connection)
        assert "code_challenge" not in url
        page = authorize(site, connection)
        assert page.status_code == 200, text(page)
        assert "Account: Ada L." in text(page)
        assert server.scopes == ["*"], "the literal star"
        assert ("client_secret" in server.token_requests[0]) is (client_auth == "client_secret_post")
        assert connection.token.account_id == "61dfc1c1"
        assert connection.token.scope == "*"
        assert connection.token.expires_at is not None, "a lifetime as text"
        assert "answered 200" in press_test(site, connection)


def test_the_token_in_a_header_of_its_own(site: Client) -> None:
    server = AppyPie(takes_header="accesstoken")
    with connected(server, credential_name="ACCESSTOKEN") as connection:
        assert "Account: Ada L." in text(authorize(site, connection))
        assert server.headers[-1]["accesstoken"] == server.alive, "bare, without a word before it"
        assert "authorization" not in server.headers[-1]


def test_a_token_answer_in_the_envelope_of_the_others(site: Client) -> None:
    server = AppyPie(wraps_tokens=True)
    members = {name: f"data.{name}" for name in ("access_token", "refresh_token", "expires_in")}
    with connected(server, dialect=dialect() | {"token_response": members}) as connection:
        assert authorize(site, connection).status_code == 200
        assert connection.token.refresh_token.reveal() == server.refresh_token


def test_the_key_of_the_older_api(site: Client) -> None:
    """Without OAuth: a key made by hand, in the same header."""
    server = AppyPie(takes_header="accesstoken", alive="key-made-by-hand")
    with connected(
        server, auth_method="api_key", api_key="key-made-by-hand", credential_name="ACCESSTOKEN"
    ) as connection:
        result = connection.test()
        assert (result.ok, result.label, result.account_id) == (True, "Ada L.", "61dfc1c1")


def test_an_expired_token_is_renewed(site: Client) -> None:
    server = AppyPie()
    with connected(server) as connection:
        authorize(site, connection)
        server.alive = "another one"
        with connect("connect") as api:
            assert api.get("me").json()["success"] is True
        assert [sent["grant_type"] for sent in server.token_requests] == ["authorization_code", "refresh_token"]


def test_a_code_that_means_an_expired_token(site: Client) -> None:
    """Where the body alone says so, the rule looks into it."""
    server = AppyPie()
    rule = {"expired_when": "status == `401` || body.code == `2036`"}
    with connected(server, dialect=dialect() | rule) as connection:
        authorize(site, connection)
        server.says = (200, 2036)
        with connect("connect") as api:
            assert api.get("me").json()["success"] is True
        assert server.token_requests[-1]["grant_type"] == "refresh_token"


def test_success_is_decided_by_the_body(site: Client) -> None:
    server = AppyPie()
    with connected(server) as connection:
        authorize(site, connection)
        assert connection.test().ok
        server.says = (200, 2039)
        result = connection.test()
        assert (result.ok, result.status_code) == (False, 200)


def test_all_its_codes_are_in_words() -> None:
    assert {int(code) for code in dialect()["test_request"]["explain"]["words"]} == set(CODES)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("status", [200, 400, 403])
def test_its_codes_are_explained(code: int, status: int) -> None:
    server = AppyPie(takes_header="accesstoken", says=(status, code))
    with connected(server, auth_method="api_key", api_key="a-key-of-tests") as connection:
        message = connection.test().message
        assert f"Code {code}: {dialect()['test_request']['explain']['words'][str(code)]}" in message
        assert f"answered {status}" in message


def test_the_page_after_test_explains_too(site: Client) -> None:
    server = AppyPie(takes_header="accesstoken")
    with connected(server, auth_method="api_key", api_key="a-key-of-tests", credential_name="X-Wrong") as connection:
        assert "Code 2032: the request carried no key." in press_test(site, connection)


def test_a_code_that_is_not_in_the_list() -> None:
    server = AppyPie(says=(200, 2999))
    with connected(server, auth_method="api_key", api_key="a-key-of-tests") as connection:
        assert "The code 2999 is not among those that the dialect explains." in connection.test().message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"success": False}, ""),
        ({"success": False, "code": None}, ""),
        ({"success": False, "code": True}, ""),
        ({"success": False, "code": {"a": 1}}, ""),
        ({"success": False, "code": "2036"}, "Code 2036: the key is not valid."),
        ({"success": False, "error": {"code": 2036}}, "Code 2036: the key is not valid."),
        ({"success": False, "data": {"code": 2036}}, "Code 2036: the key is not valid."),
        ({"success": False, "code": "x\n" * 40 + "y" * 9}, f"The code {'x' * 40}{'y' * 9} is not among those"),
        ({"success": False, "code": "z" * 400}, f"The code {'z' * 50} is not among those"),
        ({"success": False, "code": "key-that-is-secret"}, "The code [redacted] is not among those"),
        ([1], ""),
        ("text", ""),
    ],
)
def test_where_a_code_stands(body: Any, said: str) -> None:
    def answer(_: Any) -> Any:
        from tests.role_models.serving import in_json

        return in_json(body)

    with serving(answer) as origin:
        connection = Connection.objects.create(
            name="A", slug="a", base_url=origin, auth_method="api_key", api_key="key-that-is-secret", dialect=dialect()
        )
        result = connection.test()
    assert not result.ok
    assert said in result.message
    assert ("code" in result.message.lower()) is bool(said)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 410, 429, 500, 503])
def test_its_statuses(status: int) -> None:
    server = AppyPie(says=(status, 2036))
    with connected(server, auth_method="api_key", api_key="a-key-of-tests") as connection:
        result = connection.test()
        assert (result.ok, result.status_code) == (False, status)
        assert f"answered {status}" in result.message


def test_a_feed(site: Client) -> None:
    with connected(AppyPie()) as connection:
        authorize(site, connection)
        Feed.objects.create(
            name="Make", slug="make", connection=connection, path="connects", body_format="json",
            body={"name": "{{ name }}"}, response_values={"id": "body.data._id", "done": "body.success"},
        )  # fmt: skip  # in rows
        run = run_feed("make", {"name": "Leads"})
        assert (run.status, run.values) == ("succeeded", {"id": "c-1", "done": True})


def test_disconnect_says_that_nothing_was_revoked(site: Client) -> None:
    with connected(AppyPie()) as connection:
        authorize(site, connection)
        assert "remove the access at the provider too" in disconnect(site, connection)
        assert not Token.objects.exists()


def test_the_addresses_of_the_page() -> None:
    """The same paths as the likeness has."""
    section = PAGE[PAGE.index("## Appy Pie Connect") :].partition("\n## ")[0]
    paths = {urlsplit(url).path for url in re.findall(r"`(https://\S+appypie\.com\S*)`", section)}
    assert paths == {"/oAuth/authorize", "/v1/oauth2/token", "/api/v2/integrations/"}


@pytest.mark.parametrize(
    ("explain", "words"),
    [
        ({"path": "body.code"}, "test_request.explain: enter where the code is"),
        ({"path": "", "words": {"1": "x"}}, "test_request.explain: enter where the code is"),
        ({"path": "body.code", "words": {"1": 2}}, "test_request.explain.words.1: enter text"),
        ({"path": "body.code", "words": ["x"]}, "test_request.explain.words: enter a JSON object"),
        ({"path": "body[", "words": {"1": "x"}}, "test_request.explain.path: "),
        ({"path": "body.code", "word": {"1": "x"}}, "unknown key 'word'"),
        ("body.code", "test_request.explain: enter a JSON object"),
    ],
)
def test_mistakes_are_said_with_their_place(explain: Any, words: str) -> None:
    connection = Connection(
        name="A", slug="a", base_url="https://a.example", dialect={"test_request": {"explain": explain}}
    )
    with pytest.raises(DialectError) as caught:
        connection.read_dialect()
    assert words in str(caught.value)


def test_nothing_to_explain() -> None:
    connection = Connection(
        name="A", slug="a", base_url="https://a.example", dialect={"test_request": {"explain": None}}
    )
    assert connection.read_dialect().test_request.explain is None
