"""What is sent past requests' own steps, and what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.cookies import RequestsCookieJar

from tests.client.servers import Reply

if TYPE_CHECKING:
    from tests.client.conftest import MakeSession
    from tests.client.servers import ApiServer


def test_who_watches_requests_sees_it(api: ApiServer, session: MakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    original = requests.Session.send

    def watching(self: requests.Session, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        seen.append(request.url)
        return original(self, request, **kwargs)

    opened = session()
    monkeypatch.setattr(requests.Session, "send", watching)
    assert opened.get("x").status_code == 200
    assert seen == [f"{api.url}/v1/x"]


def test_a_jar_of_the_callers_own_gets_what_answers_set(api: ApiServer, session: MakeSession) -> None:
    api.answer = lambda _: Reply(headers={"Set-Cookie": "a=1"})
    opened = session()
    opened.get("x")
    assert not opened.cookies
    opened.cookies = RequestsCookieJar()
    opened.get("x")
    assert opened.cookies.get_dict() == {"a": "1"}


def test_only_what_was_prepared_is_sent(api: ApiServer, session: MakeSession) -> None:
    given: object = requests.Request("GET", f"{api.url}/v1/x")
    with pytest.raises(ValueError, match="PreparedRequests"):
        session().send(given, proxies={})  # type: ignore[arg-type]  # that is what is tried
