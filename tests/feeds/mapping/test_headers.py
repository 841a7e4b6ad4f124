"""Headers of a feed, and texts that only JSON can write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ValidationError

from apiconnector.feeds import deliver
from apiconnector.feeds.preview import preview
from apiconnector.models import Feed, FeedRun
from apiconnector.shortcuts import run_feed, submit

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.feeds.mapping.recorder import Recorder

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "headers",
    [[["X-Tag", "a"], ["X-Tag", "b"], ["x-tag", "{{ c }}"]], {"X-Tag": "{{ tags }}", "x-tag": "{{ c }}"}],
    ids=str,
)
def test_several_values_are_one_line(api: Recorder, make_api_feed: Callable[..., Feed], headers: Any) -> None:
    feed = make_api_feed(headers=headers, body={})
    data = {"tags": ["a", "b"], "c": "c"}
    assert run_feed("lead", data).ok
    assert api.last.headers.get_all("X-Tag") == ["a, b, c"]
    assert preview(feed, data).headers["X-Tag"] == "a, b, c"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("a\r\nX-Evil: b", "The header X-A contains a line break."),
        ("\u0141ukasz", "The header X-A contains characters that a header can't carry (only Latin-1)."),
        (" a", "The header X-A begins with white space."),
        ({"a": 1}, "X-A: a query, header or form field holds an object there"),
    ],
)
def test_what_does_not_fit_says_which_and_why(
    api: Recorder, make_api_feed: Callable[..., Feed], value: Any, words: str
) -> None:
    feed = make_api_feed(headers={"X-A": "{{ x }}"}, body={})
    run = run_feed("lead", {"x": value})
    assert (run.status, run.outcome, run.error) == ("failed", "not_sent", "template")
    assert run.error_message.startswith(words)
    assert preview(feed, {"x": value}).problems == [run.error_message]
    assert api.got == []


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"headers": {"X-A": "\u0141"}}, "headers", "The header X-A has characters that a header can't carry"),
        ({"query": {"q": {"a": 1}}}, "query", "q: only texts, numbers and lists of them fit there"),
        ({"query": [["q", ["a", ["b"]]]]}, "query", "q: only texts"),
        ({"body_format": "form", "body": {"q": {"a": "{{ x }}"}}}, "body", "q: only texts"),
        ({"body_format": "multipart", "body": {"q": [{"a": "{{ x }}"}]}}, "body", "q: only texts"),
        ({"path": "a/../b"}, "path", "A segment of the path would be '.' or '..'"),
        ({"path": "a/%2e%2e/{{ x }}"}, "path", "A segment of the path would be '.' or '..'"),
    ],
    ids=str,
)
def test_what_could_never_be_sent_is_said_when_it_is_saved(
    make_api_feed: Callable[..., Feed], fields: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        make_api_feed(**fields)
    assert list(refused.value.message_dict) == [field]
    assert refused.value.messages[0].startswith(words)


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"body_format": "text", "body": "<a>{{ values.name }}</a>"}, b""),
        ({"body_format": "text", "body": "{{ values.name }}"}, b""),
        ({"body_format": "form", "body": {"a": "{{ values.name }}"}}, b""),
        ({"body_format": "form", "body": {"{{ values.name }}": "a"}}, b""),
        ({"body_format": "multipart", "body": {"a": "{{ values.name }}"}}, b""),
        ({"body_format": "multipart", "body": {"{{ values.name }}": "a"}}, b""),
        ({"query": {"a": "{{ values.name }}"}, "body": {}}, b""),
        ({"headers": {"X-A": "{{ values.name }}"}, "body": {}}, b""),
        ({"body": {"a": "{{ values.name }}"}}, b'{"a": "Ada \\ud83d"}'),
    ],
    ids=str,
)
def test_a_text_that_an_api_cut_within_a_character(
    api: Recorder, make_api_feed: Callable[..., Feed], fields: dict[str, Any], sent: bytes
) -> None:
    """JSON answers hold halves of surrogate pairs; what waits for such a value has to end, and say so."""
    first = make_api_feed(slug="first", body={})
    Feed.objects.create(
        **{
            "name": "Next", "slug": "next", "connection": first.connection, "trigger": "contact", "after": first,
            "path": "next", "body_format": "json", **fields,
        }
    )  # fmt: skip  # in rows
    _, waiting = submit("contact", {})
    FeedRun.objects.exclude(pk=waiting.pk).update(values={"name": "Ada \ud83d"}, status="succeeded")
    FeedRun.objects.filter(pk=waiting.pk).update(next_attempt_at=waiting.created_at)
    deliver()
    run = FeedRun.objects.get(pk=waiting.pk)
    assert [got.body for got in api.got] == [sent] * bool(sent)
    assert (run.status, run.error) == (("succeeded", "") if sent else ("failed", "template"))
    assert ("half of a surrogate pair" in run.error_message) == (not sent)


@pytest.mark.parametrize("given", [None, "application/json", "multipart/form-data"])
@pytest.mark.parametrize("where", ["connection", "feed"])
@pytest.mark.parametrize("body_format", ["multipart", "form"])
def test_what_a_form_is_is_said_right(
    api: Recorder, make_api_feed: Callable[..., Feed], given: str | None, where: str, body_format: str
) -> None:
    """Without its boundary nobody can read a multipart body; a default for JSON says nothing of forms."""
    headers = {"content-type": given} if given else {}
    feed = make_api_feed(
        {"default_headers": headers if where == "connection" else {}},
        headers=headers if where == "feed" else {},
        body_format=body_format,
        body={"a": "{{ a }}"},
    )
    assert run_feed("lead", {"a": "1"}).ok
    (sent,) = api.last.headers.get_all("Content-Type") or [""]
    if where == "feed" and given and body_format == "form":
        assert sent == given  # as the feed wants it
    else:
        assert sent.startswith(
            {"multipart": "multipart/form-data; boundary=", "form": "application/x-www-form-urlencoded"}[body_format]
        )
    shown = {name.lower(): value for name, value in preview(feed, {"a": "1"}).headers.items()}
    assert shown["content-type"].partition("boundary=")[0] == sent.partition("boundary=")[0]
