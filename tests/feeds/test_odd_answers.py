"""Answers that name an encoding that decodes nothing, as scripts do that fill in what they don't know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from apiconnector.shortcuts import run_feed
from tests.client.servers import Reply, api_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from apiconnector.models import Connection, Feed

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("charset", ["undefined", "idna", "hex", "none"])
@pytest.mark.parametrize(
    ("body", "expected"), [(b"<p>caf\xc3\xa9</p>", "<p>café</p>"), (b'{"id": 7}', {"id": 7}), (b"\xff", "\ufffd")]
)
def test_the_run_has_the_answer(
    make_connection: Callable[..., Connection], make_feed: Callable[..., Feed], charset: str, body: bytes, expected: Any
) -> None:
    with api_server() as api:
        api.answer = lambda _: Reply(200, {"Content-Type": f"text/html; charset={charset}"}, body)
        connection = make_connection(
            base_url=api.url, auth_method="bearer", api_key="k", dialect={"expired_when": "body == 'expired'"}
        )
        make_feed(connection, body={})
        run = run_feed("lead")
        tested = connection.test()
    assert (run.status, run.outcome) == ("succeeded", "sent")
    assert run.data == expected
    assert run.attempts[0]["response"]["body"] == body.decode("utf-8", "replace")
    assert tested.ok
