"""Files of feeds with rules: one request for each item, a condition, an order, many at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from apiconnector.feeds import deliver, submit_many
from apiconnector.models import FeedFile, FeedRun
from apiconnector.shortcuts import run_feed, submit
from tests.feeds.mapping.test_files import cv, parts, place, stored  # noqa: F401 - a fixture among them

if TYPE_CHECKING:
    from collections.abc import Callable

    from apiconnector.models import Feed
    from tests.feeds.mapping.recorder import Recorder

pytestmark = pytest.mark.django_db


def test_one_for_each_item(
    api: Recorder, make_api_feed: Callable[..., Feed], django_capture_on_commit_callbacks: Any
) -> None:
    make_api_feed(body_format="multipart", body={"cv": "{{ item.cv }}"}, for_each="rows")
    submit("contact", {"rows": [{"cv": cv(b"1")}, {"cv": cv(b"2")}]})
    assert [run.files.count() for run in FeedRun.objects.all()] == [1, 1]
    with django_capture_on_commit_callbacks(execute=True):
        assert deliver(limit=1) == {"succeeded": 1}
    assert len(stored()) == 1
    with django_capture_on_commit_callbacks(execute=True):
        assert deliver() == {"succeeded": 1}
    assert stored() == []
    assert sorted(parts(got)[0][3] for got in api.got) == [b"1", b"2"]


def test_what_is_skipped_keeps_no_file(
    api: Recorder,
    make_api_feed: Callable[..., Feed],
    make_feed: Callable[..., Feed],
    django_capture_on_commit_callbacks: Any,
) -> None:
    feed = make_api_feed(body_format="multipart", body={"cv": "{{ cv }}"}, condition="yes")
    submit("contact", {"yes": False, "cv": cv()})
    assert (FeedFile.objects.count(), stored()) == (0, [])
    run = run_feed("lead", {"yes": False, "cv": cv()})
    assert (run.status, "$file" in str(run.input)) == ("skipped", False)
    make_feed(feed.connection, slug="second", body={}, after=feed)
    submit("contact", {"yes": True, "cv": cv()})
    with django_capture_on_commit_callbacks(execute=True):
        assert deliver() == {"succeeded": 2}
    assert (FeedFile.objects.count(), stored()) == (0, [])


def test_many_at_once(
    api: Recorder, make_api_feed: Callable[..., Feed], django_capture_on_commit_callbacks: Any
) -> None:
    make_api_feed(body_format="multipart", body={"cv": "{{ cv }}"})
    submit_many("contact", [{"cv": cv(b"1")}, {"cv": None}, {"cv": cv(b"3")}])
    assert [run.files.count() for run in FeedRun.objects.order_by("pk")] == [1, 0, 1]
    with django_capture_on_commit_callbacks(execute=True):
        assert deliver() == {"succeeded": 3}
    assert stored() == []
