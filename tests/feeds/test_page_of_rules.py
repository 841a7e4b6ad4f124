"""The examples of the page on feeds do what the page says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiconnector.feeds import verdict
from apiconnector.models import Connection, Feed, FeedRun
from apiconnector.shortcuts import submit
from tests.client.servers import Reply, api_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.client.servers import ApiServer

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "feeds.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"<!-- example: (\w+) -->\n```python\n(.*?)```", PAGE, re.DOTALL))
SENT = dict(
    re.findall(r"<!-- example: (\w+) -->\n```python\n(?:[^`]|`(?!``))*```\n\n```http\n(.*?)```", PAGE, re.DOTALL)
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with api_server() as server:
        server.answer = lambda _: Reply(200, {}, b'{"id": 41, "price": 12.5}')
        yield server


@pytest.fixture
def crm(api: ApiServer, make_connection: Callable[..., Connection]) -> Connection:
    return make_connection(base_url=f"{api.url}/v1", auth_method="bearer", api_key="k")


def play(example: str, crm: Connection) -> dict[str, Any]:
    names: dict[str, Any] = {"Feed": Feed, "submit": submit, "crm": crm}
    exec(EXAMPLES[example], names)  # noqa: S102 - the page's own example
    for feed in Feed.objects.all():
        feed.full_clean()
    return names


def test_no_example_is_left_out() -> None:
    assert set(EXAMPLES) == {"items", "after", "page", "many"}
    assert set(SENT) == {"items", "after"}


@pytest.mark.parametrize("example", SENT)
def test_examples_send_what_the_page_says(api: ApiServer, crm: Connection, example: str) -> None:
    play(example, crm)
    sent = [f"{request.method} {request.path} {json.dumps(request.json())}" for request in api.received]
    assert sent == SENT[example].splitlines()


def test_the_price_of_the_page(api: ApiServer, crm: Connection, make_feed: Callable[..., Feed]) -> None:
    make_feed(crm, trigger="quote", body={"size": "{{ size }}"}, response_values={"price": "body.price"})
    assert play("page", crm)["price"] == 12.5
    # Another feed that has no price, and an answer in which it can't be found.
    make_feed(crm, slug="a", name="a", trigger="quote")
    assert play("page", crm)["price"] == 12.5
    Feed.objects.update(response_values={"price": "sum(body)"})
    assert play("page", crm)["price"] is None
    api.answer = lambda _: Reply(500)
    assert play("page", crm)["price"] is None


def test_many(crm: Connection, make_feed: Callable[..., Feed]) -> None:
    make_feed(crm, trigger="newsletter")
    assert [run.status for run in play("many", crm)["runs"]] == ["succeeded", "succeeded"]
    play("many", crm)
    assert FeedRun.objects.count() == 2


def test_the_kinds_of_error_are_all_there() -> None:
    table = PAGE[PAGE.index("| `error` | |") : PAGE.index("Of an answer 10 MB are read")]
    documented = set(re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in table.splitlines()[2:] if row)))
    package = Path(verdict.__file__).parent
    sources = "".join(path.read_text(encoding="utf-8") for path in package.glob("*.py"))
    for kind in documented:
        assert f'"{kind}"' in sources, kind
    said = re.findall(r'(?:Outcome\.\w+,|run\.error =|FAILED,)\s+"(\w+)"', sources)
    assert set(said) <= documented
