from __future__ import annotations

from typing import Any

import pytest

from apiconnector.exceptions import TemplateError
from apiconnector.templating import check, check_path, compile_template, fill, fill_path, names_in
from tests.frames import shown

CONTEXT: dict[str, Any] = {
    "name": "Ada",
    "email": "ada@example.org",
    "amount": 12.5,
    "zero": 0,
    "no": False,
    "nothing": None,
    "empty": "",
    "tags": ["a", "b"],
    "key": "vat",
    "quote": '"},"admin":true,{"',
}


def nested(levels: int, leaf: Any = "x", *, objects: bool = False) -> Any:
    value = leaf
    for _ in range(levels):
        value = {"k": value} if objects else [value]
    return value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, None, id="null"),
        pytest.param(5, 5, id="number"),
        pytest.param(True, True, id="boolean"),
        pytest.param("Dear {{ name }}", "Dear Ada", id="text"),
        pytest.param({"a": "{{ amount }}", "b": 1}, {"a": 12.5, "b": 1}, id="types are kept"),
        pytest.param(
            {"a": "{{ zero }}", "b": "{{ no }}", "c": "{{ nothing }}"},
            {"a": 0, "b": False, "c": None},
            id="0, false and null are kept",
        ),
        pytest.param(
            [["to", "{{ email }}"], ["to", "b@example.org"]],
            [["to", "ada@example.org"], ["to", "b@example.org"]],
            id="list of pairs",
        ),
        pytest.param({"a": [{"b": "{{ tags }}"}]}, {"a": [{"b": ["a", "b"]}]}, id="a list in a list"),
        pytest.param({"{{ key }}": "{{ name }}"}, {"vat": "Ada"}, id="key with a placeholder"),
        pytest.param({"{{ amount }}": 1}, {"12.5": 1}, id="a key becomes text"),
        pytest.param({"{% a": 1, "{b}": 2}, {"{% a": 1, "{b}": 2}, id="keys stay literal"),
        pytest.param({"a": "{{ quote }}"}, {"a": '"},"admin":true,{"'}, id="a value stays in its place"),
        pytest.param(nested(100), nested(100), id="100 levels"),
    ],
)
def test_fills(value: Any, expected: Any) -> None:
    assert fill(value, CONTEXT) == expected


def test_order_of_keys_is_kept() -> None:
    assert list(fill({"z": 1, "{{ key }}": 2, "a": 3}, CONTEXT)) == ["z", "vat", "a"]


def test_what_is_filled_is_left_alone() -> None:
    value = {"a": ["{{ tags }}", {"b": []}]}

    filled = fill(value, CONTEXT)
    filled["a"][0].append("c")
    filled["a"][1]["b"].append("c")

    assert value == {"a": ["{{ tags }}", {"b": []}]}
    assert CONTEXT["tags"] == ["a", "b"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param(
            {"customer": {"address": [{"city": "{{ town }}"}]}},
            "customer.address[0].city: {{ town }}: unknown name 'town'",
            id="the place is named",
        ),
        pytest.param([["a", "{{ x }}"]], "[0][1]: ", id="place in lists"),
        pytest.param("{{ x }}", "{{ x }}: unknown name", id="no place at the top"),
        pytest.param({"a": "x {{ tags }}"}, "a: {{ tags }} is a list", id="list in text"),
        pytest.param({"a": "{{ x"}, "a: The {{ at character 1 is not closed", id="unclosed"),
        pytest.param(["x" * 900_000] * 20, "longer than 10,000,000 characters", id="plain text, too much of it"),
        pytest.param({"a": "{% x %}"}, "a: {% at character 1", id="tag"),
        pytest.param({"{{ x }}": 1}, "{{ x }}: {{ x }}: unknown name 'x'", id="key"),
        pytest.param({"{{ tags }}": 1}, "{{ tags }} is a list", id="a key that has no text"),
        pytest.param({"vat": 1, "{{ key }}": 2}, "another key comes out the same", id="the same key twice"),
        pytest.param({"{{ key }}": 1, "vat": 2}, "vat: another key", id="the same key, literal one later"),
        pytest.param({1: 2}, "a key is no text", id="key that is no text"),
        pytest.param({"a": (1, 2)}, "a: a value is of the type tuple", id="no JSON"),
        pytest.param(nested(600), "more than 100 levels deep", id="lists 600 deep"),
        pytest.param(nested(600, objects=True), "more than 100 levels deep", id="objects 600 deep"),
        pytest.param(nested(5000), "more than 100 levels deep", id="lists 5000 deep"),
        pytest.param({"a": "{{ cycle }}"}, "a: {{ cycle }}: lists and objects", id="a value without end"),
    ],
)
def test_refused_when_filled(value: Any, words: str) -> None:
    cycle: list[Any] = []
    cycle.append([cycle])

    with pytest.raises(TemplateError) as caught:
        fill(value, {**CONTEXT, "cycle": nested(600), "other": cycle})

    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param({"a": [0, "{{ x|uper }}"]}, "a[1]: ", id="leaf"),
        pytest.param({"a": {"{{ x": 1}}, "a.{{ x: ", id="key"),
        pytest.param({1: 2}, "a key is no text", id="key that is no text"),
        pytest.param(["a", object()], "[1]: a value is of the type object", id="no JSON"),
        pytest.param(nested(600), "more than 100 levels deep", id="600 deep"),
    ],
)
def test_check_and_names_name_the_place(value: Any, words: str) -> None:
    for walk in (check, names_in):
        with pytest.raises(TemplateError) as caught:
            walk(value)
        assert words in str(caught.value)


def test_check_looks_nothing_up() -> None:
    check({"a": ["{{ unknown }}", 1, None, 2.5, True], "{{ unknown }}": "x"})


def test_names_in() -> None:
    value = {"{{ a.key }}": ["{{ b|default:c.d }}", {"e": "{{ b }} {{ f.0 }}"}], "g": 1}

    assert names_in(value) == {"a.key", "b", "c.d", "f.0"}
    assert names_in(None) == frozenset()


@pytest.mark.parametrize(
    ("path", "context", "expected"),
    [
        pytest.param("contacts", {}, "contacts", id="nothing to fill"),
        pytest.param("contacts/{{ id }}", {"id": 7}, "contacts/7", id="number"),
        pytest.param("/{{ id }}/x", {"id": True}, "/true/x", id="boolean"),
        pytest.param("x/{{ id }}", {"id": "a/b"}, "x/a%2Fb", id="slash"),
        pytest.param("x/{{ id }}", {"id": "../b"}, "x/..%2Fb", id="dots and a slash"),
        pytest.param("x/{{ id }}", {"id": "a?b#c;d&e=f"}, "x/a%3Fb%23c%3Bd%26e%3Df", id="reserved characters"),
        pytest.param("x/{{ id }}", {"id": "%2e%2e"}, "x/%252e%252e", id="percent"),
        pytest.param("x/{{ id }}", {"id": "ä\\\r\n\0 "}, "x/%C3%A4%5C%0D%0A%00%20", id="unicode and controls"),
        pytest.param("x/{{ id }}", {"id": "aZ09-._~"}, "x/aZ09-._~", id="unreserved characters"),
        pytest.param("x/{{ id }}", {"id": "..."}, "x/...", id="three dots"),
        pytest.param("x/v{{ id }}", {"id": ".."}, "x/v..", id="dots after a letter"),
        pytest.param("x/{{ a }}{{ b }}", {"a": "", "b": "c"}, "x/c", id="empty beside another"),
        pytest.param("x/v{{ a }}/y", {"a": ""}, "x/v/y", id="empty beside text"),
        pytest.param("x//y/", {}, "x//y/", id="empty segments of the template"),
        pytest.param("x?q={{ a }}", {"a": ""}, "x?q=", id="empty after the question mark"),
        pytest.param("x?q=/{{ a }}/", {"a": "&b=1"}, "x?q=/%26b%3D1/", id="after the question mark"),
        pytest.param("x?q=/{{ a }}/", {"a": ".."}, "x?q=/../", id="dots after the question mark"),
        pytest.param("{{ url }}", {"url": "https://evil.example"}, "https%3A%2F%2Fevil.example", id="URL"),
    ],
)
def test_fills_paths(path: str, context: dict[str, Any], expected: str) -> None:
    assert fill_path(path, context) == expected


@pytest.mark.parametrize(
    ("path", "context", "words"),
    [
        pytest.param("x/{{ id }}", {"id": ".."}, "'.' or '..'", id="two dots"),
        pytest.param("x/{{ id }}/y", {"id": "."}, "'.' or '..'", id="one dot"),
        pytest.param("x/{{ a }}{{ a }}", {"a": "."}, "'.' or '..'", id="two values of one dot"),
        pytest.param("x/.{{ a }}", {"a": "."}, "'.' or '..'", id="dot and value"),
        pytest.param("x/%2e{{ a }}", {"a": "."}, "'.' or '..'", id="encoded dot and value"),
        pytest.param("x/{{ a }}?q=1", {"a": ".."}, "'.' or '..'", id="before a question mark"),
        pytest.param("../{{ a }}", {"a": "b"}, "'.' or '..'", id="dots of the template"),
        pytest.param("x/{{ id }}", {"id": ""}, "{{ id }} is empty", id="empty at the end"),
        pytest.param("{{ id }}", {"id": ""}, "{{ id }} is empty", id="empty alone"),
        pytest.param("{{ id }}/x", {"id": ""}, "{{ id }} is empty", id="empty at the start"),
        pytest.param("/x/{{ id }}/y", {"id": ""}, "{{ id }} is empty", id="empty in the middle"),
        pytest.param("x/{{ a }}{{ b.c }}", {"a": "", "b": {"c": ""}}, "{{ a }} is empty", id="both empty"),
        pytest.param("x/{{ id }}?q=1", {"id": ""}, "{{ id }} is empty", id="empty before a question mark"),
        pytest.param("x/{{ id }}", {"id": None}, "{{ id }} is null", id="null"),
        pytest.param("x/{{ id }}", {"id": [1]}, "{{ id }} is a list", id="list"),
        pytest.param("x/{{ id }}", {}, "unknown name 'id'", id="unknown"),
        pytest.param("x/{{ id }}", {"id": "s3cr3t\ud800"}, "{{ id }} has characters", id="lone surrogate"),
        pytest.param("x/{{ id", {"id": 1}, "not closed", id="unclosed"),
    ],
)
def test_refuses_paths(path: str, context: dict[str, Any], words: str) -> None:
    with pytest.raises(TemplateError) as caught:
        fill_path(path, context)

    assert words in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "path",
    ["", "/", "x/{{ id }}", "x/{{ a }}{{ b }}?q=../{{ c }}", "a..b/.c/{{ d }}.", "x/.{{ e }}", "https://x.example/y"],
)
def test_paths_that_can_be_saved(path: str) -> None:
    check_path(path)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("../{{ a }}", "'.' or '..'"),
        ("{{ a }}/./x", "'.' or '..'"),
        ("x/%2e%2E/{{ a }}", "'.' or '..'"),
        ("x/..?y=1", "'.' or '..'"),
        ("x/{{ a", "not closed"),
        ("x/{{ a|uper }}", "there is no filter 'uper'"),
    ],
)
def test_paths_that_can_not_be_saved(path: str, words: str) -> None:
    with pytest.raises(TemplateError) as caught:
        check_path(path)

    assert words in str(caught.value)


def test_all_that_is_filled_is_bounded() -> None:
    template = {str(number): "{{ a }}" for number in range(20)}
    assert len(fill(template, {"a": "x" * 100_000})) == 20
    for value in ("x" * 900_000, ["x" * 900_000], {"x" * 900_000: 1}):
        with pytest.raises(TemplateError, match="longer than 10,000,000 characters"):
            fill(template, {"a": value})
    with pytest.raises(TemplateError, match="longer than 10,000,000 characters"):
        fill({f"{number}{{{{ a }}}}": 1 for number in range(20)}, {"a": "x" * 900_000})


@pytest.mark.parametrize(
    "value",
    [{"\ud800": "{{ x }}"}, {"a\n\u202e": ["{{ x }}"]}, {"k" * 5000: "{{ x }}"}, {"a": "{{ \ud800 }}"}, {"a": '{{ "\ud800"|x }}'}],
    ids=ascii,
)  # fmt: skip  # in rows
def test_errors_are_fit_to_be_shown(value: Any) -> None:
    with pytest.raises(TemplateError) as caught:
        fill(value, {})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_errors_hold_no_values() -> None:
    context = {"a": {"b": "s3cr3t"}, "c": ["s3cr3t"]}
    for call in (
        lambda: fill({"x": ["{{ a.b }}{{ c }}"]}, context),
        lambda: fill_path("{{ a.b }}/{{ c }}", context),
        lambda: compile_template("{{ a.b }}{{ c }}").render(context),
        lambda: compile_template("{{ a.b }}{{ c }}").render_text(context),
    ):
        with pytest.raises(TemplateError) as caught:
            call()
        assert "s3cr3t" not in shown(caught.value)
