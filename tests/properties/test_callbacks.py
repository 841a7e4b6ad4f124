"""Whatever is sent to the callback: a page, nothing given away, and no authorization but by who began it."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, quote, quote_plus, urlsplit

import pytest
import responses
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection as database
from django.test import Client
from django.utils import timezone
from hypothesis import event, example, given
from hypothesis import strategies as st

from apiconnector.authorize import begin
from apiconnector.authorize.begin import cookie_name
from apiconnector.models import AuthorizationAttempt, Connection, ConnectionEvent, Token
from apiconnector.models.attempt import LIFETIME, digest
from apiconnector.oauth import parse_callback
from tests.properties.database import rolled_back
from tests.properties.leaks import found, logged
from tests.properties.profiles import share
from tests.properties.strategies import Long, blobs, long_texts, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apiconnector.authorize.begin import Begun

pytestmark = pytest.mark.django_db
PATH = "/oauth/callback"
TOKEN_URL = "https://login.example/token"
ISSUER = "https://issuer.example"
CODE, CLIENT_SECRET = "canary-code/4*!", "canary-client-secret"
ISSUED, REFRESH = "canary-access-token", "canary-refresh-token"
#: Would be markup if it came back as it was sent.
MARKUP = ("<b>zq", '"zq=', "'zq=", "</textarea><zq>", "<script>zq</script>", "javascript:zq", "zq\r\nX-Injected: 1")

NAMES = st.one_of(
    st.sampled_from(
        [
            "state", "code", "error", "error_description", "error_uri", "iss", "scope", "error_code", "error_message", "errorMessage", "session_state",
            "State", "state[]", "state ", "code\x00", "next", "redirect_uri", "",
        ]
    ),
    texts(2),
)  # fmt: skip  # in rows
#: Names for what is known to the test only, put in when a visit is made.
REAL = ("STATE", "OTHER_STATE", "COMMAND_STATE", "CODE")
VALUES = st.one_of(
    st.sampled_from(
        [*MARKUP, ISSUER, "https://evil.example", "access_denied", "server_error", "0", "", "wrong-code", "A" * 40]
    ),
    texts(3),
)
QUOTES = st.sampled_from([
    lambda text: quote(text.encode("utf-8", "replace"), safe=""),
    lambda text: quote_plus(text.encode("utf-8", "replace")),
    lambda text: "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "replace")),
    lambda text: text.encode("utf-8", "replace").decode("latin-1").replace("&", "%26").replace("=", "%3d"),
])  # fmt: skip  # in rows


@dataclass(frozen=True)
class Pieces:
    """A query: names and values still to be filled with what is real, and how they are encoded."""

    pairs: tuple[tuple[str, str, Any], ...]
    noise: bytes = b""

    def text(self, real: dict[str, str]) -> str:
        """As a WSGI server hands it over: a character for each byte."""
        written = [f"{how(name)}={how(real.get(value, value))}" for name, value, how in self.pairs]
        return "&".join([*written, *([self.noise.decode("latin-1")] if self.noise else [])])

    def __repr__(self) -> str:
        return f"<Pieces {[(name, value) for name, value, _ in self.pairs]} {self.noise!r}>"


PAIRS = st.one_of(
    st.tuples(NAMES, VALUES, QUOTES),
    st.tuples(st.just("state"), st.sampled_from(REAL[:3]), QUOTES),
    st.tuples(st.just("code"), st.just("CODE"), QUOTES),
)
QUERIES = st.one_of(
    st.builds(Pieces, st.lists(PAIRS, max_size=6).map(tuple), st.one_of(st.just(b""), blobs())),
    st.builds(
        lambda state, code, more: Pieces((state, code, *more)),
        st.tuples(st.just("state"), st.sampled_from(["STATE", "STATE", "OTHER_STATE", "COMMAND_STATE"]), QUOTES),
        st.tuples(st.just("code"), st.sampled_from(["CODE", "CODE", "wrong-code"]), QUOTES),
        st.lists(PAIRS, max_size=3),
    ),
)


@dataclass(frozen=True)
class Visit:
    """One request to the callback."""

    query: Pieces
    method: str = "GET"
    #: Whose cookies come along: of the attempt, of the other one, a made-up one, none.
    cookie: str = "right"
    session: str = "owner"
    host: str = "testserver"
    noise: bytes = b""
    body: tuple[str, bytes] = ("application/x-www-form-urlencoded", b"")


# Django itself does not survive a charset that is no text encoding, such as "hex": long before any view.
BODIES = st.one_of(
    st.tuples(
        st.sampled_from(
            [
                "application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-16", "application/x-www-form-urlencoded; charset=raw_unicode_escape",
                "multipart/form-data; boundary=x", "multipart/form-data", "multipart/form-data; boundary=x; charset=nonsense",
                "multipart/form-data; boundary=x; charset=raw_unicode_escape", "multipart/form-data; boundary=x; charset=utf-7", "application/json", "text/plain", "", "\xff",
            ]
        ),
        st.one_of(
            blobs(),
            st.sampled_from(
                [
                    b'--x\r\nContent-Disposition: form-data; name="state"\r\n\r\n\\ud800\r\n--x--\r\n',
                    b'--x\r\nContent-Disposition: form-data; name="state"\r\n\r\n+2AA-\r\n--x--\r\n',
                    b'--x\r\nContent-Disposition: form-data; name="state"; filename="a"\r\n\r\nx\r\n--x--\r\n', b"--x\r\n\r\n",
                    b"state=%ff&code=%00&state=2", b"&" * 2000, b"a=1&" * 1500, b"state=" + b"x" * 3_000_000,
                ]
            ),
        ),
    ),
    st.just(("application/x-www-form-urlencoded", b"QUERY")),
)  # fmt: skip  # in rows
VISITS = st.builds(
    Visit,
    QUERIES,
    st.sampled_from(["GET", "GET", "GET", "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "FOO"]),
    st.sampled_from(["right", "right", "right", "other", "made up", "none", "broken"]),
    st.sampled_from(["owner", "owner", "nobody", "other", "made up"]),
    st.sampled_from(["testserver", "www.example.org", "localhost:8000", "WWW.EXAMPLE.ORG.", "127.0.0.1"]),
    st.one_of(st.just(b""), blobs(), st.sampled_from([b"sessionid=\xff", b"a=b; ;=; \x00", b"x" * 20_000])),
    BODIES,
)  # fmt: skip  # in rows


def cookie_of(begun: Begun) -> str:
    return cookie_name(begun.state, begun.redirect_uri)


class World:
    """A connection with three attempts: two of an admin's, one of the command."""

    def __init__(self, begun: dict[str, Begun], sessions: dict[str, str]) -> None:
        self.begun = begun
        self.sessions = sessions
        verifiers = [attempt.verifier.reveal() for attempt in AuthorizationAttempt.objects.all()]
        self.secrets = [CLIENT_SECRET, ISSUED, REFRESH, *verifiers, *(one.nonce for one in begun.values())]
        #: What the token endpoint was asked, as name and value.
        self.asked: list[dict[str, str]] = []

    @property
    def real(self) -> dict[str, str]:
        return {**{name: begun.state for name, begun in self.begun.items()}, "CODE": CODE}

    def challenge(self, name: str) -> str:
        return parse_qs(urlsplit(self.begun[name].url).query)["code_challenge"][0]

    def cookies(self, visit: Visit) -> str:
        mine, another = self.begun["STATE"], self.begun["OTHER_STATE"]
        pairs = {
            "right": [(cookie_of(begun), begun.nonce) for begun in self.begun.values()],
            "other": [(cookie_of(mine), another.nonce), (cookie_of(another), mine.nonce)],
            "made up": [(cookie_of(begun), "x") for begun in self.begun.values()],
            "broken": [(cookie_of(mine), mine.nonce[:-1]), (cookie_of(another), "\xff\xfe")],
            "none": [],
        }[visit.cookie]
        session = self.sessions.get(visit.session, "")
        pairs += [(settings.SESSION_COOKIE_NAME, session)] if session else []
        # Of two cookies of one name the last one counts.
        noise = [visit.noise.decode("latin-1")] if visit.noise else []
        return "; ".join([*noise, *(f"{name}={value}" for name, value in pairs)])

    def visit(self, visit: Visit) -> Any:
        content_type, body = visit.body
        query = visit.query.text(self.real)
        if body == b"QUERY":
            body = query.encode("latin-1")
        return Client().generic(
            visit.method, PATH, body if visit.method != "GET" else b"", content_type, QUERY_STRING=query, HTTP_COOKIE=self.cookies(visit), HTTP_HOST=visit.host,
        )  # fmt: skip  # in rows


def session_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


@pytest.fixture
def world(db: None) -> World:
    owner, other = User.objects.create_superuser("owner"), User.objects.create_superuser("other")
    connection = Connection.objects.create(
        name="CRM", slug="crm", base_url="https://api.example", auth_method="oauth2_authorization_code", client_id="id", client_secret=CLIENT_SECRET,
        authorization_url="https://login.example/authorize", token_url=TOKEN_URL, issuer=ISSUER,
    )  # fmt: skip  # in rows
    uri = f"http://testserver{PATH}"
    begun = {
        "STATE": begin(connection, redirect_uri=uri, user=owner),
        "OTHER_STATE": begin(connection, redirect_uri=uri, user=owner),
        "COMMAND_STATE": begin(connection, redirect_uri=uri, user=None, via=AuthorizationAttempt.Via.COMMAND),
    }
    sessions = {"owner": session_of(owner), "other": session_of(other), "made up": "x" * 32}
    return World(begun, sessions)


@pytest.fixture
def provider(world: World) -> Iterator[responses.RequestsMock]:
    """A token endpoint that knows one code, for whichever attempt."""

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        form = dict(parse_qsl(request.body.decode()))
        world.asked.append(form)
        if form.get("code") != CODE or not form.get("code_verifier"):
            return 400, {}, '{"error": "invalid_grant"}'
        return 200, {}, f'{{"access_token": "{ISSUED}", "refresh_token": "{REFRESH}", "expires_in": 60}}'

    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add_callback("POST", TOKEN_URL, answer)
        yield mock


def may_spend(world: World, visit: Visit, attempt: AuthorizationAttempt) -> bool:
    """By the rules: whether this visit may be the one that uses up the attempt. Read by the standard library."""
    pairs = parse_qsl(visit.query.text(world.real), keep_blank_values=True)
    sent: dict[str, list[str]] = {}
    for name, value in pairs:
        sent.setdefault(name, []).append(value)
    states = {"STATE", "OTHER_STATE"}
    return (
        visit.method.upper() == "GET"
        and sent.get("state")
        in [[world.begun[name].state] for name in states if digest_of(world, name) == attempt.state]
        and all(len(sent.get(name, ())) <= 1 for name in ("code", "error", "iss"))
        and visit.cookie == "right"
        and visit.session in {"owner", "nobody", "made up"}
        and attempt.used_at is None
    )


def may_authorize(world: World, visit: Visit, attempt: AuthorizationAttempt) -> bool:
    sent = dict(parse_qsl(visit.query.text(world.real), keep_blank_values=True))
    return (
        may_spend(world, visit, attempt)
        and not attempt.is_expired
        and sent.get("code") == CODE
        and sent.get("iss", ISSUER) in {ISSUER, ""}
        and sent.get("error", "").strip() in {"", "0", "\x00"}
    )


def digest_of(world: World, name: str) -> str:
    return digest(world.begun[name].state)


@share(1.5)
@given(st.lists(VISITS, min_size=1, max_size=3), st.booleans())
@example(
    [
        Visit(Pieces((("state", "STATE", str), ("code", "CODE", quote)))),
        Visit(Pieces((("state", "STATE", str), ("code", "CODE", quote)))),
    ],
    False,
)
def test_any_visits(world: World, provider: Any, visits: list[Visit], expired: bool) -> None:
    with rolled_back(), logged() as lines:
        world.asked.clear()
        if expired:
            AuthorizationAttempt.objects.update(created_at=timezone.now() - LIFETIME - timedelta(seconds=1))
        authorized = 0
        for visit in visits:
            before = {attempt.state: attempt for attempt in AuthorizationAttempt.objects.all()}
            response = world.visit(visit)
            check_page(world, visit, response)
            for attempt in AuthorizationAttempt.objects.all():
                was = before[attempt.state]
                if attempt.used_at != was.used_at:
                    event("spent")
                    assert may_spend(world, visit, was)
                if attempt.outcome != was.outcome and attempt.outcome == "authorized":
                    event("authorized")
                    authorized += 1
                    assert may_authorize(world, visit, was)
                    name = "STATE" if digest_of(world, "STATE") == attempt.state else "OTHER_STATE"
                    assert s256(world.asked[-1]["code_verifier"]) == world.challenge(name)
        check_rows(world, visits, authorized)
        assert not found("\n".join(lines), [*world.secrets, CODE])


def s256(verifier: str) -> str:
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def check_page(world: World, visit: Visit, response: Any) -> None:
    if visit.method.upper() == "GET":
        assert response.status_code in {200, 400, 403}
    elif visit.method == "POST":
        assert response.status_code in {303, 400}
    else:
        assert response.status_code in {400, 405}
    if response.status_code == 303:
        assert response["Location"].startswith(f"{PATH}?") or response["Location"] == f"{PATH}?"
        assert response.content == b""
    page = response.content.decode()
    assert not any(mark in page for mark in MARKUP[:5])
    assert "X-Injected" not in response.headers
    if response.status_code in {200, 403}:
        assert response["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in response["Content-Security-Policy"]
        assert "no-store" in response["Cache-Control"]
    assert not found(page, world.secrets)
    if "One step is left" not in page:
        assert not found(page, [CODE])


def check_rows(world: World, visits: list[Visit], authorized: int) -> None:
    """However much is sent, next to nothing is written, and nothing of it lies open."""
    assert AuthorizationAttempt.objects.count() == 3
    assert ConnectionEvent.objects.count() <= len(visits)
    assert Token.objects.count() == min(authorized, 1)
    if authorized:
        assert Token.objects.get().generation == authorized
        assert Token.objects.get().access_token.reveal() == ISSUED
    with database.cursor() as cursor:
        for table in ("apiconnector_authorizationattempt", "apiconnector_token", "apiconnector_connectionevent"):
            cursor.execute(f"SELECT * FROM {table}")
            said = str(cursor.fetchall())
            assert not found(said, [*world.secrets, CODE])
            assert len(said) < 40_000


KNOWN = (
    "state", "code", "iss", "error", "error_code", "errorCode", "error_type", "error_reason", "error_description", "error_message", "errorMessage",
    "error_msg", "error_uri",
)  # fmt: skip  # in rows
UNKNOWN: st.SearchStrategy[tuple[str, str, Any]] = st.tuples(
    st.sampled_from(["iframe", "session_state", "scope", "authuser", "hd", "prompt", "STATE", "Code"]) | texts(2),
    VALUES,
    QUOTES,
).filter(lambda pair: pair[0] not in KNOWN)
OWN = st.builds(
    lambda how, more: [("state", "STATE", how), ("code", "CODE", how), *more(how)],
    QUOTES,
    st.sampled_from([lambda _: [], lambda how: [("iss", ISSUER, how)]]),
)


@share(0.5)
@given(
    st.lists(UNKNOWN, max_size=4), OWN, st.lists(UNKNOWN, max_size=4), st.sampled_from(["owner", "nobody", "made up"])
)
def test_the_right_callback_authorizes_whatever_stands_beside_it(
    world: World, provider: Any, before: list[Any], own: list[Any], after: list[Any], session: str
) -> None:
    visit = Visit(Pieces((*before, *own, *after)), session=session)
    with rolled_back():
        response = world.visit(visit)
        assert response.status_code == 200, response.content.decode()
        check_page(world, visit, response)
        check_rows(world, [visit], 1)


@share(0.7)
@given(VISITS)
def test_a_form_post_leads_back_by_get(world: World, provider: Any, visit: Visit) -> None:
    """What a cross-site POST brought is not used by it, and arrives by the GET it is sent to."""
    post = Visit(visit.query, "POST", body=("application/x-www-form-urlencoded", b"QUERY"))
    world.asked.clear()
    with rolled_back():
        response = world.visit(post)
        assert world.asked == []
        assert AuthorizationAttempt.objects.filter(used_at=None).count() == 3
        if response.status_code == 303:
            again = Client().generic(
                "GET", PATH, QUERY_STRING=urlsplit(response["Location"]).query, HTTP_COOKIE=world.cookies(post)
            )
            check_page(world, Visit(visit.query), again)


@share(0.5)
@given(
    long_texts(200_000), st.sampled_from(["state=%s", "code=%s&state=1", "%s=1", "error_description=%s&state=1", "%s"])
)
@example(Long("", "&", 100_000, ""), "%s")
@example(Long("", "a=1&", 50_000, ""), "%s")
@example(Long("", "%41", 60_000, ""), "error=%s&state=1")
def test_long_queries(world: World, long: Long, around: str) -> None:
    query = around.replace("%s", quote(long.text.encode("utf-8", "replace"), safe="&=%"))
    with rolled_back():
        response = Client().generic("GET", PATH, QUERY_STRING=query)
        assert response.status_code == 400
        assert len(response.content) < 100_000
        assert ConnectionEvent.objects.count() == 0


@share(4)
@given(st.one_of(QUERIES.map(lambda query: query.text({})), texts(8), blobs().map(lambda data: data.decode("latin-1"))))
def test_parsing_raises_nothing(query: str) -> None:
    callback = parse_callback(query)
    for text in (
        callback.state,
        callback.code,
        callback.iss,
        callback.error,
        callback.error_description,
        callback.error_uri,
    ):
        text.encode()
    for text in (callback.error, callback.error_description, callback.error_uri):
        assert "\x00" not in text
        assert "\n" not in text
        assert len(text) <= 1000
    assert not callback.error_uri or callback.error_uri.lower().startswith(("https://", "http://"))
    sent = dict(parse_qsl(query.encode(errors="replace").decode(), keep_blank_values=True))
    assert callback.state in {"", sent.get("state", "")}
    assert callback.code in {"", sent.get("code", "")}
