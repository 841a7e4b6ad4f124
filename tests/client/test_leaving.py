"""Whatever an API answers, nothing leaves the connection's origin and its allowed hosts, and what arrives there is right."""

from __future__ import annotations

import itertools
from base64 import b64encode
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.auth import AuthBase, HTTPBasicAuth

from apiconnector.auth.placement import in_body, in_query
from apiconnector.client import ApiSession, Destinations, token_sender
from apiconnector.exceptions import DestinationRefused
from apiconnector.oauth.token import TokenEndpointRequest
from tests.client.conftest import Bearer
from tests.client.origins import TRUSTED, Names, Recorder, Request, make_certificate, recorder, reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ssl import SSLContext

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE")
STATUSES = (300, 301, 302, 303, 304, 307, 308)


# Where a redirect points


@dataclass(frozen=True)
class Target:
    location: str
    lands: str = ""  # "own" or "allowed"; empty: it must not be followed
    at: str = "/v1/y"

    def written(self, world: World, scheme: str) -> str:
        """The header's value. Servers send UTF-8, and ``http.client`` takes headers for Latin-1."""
        location = self.location.format(
            scheme=scheme,
            upper=scheme.upper(),
            other={"http": "https", "https": "http"}[scheme],
            port=world.own(scheme).port,
            allowed=world.allowed.port,
            stray=world.stray.port,
        )
        return location.encode("utf-8", "surrogateescape").decode("latin-1")


INSIDE = (
    Target("{scheme}://api.test:{port}/v1/y", "own"),
    Target("{upper}://API.Test:{port}/v1/y", "own"),
    Target("{scheme}://api.test.:{port}/v1/y", "own"),
    Target("{scheme}://api.test:{port}/other/../v1/./y", "own"),
    Target("//api.test:{port}/v1/y", "own"),
    Target("/v1/y", "own"),
    Target("y", "own"),
    Target("z/../y", "own"),
    Target("?page=2", "own", "/v1/x?page=2"),
    Target("/v1/y?next=//elsewhere.test:{stray}/", "own", "/v1/y?next=//elsewhere.test:{stray}/"),
    Target("/v1/y#@elsewhere.test:{stray}", "own"),
    Target("  /v1/y \t", "own"),
    Target("/v1/ü", "own", "/v1/%C3%BC"),
    Target("/v1/\udcff", "own", "/v1/%C3%BF"),
    Target("https://files.test:{allowed}/v1/y", "allowed"),
    Target("HTTPS://FILES.test.:{allowed}/v1/y", "allowed"),
    Target("https://a.cdn.test:{allowed}/v1/y", "allowed"),
    Target("https://cdn.test:{allowed}/v1/y", "allowed"),
)
OUTSIDE = tuple(
    Target(location)
    for location in (
        # another port, host or scheme
        *(
            "{scheme}://api.test:{stray}/",
            "{scheme}://api.test/",
            "{scheme}://api.test:0{stray}/",
            "{other}://api.test:{port}/",
        ),
        *(
            "{scheme}://elsewhere.test:{stray}/",
            "https://elsewhere.test/",
            "//elsewhere.test:{stray}/",
            "//elsewhere.test",
        ),
        *(
            "{scheme}://sub.api.test:{port}/",
            "{scheme}://test:{port}/",
            "{scheme}://xapi.test:{port}/",
            "{scheme}://api:{port}/",
        ),
        *("{scheme}://api.test.elsewhere.test:{port}/", "{scheme}://api.test..:{port}/", "{scheme}://api.tést:{port}/"),
        # user info, and what looks like it
        *("{scheme}://user:pw@api.test:{port}/", "{scheme}://@api.test:{port}/", "//user@api.test:{port}/"),
        *("{scheme}://api.test:{port}@elsewhere.test:{stray}/", "{scheme}://api.test%40elsewhere.test:{stray}/"),
        *("{scheme}://elsewhere.test:{stray}#@api.test:{port}/", "{scheme}://elsewhere.test:{stray}?@api.test:{port}/"),
        # letters and dots that look like others
        *(
            "{scheme}://\u0430pi.test:{port}/",
            "{scheme}://xn--pi-7kc.test:{port}/",
            "{scheme}://api\u3002elsewhere.test:{stray}/",
        ),
        *(
            "{scheme}://ap%69.test:{port}/",
            "{scheme}://api%2etest:{port}/",
            "{scheme}://api.test%00.elsewhere.test:{port}/",
        ),
        # the same machine under another name
        *(
            "{scheme}://127.0.0.1:{port}/",
            "{scheme}://2130706433:{port}/",
            "{scheme}://0x7f.1:{port}/",
            "{scheme}://localhost:{port}/",
        ),
        *("{scheme}://[::ffff:127.0.0.1]:{port}/", "{scheme}://127.0.0.1:{stray}/", "{scheme}://[::1]:{port}/"),
        # up, backslashes, nothing between slashes, control characters
        *("/v1/%2e%2e/y", "/v1/..%2fy", "/v1/..;/y", "/v1/%2e%2e%5cy", "{scheme}://api.test:{port}/%2E%2E/"),
        *("\\\\elsewhere.test:{stray}\\", "/\\elsewhere.test:{stray}/", "{scheme}:\\\\elsewhere.test:{stray}/", "y\\z"),
        *(
            "{scheme}://elsewhere.test:{stray}\\@api.test:{port}/",
            "{scheme}://api.test:{port}\\@elsewhere.test:{stray}/",
        ),
        *(
            "///elsewhere.test:{stray}/",
            "{scheme}:///elsewhere.test:{stray}/",
            "{scheme}:elsewhere.test",
            "{scheme}:/y",
            "//",
            "//:80/",
        ),
        *("/v1/\ty", "/\t/elsewhere.test:{stray}/", "{scheme}://api.test:{port}\x01.elsewhere.test/", "/v1/\x7fy"),
        # other schemes, and what nobody can read
        *(
            "data:text/html,x",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "ftp://api.test/",
            "mailto:a@api.test",
            "about:blank",
        ),
        *(
            "{scheme}s://api.test:{port}/",
            "{scheme}://api.test:99999/",
            "{scheme}://[::1/",
            "{scheme}://*.api.test:{port}/",
        ),
        *("\udcff\udcfe://\udc80", "{scheme}://\udcff.test:{port}/"),
        # like an allowed host
        *(
            "https://files.test/",
            "https://files.test:{stray}/",
            "http://files.test:{allowed}/",
            "https://a.files.test:{allowed}/",
        ),
        *("https://xcdn.test:{allowed}/", "https://a.cdn.test:{stray}/", "http://a.cdn.test:{allowed}/"),
    )
)
#: One of each kind, where not all are tried.
FEW = (INSIDE[0], INSIDE[6], INSIDE[14], *OUTSIDE[::16])


# Where the credentials are


class InQuery(AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        in_query(request, "own_key", "canary-own-query")
        return request


class InBody(AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        in_body(request, "own_key", "canary-own-body")
        return request


#: What to look for, by place; after the slash, what becomes of it on a redirect.
EVERYWHERE = {
    "own header of the caller / stays": "canary-caller-header",
    "default header / stays": "canary-default-header",
    "cookie of the caller / stays here": "canary-cookie",
    "query of the caller / goes": "canary-caller-query",
    "default parameter / goes": "canary-default-param",
    "default body field / body": "canary-default-body",
    "body of the caller / body": "canary-caller-body",
}


@dataclass(frozen=True)
class Profile:
    auth: AuthBase
    places: dict[str, str]
    request: dict[str, Any] = field(default_factory=lambda: {"json": {"secret": "canary-caller-body"}})


def basic(password: str) -> str:
    return b64encode(f"user:{password}".encode()).decode()


FORM = {"data": {"secret": "canary-caller-body"}}
PROFILES = {
    "bearer": Profile(Bearer("canary-bearer"), {"Authorization / stays": "canary-bearer"}),
    "basic": Profile(HTTPBasicAuth("user", "canary-basic"), {"Basic / stays": basic("canary-basic")}, FORM),
    "caller's own": Profile(
        Bearer("never used"), {"auth= / stays": basic("canary-auth")}, {**FORM, "auth": ("user", "canary-auth")}
    ),
    "in the query": Profile(InQuery(), {"own query / stays": "canary-own-query"}),
    "in the body": Profile(InBody(), {"own body / stays": "canary-own-body"}, FORM),
}


@dataclass
class World:
    plain: Recorder
    secured: Recorder
    allowed: Recorder
    stray: Recorder
    bundle: str
    context: SSLContext
    names: Names

    def own(self, scheme: str) -> Recorder:
        return self.plain if scheme == "http" else self.secured

    def session(self, scheme: str = "http", **kwargs: Any) -> ApiSession:
        destinations = Destinations(
            f"{scheme}://api.test:{self.own(scheme).port}/v1",
            [f"files.test:{self.allowed.port}", f".cdn.test:{self.allowed.port}"],
        )
        session = ApiSession(
            **{"destinations": destinations, "auth": Bearer("canary-bearer"), "timeout": 5.0, **kwargs}
        )
        session.verify = self.bundle
        session.trust_env = False  # saves looking for proxies and certificates thousands of times
        return session

    def redirect(self, status: int, location: str, *, more: tuple[tuple[str, str], ...] = ()) -> None:
        """Answer the first request with a redirect, and all others with 200."""
        answer = reply(status, (("Location", location), *more), b"long" * 9)
        for server in (self.plain, self.secured):
            server.answer = partial(_first, server, answer)

    def route(self, answers: dict[str, bytes], at: Recorder | None = None) -> None:
        servers = [at] if at else [self.plain, self.secured]
        for server in servers:
            server.answer = lambda request: answers.get(request.target.partition("?")[0], reply(200))

    def begin(self) -> None:
        for server in (self.plain, self.secured, self.allowed):
            server.requests.clear()

    def assert_nothing_left(self) -> None:
        """Not one byte, not one connection, and nobody's address was asked for but ours."""
        assert self.stray.connections == []
        assert [server.failed_handshakes for server in (self.secured, self.allowed)] == [0, 0]
        own = {("api.test", self.plain.port), ("api.test", self.secured.port)}
        allowed = {(name, self.allowed.port) for name in ("files.test", "cdn.test", "a.cdn.test")}
        addresses = {("127.0.0.1", port) for _, port in own | allowed}
        assert set(self.names.asked) <= own | allowed | addresses
        assert self.names.asked


def _first(server: Recorder, answer: bytes, _: Request) -> bytes:
    return answer if len(server.requests) == 1 else reply(200)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    certificate = make_certificate(tmp_path_factory.mktemp("tls"), "api.test", "files.test", "cdn.test", "*.cdn.test")
    context = certificate.context
    with recorder() as plain, recorder(context) as secured, recorder(context) as allowed, recorder() as stray:
        yield World(plain, secured, allowed, stray, str(certificate.bundle), context, Names())
    assert stray.connections == []


@pytest.fixture
def world(servers: World, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[World]:
    settings.APICONNECTOR_TRUSTED_HOSTS = TRUSTED
    servers.names.asked.clear()
    monkeypatch.setattr("socket.getaddrinfo", servers.names)
    servers.begin()
    servers.route({})
    servers.route({}, at=servers.allowed)
    yield servers
    servers.assert_nothing_left()


# The grid


@dataclass(frozen=True)
class Cell:
    method: str
    status: int
    target: Target

    @property
    def is_followed(self) -> bool:
        """As promised in the design, which is narrower than what RFC 9110 section 15.4 allows."""
        return self.status in {307, 308} or (self.status in {301, 302, 303} and self.method in {"GET", "HEAD"})


@dataclass(frozen=True)
class Outcome:
    first: Request
    hops: list[Request]
    lands: str
    answer: requests.Response | None = None
    refused: DestinationRefused | None = None


def attempt(world: World, session: ApiSession, profile: Profile, cell: Cell) -> Outcome:
    scheme = session.destinations.origin.scheme
    world.begin()
    world.redirect(cell.status, cell.target.written(world, scheme))
    answer = refused = None
    try:
        answer = session.request(
            cell.method,
            "x?caller=canary-caller-query",
            headers={"X-Caller": "canary-caller-header"},
            cookies={"sid": "canary-cookie"},
            **profile.request,
        )
    except DestinationRefused as error:
        refused = error
    first, *hops = world.own(scheme).requests
    if world.allowed.requests:
        return Outcome(first, [*hops, *world.allowed.requests], "allowed", answer, refused)
    return Outcome(first, hops, "own" if hops else "", answer, refused)


def found(places: dict[str, str], request: Request) -> set[str]:
    return {place for place, canary in places.items() if canary in request.text}


def expected(places: dict[str, str], cell: Cell) -> set[str]:
    """Which credentials the next request carries."""
    fates = {"stays"}
    fates |= {"stays here"} if cell.target.lands == "own" else set()
    fates |= {"body"} if cell.status != 303 else set()
    return {place for place in places if place.partition(" / ")[2] in fates}


def wrong(world: World, places: dict[str, str], cell: Cell, outcome: Outcome) -> str:
    """What is wrong in one cell of the grid; empty where nothing is."""
    if missing := set(places) - found(places, outcome.first):
        return f"the first request lacks {missing}"
    if not cell.is_followed or not cell.target.lands:
        if outcome.hops:
            return "it was followed"
        if cell.is_followed:
            error = outcome.refused
            return (
                "" if error and error.sent and "canary" not in str(error) else f"not refused as it should be: {error!r}"
            )
        answer = outcome.answer
        return "" if answer is not None and (answer.status_code, answer.history) == (cell.status, []) else "no answer"
    if (len(outcome.hops), outcome.lands) != (1, cell.target.lands):
        return f"it was not followed: {outcome.refused!r}"
    return wrong_hop(world, places, cell, outcome)


def wrong_hop(world: World, places: dict[str, str], cell: Cell, outcome: Outcome) -> str:
    """What is wrong with the request that followed a redirect."""
    answer, first, (hop,) = outcome.answer, outcome.first, outcome.hops
    if answer is None or (answer.status_code, [step.status_code for step in answer.history]) != (200, [cell.status]):
        return "another answer"
    target = hop.target.replace("?own_key=canary-own-query", "").replace("&own_key=canary-own-query", "")
    if (hop.method, target) != (cell.method, cell.target.at.format(stray=world.stray.port)):
        return f"sent on as {hop.method} {target}"
    if found(places, hop) != expected(places, cell):
        return f"carries {found(places, hop)}"
    if cell.status == 303:
        # A credential of the connection that goes in the body makes one anew.
        body = b"own_key=canary-own-body" if "own body / stays" in places else b""
        return "" if hop.body == body and ("content-type" in hop.headers) == bool(body) else "has a body"
    same = (hop.body, hop.headers["content-type"]) == (first.body, first.headers["content-type"])
    return "" if same else "another body"


def grid(world: World, scheme: str, name: str, cells: list[Cell]) -> list[str]:
    """What is wrong in these cells, with the credentials in these places."""
    profile = PROFILES[name]
    problems: list[str] = []
    places = EVERYWHERE | profile.places
    with world.session(
        scheme,
        auth=profile.auth,
        default_headers={"X-Default": "canary-default-header"},
        default_params={"default": "canary-default-param"},
        default_body={"default": "canary-default-body"},
    ) as session:
        for cell in cells:
            problem = wrong(world, places, cell, attempt(world, session, profile, cell))
            problems += [f"{cell}: {problem}"] if problem else []
    print(f"{scheme}, {name}: {len(cells)} redirects, {len(cells) * len(places)} with each place of a credential")
    return problems[:20]


def cells(methods: tuple[str, ...], statuses: tuple[int, ...], targets: tuple[Target, ...]) -> list[Cell]:
    return [Cell(*parts) for parts in itertools.product(methods, statuses, targets)]


@pytest.mark.parametrize("method", METHODS)
def test_every_redirect_of_every_method(world: World, method: str) -> None:
    assert grid(world, "http", "bearer", cells((method,), STATUSES, INSIDE + OUTSIDE)) == []


@pytest.mark.parametrize("name", [name for name in PROFILES if name != "bearer"])
def test_every_place_of_a_credential(world: World, name: str) -> None:
    assert grid(world, "http", name, cells(METHODS, STATUSES, FEW)) == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_redirect_of_a_secure_origin(world: World, method: str) -> None:
    assert grid(world, "https", "bearer", cells((method,), (302, 303, 308), INSIDE + OUTSIDE)) == []


# Several steps, and what else an answer may hold


@pytest.mark.parametrize(
    "last", ["//elsewhere.test:{stray}/", "http://api.test:{stray}/", "http://files.test:{allowed}/"]
)
@pytest.mark.parametrize(
    "way", [("own", "own"), ("allowed",), ("own", "allowed", "own"), ("allowed", "allowed")], ids=str
)
@pytest.mark.parametrize(("method", "status"), [("GET", 302), ("HEAD", 303), ("POST", 307), ("DELETE", 308)])
def test_a_chain_ends_where_it_would_leave(
    world: World, method: str, status: int, way: tuple[str, ...], last: str
) -> None:
    place = {"own": "http://api.test:{port}", "allowed": "https://files.test:{allowed}"}
    answers = {}
    for step, server in enumerate((*way, last)):
        location = Target(f"{place[server]}/v1/x{step}" if server in place else server).written(world, "http")
        answers["/v1/x" if step == 0 else f"/v1/x{step - 1}"] = reply(status, (("Location", location),))
    world.route(answers)
    world.route(answers, at=world.allowed)
    with world.session() as session, pytest.raises(DestinationRefused) as refused:
        session.request(method, "x", json={"secret": "canary"}, cookies={"sid": "canary-cookie"})
    assert refused.value.sent
    assert len(world.plain.requests) == 1 + way.count("own")
    assert len(world.allowed.requests) == way.count("allowed")
    everything = world.plain.requests + world.allowed.requests
    assert all(request.headers["authorization"] == "Bearer canary-bearer" for request in everything)
    assert all((b"canary" in request.body) == (status != 303) for request in everything[1:])
    # Given for the connection's own host, a cookie does not come back with a request that went elsewhere.
    assert [bool(request.headers.get("cookie")) for request in world.allowed.requests] == [False] * way.count("allowed")
    own = [server for server in way if server == "own"]
    kept = 1 + (len(own) if "allowed" not in way else way.index("allowed"))
    assert [bool(request.headers.get("cookie")) for request in world.plain.requests] == [
        at < kept for at in range(1 + len(own))
    ]


def test_a_host_header_of_the_caller_does_not_go_to_another_host(world: World) -> None:
    world.redirect(302, f"https://files.test:{world.allowed.port}/y")
    with world.session() as session:
        session.get("x", headers={"Host": "virtual.api.test"})
    assert [request.headers["host"] for request in world.plain.requests] == ["virtual.api.test"]
    assert [request.headers["host"] for request in world.allowed.requests] == [f"files.test:{world.allowed.port}"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_cookie_that_comes_with_a_redirect_is_neither_kept_nor_sent(world: World, status: int) -> None:
    cookies = tuple(
        ("Set-Cookie", f"sid=planted; Path=/{domain}") for domain in ("", "; Domain=api.test", "; Domain=test")
    )
    with world.session() as session:
        for location in ("/v1/y", f"https://files.test:{world.allowed.port}/y"):
            world.begin()
            world.redirect(status, location, more=cookies)
            session.get("x", cookies={"own": "1"})
            session.get("y")
        assert list(session.cookies) == []
    everything = world.plain.requests + world.allowed.requests
    assert len(everything) == 3
    assert not any("planted" in request.text for request in everything)


@pytest.mark.parametrize("status", [200, 201, 204, 401, 404, 503])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_else_that_names_an_address_is_followed(world: World, method: str, status: int) -> None:
    elsewhere = f"http://elsewhere.test:{world.stray.port}/"
    names = ("Location", "Content-Location", "URI", "X-Accel-Redirect", "SourceMap", "Alt-Svc")
    more = (
        *((name, elsewhere) for name in names),
        *(("Refresh", f"0; url={elsewhere}"), ("Link", f'<{elsewhere}>; rel="next preload preconnect"')),
    )
    world.route({"/v1/x": reply(status, more, b"" if status == 204 else b"{}")})
    with world.session() as session:
        assert session.request(method, "x").status_code == status
    assert len(world.plain.requests) == 1


def test_of_a_redirect_location_alone_counts(world: World) -> None:
    elsewhere = f"http://elsewhere.test:{world.stray.port}/"
    world.redirect(302, "/v1/y", more=(("Refresh", f"0; url={elsewhere}"), ("Link", f"<{elsewhere}>; rel=next")))
    with world.session() as session:
        session.get("x")
    assert [request.target for request in world.plain.requests] == ["/v1/x", "/v1/y"]


@pytest.mark.parametrize(
    "second", ["/v1/z", "http://elsewhere.test:{stray}/", "https://files.test:{allowed}/", "", "http://["]
)
@pytest.mark.parametrize("first", ["/v1/y", "http://elsewhere.test:{stray}/z"])
def test_several_locations_are_refused(world: World, first: str, second: str) -> None:
    first, second = (Target(location).written(world, "http") for location in (first, second))
    world.redirect(302, first, more=(("Location", second),))
    with world.session() as session, pytest.raises(DestinationRefused, match="several addresses") as refused:
        session.get("x")
    assert refused.value.sent
    assert len(world.plain.requests) == 1


def test_the_same_location_twice_is_one(world: World) -> None:
    world.redirect(302, "/v1/y?a=1,2", more=(("Location", "/v1/y?a=1,2"),))
    with world.session() as session:
        session.get("x")
    assert [request.target for request in world.plain.requests] == ["/v1/x", "/v1/y?a=1,2"]


def test_names_are_checked_against_certificates(servers: World, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """All names are this machine here: without it, what arrived at an allowed host would prove little."""
    settings.APICONNECTOR_TRUSTED_HOSTS = TRUSTED
    monkeypatch.setattr("socket.getaddrinfo", Names())
    with recorder(servers.context) as server:
        destinations = Destinations(f"https://sub.files.test:{server.port}")
        with servers.session(destinations=destinations) as session, pytest.raises(requests.exceptions.SSLError):
            session.get("x")
    assert (server.failed_handshakes, server.requests) == (1, [])


# The token endpoint


@pytest.mark.parametrize("status", STATUSES)
def test_a_redirect_of_the_token_endpoint_is_reported(world: World, status: int) -> None:
    """Not followed, and what it brings along is not sent with the next request either."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": "Basic canary"}
    request = TokenEndpointRequest(f"http://api.test:{world.plain.port}/token", headers, b"client_secret=canary")
    send = token_sender(5.0)
    for target in (*INSIDE, *OUTSIDE[::2]):
        location = target.written(world, "http")
        world.begin()
        world.redirect(status, location, more=(("Set-Cookie", "sid=planted"), ("Refresh", "0; url=/v1/y")))
        answer = send(request)
        assert (answer.status_code, answer.headers["location"].strip()) == (status, location.strip())
        (received,) = world.plain.requests
        assert (received.method, received.target, received.body) == ("POST", "/token", request.body)
        assert "planted" not in received.text
        assert world.allowed.requests == []
