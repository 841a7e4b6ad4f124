from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import pytest
import requests

from tests.client.conftest import Bearer
from tests.client.servers import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.client.conftest import MakeSession
    from tests.client.servers import ApiServer, Received


class Renewing(Bearer):
    """Has a number of further tokens."""

    def __init__(self, tokens: int = 9) -> None:
        super().__init__()
        self.left = tokens
        self.renewed = 0

    def renew(self, request: requests.PreparedRequest) -> bool:
        self.renewed += 1
        if self.left == 0:
            return False
        self.left -= 1
        self.token = f"token-{self.renewed + 1}"
        self(request)
        return True


def accepting(*tokens: str) -> object:
    def answer(request: Received) -> Reply:
        known = request.headers.get("Authorization") in {f"Bearer {token}" for token in tokens}
        return Reply(200 if known else 401, body=request.body or b"{}")

    return answer


def tokens(api: ApiServer) -> list[str]:
    return [request.headers.get("Authorization", "").removeprefix("Bearer ") for request in api.received]


@pytest.mark.parametrize("stream", [False, True], ids=["read", "stream"])
def test_a_401_gets_one_new_token_and_one_more_try(api: ApiServer, session: MakeSession, stream: bool) -> None:
    api.answer = accepting("token-2")  # type: ignore[assignment]  # a function in place of the method
    auth = Renewing()
    with session(auth=auth, renew=auth.renew) as opened:
        answer = opened.post("x", json={"a": 1}, stream=stream)
        assert answer.json() == {"a": 1}
        assert opened.get("y").ok
    assert answer.history == []
    assert answer.request.headers["Authorization"] == "Bearer token-2"
    assert tokens(api) == ["token-1", "token-2", "token-2"]
    assert len({request.connection for request in api.received}) == 1


def test_a_second_401_is_the_answer(api: ApiServer, session: MakeSession) -> None:
    api.script(Reply(401))
    auth = Renewing()
    assert session(auth=auth, renew=auth.renew).get("x").status_code == 401
    assert tokens(api) == ["token-1", "token-2"]


def test_without_a_newer_token_the_401_is_the_answer(api: ApiServer, session: MakeSession) -> None:
    api.script(Reply(401, body=b'{"error": "expired"}'))
    auth = Renewing(tokens=0)
    answer = session(auth=auth, renew=auth.renew).get("x", stream=True)
    assert answer.json() == {"error": "expired"}
    assert tokens(api) == ["token-1"]


def test_without_renew_the_401_is_the_answer(api: ApiServer, session: MakeSession) -> None:
    api.script(Reply(401))
    assert session().get("x").status_code == 401
    assert len(api.received) == 1


def test_auth_of_the_caller_is_not_renewed(api: ApiServer, session: MakeSession) -> None:
    api.script(Reply(401))
    auth = Renewing()
    with session(auth=auth, renew=auth.renew) as opened:
        opened.get("x", auth=("user", "pw"))
        opened.send(requests.Request("GET", f"{api.url}/x").prepare())
        opened.auth = Bearer("another")
        opened.get("x")
    assert auth.renewed == 0
    assert len(api.received) == 3


def test_a_file_is_sent_again(api: ApiServer, session: MakeSession) -> None:
    api.answer = accepting("token-2")  # type: ignore[assignment]  # a function in place of the method
    auth = Renewing()
    assert session(auth=auth, renew=auth.renew).post("x", data=BytesIO(b"content")).content == b"content"


def test_a_stream_that_is_used_up_returns_the_401_and_helps_the_next(api: ApiServer, session: MakeSession) -> None:
    def parts() -> Iterator[bytes]:
        yield b"part"

    api.answer = accepting("token-2")  # type: ignore[assignment]  # a function in place of the method
    auth = Renewing()
    with session(auth=auth, renew=auth.renew) as opened:
        assert opened.post("x", data=parts()).status_code == 401
        assert opened.post("x", data=parts()).status_code == 200
    assert tokens(api) == ["token-1", "token-2"]


def test_one_call_renews_once_also_over_redirects(api: ApiServer, session: MakeSession) -> None:
    api.script(Reply(401), Reply(302, {"Location": "y"}), Reply(401))
    auth = Renewing()
    assert session(auth=auth, renew=auth.renew).get("x").status_code == 401
    assert tokens(api) == ["token-1", "token-2", "token-2"]
    assert auth.renewed == 1


def test_a_hop_is_renewed(api: ApiServer, session: MakeSession) -> None:
    api.script(Reply(302, {"Location": "y"}), Reply(401), Reply())
    auth = Renewing()
    assert session(auth=auth, renew=auth.renew).get("x").ok
    assert tokens(api) == ["token-1", "token-1", "token-2"]


def test_hooks_do_not_see_the_401_that_is_renewed(api: ApiServer, session: MakeSession) -> None:
    api.answer = accepting("token-2")  # type: ignore[assignment]  # a function in place of the method
    auth = Renewing()
    with session(auth=auth, renew=auth.renew) as opened:
        opened.hooks["response"].append(lambda response, **_: response.raise_for_status())
        assert opened.get("x").ok


def test_an_error_of_renew_reaches_the_caller(api: ApiServer, session: MakeSession) -> None:
    def renew(_: requests.PreparedRequest) -> bool:
        raise requests.ConnectionError("no token")

    api.script(Reply(401))
    with pytest.raises(requests.ConnectionError, match="no token"):
        session(renew=renew).get("x")
