"""Whatever template or expression meets whatever data: a JSON value, or our own error, in bounded time."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apiconnector.exceptions import ExpressionError, TemplateError
from apiconnector.templating import (
    OMITTED,
    Empty,
    check,
    compile_expression,
    compile_template,
    fill,
    fill_path,
    interpreter,
    names_in,
    search,
    truth,
)
from tests.properties.leaks import found, shown
from tests.properties.profiles import share
from tests.properties.strategies import Long, json_objects, json_values, long_texts, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

#: In the data, and in no error.
CANARY = "canary-value-of-the-data"
NAMES = ("a", "b", "name", "data", "x", "0", "items")
#: Seconds of computing that one call may take on a slow machine.
PATIENCE = 8


@contextmanager
def soon() -> Iterator[None]:
    began = time.thread_time()
    yield
    assert time.thread_time() - began < PATIENCE


def check_error(error: Exception) -> None:
    said = str(error)
    said.encode()
    assert len(said) < 3000
    assert not found(shown(error, with_locals=False), [CANARY])


def finite(value: Any) -> Any:
    """JSON without the numbers that it has no word for."""
    return json.loads(json.dumps(value), parse_constant=lambda _: 0, parse_float=lambda text: min(float(text), 1e308))


@st.composite
def contexts(draw: st.DrawFn) -> dict[str, Any]:
    leaves = st.one_of(texts(2), st.just(CANARY))
    named = draw(st.dictionaries(st.sampled_from(NAMES), json_values(leaves, 8), max_size=5))
    return {**draw(json_objects(leaves)), **named, "a": {"b": [CANARY, {"c": 1.5}]}, "name": draw(texts(2)), "x": ""}


OPERANDS = st.one_of(
    st.sampled_from([*NAMES, "a.b", "a.b.0", "a.b.1.c", "a.b.9", "a.b." + "9" * 5000, "data.x.y", "", ".", "a.", "_a", "1", "-1.5", "1e999", "9" * 400]),
    st.sampled_from(['"x"', "'y'", '"{{"', "'}}'", '"\\""', '_("x")', '""', "True", "None"]),
    texts(2),
)  # fmt: skip  # in rows
FILTERS = st.one_of(
    st.sampled_from(
        ["default", "default_if_none", "safe", "ljust", "stringformat", "escape", "upper", "join", "slice", "__class__"]
    ),
    texts(1),
)


@st.composite
def placeholders(draw: st.DrawFn) -> str:
    text = draw(OPERANDS)
    for _ in range(draw(st.integers(0, 3))):
        text += "|" + draw(FILTERS)
        if draw(st.booleans()):
            text += ":" + draw(OPERANDS)
    space = draw(st.sampled_from(["", " ", "\n"]))
    return f"{{{{{space}{text}{space}}}}}"


TEMPLATES = st.lists(st.one_of(placeholders(), texts(2)), max_size=4).map("".join)


@share(4)
@given(TEMPLATES, contexts())
def test_a_text_is_filled_or_refused(text: str, context: dict[str, Any]) -> None:
    context = finite(context)
    try:
        template = compile_template(text)
    except TemplateError as error:
        check_error(error)
        return
    assert names_in(text) == template.names
    before = json.dumps(context)
    for render in (template.render, template.render_text):
        try:
            value = render(context)
        except TemplateError as error:
            check_error(error)
        else:
            json.dumps(value, allow_nan=False)
            assert render == template.render or type(value) is str
    assert json.dumps(context) == before


@share(2)
@given(json_values(TEMPLATES), contexts(), st.sampled_from(Empty))
def test_every_rule_for_empty_values(value: Any, context: dict[str, Any], rule: Empty) -> None:
    value, context = finite(value), finite(context)
    try:
        filled = fill(value, context, rule)
    except TemplateError as error:
        check_error(error)
        return
    if filled is OMITTED:
        assert rule is Empty.OMIT
        assert isinstance(value, str)
    else:
        json.dumps(filled, allow_nan=False)
        assert type(filled) is type(value) or isinstance(value, str)


@share(3)
@given(texts())
def test_a_text_without_marks_stays_as_it_is(text: str) -> None:
    for mark in ("{{", "{%", "{#"):
        text = text.replace(mark, "")
    if not any(mark in text for mark in ("{{", "{%", "{#")):
        assert compile_template(text).render({}) == text


@share(2)
@given(json_values(st.one_of(texts(2), st.just(CANARY))))
def test_a_placeholder_alone_keeps_its_type_and_shares_nothing(value: Any) -> None:
    value = finite(value)
    filled = compile_template("{{ a }}").render({"a": value})
    assert json.dumps(filled) == json.dumps(value)
    if isinstance(value, dict | list) and value:
        filled.clear()
        assert value


@share(1)
@given(json_values(TEMPLATES), contexts())
def test_json_is_filled_or_refused(value: Any, context: dict[str, Any]) -> None:
    value, context = finite(value), finite(context)
    try:
        check(value)
    except TemplateError as error:
        check_error(error)
        with pytest.raises(TemplateError):
            names_in(value)
        return
    try:
        filled = fill(value, context)
    except TemplateError as error:
        check_error(error)
        return
    json.dumps(filled, allow_nan=False)


@share(0.4)
@given(
    long_texts(2_000_000),
    st.sampled_from(["{{ %s", "{{ a %s b }}", '{{ "%s" }}', "{{ %s }}", "{{ a|default:%s }}", "%s", "{{ a.%s }}"]),
)
@example(Long("", " ", 900_000, ""), "{{ a %s b }}")
@example(Long("", "|a", 400_000, ""), "{{ %s }}")
@example(Long("", ".", 900_000, ""), "{{ %s }}")
@example(Long("", "{{ x }}", 140_000, ""), "%s")
@example(Long("", "\\", 900_000, ""), '{{ "%s" }}')
@example(Long("", "'", 900_000, ""), "{{ %s }}")
@example(Long("", "-", 900_000, ""), "{{ %s }}")
@example(Long("1", "e1", 400_000, ""), "{{ a|default:%s }}")
def test_long_templates_take_no_long_time(long: Long, around: str) -> None:
    text = around.replace("%s", long.text)
    with soon():
        try:
            compile_template(text).render({"a": "b" * 100, "x": "", "name": [1], "data": {}})
        except TemplateError as error:
            check_error(error)


@share(1)
@given(st.integers(1, 200), st.integers(1, 1_000_000), st.booleans())
def test_what_is_filled_is_bounded(times: int, size: int, alone: bool) -> None:
    text = "{{ a }}" if alone else "{{ a }}{{ a }}"
    with soon():
        try:
            filled = fill({str(number): [text] for number in range(times)}, {"a": "x" * size})
        except TemplateError as error:
            check_error(error)
            assert times * size > 4_000_000 or size > 400_000
        else:
            assert len(json.dumps(filled)) < 12_000_000


SEGMENTS = st.one_of(
    st.sampled_from(["a", "contacts", "v1", "", "a.b", "%2e%2e", "x:y", "~", ".", "..", "{{ name }}.json", "v{{ name }}"]),
    st.just("{{ name }}"),
)  # fmt: skip  # in rows


@share(4)
@given(st.lists(SEGMENTS, min_size=1, max_size=4), st.one_of(texts(3), st.integers(), st.sampled_from(["", ".", ".."])))
def test_a_value_keeps_to_its_segment(segments: list[str], value: str | int) -> None:
    path = "/".join(segments)
    try:
        filled = fill_path(path, {"name": value})
    except TemplateError as error:
        check_error(error)
        return
    text = str(value)
    found_segments = filled.split("/")
    assert len(found_segments) == len(segments)
    assert not any(character in filled for character in "?#\\ \r\n")
    for segment, written in zip(segments, found_segments, strict=True):
        assert unquote(written) not in {".", ".."}
        assert unquote(written) == unquote(segment).replace("{{ name }}", text)


#: A grammar of what is valid, so that more than the parser is tried.
EXPRESSIONS = st.recursive(
    st.sampled_from(
        [
            "@", "a", "b", "data", "body", "*", "[*]", "[]", "[0]", "[-1]", "[::-1]", "[::2]", "`1`", "`null`", "`[1, 2]`", '`{"a": "b"}`', "'x'", '"a b"',
            '`"\\\\"`', "`1e400`", "`NaN`", "&a", "a.b", "a.*", "@.a", '"\\ud800"', "'\\u0000'",
        ]
    ),
    lambda inner: st.one_of(
        st.builds("{}.{}".format, inner, inner),
        st.builds("{} | {}".format, inner, inner),
        st.builds("{}[]".format, inner),
        st.builds("{}[*].{}".format, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("{{a: {}, b: {}}}".format, inner, inner),
        st.builds("{}[?{}]".format, inner, inner),
        st.builds("{} {} {}".format, inner, st.sampled_from(["==", "!=", "<", ">=", "||", "&&"]), inner),
        st.builds("!{}".format, inner),
        st.builds("({})".format, inner),
        st.builds(
            "{}({})".format,
            st.sampled_from(
                [
                    "length", "to_string", "to_number", "to_array", "keys", "values", "reverse", "sort", "sum", "avg", "max", "min", "abs", "ceil",
                    "floor", "type", "not_null", "merge", "nonsense",
                ]
            ),
            inner,
        ),
        st.builds(
            "{}({}, {})".format,
            st.sampled_from(["join", "contains", "starts_with", "merge", "not_null", "map", "sort_by", "max_by"]),
            st.one_of(inner, inner.map("&{}".format), st.just("''")),
            st.one_of(inner, inner.map("&{}".format)),
        ),
    ),
    max_leaves=12,
)  # fmt: skip  # in rows


@share(2)
@given(st.one_of(EXPRESSIONS, texts(), st.builds(lambda a, b: a + b, EXPRESSIONS, texts(1))), contexts())
def test_an_expression_gives_json_or_is_refused(text: str, root: dict[str, Any]) -> None:
    root = finite(root)
    try:
        expression = compile_expression(text)
    except ExpressionError as error:
        check_error(error)
        return
    before = json.dumps(root)
    with soon():
        for _ in range(2):  # the second time from the cache
            try:
                value = search(expression, root)
            except ExpressionError as error:
                check_error(error)
                continue
            json.dumps(value, allow_nan=False)
            assert truth(value) in {True, False}
            if isinstance(value, dict | list):
                value.clear()  # its own: neither the data nor a literal of the expression
    assert json.dumps(root) == before


STEPS = st.sampled_from(
    [
        "[@,@]", "[@,@][]", "[@,@,@][]", "{a:@,b:@}", "[*]", "[]", "[*][*]", "map(&[@,@],@)", "map(&map(&[@,@],@),@)", "to_string(@)", "to_string([@])",
        "join('',[@,@])", "join(@,[@,@,@])", "values(@)", "merge(@,@)", "reverse(@)", "sort(@)", "[@==@]", "[?@==@]", "[?contains(@,@)]", "to_array(@)",
        "sort_by(@,&to_string(@))", "max_by([@,@],&to_string(@))", "*", "*.*", "[[@,@],[@,@]]", "[0]", "[::1]", "`[1,2,3,4,5,6,7,8,9]`",
        "[@][].[@,@][]", "{a:@}.[a,a]", "[@,@]==[@,@]", "not_null(@)", "to_string(@)|[@,@]",
    ]
)  # fmt: skip  # in rows


@st.composite
def bombs(draw: st.DrawFn) -> str:
    """Steps that double what is there, as often as an expression has room for."""
    steps = draw(st.lists(STEPS, min_size=1, max_size=3))
    inner = draw(
        st.sampled_from(["", "map(&map(&map(&map(&map(&map(&map(&map(&@,{0}),{0}),{0}),{0}),{0}),{0}),{0}),{0})"])
    )
    if inner:
        return inner.replace("{0}", draw(st.sampled_from(["@", "`[1,2,3,4,5,6,7,8,9,0]`", "a"])))
    text = "|".join(steps * 500)[:500]
    return text[: text.rindex("|")] if draw(st.booleans()) else text


#: By name: an example shows no list of thousands.
ROOTS: dict[str, Any] = {
    "list": [1],
    "text": "xx",
    "escapes": 'a"',
    "ten texts": ["x"] * 10,
    "thousand texts": {"a": ["x"] * 1000},
    "numbers": list(range(10_000)),
    "table": [[1] * 100] * 100,
}


@share(0.7)
@given(bombs(), st.one_of(json_values(max_leaves=4), st.sampled_from(sorted(ROOTS))))
@example("|".join(["[@,@][]"] * 62), "list")
@example("|".join(["join('',[@,@])"] * 33), "text")
@example("|".join(["[@,@]"] * 80) + "|to_string(@)", "list")
@example("|".join(["[@,@]"] * 80), "list")
@example("|".join(["to_string([@])"] * 33), "escapes")
@example("[{0},{0}]|[0]==[1]".format("|".join(["[@,@]"] * 35)), "list")
@example("[?" + "map(&" * 8 + "@" + ",`[1,2,3,4,5,6,7,8,9,0]`)" * 8 + "]", "numbers")
def test_expressions_do_not_explode(text: str, data: Any) -> None:
    root = ROOTS.get(data, data) if isinstance(data, str) else finite(data)
    # With a twentieth of the work, so that more bombs can be tried: what is not counted takes its time all the same.
    with mock.patch.multiple(interpreter, MAX_WORK=500_000, MAX_WEIGHT=200_000), soon():
        try:
            value = search(text, root)
        except ExpressionError as error:
            check_error(error)
        else:
            assert len(json.dumps(value)) < 2_500_000


@share(0.1)
@given(st.integers(1, 40_000))
def test_a_large_answer_can_be_searched(size: int) -> None:
    """The budget is for bombs: an answer of a megabyte has to fit."""
    root = {"body": [{"id": number, "name": "x"} for number in range(size)]}
    with soon():
        assert len(search("body[?name == 'x'].{id: id, label: name}", root)) == size
        assert search("length(body[*].id)", root) == size
        assert search("sort_by(body, &id)[0].id", root) == 0
        assert len(search("join(',', body[*].to_string(id))", root)) >= size
