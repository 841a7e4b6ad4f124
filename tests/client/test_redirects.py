from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
import requests
import responses
from requests.auth import AuthBase

from apiconnector.auth.placement import in_query
from apiconnector.exceptions import DestinationRefused
from apiconnector.redaction import Redactor
from tests.client.conftest import Bearer, InQuery
from tests.client.servers import Reply
from tests.client.test_renewal import Renewing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.client.conftest import MakeSession
    from tests.client.servers import ApiServer

ALL = (301, 302, 303, 307, 308)


@pytest.mark.parametrize("status", ALL)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_get_and_head_follow(api: ApiServer, session: MakeSession, method: str, status: int) -> None:
    api.script(Reply(status, {"Location": "/v1/y?a=b"}), Reply())
    answer = session().request(method, "x")
    assert [(request.method, request.path) for request in api.received] == [(method, "/v1/x"), (method, "/v1/y?a=b")]
    assert [hop.status_code for hop in answer.history] == [status]
    assert api.received[1].headers["Authorization"] == "Bearer token-1"


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_follow_where_they_stay_what_they_are(
    api: ApiServer, session: MakeSession, method: str, status: int
) -> None:
    api.script(Reply(status, {"Location": "y"}), Reply())
    session().request(method, "x", json={"a": 1})
    assert [(request.method, request.path) for request in api.received] == [(method, "/v1/x"), (method, "/v1/y")]
    assert api.received[1].json() == {"a": 1}


@pytest.mark.parametrize("status", [301, 302, 303])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("location", ["/v1/y", "https://elsewhere.example/"])
def test_other_methods_follow_nothing_else(
    api: ApiServer, session: MakeSession, method: str, status: int, location: str
) -> None:
    api.script(Reply(status, {"Location": location}))
    answer = session().request(method, "x", json={})
    assert answer.status_code == status
    assert answer.headers["Location"] == location
    assert len(api.received) == 1


@pytest.mark.parametrize("location", ["/v1/y", "https://elsewhere.example/", "http://[", "", "\\"])
def test_without_allow_redirects_the_redirect_is_the_answer(
    api: ApiServer, session: MakeSession, location: str
) -> None:
    api.script(Reply(302, {"Location": location}))
    with session() as opened:
        assert opened.get("x", allow_redirects=False).status_code == 302
        assert opened.send(opened.prepare_request(requests.Request("GET", "x")), allow_redirects=False).next is None
    assert len(api.received) == 2


@pytest.mark.parametrize("status", [300, 304, 305, 306])
def test_other_statuses_are_answers(api: ApiServer, session: MakeSession, status: int) -> None:
    api.script(Reply(status, {"Location": "/v1/y"}, b""))
    assert session().get("x").status_code == status


def test_a_redirect_elsewhere_is_refused_before_anything_is_sent_there(
    api: ApiServer, other: ApiServer, session: MakeSession
) -> None:
    api.script(Reply(302, {"Location": f"{other.url}/v1/y"}))
    auth = Bearer()
    with pytest.raises(DestinationRefused) as refused:
        session(auth=auth).get("x")
    assert refused.value.sent
    assert other.received == []
    assert auth.asked == 1


@pytest.mark.parametrize(
    "location",
    [
        "//elsewhere.example/y",
        "http://elsewhere.example/",
        "/\\elsewhere.example/",
        "\\\\elsewhere.example",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "http://:80/",
        "http://*.example.com/",
        "mailto:ada@example.com",
        "javascript:alert(1)",
        "/v1/%2e%2e/y",
        "/v1/\ty",
        "\xff\xfe://\x80",
        "http://user:pw@127.0.0.1/",
    ],
)
def test_a_redirect_that_can_not_be_followed_says_so(api: ApiServer, session: MakeSession, location: str) -> None:
    api.script(Reply(302, {"Location": location}))
    with pytest.raises(DestinationRefused) as refused:
        session().get("x")
    assert refused.value.sent
    assert len(api.received) == 1


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("y", "/v1/a/y"),
        ("./y", "/v1/a/y"),
        ("../y", "/v1/y"),
        ("?page=2", "/v1/a/x?page=2"),
        ("/y", "/y"),
        ("y#part", "/v1/a/y"),
        ("a b", "/v1/a/a%20b"),
        ("ü".encode().decode("latin-1"), "/v1/a/%C3%BC"),
        ("caf\xe9", "/v1/a/caf%C3%A9"),
        ("%zz", "/v1/a/%25zz"),
    ],
)
def test_relative_redirects(api: ApiServer, session: MakeSession, location: str, path: str) -> None:
    api.script(Reply(302, {"Location": location}), Reply())
    assert session().get("a/x").ok
    assert api.paths[1] == path


def test_an_absolute_redirect_to_the_same_origin(api: ApiServer, session: MakeSession) -> None:
    api.script(Reply(302, {"Location": f"{api.url.upper().replace('HTTP', 'http')}/y"}), Reply())
    assert session().get("x").ok
    assert api.paths == ["/v1/x", "/y"]


def test_an_empty_location_is_an_answer(api: ApiServer, session: MakeSession) -> None:
    api.script(Reply(302, {"Location": ""}))
    assert session().get("x").status_code == 302


def test_a_location_no_server_could_send_is_an_error_of_ours(session: MakeSession) -> None:
    with responses.RequestsMock() as mocked, session(base="https://api.example.com") as opened:
        mocked.get("https://api.example.com/x", status=302, headers={"Location": "https://€.example/"})
        with pytest.raises(DestinationRefused):
            opened.get("x")


def test_an_allowed_host_is_followed_without_what_was_meant_for_the_first(session: MakeSession) -> None:
    with responses.RequestsMock() as mocked:
        mocked.get("https://api.example.com/x", status=302, headers={"Location": "https://files.example.net/y"})
        mocked.get("https://files.example.net/y")
        with session(base="https://api.example.com", allowed_hosts=("files.example.net",)) as opened:
            opened.get("x", cookies={"a": "1"}, headers={"Host": "virtual.example"})
        sent = [call.request.headers for call in mocked.calls]
    assert "Authorization" in sent[1]
    assert [("Cookie" in headers, "Host" in headers) for headers in sent] == [(True, True), (False, False)]


def test_a_credential_in_the_query_is_sent_on_each_hop(api: ApiServer, session: MakeSession) -> None:
    api.script(Reply(302, {"Location": "/v1/y?a=1"}), Reply(307, {"Location": "z"}), Reply())
    answer = session(auth=InQuery("canary"), redact=Redactor(["canary"])).get("x")
    assert api.paths == ["/v1/x?api_key=canary", "/v1/y?a=1&api_key=canary", "/v1/z?api_key=canary"]
    assert not any("canary" in response.url for response in (answer, *answer.history))


def test_auth_of_the_caller_is_not_replaced_on_a_hop(api: ApiServer, session: MakeSession) -> None:
    api.script(Reply(302, {"Location": "/v1/y"}), Reply())
    session().get("x", auth=("user", "pw"))
    assert [request.headers["Authorization"] for request in api.received] == ["Basic dXNlcjpwdw=="] * 2


def test_a_loop_ends(api: ApiServer, session: MakeSession) -> None:
    api.script(Reply(302, {"Location": "/v1/x"}))
    with session() as opened:
        opened.max_redirects = 3
        with pytest.raises(requests.TooManyRedirects) as error:
            opened.get("x")
    assert len(api.received) == 4
    assert error.value.response is not None


def test_history_is_kept_and_the_connection_reused(api: ApiServer, session: MakeSession) -> None:
    api.script(Reply(302, {"Location": "y"}, b"long" * 5000), Reply(302, {"Location": "z"}), Reply())
    answer = session().get("x", stream=True)
    assert answer.content == b"{}"
    assert [len(response.history) for response in (*answer.history, answer)] == [0, 1, 2]
    assert len({request.connection for request in api.received}) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_file_is_sent_again(api: ApiServer, session: MakeSession, method: str) -> None:
    api.script(Reply(307, {"Location": "y"}), Reply())
    stream = BytesIO(b"skipped content")
    stream.seek(8)
    session().request(method, "x", data=stream)
    assert [request.body for request in api.received] == [b"content", b"content"]


def test_a_stream_that_is_used_up_is_an_error(api: ApiServer, session: MakeSession) -> None:
    def parts() -> Iterator[bytes]:
        yield b"part"

    api.script(Reply(307, {"Location": "y"}), Reply())
    with pytest.raises(requests.exceptions.UnrewindableBodyError, match="stream"):
        session().post("x", data=parts())
    assert len(api.received) == 1


def test_see_other_drops_the_body(api: ApiServer, session: MakeSession) -> None:
    described = {
        "Content-Encoding": "identity",
        "Content-Language": "en",
        "Digest": "a",
        "Last-Modified": "b",
        "X-Own": "c",
    }
    api.script(Reply(303, {"Location": "y"}), Reply())
    session().get("x", json={"a": 1}, headers=described)
    assert api.received[1].body == b""
    assert api.received[1].headers["X-Own"] == "c"
    assert not {"Content-Type", "Content-Length", *described} - {"X-Own"} & set(api.received[1].headers)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_keeps_its_method_keeps_its_body(api: ApiServer, session: MakeSession, method: str, status: int) -> None:
    """As in RFC 9110 section 15.4; a search whose query was lost on the way would find everything."""
    api.script(Reply(status, {"Location": "y"}), Reply())
    session().request(method, "x", json={"query": "a"}, headers={"Content-Encoding": "identity"})
    assert [request.json() for request in api.received] == [{"query": "a"}] * 2
    assert api.received[1].headers["Content-Encoding"] == "identity"
    assert api.received[1].headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "script",
    [
        (Reply(401), Reply(302, {"Location": "//elsewhere"})),
        (Reply(302, {"Location": "y"}), Reply(401), Reply(307, {"Location": "//elsewhere"})),
        (Reply(401), Reply(302, {"Location": "y"}), Reply(302, {"Location": "//elsewhere"})),
        (Reply(401), Reply(401, {"Location": "//elsewhere"})),
        (Reply(401, {"Location": "//elsewhere"}), Reply(308, {"Location": "//elsewhere"})),
    ],
)
def test_a_second_try_does_not_leave_either(
    api: ApiServer, other: ApiServer, session: MakeSession, script: tuple[Reply, ...]
) -> None:
    place = other.url.removeprefix("http:")
    api.script(*(Reply(r.status, {k: v.replace("//elsewhere", place) for k, v in r.headers.items()}) for r in script))
    auth = Renewing()
    with session(auth=auth, renew=auth.renew) as opened:
        if script[-1].status == 401:
            assert opened.get("x").status_code == 401
        else:
            with pytest.raises(DestinationRefused) as refused:
                opened.get("x")
            assert refused.value.sent
    assert other.received == []
    assert auth.renewed == 1
    assert [request.headers["Authorization"] for request in api.received][-1] == "Bearer token-2"
    assert len(api.received) == len(script)


def test_a_renewed_post_that_is_redirected_keeps_its_body(api: ApiServer, session: MakeSession) -> None:
    api.script(Reply(401), Reply(307, {"Location": "y"}), Reply())
    auth = Renewing()
    session(auth=auth, renew=auth.renew).post("x", json={"a": 1})
    assert [(request.path, request.json()) for request in api.received] == [
        ("/v1/x", {"a": 1}),
        ("/v1/x", {"a": 1}),
        ("/v1/y", {"a": 1}),
    ]
    assert [request.headers["Authorization"] for request in api.received] == [
        "Bearer token-1",
        "Bearer token-2",
        "Bearer token-2",
    ]


def test_a_fragment_alone_does_not_double_the_credential(api: ApiServer, session: MakeSession) -> None:
    """The query of the request is that of the redirect, then (RFC 3986 section 5.2.2)."""

    class Key(AuthBase):
        def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
            in_query(request, "key", "canary")
            return request

    api.script(Reply(302, {"Location": "#part"}), Reply())
    session(auth=Key()).get("x?a=1")
    assert api.paths == ["/v1/x?a=1&key=canary"] * 2


def test_a_request_prepared_elsewhere_follows_by_the_same_rules(
    api: ApiServer, other: ApiServer, session: MakeSession
) -> None:
    api.script(Reply(302, {"Location": "y"}), Reply(302, {"Location": other.url}))
    with session() as opened, pytest.raises(DestinationRefused):
        opened.send(requests.Request("GET", f"{api.url}/x", headers={"Authorization": "own"}).prepare())
    assert [request.headers["Authorization"] for request in api.received] == ["own", "own"]
    assert other.received == []


def test_hooks_run_for_each_hop(api: ApiServer, session: MakeSession) -> None:
    seen: list[Any] = []
    api.script(Reply(302, {"Location": "y"}), Reply())
    session().get("x", hooks={"response": lambda response, **_: seen.append(response.status_code)})
    assert seen == [302, 200]
