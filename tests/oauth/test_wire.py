"""The request as it is sent, over real HTTP too; answers that never come; revocation; and what a repr tells."""

from __future__ import annotations

import base64
import dataclasses
import threading
import traceback
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
import requests

from apiconnector.exceptions import Act, DestinationRefused, TokenRequestFailed
from apiconnector.oauth import (
    CLIENT_AUTHENTICATIONS,
    Answer,
    AuthorizationCode,
    Callback,
    ClientCredentials,
    ClientSecretBasic,
    ClientSecretPost,
    Proof,
    PublicClient,
    RefreshToken,
    TokenAnswer,
    TokenEndpointRequest,
    request_token,
    revoke,
)
from tests.oauth.answers import CLIENT, NOW, REFRESH, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from apiconnector.oauth import ClientAuthentication, Grant

CALLBACK = "https://site.example/oauth/callback?x=1&y=ü"
SECRET_URL = "https://canary-user:canary-pass@p.example/token?key=canary-key#canary"


class Recorder(ThreadingHTTPServer):
    """Remembers each request and answers as form data labelled as a page, like some providers do."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Recorder

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        content = b"access_token=at&refresh_token=rt&expires_in=60"
        self.send_response(201)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    server = Recorder()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def over_http(request: TokenEndpointRequest) -> Answer:
    with requests.Session() as session:
        response = session.post(
            request.url, data=request.body, headers=dict(request.headers), timeout=5, allow_redirects=False
        )
    return Answer(
        response.status_code, {name.lower(): value for name, value in response.headers.items()}, response.content
    )


@pytest.mark.parametrize("name", CLIENT_AUTHENTICATIONS)
@pytest.mark.parametrize(
    "grant",
    [AuthorizationCode("4/0A*b!+ c", CALLBACK, "ver~ifier"), RefreshToken("r/t+="), ClientCredentials("a b")],
    ids=lambda grant: str(grant.grant_type),
)
def test_a_token_over_http(recorder: Recorder, grant: Grant, name: str) -> None:
    now = datetime.now(tz=UTC)
    client = CLIENT_AUTHENTICATIONS[name]("i d", "s:e/c+r=et")
    token = request_token(
        f"http://127.0.0.1:{recorder.server_port}/token?oauth=token", grant, client, over_http, now=now
    )
    assert (token.access_token, token.refresh_token) == ("at", "rt")
    assert token.expires_at == now + timedelta(seconds=60)
    ((path, headers, body),) = recorder.requests
    assert path == "/token?oauth=token"
    assert headers["accept"] == "application/json"
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    form = {name: values[0] for name, values in parse_qs(body.decode("ascii"), strict_parsing=True).items()}
    credentials = {key: form.pop(key) for key in ("client_id", "client_secret") if key in form}
    assert form == grant.params()
    assert b"+" not in body
    if name == "client_secret_basic":
        assert base64.b64decode(headers["authorization"].removeprefix("Basic ")) == b"i%20d:s%3Ae%2Fc%2Br%3Det"
        assert credentials == {}
    else:
        assert "authorization" not in headers
        secret = {"client_secret": "s:e/c+r=et"} if name == "client_secret_post" else {}
        assert credentials == {"client_id": "i d", **secret}


def raising(error: Exception) -> Callable[[TokenEndpointRequest], Answer]:
    def send(request: TokenEndpointRequest) -> Answer:
        raise error

    return send


def failure(error: Exception) -> TokenRequestFailed:
    grant = AuthorizationCode("canary-code", CALLBACK, "canary-verifier")
    client = ClientSecretBasic("id", "canary-secret")
    with pytest.raises(TokenRequestFailed) as caught:
        request_token(SECRET_URL, grant, client, raising(error), now=NOW)
    return caught.value


def locals_of_the_package(error: Exception) -> str:
    """What a page on the error would show; the frames of the tests hold the secrets they made up."""
    frames = traceback.TracebackException.from_exception(error, capture_locals=True).stack
    ours = [frame.locals for frame in frames if "/apiconnector/oauth/" in frame.filename]
    assert ours
    return str(ours)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (requests.ConnectTimeout, "in time"),
        (requests.ReadTimeout, "in time"),
        (requests.exceptions.SSLError, "certificate"),
        (requests.exceptions.ProxyError, "proxy"),
        (requests.ConnectionError, "reached"),
        (requests.exceptions.ChunkedEncodingError, "read"),
        (requests.exceptions.InvalidURL, "could not be made"),
        (requests.RequestException, "could not be made"),
    ],
)
def test_no_answer_is_nobodys_matter_and_tells_no_secret(error: type[requests.RequestException], words: str) -> None:
    caught = failure(error("no route to https://p.example/token?key=canary"))
    assert caught.act is Act.NOBODY
    assert words in str(caught)
    assert (caught.error, caught.error_description, caught.status_code) == ("", "", None)
    assert caught.__cause__ is None
    assert caught.__context__ is None
    assert "canary" not in f"{caught} {caught!r} {locals_of_the_package(caught)}"


def test_an_error_of_the_sender_keeps_its_words() -> None:
    known = TokenRequestFailed("The answer is over a megabyte.", act=Act.NOBODY)
    assert failure(known) is known
    caught = failure(DestinationRefused("p.example is a private address."))
    assert caught.act is Act.ADMINISTRATOR
    assert str(caught) == "p.example is a private address."


def test_a_mistake_in_the_sender_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        request_token(SECRET_URL, REFRESH, CLIENT, raising(ZeroDivisionError()), now=NOW)


def test_the_frames_of_a_refusal_hold_no_secret() -> None:
    def ask() -> None:
        request_token(
            SECRET_URL,
            AuthorizationCode("canary-code", CALLBACK, "canary-verifier"),
            ClientSecretPost("id", "canary-secret"),
            lambda _: answer({"error": "invalid_grant", "access_token": "canary-token"}, 400),
            now=NOW,
        )

    with pytest.raises(TokenRequestFailed) as caught:
        ask()
    assert "canary" not in locals_of_the_package(caught.value)


@pytest.mark.parametrize(
    ("answered", "revoked"),
    [
        pytest.param(answer(b""), True, id="200"),
        pytest.param(answer(b"", 204), True, id="204"),
        pytest.param(answer(b"<html>done</html>"), True, id="a page"),
        pytest.param(answer({"ok": True, "error": None}), True, id="no error"),
        pytest.param(answer({"ok": False, "error": "not_authed"}), False, id="an error at 200"),
        pytest.param(answer({"error": "invalid_token"}, 400), True, id="gone already"),
        pytest.param(answer({"error": "invalid_token"}), True, id="gone already at 200"),
        pytest.param(answer({"error": {"status": "TOKEN_EXPIRED"}}, 400), True, id="expired already"),
        pytest.param(answer({"error": "unsupported_token_type"}, 400), False, id="can't be revoked"),
        pytest.param(answer({"error": "invalid_client"}, 401), False, id="refused client"),
        pytest.param(answer({"error": "invalid_token"}, 503), False, id="503"),
        pytest.param(answer(b"", 400), False, id="400 and nothing"),
        pytest.param(answer(b"", 404), False, id="404"),
        pytest.param(answer(b"", 302, location="/login"), False, id="redirect"),
        pytest.param(answer(b"[" * 100_000, 400), False, id="nonsense"),
    ],
)
def test_revocation(answered: Answer, revoked: bool) -> None:
    assert revoke("https://p.example/revoke", "t", CLIENT, lambda _: answered) is revoked


@pytest.mark.parametrize(
    "error", [requests.ConnectionError("x"), requests.Timeout("x"), TokenRequestFailed("x"), DestinationRefused("x")]
)
def test_revocation_that_is_not_answered(error: Exception) -> None:
    assert revoke("https://p.example/revoke", "t", CLIENT, raising(error)) is False


def test_revocation_over_http(recorder: Recorder) -> None:
    url = f"http://127.0.0.1:{recorder.server_port}/revoke"
    assert revoke(url, "t/1+", ClientSecretPost("id", "s"), over_http, token_type_hint="refresh_token")
    assert revoke(url, "t", PublicClient("id", ""), over_http, headers={"X-Ours": "yes", "accept": None})
    sent = [(headers.get("x-ours"), "json" in headers.get("accept", "")) for _, headers, _ in recorder.requests]
    assert sent == [(None, True), ("yes", False)]
    assert [parse_qs(body.decode()) for _, _, body in recorder.requests] == [
        {"token": ["t/1+"], "token_type_hint": ["refresh_token"], "client_id": ["id"], "client_secret": ["s"]},
        {"token": ["t"], "client_id": ["id"]},
    ]


@pytest.mark.parametrize(
    ("client", "answers", "revoked"),
    [
        (ClientSecretPost("id", "s"), [answer({"error": "invalid_client"}, 400), answer({})], True),
        (ClientSecretPost("id", "s"), [answer({"error": "invalid_client"}, 401)] * 2, False),
        (ClientSecretPost("id", "s"), [answer({"error": "invalid_request"}, 400)], False),
        (ClientSecretPost("id", ""), [answer({"error": "invalid_client"}, 401)], False),
        (ClientSecretBasic("id", "s"), [answer({"error": "invalid_client"}, 401)], False),
        (PublicClient("id", ""), [answer({"error": "invalid_client"}, 401)], False),
    ],
)
def test_a_client_that_is_refused_with_its_secret_in_the_form_is_sent_once_more_with_the_header(
    client: ClientAuthentication, answers: list[Answer], revoked: bool
) -> None:
    sent: list[TokenEndpointRequest] = []

    def send(request: TokenEndpointRequest) -> Answer:
        sent.append(request)
        return answers[len(sent) - 1]

    assert revoke("https://p.example/revoke", "t", client, send, token_type_hint="access_token") is revoked
    assert len(sent) == len(answers)
    if len(sent) == 2:
        assert sent[1].headers["Authorization"] == "Basic " + base64.b64encode(b"id:s").decode()
        assert parse_qs(sent[1].body.decode()) == {"token": ["t"], "token_type_hint": ["access_token"]}


SHOWN: list[Any] = [
    Proof("canary", "canary", "plain"),
    Callback(state="canary", code="canary"),
    ClientSecretPost("id", "canary"),
    ClientSecretBasic("id", "canary"),
    PublicClient("id", "canary"),
    AuthorizationCode("canary", CALLBACK, "canary"),
    RefreshToken("canary"),
    TokenEndpointRequest(SECRET_URL, {"Authorization": "canary"}, b"canary"),
    TokenEndpointRequest("https://[canary", {}, b""),
    Answer(200, {"set-cookie": "canary"}, b"canary"),
    TokenAnswer("canary", "canary", "bearer", None, None, None, {"access_token": "canary"}),
]


@pytest.mark.parametrize("shown", SHOWN, ids=lambda value: type(value).__name__)
def test_no_repr_tells_a_secret_and_nothing_can_be_changed(shown: Any) -> None:
    assert "canary" not in f"{shown!r} {shown} {[shown]}"
    name = dataclasses.fields(shown)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(shown, name, "x")


def test_the_repr_of_a_request_says_where_it_goes() -> None:
    assert repr(TokenEndpointRequest(SECRET_URL, {}, b"")) == "<TokenEndpointRequest https://p.example>"


def test_every_client_authentication_is_its_own_class() -> None:
    clients: set[ClientAuthentication] = {make("id", "secret") for make in CLIENT_AUTHENTICATIONS.values()}
    assert len(clients) == len(CLIENT_AUTHENTICATIONS) == 3
