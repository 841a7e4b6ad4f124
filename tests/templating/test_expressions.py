from __future__ import annotations

import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jmespath
import pytest

from apiconnector.exceptions import ExpressionError
from apiconnector.templating import compile_expression, looks_at, search, truth
from tests.frames import shown

ANSWER: dict[str, Any] = {
    "status": 200,
    "headers": {"content-type": "application/json"},
    "body": {
        "id": 7,
        "ok": False,
        "zero": 0,
        "rows": [{"n": 1, "s": "a"}, {"n": 2, "s": "b"}],
        "text": "s3cr3t",
    },
}


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("body.id", 7, id="field"),
        pytest.param("body.missing.deeper", None, id="missing is null"),
        pytest.param('headers."content-type"', "application/json", id="quoted field"),
        pytest.param("body.rows[?n > `1`].s", ["b"], id="filter"),
        pytest.param("body.rows[*].n", [1, 2], id="projection"),
        pytest.param("body.rows[-1].s", "b", id="negative index"),
        pytest.param("status == `200`", True, id="comparison"),
        pytest.param("status == `200` && body.ok", False, id="and"),
        pytest.param("{id: body.id, first: body.rows[0].s}", {"id": 7, "first": "a"}, id="new object"),
        pytest.param("length(body.rows)", 2, id="function"),
        pytest.param("sort_by(body.rows, &s)[0].n", 1, id="function on an expression"),
        pytest.param("body.text == 's3cr3t'", True, id="text literal"),
        pytest.param('`{"a": [1, null, 2.5]}`', {"a": [1, None, 2.5]}, id="JSON literal"),
        pytest.param(r'`"a\`b"`', "a`b", id="backtick in a literal"),
        pytest.param("'`no literal`'", "`no literal`", id="backticks in a text"),
        pytest.param("'größe'", "größe", id="unicode"),
    ],
)
def test_search(expression: str, expected: Any) -> None:
    for form in (expression, compile_expression(expression)):
        result = search(form, ANSWER)

        assert result == expected
        assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        pytest.param("", "An expression is empty; @ stands", id="empty"),
        pytest.param(" \n", "An expression is empty", id="blank"),
        pytest.param("a" * 501, "has 501 characters; at most 500", id="too long"),
        pytest.param("(" * 500, "nested too deeply", id="many brackets"),
        pytest.param("(" * 101 + "a" + ")" * 101, "nested too deeply", id="101 brackets"),
        pytest.param("!" * 500, "nested too deeply", id="many negations"),
        pytest.param("a" + ".*" * 249, "nested too deeply", id="many projections"),
        pytest.param("a" + "|a" * 100, "nested too deeply", id="101 steps"),
        pytest.param("a == `" + "[" * 490 + "`", "there is no JSON", id="deep literal"),
    ],
)
def test_refused_when_compiled(expression: str, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(expression)

    assert words in str(caught.value)
    with pytest.raises(ExpressionError):
        search(expression, ANSWER)


@pytest.mark.parametrize(
    ("expression", "position", "words"),
    [
        pytest.param("a.", 3, "it ends too early", id="too short"),
        pytest.param("foo(", 5, "it ends too early", id="unclosed call"),
        pytest.param("a[", 3, "it ends too early", id="unclosed bracket"),
        pytest.param("a.b]", 4, "']' is not expected there.", id="unexpected"),
        pytest.param("a b", 3, "'b' is not expected there.", id="two words"),
        pytest.param("a and b", 3, "'and' is not expected there; instead of the word write &&.", id="and"),
        pytest.param("a not b", 3, "instead of the word write !.", id="not"),
        pytest.param("status == 200", 11, "'200' is not expected there; a number is written between backticks: `200`.", id="bare number"),
        pytest.param("a == -1", 6, "a number is written between backticks: `-1`.", id="bare negative number"),
        pytest.param("[?a == 5]", 8, "between backticks: `5`.", id="bare number in a filter"),
        pytest.param("a # b", 3, "'#' means nothing; a name with other than the letters a to z", id="unknown character"),
        pytest.param("größe", 3, "'ö' means nothing; a name with other than", id="unicode without quotes"),
        pytest.param("headers.content-type", 16, 'a name with a dash is written in double quotes, such as "content-type".', id="dash"),
        pytest.param("a == 'b", 6, "the ' is not closed.", id="unclosed single quote"),
        pytest.param('a."b', 3, 'the " is not closed.', id="unclosed double quote"),
        pytest.param('"\\ud8', 1, 'the " is not closed.', id="unclosed quote with an escape"),
        pytest.param("a == `1", 6, "the ` is not closed.", id="unclosed backtick"),
        pytest.param('"\\x"', 1, "what is between the double quotes can't be read", id="bad escape"),
        pytest.param("a = b", 3, "one = means nothing; equal is written ==.", id="one equals sign"),
        pytest.param("a =", 3, "equal is written ==.", id="one equals sign at the end"),
        pytest.param("a == `b`", 6, "between the backticks there is no JSON; a text is written in single quotes.", id="literal that is no JSON"),
        pytest.param("ok == true", 7, "true by itself is the name of a field; the value is written between backticks: `true`.", id="bare true"),
        pytest.param("null != a", 1, "between backticks: `null`.", id="bare null"),
        pytest.param('a[?b == "ok"]', 9, "double quotes make ok the name of a field; a text is written in single quotes", id="double quotes"),
        pytest.param("a.lenght(b)", 3, "there is no function lenght(); did you mean 'length'; there are abs, avg, ", id="unknown function"),
        pytest.param("[?xyzzy(b)]", 3, "there is no function xyzzy(); there are abs, avg, ", id="function like no other"),
        pytest.param('"length"(a)', 1, "the name of a function is written without quotes.", id="quoted function"),
        pytest.param("!length(body, body)", 2, "length() takes 1 value, not 2.", id="too much"),
        pytest.param("a || join(body)", 6, "join() takes 2 values, not 1.", id="too little"),
        pytest.param("not_null()", 1, "not_null() takes at least 1 value, not 0.", id="nothing"),
        pytest.param("&body", 1, "& belongs only before what map(), sort_by(), min_by() and max_by() take.", id="an expression as result"),
        pytest.param("[body.id, &body]", 11, "& belongs only before", id="an expression inside the result"),
        pytest.param("to_string(&a)", 1, "to_string() takes no expression with &; leave the & out.", id="an expression as text"),
        pytest.param("sort_by(a, b)", 1, "the second value of sort_by() is an expression with & before it, such as &name.", id="no expression"),
        pytest.param("map(a, &b)", 1, "the first value of map() is an expression with & before it", id="the wrong way round"),
        pytest.param("a.b[::0]", 4, "a slice has the step 0; write 1, or -1 for backwards.", id="a step of 0"),
        pytest.param(" a[0][?b].c.*[] | foo(@)", 19, "there is no function foo()", id="far inside"),
    ],
)  # fmt: skip  # in rows
def test_the_place_of_a_mistake(expression: str, position: int, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(expression)

    reason, shown, caret = str(caught.value).split("\n")
    assert reason.startswith(f"The expression can't be read at character {position}: ")
    assert words in reason
    assert shown == expression
    assert caret == " " * (position - 1) + "^"
    assert caught.value.__context__ is None


@pytest.mark.parametrize(("before", "after"), [(0, 400), (10, 400), (200, 200), (400, 10), (400, 0)])
def test_the_place_in_a_long_expression(before: int, after: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression("a" * before + "\n#" + "b" * after)

    _, shown, caret = str(caught.value).split("\n")
    assert len(shown) <= 74
    assert shown[caret.index("^")] == "#"
    assert shown.startswith("…") == (before >= 200)
    assert shown.endswith("…") == (after >= 200)


def test_what_only_looks_like_a_mistake() -> None:
    data = {"true": 1, "a b": 1, "x": {"ok": 1}, "ok": "ok"}

    assert search('@."true" == `1`', data) is True
    assert search('`1` == "a b"', data) is True
    assert search('x."ok" == `1`', data) is True
    assert search("true", data) == 1
    assert search("ok == 'true'", data) is False


def test_an_expression_of_500_characters() -> None:
    assert search("a" * 500, {"a" * 500: 1}) == 1


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        pytest.param("abs(body.text)", "failed at character 1: abs() takes a number, not text.", id="type"),
        pytest.param("!abs(body.missing)", "failed at character 2: abs() takes a number, not null; nothing was found there: (name || `0`) stands in for it.", id="null"),
        pytest.param("sum(body.rows[*].s)", "sum() takes a list of numbers, not a list with text in it.", id="type of the items"),
        pytest.param("sum(body.rows)", "sum() takes a list of numbers, not a list with an object in it.", id="objects as items"),
        pytest.param("max(`[null]`)", "max() takes a list of numbers or a list of texts, not a list with null in it.", id="null as item"),
        pytest.param("max_by(body.rows, &missing)", "max_by() takes a number or text, not null", id="max_by"),
        pytest.param("contains(body.text, `5`)", "failed at character 1: contains() can't use what it is given.", id="TypeError inside"),
        pytest.param("merge(body, `5`)", "merge() can't use what it is given.", id="merge"),
        pytest.param("length(to_string(sort(body.rows)))", "failed at character 18: sort() takes a list of texts or a list of numbers, not a list with", id="the innermost"),
        pytest.param("sort_by(body.rows, &length(n))", "failed at character 21: length() takes", id="inside an expression"),
        pytest.param("body.id < body.text", "failed at character 9: a text and a number have no order; to_number() makes a number of a text.", id="no order"),
        pytest.param("to_number('1e999')", "failed: its result is no plain JSON: a number is NaN or infinite", id="infinite"),
        pytest.param("ceil(to_number('1e999'))", "failed at character 1: ceil() can't use what it is given.", id="OverflowError inside"),
        pytest.param("to_number('nan')", "failed: its result is no plain JSON", id="NaN"),
    ],
)  # fmt: skip  # in rows
def test_refused_when_evaluated(expression: str, words: str) -> None:
    compiled = compile_expression(expression)

    with pytest.raises(ExpressionError) as caught:
        search(compiled, ANSWER)

    assert words in str(caught.value)
    assert expression in str(caught.value)
    assert "s3cr3t" not in shown(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("@", id="as it is"),
        pytest.param("to_string(@)", id="as text"),
        pytest.param("@ == @[0]", id="compared"),
    ],
)
def test_deep_data_is_an_expression_error(expression: str) -> None:
    with pytest.raises(ExpressionError, match="the data is nested too deeply"):
        search(expression, nested(50_000))


def test_the_same_list_named_over_and_over_stays_small() -> None:
    doubled = "|".join(["[@,@]"] * 40)

    assert search(f"{doubled}{'|[0]' * 38}", [1]) == [[[1], [1]]] * 2
    assert search("|".join(["[@,@]"] * 3), 1) == [[[1, 1]] * 2] * 2


@pytest.mark.parametrize(
    ("text", "root"),
    [
        pytest.param("|".join(["[@,@]"] * 80), [1], id="a result that could not be written"),
        pytest.param("|".join(["[@,@]"] * 80) + "|to_string(@)", [1], id="the same as text"),
        pytest.param("|".join(["[@,@]"] * 60) + "|type(@)", [1], id="the same as an argument"),
        pytest.param("[{0},{0}]|[0]==[1]".format("|".join(["[@,@]"] * 35)), 1, id="comparing two such"),
        pytest.param("|".join(["[@,@][]"] * 60), [1], id="a list that doubles"),
        pytest.param("|".join(["[@,@][]|[::1]"] * 30), [1], id="a list that doubles and is copied"),
        pytest.param("|".join(["join('',[@,@])"] * 30), "ab", id="a text that doubles"),
        pytest.param("|".join(["to_string([@])"] * 30), "\\", id="escapes that double"),
        pytest.param("map(&" * 8 + "@" + ",`[1,2,3,4,5,6,7,8,9,0]`)" * 8, 1, id="loops inside each other"),
        pytest.param("[?to_string($x)]".replace("$x", "[@,`%s`]" % ("1" * 400)), list(range(100_000)), id="a large list"),
        pytest.param("[*].[@,@,@,@,@,@].[@,@,@,@]", list(range(100_000)), id="wide rows"),
        pytest.param("[*][*][*]|[]|[]|[]", [[list(range(100))] * 100] * 100, id="the same list in a table"),
        pytest.param("sort_by(@,&sort_by(`[3,2,1]`,&@)[0])", list(range(50_000)), id="sorting while sorting"),
        pytest.param("|".join(["reverse(@)"] * 40), list(range(100_000)), id="copies"),
        pytest.param("[?a == b].c", [{"a": list(range(5000)), "b": list(range(5000))}] * 20_000, id="comparing again and again"),
        pytest.param("[?contains(@,'xyz')]", ["xy" * 50_000] * 60, id="long texts"),
        pytest.param("|".join(["merge(@,@)"] * 40), {str(key): key for key in range(50_000)}, id="copies of an object"),
    ],
)  # fmt: skip  # in rows
def test_what_takes_too_much_work_is_given_up(text: str, root: Any) -> None:
    began = time.thread_time()
    with pytest.raises(ExpressionError, match="takes more work"):
        search(text, root)
    assert time.thread_time() - began < 30  # half a second as a rule, more while coverage is measured; else for ever


def test_flattening_is_given_up_before_it_takes_memory() -> None:
    root = [[1] * 3000] * 3000

    tracemalloc.start()
    try:
        with pytest.raises(ExpressionError, match="takes more work"):
            search("[]", root)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_what_others_compiled_is_not_taken() -> None:
    jmespath.compile("to_array(abs(first_compiled_elsewhere))")

    with pytest.raises(ExpressionError, match="failed at character 10: abs"):
        search("to_array(abs(first_compiled_elsewhere))", {})


def test_answers_of_a_megabyte_fit() -> None:
    root = {"body": [{"id": number, "name": "x"} for number in range(40_000)]}
    assert len(search("body[?name == 'x'].{id: id, label: name}", root)) == 40_000
    assert search("sort_by(body, &id)[-1].id", root) == 39_999
    assert search("length(join(',', body[*].to_string(id)))", root) > 200_000


@pytest.mark.parametrize("value", [None, False, "", [], {}], ids=repr)
def test_false(value: Any) -> None:
    assert truth(value) is False


@pytest.mark.parametrize("value", [0, 0.0, 1, True, " ", "false", "0", [None], [[]], {"a": None}], ids=repr)
def test_true(value: Any) -> None:
    assert truth(value) is True


def test_changing_a_result_changes_neither_the_data_nor_the_expression() -> None:
    root = {"rows": [{"n": 1}]}

    search("rows", root)[0]["n"] = 2
    search("`[]`", root).append(1)

    assert root == {"rows": [{"n": 1}]}
    assert search("`[]`", root) == []


def test_an_expression_is_compiled_once_and_shared_by_threads() -> None:
    expression = compile_expression("rows[?n > `1`].n | [0]")

    with ThreadPoolExecutor(8) as pool:
        roots = [{"rows": [{"n": 1}, {"n": number}]} for number in range(2, 200)]
        results = list(pool.map(lambda root: search(expression, root), roots))

    assert results == list(range(2, 200))
    assert compile_expression("rows[?n > `1`].n | [0]") is expression
    assert "rows" in repr(expression)


@pytest.mark.parametrize(
    "text", ["\ud800", "a\n\u202e(", '"\ud800"(', "`\ud800", "x\x00()", "'\ud800'.abs(@)"], ids=ascii
)
def test_errors_are_fit_to_be_shown(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        search(text, {})
    assert str(caught.value).replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("status", True), ("status == `404`", True), ("!(status)", True), ("body.ok && contains([`200`, `404`], status)", True),
        ("@.status", True), ("[status, body]", True), ("{a: status}", True), ("status | @", True), ("body || status", True),
        ("max_by(body.list, &n) || status", True),
        ("body.status", False), ("body | status", False), ("body[].status", False), ("body[?status]", False),
        ("body.*.status", False), ("body[0].status", False), ("sort_by(body, &status)", False), ("'status'", False),
        ("headers.status", False), ("body[", False), ("", False),
    ],
)  # fmt: skip  # in rows
def test_what_an_expression_looks_at(expression: str, expected: bool) -> None:
    assert looks_at(expression, "status") is expected
