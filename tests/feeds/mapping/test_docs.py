"""The examples of docs/feeds.md send what the page says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiconnector.shortcuts import run_feed
from apiconnector.templating import check

if TYPE_CHECKING:
    from collections.abc import Callable

    from apiconnector.models import Feed
    from tests.feeds.mapping.recorder import Recorder

WHOLE = (Path(__file__).parents[3] / "docs" / "feeds.md").read_text(encoding="utf-8")
#: The section on mapping, with what is below it.
PAGE = WHOLE.partition("\n## Mapping\n")[2].partition("\n## ")[0]
BLOCKS = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
ROWS = re.findall(r"^\| `(keep|omit|null|empty|refuse)` \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)


def test_the_templates_are_templates() -> None:
    assert len(BLOCKS) == 4
    for block in BLOCKS:
        check(block)


@pytest.mark.django_db
def test_the_mapping(api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
    template, expected = BLOCKS[:2]
    template["reference"] = expected["reference"]  # run_feed has no number
    make_api_feed({"variables": {"tenant": "t-1"}}, body=template)
    contact = expected["contact"]
    run = run_feed("lead", {**contact, "birthday": contact["born"], "amount": expected["amount"]})
    assert run.ok, run.error_message
    assert json.loads(api.last.body) == expected
    assert list(json.loads(api.last.body)) == list(expected)


@pytest.mark.django_db
def test_the_text_bodies(api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
    xml, graphql = BLOCKS[2:]
    feed = make_api_feed(body_format="text", body=xml)
    assert run_feed("lead", {"name": "A & B"}).ok
    assert api.last.body == b"<lead><name>A &amp; B</name><note></note></lead>"
    feed.body_format, feed.body = "json", graphql
    feed.save()
    assert run_feed("lead", {"email": "a", "tags": ["x"]}).ok
    assert json.loads(api.last.body)["variables"] == {"email": "a", "tags": ["x"]}


@pytest.mark.django_db
@pytest.mark.parametrize(("rule", "missing", "empty"), ROWS)
def test_the_table_of_rules(
    api: Recorder, make_api_feed: Callable[..., Feed], rule: str, missing: str, empty: str
) -> None:
    assert len(ROWS) == 5
    template = re.search(r"With `(\{.*?\})` and", PAGE)
    assert template
    make_api_feed(empty_values=rule, body=json.loads(template[1]))
    cases: list[tuple[Any, str]] = [({}, missing), ({"phone": ""}, empty)]
    for data, said in cases:
        api.got.clear()
        run = run_feed("lead", data)
        if said.startswith("`"):
            assert api.last.body.decode() == said.strip("`")
        else:
            assert (run.outcome, api.got) == ("not_sent", [])
