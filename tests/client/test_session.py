from __future__ import annotations

import copy
import pickle
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
import requests
import responses

from apiconnector.exceptions import ConfigurationError, DestinationRefused
from apiconnector.redaction import Redactor
from tests.client.conftest import Bearer, InQuery
from tests.client.servers import Reply, raw_server, silent

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.client.conftest import MakeSession
    from tests.client.servers import ApiServer

REFUSED = ["https://elsewhere.example/", "../x", "//elsewhere.example", "a\\b", "a/%2e%2e/b"]


def test_a_path_goes_below_the_base_url_with_the_credential(api: ApiServer, session: MakeSession) -> None:
    answer = session().get("contacts", params={"limit": 10})
    assert answer.json() == {}
    assert api.paths == ["/v1/contacts?limit=10"]
    assert api.received[0].headers["Authorization"] == "Bearer token-1"


def test_bytes_and_prepared_requests_are_joined_too(api: ApiServer, session: MakeSession) -> None:
    with session() as opened:
        opened.request("get", b"a")
        opened.send(opened.prepare_request(requests.Request("GET", "/b")))
    assert api.paths == ["/v1/a", "/v1/b"]


# Destinations


@pytest.mark.parametrize("path", REFUSED)
def test_no_token_is_fetched_for_another_destination(api: ApiServer, session: MakeSession, path: str) -> None:
    auth = Bearer()
    with session(auth=auth) as opened:
        with pytest.raises(DestinationRefused):
            opened.get(path)
        with pytest.raises(DestinationRefused):
            opened.prepare_request(requests.Request("GET", path))
    assert auth.asked == 0
    assert api.received == []


def test_a_request_prepared_elsewhere_is_checked_and_sent_as_it_is(api: ApiServer, session: MakeSession) -> None:
    with session(default_headers={"X-Default": "1"}) as opened:
        assert opened.send(requests.Request("GET", f"{api.url}/elsewhere").prepare()).ok
        with pytest.raises(DestinationRefused):
            opened.send(requests.Request("GET", "https://elsewhere.example/").prepare())
    assert "Authorization" not in api.received[0].headers
    assert "X-Default" not in api.received[0].headers


def test_a_request_changed_after_preparing_is_checked(session: MakeSession) -> None:
    with session() as opened:
        prepared = opened.prepare_request(requests.Request("GET", "x"))
        prepared.url = "https://elsewhere.example/"
        with pytest.raises(DestinationRefused):
            opened.send(prepared)


def test_a_bad_base_url_surfaces_at_the_request(session: MakeSession) -> None:
    with session(base="nowhere") as opened:
        assert "unusable" in repr(opened)
        with pytest.raises(ConfigurationError, match="address"):
            opened.get("x")


# Defaults


def test_headers_of_the_caller_win_whatever_their_case(api: ApiServer, session: MakeSession) -> None:
    defaults = {"X-Version": 3, "Accept": "application/json", "X-Gone": "a"}
    session(default_headers=defaults).get("x", headers={"x-version": "4", "X-Gone": None})
    sent = {name.lower(): value for name, value in api.received[0].headers.items()}
    assert (sent["x-version"], sent["accept"]) == ("4", "application/json")
    assert "x-gone" not in sent


@pytest.mark.parametrize(
    ("path", "params", "query"),
    [
        ("x", None, "v=3&tag=a&tag=b"),
        ("x", {"q": "1"}, "v=3&tag=a&tag=b&q=1"),
        ("x", {"v": "4"}, "v=4&tag=a&tag=b"),
        ("x", {"v": None}, "tag=a&tag=b"),
        ("x", [("v", "4"), ("v", "5")], "tag=a&tag=b&v=4&v=5"),
        ("x", "q=1&v=", "tag=a&tag=b&q=1&v="),
        ("x", b"q=1", "v=3&tag=a&tag=b&q=1"),
        ("x?v=9", None, "v=9&tag=a&tag=b"),
        ("x?v=9&tag=", {"q": 1}, "v=9&tag=&q=1"),
    ],
)
def test_parameters_of_the_caller_win(api: ApiServer, session: MakeSession, path: str, params: Any, query: str) -> None:
    session(default_params={"v": 3, "tag": ["a", "b"]}).get(path, params=params)
    assert api.paths == [f"/v1/x?{query}"]


@pytest.mark.parametrize(
    ("method", "given", "body"),
    [
        ("POST", {"json": {"a": 2, "b": 3}}, b'{"a": 2, "z": 9, "b": 3}'),
        ("POST", {"json": {}}, b'{"a": 1, "z": 9}'),
        ("POST", {}, b'{"a": 1, "z": 9}'),
        ("PUT", {}, b'{"a": 1, "z": 9}'),
        ("PATCH", {"json": {"a": None}}, b'{"a": null, "z": 9}'),
        ("POST", {"json": [1]}, b"[1]"),
        ("POST", {"json": 0}, b"0"),
        ("POST", {"data": {"b": "3"}}, b"a=1&z=9&b=3"),
        ("POST", {"data": [("a", "2"), ("a", "3")]}, b"z=9&a=2&a=3"),
        ("POST", {"data": "text"}, b"text"),
        ("POST", {"data": b"bytes"}, b"bytes"),
        ("POST", {"data": BytesIO(b"stream")}, b"stream"),
        ("GET", {}, b""),
        ("HEAD", {}, b""),
        ("DELETE", {}, b""),
        ("OPTIONS", {}, b""),
        ("DELETE", {"json": {"b": 3}}, b'{"a": 1, "z": 9, "b": 3}'),
    ],
)
def test_default_fields_go_under_objects_and_forms(
    api: ApiServer, session: MakeSession, method: str, given: dict[str, Any], body: bytes
) -> None:
    session(default_body={"a": 1, "z": 9}).request(method, "x", **given)
    assert api.received[0].body == body


def test_default_fields_go_into_multipart_forms(api: ApiServer, session: MakeSession) -> None:
    session(default_body={"a": "1"}).post("x", files={"file": ("name.txt", b"content")})
    body = api.received[0].body
    assert b'name="a"\r\n\r\n1\r\n' in body
    assert b'filename="name.txt"' in body


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"X-Note": "canary\r\nX-Evil: 1"}, "The header X-Note contains a line break"),
        ({"X-Note": "canary\n"}, "The header X-Note contains a line break"),
        ({"X-Note": " canary"}, "The header X-Note begins with white space"),
        ({"X-Note": "canary €"}, "The header X-Note contains characters"),
        ({"X-Note": 5}, "The header X-Note must be text, not int"),
        ({"X Note": "canary"}, "'X Note' is no name of a header"),
        ({"X-Note:": "canary"}, "'X-Note:' is no name of a header"),
    ],
)
def test_a_header_that_can_not_be_sent_is_named(
    api: ApiServer, session: MakeSession, headers: dict[str, Any], says: str
) -> None:
    auth = Bearer()
    with pytest.raises(requests.exceptions.InvalidHeader, match=says) as error:
        session(auth=auth).get("x", headers=headers)
    assert "canary" not in str(error.value)
    assert (auth.asked, api.received) == (0, [])


def test_a_credential_that_can_not_be_sent_is_not_repeated(api: ApiServer, session: MakeSession) -> None:
    with pytest.raises(requests.exceptions.InvalidHeader, match="Authorization") as error:
        session(auth=Bearer("canary\n")).get("x")
    assert "canary" not in str(error.value)
    assert api.received == []


# Time-outs


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ({}, 7.0),
        ({"timeout": None}, 7.0),
        ({"timeout": 2}, 2),
        ({"timeout": 30.5}, 30.5),
        ({"timeout": (1, 2)}, (1, 2)),
        ({"timeout": (1, None)}, (1, 7.0)),
        ({"timeout": (None, None)}, (7.0, 7.0)),
    ],
)
def test_there_is_always_a_time_out(session: MakeSession, given: dict[str, Any], used: Any) -> None:
    with responses.RequestsMock() as mocked, session(base="https://api.example.com", timeout=7.0) as opened:
        mocked.get("https://api.example.com/x")
        opened.get("x", **given)
        opened.send(opened.prepare_request(requests.Request("GET", "x")), **given)
        assert [call.request.req_kwargs["timeout"] for call in mocked.calls] == [used, used]  # type: ignore[attr-defined]  # set by responses


def test_the_default_time_out_is_kept(session: MakeSession) -> None:
    with raw_server(silent) as url, session(base=url, timeout=0.2) as opened, pytest.raises(requests.ReadTimeout):
        opened.get("x")


# Credentials and cookies from elsewhere


def test_netrc_is_not_read(
    api: ApiServer, session: MakeSession, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login planted password canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    api.script(Reply(302, {"Location": "/v1/y"}), Reply())
    with requests.Session() as plain:
        assert "Authorization" in plain.get(api.url).request.headers  # the trap works
    api.received.clear()
    api.script(Reply(302, {"Location": "/v1/y"}), Reply())

    class Nothing(Bearer):
        def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
            return request

    with session(auth=Nothing()) as opened:
        opened.get("x")
        opened.auth = None
        opened.get("x")
    assert len(api.received) == 3
    assert not any("Authorization" in request.headers for request in api.received)


def test_cookies_of_answers_are_neither_kept_nor_sent(api: ApiServer, session: MakeSession) -> None:
    api.script(
        Reply(302, {"Location": "/v1/y", "Set-Cookie": "hop=1; Path=/"}), Reply(headers={"Set-Cookie": "sid=1; Path=/"})
    )
    with session() as opened:
        answer = opened.get("x")
        opened.get("x")
        assert len(opened.cookies) == 0
    assert answer.cookies["sid"] == "1"
    assert not any("Cookie" in request.headers for request in api.received)


def test_cookies_the_caller_gives_are_sent(api: ApiServer, session: MakeSession) -> None:
    with session() as opened:
        opened.get("x", cookies={"a": "1"})
        opened.get("x")
        opened.cookies.set("b", "2")
        opened.get("x", cookies={"a": "1"})
    assert [request.headers.get("Cookie") for request in api.received] == ["a=1", None, "b=2; a=1"]


def test_auth_of_the_caller_wins(api: ApiServer, session: MakeSession) -> None:
    auth = Bearer()
    session(auth=auth).get("x", auth=("user", "pw"))
    assert api.received[0].headers["Authorization"] == "Basic dXNlcjpwdw=="
    assert auth.asked == 0


# What comes back


def test_the_address_of_a_response_is_redacted(api: ApiServer, session: MakeSession) -> None:
    api.script(Reply(404))
    answer = session(auth=InQuery("canary+1"), redact=Redactor(["canary+1"])).get("x", params={"a": "b"})
    assert answer.url == f"{api.url}/v1/x?a=b&api_key=[redacted]"
    with pytest.raises(requests.HTTPError) as error:
        answer.raise_for_status()
    assert "canary" not in str(error.value)
    assert answer.request.url == f"{api.url}/v1/x?a=b&api_key=canary%2B1"


def test_an_echoed_credential_in_the_reason_is_redacted(session: MakeSession) -> None:
    def talk(connection: Any) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 403 no entry for canary\r\nContent-Length: 0\r\n\r\n")

    with raw_server(talk) as url:
        answer = session(base=url, redact=Redactor(["canary"])).get("x")
    assert answer.reason == "no entry for [redacted]"


def test_hooks_see_redacted_answers(api: ApiServer, session: MakeSession) -> None:
    seen: list[str] = []

    def hook(response: requests.Response, *_: object, **__: object) -> None:
        seen.append(response.url)

    with session(auth=InQuery("canary"), redact=Redactor(["canary"])) as opened:
        opened.hooks["response"].append(hook)
        opened.get("x", hooks={"response": [hook]})
        opened.get("x")
    assert len(api.received) == 2
    assert seen
    assert all("canary" not in url for url in seen)


def test_streaming_works(api: ApiServer, session: MakeSession) -> None:
    def parts() -> Iterable[bytes]:
        yield b"ab"
        yield b"cd"

    api.answer = lambda request: Reply(body=request.body * 1000)
    with session() as opened, opened.post("x", data=parts(), stream=True) as answer:
        assert b"".join(answer.iter_content(7)) == b"abcd" * 1000


def test_responses_can_be_pickled_and_sessions_not(session: MakeSession) -> None:
    with session() as opened:
        answer = pickle.loads(pickle.dumps(opened.get("x")))
        assert answer.json() == {}
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="call connect"):
                attempt(opened)


def test_repr_shows_the_origin_only(session: MakeSession) -> None:
    opened = session(base="https://api.example.com/bot-canary/", auth=Bearer("canary"))
    assert repr(opened) == "<ApiSession https://api.example.com>"


def test_certificates_and_proxies_reach_the_transport(session: MakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/bundle.pem")
    with responses.RequestsMock() as mocked, session(base="https://api.example.com") as opened:
        mocked.get("https://api.example.com/x")
        opened.get("x")
        opened.get("x", verify=False, cert="/client.pem", proxies={"https": "http://other.example:3128"})
        opened.trust_env = False
        opened.get("x")
        sent: list[Any] = [call.request.req_kwargs for call in mocked.calls]  # type: ignore[attr-defined]  # set by responses
    assert [kwargs["verify"] for kwargs in sent] == ["/bundle.pem", False, True]
    assert [kwargs["cert"] for kwargs in sent] == [None, "/client.pem", None]
    assert [kwargs["proxies"].get("https") for kwargs in sent] == [
        "http://proxy.example:3128",
        "http://other.example:3128",
        None,
    ]
