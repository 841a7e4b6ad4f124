"""Pages of a list, over real HTTP: each way to page, and servers that do it badly."""

from __future__ import annotations

import inspect
import itertools
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from apiconnector import pagination
from apiconnector.exceptions import DestinationRefused, ExpressionError, PaginationFailed
from apiconnector.models import Connection
from apiconnector.pagination import (
    Cursor,
    LinkHeader,
    NextAddress,
    Offset,
    PageNumber,
    Way,
    collect,
    pages,
    paginate,
)
from apiconnector.pagination.links import next_link
from apiconnector.shortcuts import connect
from tests.client.servers import ApiServer, Received, Reply, api_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from apiconnector.client import ApiSession

PAGE = (Path(__file__).parents[2] / "docs" / "pagination.md").read_text(encoding="utf-8")
KNOWN = re.findall(
    r"^\| ([^|]+) \| `((?:Cursor|Offset|PageNumber|LinkHeader|NextAddress)\(.*\))` \| `(.+?)` \|$", PAGE, re.MULTILINE
)
ALL = [{"id": number} for number in range(1, 8)]
SIZE = 3


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with api_server() as api:
        yield api


@pytest.fixture
def api(db: None, server: ApiServer) -> Iterator[ApiSession]:
    Connection.objects.create(
        slug="crm", base_url=f"{server.url}/v1", auth_method="api_key", api_key="canary-key", credential_in="query",
        credential_name="key",
    )  # fmt: skip  # in rows
    with connect("crm") as session:
        yield session


def serves(server: ApiServer, answer: Any) -> None:
    """Let a function of the parameters answer: the body, and headers where there are any."""

    def reply(request: Received) -> Reply:
        params = dict(parse_qsl(urlsplit(request.path).query))
        body, headers = answer(params)
        return Reply(200, {"Content-Type": "application/json", **headers}, json.dumps(body).encode())

    server.answer = reply


def cut(start: int) -> list[dict[str, int]]:
    return ALL[start : start + SIZE]


def by_cursor(params: dict[str, str]) -> Any:
    start = int(params.get("after", "0"))
    more = {"paging": {"next": {"after": str(start + SIZE)}}} if start + SIZE < len(ALL) else {}
    return {"results": cut(start), **more}, {}


def by_last_id(params: dict[str, str]) -> Any:
    start = int(params.get("starting_after", "0"))
    return {"data": cut(start), "has_more": start + SIZE < len(ALL)}, {}


def by_header(params: dict[str, str]) -> Any:
    start = int(params.get("cursor", "0"))
    return cut(start), {"X-Next": str(start + SIZE) if start + SIZE < len(ALL) else ""}


def by_page(params: dict[str, str]) -> Any:
    return cut((int(params["page"]) - 1) * SIZE), {}


def by_page_with_more(params: dict[str, str]) -> Any:
    page = int(params["p"])
    return {"rows": cut(page * SIZE), "pages": 3, "last": page == 2}, {}


def by_offset(params: dict[str, str]) -> Any:
    """Asked for a hundred at a time it gives three: the next offset goes by what came."""
    assert params["limit"] == "100"
    return {"rows": cut(int(params["offset"]))}, {}


def by_link(params: dict[str, str]) -> Any:
    start = int(params.get("from", "0"))
    link = f'</v1/list?limit=3>; rel="first", <?from={start + SIZE}&limit=3>; title="a, b"; rel="last NEXT"'
    return cut(start), {"Link": link} if start + SIZE < len(ALL) else {"Link": '</v1/list>; rel="first"'}


def by_address(params: dict[str, str]) -> Any:
    start = int(params.get("from", "0"))
    done = start + SIZE >= len(ALL)
    return {"records": cut(start), "done": done, "next": None if done else f"/v1/more?from={start + SIZE}"}, {}


@pytest.mark.parametrize(
    ("answer", "way", "items", "params", "requests_made"),
    [
        (by_cursor, Cursor("after", next="body.paging.next.after"), "body.results", {"after": None, "limit": 3}, 3),
        (by_last_id, Cursor("starting_after", next="body.has_more && body.data[-1].id"), "body.data", None, 3),
        (by_header, Cursor("cursor", next='headers."x-next"'), "body", [("cursor", "0"), ("tag", "a")], 3),
        (by_page, PageNumber(), "body", None, 4),
        (by_page_with_more, PageNumber("p", start=0, more="!(body.last)"), "body.rows", None, 3),
        (by_offset, Offset(), "body.rows", {"limit": 100}, 4),
        (by_link, LinkHeader(), "body", {"limit": 3}, 3),
        (by_address, NextAddress("body.next"), "body.records", {"q": "SELECT"}, 3),
    ],
)
def test_each_way(
    server: ApiServer, api: ApiSession, *, answer: Any, way: Way, items: str, params: Any, requests_made: int
) -> None:
    serves(server, answer)
    assert list(paginate(api, "list", way, items=items, params=params, headers={"X-Mine": "yes"})) == ALL
    assert len(server.received) == requests_made
    assert {request.headers["X-Mine"] for request in server.received} == {"yes"}
    # The credential goes with every request, once.
    assert {request.path.count("key=canary-key") for request in server.received} == {1}
    got = collect(api, "list", way, items=items, params=params)
    assert (got.items, got.pages, got.is_complete) == (ALL, 3, True)


def test_what_the_caller_gives_goes_with_every_page(server: ApiServer, api: ApiSession) -> None:
    serves(server, by_page)
    list(paginate(api, "list", PageNumber(), params=[("tag", "a"), ("tag", "b"), ("page", "9")]))
    assert [path.partition("&key")[0] for path in server.paths] == [
        f"/v1/list?tag=a&tag=b&page={number}" for number in (1, 2, 3, 4)
    ]


def test_links_are_relative_to_the_address_that_was_answered(server: ApiServer, api: ApiSession) -> None:
    serves(server, by_address)
    list(paginate(api, "deep/list", NextAddress("body.next"), items="body.records"))
    assert [urlsplit(path).path for path in server.paths] == ["/v1/deep/list", "/v1/more", "/v1/more"]


def test_pages(server: ApiServer, api: ApiSession) -> None:
    serves(server, by_cursor)
    found = pages(api, "list", Cursor("after", next="body.paging.next.after"), items="body.results")
    assert server.received == []  # asked for when it is wanted
    got = [(page.number, len(page.items), page.is_last, page.response.status_code) for page in found]
    assert got == [(1, 3, False, 200), (2, 3, False, 200), (3, 1, True, 200)]
    assert "canary" not in repr(next(pages(api, "list", PageNumber("after"), items="body.results")))


@pytest.mark.parametrize(
    ("answer", "way", "items"),
    [(by_cursor, Cursor("after", next="body.paging.next.after"), "body.results"), (by_page, PageNumber(), "body")],
)
@pytest.mark.parametrize(
    ("limits", "count", "page_count", "stopped"),
    [
        ({"max_pages": 2}, 6, 2, "Stopped after 2 pages"),
        ({"max_items": 4}, 4, 2, "Stopped after 4 items"),
        ({"max_items": 3}, 3, 1, "Stopped after 3 items"),
        ({"max_items": 8}, 7, 3, ""),
        ({"max_pages": 4}, 7, 3, ""),
    ],
)
def test_limits(
    server: ApiServer, api: ApiSession, *, answer: Any, way: Way, items: str, limits: Any, count: int,
    page_count: int, stopped: str,
) -> None:  # fmt: skip  # in rows
    serves(server, answer)
    got = collect(api, "list", way, items=items, **limits)
    assert (got.items, got.pages) == (ALL[:count], page_count)
    assert got.stopped.startswith(stopped)
    assert got.is_complete is (not stopped)
    if stopped:
        assert len(server.received) == page_count


def test_a_limit_that_is_just_reached(server: ApiServer, api: ApiSession) -> None:
    serves(server, by_cursor)
    way = Cursor("after", next="body.paging.next.after")
    assert collect(api, "list", way, items="body.results", max_pages=3).is_complete
    assert collect(api, "list", way, items="body.results", max_items=7).is_complete


class TestBadServers:
    def test_endless_pages(self, server: ApiServer, api: ApiSession) -> None:
        numbers = itertools.count()
        serves(server, lambda _: ([{"id": next(numbers)}], {}))
        assert len(list(itertools.islice(paginate(api, "list", PageNumber()), 20))) == 20
        got = collect(api, "list", PageNumber(), max_pages=5)
        assert (len(got.items), got.pages, got.is_complete) == (5, 5, False)

    @pytest.mark.parametrize(
        ("way", "circle"),
        [
            (Cursor("after", next="body.next"), lambda _: {"list": ALL, "next": "same"}),
            (
                Cursor("after", next="body.next"),
                lambda params: {"list": ALL, "next": "b" if params.get("after") == "a" else "a"},
            ),
            (PageNumber(), lambda _: {"list": ALL}),
            (Offset(), lambda _: {"list": ALL}),
            (NextAddress("body.next"), lambda _: {"list": ALL, "next": "?again"}),
            (NextAddress("body.next"), lambda _: {"list": ALL, "next": "/v1/list?key=canary-key"}),
        ],
    )
    def test_a_circle(self, server: ApiServer, api: ApiSession, way: Way, circle: Callable[[Any], Any]) -> None:
        serves(server, lambda params: (circle(params), {}))
        with pytest.raises(PaginationFailed, match=r"a page that it gave before|is the same as page 1"):
            list(paginate(api, "list", way, items="body.list"))
        count = len(server.received)
        assert count <= 3
        got = collect(api, "list", way, items="body.list")
        assert got.items[:7] == ALL
        assert not got.is_complete

    def test_pages_of_numbers_may_be_alike(self, server: ApiServer, api: ApiSession) -> None:
        serves(server, lambda params: ([0, 0] if int(params["page"]) < 4 else [], {}))
        assert list(paginate(api, "list", PageNumber())) == [0] * 6

    @pytest.mark.parametrize(
        "body", [{"error": "canary"}, {"list": None}, {"list": {"a": "canary"}}, "canary", 5, None]
    )
    def test_no_list(self, server: ApiServer, api: ApiSession, body: Any) -> None:
        serves(server, lambda _: (body, {}))
        for act in (
            lambda: list(paginate(api, "x", PageNumber(), items="body.list")),
            lambda: collect(api, "x", PageNumber(), items="body.list"),
        ):
            with pytest.raises(PaginationFailed, match="no list") as caught:
                act()
            assert "canary" not in str(caught.value)

    def test_an_empty_list_that_is_left_out(self, server: ApiServer, api: ApiSession) -> None:
        serves(server, lambda params: ({"list": ALL} if params["page"] == "1" else {}, {}))
        assert list(paginate(api, "x", PageNumber(), items="body.list || `[]`")) == ALL

    @pytest.mark.parametrize("body", [b"<html>canary</html>", b"[1,", b"", b"[" * 100_000, b"\xff\xfe"])
    def test_no_json(self, server: ApiServer, api: ApiSession, body: bytes) -> None:
        server.script(Reply(200, {"Content-Type": "application/json"}, body))
        with pytest.raises(PaginationFailed) as caught:
            list(paginate(api, "x", PageNumber()))
        assert "canary" not in str(caught.value)
        assert caught.value.__context__ is None

    @pytest.mark.parametrize(
        "address",
        ["https://evil.example/v1/list", "http://127.0.0.1:1/v1/list", "//evil.example/list", "https://["],
    )
    def test_a_next_link_to_elsewhere(self, server: ApiServer, api: ApiSession, address: str) -> None:
        serves(server, lambda _: ({"list": ALL, "next": address}, {"Link": f'<{address}>; rel="next"'}))
        for way in (LinkHeader(), NextAddress("body.next")):
            got: list[Any] = []
            with pytest.raises((DestinationRefused, PaginationFailed)):
                got.extend(paginate(api, "list", way, items="body.list"))
        assert len(server.received) == 2

    def test_what_came_before_a_bad_link_is_given(self, server: ApiServer, api: ApiSession) -> None:
        serves(server, lambda _: ({"list": ALL, "next": {"no": "text"}}, {}))
        for way in (NextAddress("body.next"), Cursor("after", next="body.next")):
            got: list[Any] = []
            with pytest.raises(PaginationFailed, match=r"can't be (followed|sent)"):
                got.extend(paginate(api, "list", way, items="body.list"))
            assert got == ALL

    def test_a_page_of_many_megabytes(self, server: ApiServer, api: ApiSession) -> None:
        """What an expression may make is measured by an answer of a megabyte: a page may be larger."""
        rows = [{"id": number, "text": "x" * 900} for number in range(12_000)]
        serves(server, lambda params: ({"rows": rows if params["page"] == "1" else []}, {}))
        more = PageNumber(more="length(body.rows) > `0`")
        assert collect(api, "list", more, items="body.rows", max_items=20_000).items == rows
        assert list(paginate(api, "list", PageNumber(), items="body.rows[].id")) == list(range(12_000))
        with pytest.raises(PaginationFailed, match="takes more work"):
            next(paginate(api, "list", PageNumber(), items=f"[{','.join(['body.rows'] * 20)}][]"))

    @pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
    def test_an_error_is_raised(self, server: ApiServer, api: ApiSession, status: int) -> None:
        server.script(Reply(200, {}, b"[1]"), Reply(status, {}, b"{}"))
        found = paginate(api, "list", PageNumber())
        assert next(found) == 1
        with pytest.raises(requests.HTTPError) as caught:
            next(found)
        assert "canary" not in str(caught.value)


class TestPauses:
    @pytest.mark.parametrize("status", [429, 503])
    def test_it_waits_as_it_is_asked_to(self, server: ApiServer, api: ApiSession, status: int) -> None:
        server.script(
            Reply(200, {}, b"[1]"), Reply(status, {"Retry-After": "1"}), Reply(200, {}, b"[2]"), Reply(200, {}, b"[]")
        )
        began = time.monotonic()
        assert list(paginate(api, "list", PageNumber())) == [1, 2]
        assert time.monotonic() - began >= 1

    def test_not_for_longer_than_is_said(self, server: ApiServer, api: ApiSession) -> None:
        server.script(Reply(429, {"Retry-After": "3"}))
        began = time.monotonic()
        with pytest.raises(requests.HTTPError):
            list(paginate(api, "list", PageNumber(), max_wait=2))
        assert time.monotonic() - began < 2.5  # less than it was asked to wait
        server.script(Reply(429, {"Retry-After": "0"}))
        with pytest.raises(requests.HTTPError):
            list(paginate(api, "list", PageNumber(), max_wait=1))
        assert len(server.received) == 1 + 3


def test_another_session_is_refused(server: ApiServer) -> None:
    with requests.Session() as session, pytest.raises(TypeError, match=r"the session of connect\(\)"):
        pages(session, server.url, PageNumber())  # type: ignore[arg-type]  # the mistake


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"way": PageNumber}, r"PageNumber\(\)"),
        ({"way": "page"}, "is said by one of"),
        ({"params": "limit=3"}, "limit"),
    ],
)
def test_mistakes_are_said(server: ApiServer, api: ApiSession, arguments: dict[str, Any], message: str) -> None:
    for act in (collect, pages, paginate):
        with pytest.raises(TypeError, match=message):
            act(api, "list", **{"way": PageNumber(), **arguments})
    assert server.received == []


def test_expressions_are_read_at_once(api: ApiSession) -> None:
    for make in (
        lambda: Cursor("after", next="body["),
        lambda: NextAddress("body["),
        lambda: PageNumber(more="body["),
        lambda: Offset(more="body["),
        lambda: pages(api, "list", PageNumber(), items="body["),
    ):
        with pytest.raises(ExpressionError):
            make()


@pytest.mark.parametrize(
    ("header", "target"),
    [
        (
            '<https://a.example/?page=2>; rel="next", <https://a.example/?page=9>; rel="last"',
            "https://a.example/?page=2",
        ),
        ("<a>; rel=next", "a"),
        ('<a>;rel="prev",<b>;rel="next"', "b"),
        ('<a,b>; title="x, <c>; rel=next"; REL = "Next"', "a,b"),
        ('<a>; rel="prev"; rel="next"', None),
        ('<a>; rel="nextish"', None),
        ('<a>; rel="next"; anchor="#other", <b>; rel="next"', "b"),
        ('<a>; rel="first next"', "a"),
        (r'<a>; title="quo\"te, "; rel=next', "a"),
        ("<a>", None),
        ("", None),
        ("no list at all; rel=next", None),
        ('<a>; rel="next', None),
        ("<" * 20_000, None),
    ],
)
def test_the_link_header(header: str, target: str | None) -> None:
    assert next_link(header, "next") == target


def test_odd_link_headers_take_no_time() -> None:
    began = time.monotonic()
    for part in ('<a>;;;;x="', "<a>; a=b", '<a>; "\\', ";", "<>,", '<a>; rel="x'):
        next_link(part * 2000, "next")
        next_link("<a>" + part * 2000, "next")
    assert time.monotonic() - began < 10  # it takes no time; else minutes


def as_known(name: str, params: dict[str, str]) -> Any:
    """A page as the documentation of an API has it."""
    names = {
        "HubSpot": "after",
        "Slack": "cursor",
        "Stripe": "starting_after",
        "Google": "pageToken",
        "Jira": "startAt",
    }
    names |= {"Pipedrive": "start", "Mailchimp": "offset", "Spring Data, Lexoffice": "page"}
    start = int(params.get(names.get(name, "from"), "0")) * (SIZE if name.startswith("Spring") else 1)
    more, after, now = start + SIZE < len(ALL), start + SIZE, cut(start)
    address = f"/v1/list?from={after}"
    bodies: dict[str, Any] = {
        "HubSpot": {"results": now, **({"paging": {"next": {"after": str(after)}}} if more else {})},
        "Slack": {"channels": now, "response_metadata": {"next_cursor": str(after) if more else ""}},
        "Stripe": {"data": now, "has_more": more},
        "Google": {"files": now, **({"nextPageToken": str(after)} if more else {})},
        "Salesforce": {"records": now, "done": not more, **({"nextRecordsUrl": address} if more else {})},
        "Microsoft Graph": {"value": now, **({"@odata.nextLink": address} if more else {})},
        "Django REST framework": {"count": len(ALL), "next": address if more else None, "results": now},
        "Jira": {"values": now, "startAt": start, "isLast": not more},
        "Pipedrive": {"data": now, "additional_data": {"pagination": {"more_items_in_collection": more}}},
        "Mailchimp": {"members": now, "total_items": len(ALL)},
        "Spring Data, Lexoffice": {"content": now, "last": not more},
    }
    return bodies.get(name, now), {"Link": f'<{address}>; rel="next"'} if more and name not in bodies else {}


@pytest.mark.parametrize(("name", "way", "items"), KNOWN, ids=[name for name, _, _ in KNOWN])
def test_known_apis(server: ApiServer, api: ApiSession, name: str, way: str, items: str) -> None:
    assert len(KNOWN) == 12
    serves(server, lambda params: as_known(name, params))
    made: Way = eval(way, dict(vars(pagination)))  # noqa: S307 - our own page
    assert list(paginate(api, "list", made, items=items)) == ALL


def test_the_examples_of_the_page(server: ApiServer, db: None, capsys: pytest.CaptureFixture[str]) -> None:
    Connection.objects.create(slug="hubspot", base_url=server.url, auth_method="none")
    serves(server, by_cursor)
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, names)  # noqa: S102 - our own page
    lines = capsys.readouterr().out.splitlines()
    assert lines[:7] == [str(item["id"]) for item in ALL]
    assert [line.rsplit(",", 1)[0][:9] for line in lines[7:9]] == ["1 3 False", "2 3 False"]
    assert lines[-1] == "7"


def test_the_table_of_ways() -> None:
    for way in (Cursor, PageNumber, Offset, LinkHeader, NextAddress):
        given = ", ".join(
            one.name if one.default is one.empty else f"{one.name}={json.dumps(one.default)}"
            for one in inspect.signature(way).parameters.values()
        )
        assert f"| `{way.__name__}({given})` |" in PAGE
