"""Look-ups of pages: cached, never waited for longer than said, and answered by what was found before."""

from __future__ import annotations

import inspect
import json
import logging
import re
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django import forms
from django.core.cache import cache
from django.db import connections
from django.template import Context, Template

from apiconnector.exceptions import ExpressionError, FeedMisconfigured, FeedNotFound, InvalidFeedData
from apiconnector.feeds import lookups
from apiconnector.forms import feed_choices
from apiconnector.models import Connection, Feed, FeedRun
from tests.client.servers import ApiServer, Received, Reply, api_server

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNTRIES = [{"code": "GB", "name": "Great Britain"}, {"code": "FR", "name": "France"}]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """No cache and no pause of another test, and no thread for the next one."""
    cache.clear()
    lookups._resting.clear()
    yield
    for thread in threading.enumerate():
        if thread.name == "apiconnector-lookup":
            thread.join()
    cache.clear()


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with api_server() as server:
        server.script(answer(COUNTRIES))
        yield server


def answer(content: Any, status: int = 200) -> Reply:
    return Reply(status, {"Content-Type": "application/json"}, json.dumps(content).encode())


def countries(api: ApiServer, **fields: Any) -> Feed:
    connection = Connection.objects.create(slug="geo", name="Geo", base_url=f"{api.url}/", auth_method="none")
    values = {
        "slug": "countries", "name": "Countries", "connection": connection, "method": "GET", "path": "countries",
        "query": {"lang": "{{ lang|default:'en' }}"}, "response_values": {"list": "body"}, **fields,
    }  # fmt: skip  # in rows
    return Feed.objects.create(**values)


@pytest.fixture
def feed(api: ApiServer, transactional_db: None) -> Feed:
    return countries(api)


def age(seconds: float) -> None:
    """Make what is in the cache so much older."""
    key = lookups._key("countries", {})
    values, data, at = cache.get(key)
    cache.set(key, (values, data, at - seconds))


class TestChoices:
    def test_a_field(self, feed: Feed, api: ApiServer, django_assert_num_queries: Any) -> None:
        class Address(forms.Form):
            country = forms.ChoiceField(choices=feed_choices("countries", value="code", label="name"))

        assert api.received == []  # not when the class is made
        assert Address({"country": "FR"}).is_valid()
        with django_assert_num_queries(0):
            form = Address({"country": "DE"})
            assert not form.is_valid()
            assert '<option value="GB">Great Britain</option>' in str(form["country"])
        assert api.paths == ["/countries?lang=en"]
        assert FeedRun.objects.count() == 1

    def test_data(self, feed: Feed, api: ApiServer) -> None:
        language = "fr"
        for data in ({"lang": "fr"}, lambda: {"lang": language}, {"lang": "de"}):
            assert len(feed_choices("countries", value="code", label="name", data=data)()) == 2
        assert api.paths == ["/countries?lang=fr", "/countries?lang=de"]

    @pytest.mark.parametrize(
        ("values", "content", "options", "expected"),
        [
            ({}, ["a", "b"], {}, [("a", "a"), ("b", "b")]),
            ({"n": "body.n", "all": "body.all"}, {"n": 1, "all": [1, 0]}, {"items": "all"}, [("1", "1"), ("0", "0")]),
            (
                {"all": "body"},
                [{"id": 7, "at": {"city": "Rom"}}, {"id": None, "at": {"city": "x"}}, {"id": 8}, "odd", None],
                {"value": "id", "label": "at.city"},
                [("7", "Rom")],
            ),
            (
                {"all": "body"},
                [{"a-b": "x", "n": {"deep": 1}}, {"a-b": ["y"]}],
                {"value": '"a-b"', "label": '"a-b"'},
                [("x", "x")],
            ),
        ],
    )
    def test_what_a_list_may_be(
        self, feed: Feed, api: ApiServer, *, values: Any, content: Any, options: Any, expected: Any
    ) -> None:
        Feed.objects.update(response_values=values)
        api.script(answer(content))
        assert feed_choices("countries", **options)() == expected

    @pytest.mark.parametrize(
        ("items", "said"), [("nope", "“nope” is no list"), ("", "what it keeps of the answer is no")]
    )
    def test_no_list(self, feed: Feed, api: ApiServer, caplog: pytest.LogCaptureFixture, items: str, said: str) -> None:
        api.script(answer({"error": "canary"}))
        assert feed_choices("countries", items=items)() == []
        assert said in caplog.text
        assert "canary" not in caplog.text

    def test_an_expression_that_fails(self, feed: Feed, caplog: pytest.LogCaptureFixture) -> None:
        assert feed_choices("countries", value="length(nothing)")() == []
        assert "gives no choices: The expression" in caplog.text

    def test_too_many(self, feed: Feed, api: ApiServer, caplog: pytest.LogCaptureFixture) -> None:
        api.script(answer(list(range(6000))))
        assert len(feed_choices("countries")()) == 5000
        assert "gives 6000 choices" in caplog.text

    def test_a_bad_expression_is_said_when_the_form_is_made(self) -> None:
        with pytest.raises(ExpressionError):
            feed_choices("countries", value="code[")


class TestTag:
    TEMPLATE = (
        "{% load apiconnector_feeds %}{% feed_values 'countries' lang=lang as found %}"
        "{% for country in found.list %}{{ country.name }};{% empty %}none{% endfor %}"
    )

    def test_it_gives_the_values(self, feed: Feed, api: ApiServer) -> None:
        api.script(answer([{"name": "<b>"}]))
        for _ in range(3):
            assert Template(self.TEMPLATE).render(Context({"lang": "fr"})) == "&lt;b&gt;;"
        assert api.paths == ["/countries?lang=fr"]

    def test_an_api_that_is_down(self, feed: Feed, api: ApiServer, caplog: pytest.LogCaptureFixture) -> None:
        api.script(answer({}, 500))
        assert Template(self.TEMPLATE).render(Context({"lang": "fr"})) == "none"
        assert "there is nothing from before" in caplog.text

    @pytest.mark.parametrize(
        ("fields", "lang", "message"),
        [
            ({"method": "POST"}, "fr", "is a POST: pages look up with GET only"),
            ({"is_active": False}, "fr", "There is no active feed"),
            ({}, Feed.objects.none(), "can't be kept"),
        ],
    )
    def test_what_is_wrong_is_logged_and_with_debug_raised(
        self, feed: Feed, settings: Any, caplog: pytest.LogCaptureFixture, *, fields: Any, lang: Any, message: str
    ) -> None:
        Feed.objects.update(**fields)
        template = Template(self.TEMPLATE)
        with caplog.at_level(logging.ERROR):
            assert template.render(Context({"lang": lang})) == "none"
        assert message in caplog.text
        settings.DEBUG = True
        with pytest.raises((FeedMisconfigured, FeedNotFound, InvalidFeedData), match=message):
            template.render(Context({"lang": lang}))


class TestCache:
    def test_it_is_looked_up_again_when_it_is_old(self, feed: Feed, api: ApiServer) -> None:
        assert lookups.look_up("countries", keep=60)
        age(50)
        assert lookups.look_up("countries", keep=60)
        assert len(api.received) == 1
        age(50)
        api.script(answer([]))
        assert lookups.look_up("countries", keep=60).values == {"list": []}  # type: ignore[union-attr]  # it is there
        assert len(api.received) == FeedRun.objects.count() == 2

    @pytest.mark.parametrize("reply", [answer({}, 500), answer({}, 404), answer({}, 429)])
    def test_what_was_found_before_while_the_api_is_down(self, feed: Feed, api: ApiServer, reply: Reply) -> None:
        assert lookups.look_up("countries", keep=60)
        age(6 * 24 * 3600)
        api.script(reply)
        for _ in range(3):
            assert lookups.look_up("countries", keep=60).values == {"list": COUNTRIES}  # type: ignore[union-attr]  # it is there
        assert len(api.received) == 2  # it rests after a failure

    def test_after_the_rest_it_is_tried_again(
        self, feed: Feed, api: ApiServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lookups, "REST", 0.0)
        api.script(answer({}, 500), answer(COUNTRIES))
        assert lookups.look_up("countries") is None
        assert lookups.look_up("countries")

    def test_a_broken_cache(
        self, feed: Feed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Broken:
            def get(self, *_: Any) -> Any:
                raise OSError("canary")

            set = get

        monkeypatch.setattr(lookups, "cache", Broken())
        assert lookups.look_up("countries").values == {"list": COUNTRIES}  # type: ignore[union-attr]  # it is there
        assert "could not be read" in caplog.text
        assert "could not keep" in caplog.text
        assert "canary" not in caplog.text

    @pytest.mark.parametrize("odd", ["text", (1, 2), None])
    def test_what_another_release_left_in_it(self, feed: Feed, odd: Any) -> None:
        cache.set(lookups._key("countries", {}), odd)
        assert lookups.look_up("countries")


def finish() -> None:
    """Wait until nothing is looked up any more."""
    for thread in threading.enumerate():
        if thread.name == "apiconnector-lookup":
            thread.join()


class TestTime:
    """A slow API, over real sockets."""

    @pytest.fixture
    def slow(self, api: ApiServer) -> Iterator[threading.Event]:
        gate = threading.Event()

        def wait(_: Received) -> Reply:
            gate.wait(5)
            return answer(COUNTRIES)

        api.answer = wait
        yield gate
        gate.set()
        finish()  # before the tables are emptied

    def test_the_page_goes_on_and_the_next_one_has_it(self, feed: Feed, api: ApiServer, slow: threading.Event) -> None:
        began = time.monotonic()
        assert lookups.look_up("countries", timeout=0.3) is None
        assert 0.25 < time.monotonic() - began < 1.5
        began = time.monotonic()
        for _ in range(5):  # a form asks more than once, and other pages ask as well
            assert lookups.look_up("countries", timeout=0.3) is None
        assert time.monotonic() - began < 1.5  # five times the time-out
        slow.set()
        finish()
        assert lookups.look_up("countries", timeout=0.3)
        assert len(api.received) == 1

    def test_while_it_is_under_way_others_take_what_there_is(
        self, feed: Feed, api: ApiServer, slow: threading.Event
    ) -> None:
        slow.set()
        assert lookups.look_up("countries")
        slow.clear()
        age(1000)

        def look() -> None:
            lookups.look_up("countries")
            connections.close_all()

        first = threading.Thread(target=look)
        first.start()
        while len(api.received) < 2:
            time.sleep(0.01)
        began = time.monotonic()
        assert lookups.look_up("countries")
        assert time.monotonic() - began < 4  # the other one waits for 5 seconds
        slow.set()
        first.join()

    def test_there_are_only_so_many_threads(
        self, feed: Feed, api: ApiServer, slow: threading.Event, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lookups, "MOST", 2)
        for lang in "abcde":
            assert lookups.look_up("countries", {"lang": lang}, timeout=0.05) is None
        assert sum(thread.name == "apiconnector-lookup" for thread in threading.enumerate()) == 2
        slow.set()

    @pytest.mark.parametrize("broken", ["run_feed", "threading.Thread.start"])
    def test_what_nobody_expected(
        self, feed: Feed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str
    ) -> None:
        def fail(*_: Any) -> None:
            raise RuntimeError("no more threads, or something else")

        with monkeypatch.context() as patch:
            patch.setattr(f"apiconnector.feeds.lookups.{broken}", fail)
            assert lookups.look_up("countries") is None
        assert "there is nothing from before" in caplog.text
        lookups._resting.clear()
        assert lookups.look_up("countries")

    @pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "5"])
    def test_a_time_out_is_needed(self, feed: Feed, timeout: float) -> None:
        with pytest.raises(ValueError, match="positive number of seconds"):
            lookups.look_up("countries", timeout=timeout)

    def test_a_time_to_keep_is_a_number(self, feed: Feed) -> None:
        with pytest.raises(ValueError, match="without quotes"):
            lookups.look_up("countries", keep="60")  # type: ignore[arg-type]  # the mistake


@pytest.mark.django_db
def test_in_a_test_of_a_site(api: ApiServer) -> None:
    """A transaction that never commits: no other thread would see the feed."""
    countries(api)
    assert feed_choices("countries", value="code", label="name")() == [("GB", "Great Britain"), ("FR", "France")]


def test_one_for_each_is_refused(feed: Feed) -> None:
    Feed.objects.update(for_each="rows")
    for _ in range(2):
        with pytest.raises(FeedMisconfigured, match="one request for each item"):
            lookups.look_up("countries")


def test_the_page(feed: Feed, api: ApiServer) -> None:
    page = (Path(__file__).parents[2] / "docs" / "lookups.md").read_text(encoding="utf-8")
    api.script(answer({"items": COUNTRIES}))
    Feed.objects.update(response_values=json.loads(page.partition("such as `")[2].partition("`")[0]))
    names: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], names)  # noqa: S102 - our own page
    assert names["AddressForm"]({"country": "GB"}).is_valid()
    assert names["OptionalAddressForm"]({"country": ""}).is_valid()
    template = Template(page.partition("```html\n")[2].partition("```")[0])
    assert "<li>Great Britain</li><li>France</li>" in template.render(Context())
    assert api.paths == ["/countries?lang=en"] * 2  # with and without a language
    said = dict(re.findall(r"^\| `(timeout|cache|data)` \| `([^`]+)`", page, re.MULTILINE))
    parameters = inspect.signature(feed_choices).parameters
    assert {name: str(parameters[name].default) for name in said} == said
