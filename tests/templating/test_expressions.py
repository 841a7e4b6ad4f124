from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from apiconnector.exceptions import ExpressionError
from apiconnector.templating import compile_expression, search, truth

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
        pytest.param("", "An expression is empty.", id="empty"),
        pytest.param(" \n", "An expression is empty.", id="blank"),
        pytest.param("a.", "it ends too early", id="too short"),
        pytest.param("foo(", "it ends too early", id="unclosed call"),
        pytest.param("a.b]", "unexpected ']' at character 4", id="unexpected"),
        pytest.param("a b", "unexpected 'b' at character 3", id="two words"),
        pytest.param("a # b", "Unknown token # at character 3", id="unknown character"),
        pytest.param("a == 'b", "Unclosed ' delimiter at character 6", id="unclosed quote"),
        pytest.param("a = b", "Unknown token '=' at character 3", id="one equals sign"),
        pytest.param("größe", "at character 3", id="unicode without quotes"),
        pytest.param("a == `b`", "backticks at character 6 there is no JSON", id="literal that is no JSON"),
        pytest.param("a" * 501, "has 501 characters; at most 500", id="too long"),
        pytest.param("(" * 500, "nested too deeply", id="many brackets"),
        pytest.param("!" * 500, "nested too deeply", id="many negations"),
        pytest.param("a == `" + "[" * 490 + "`", "no JSON", id="deep literal"),
        pytest.param('"\\ud8', "Unclosed", id="unclosed quote with an escape"),
    ],
)
def test_refused_when_compiled(expression: str, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(expression)

    assert words in str(caught.value)
    with pytest.raises(ExpressionError):
        search(expression, ANSWER)


def test_an_expression_of_500_characters() -> None:
    assert search("a" * 500, {"a" * 500: 1}) == 1


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        pytest.param("lenght(body)", "Unknown function: lenght()", id="unknown function"),
        pytest.param("length(body, body)", "Expected 1 argument for function length()", id="arguments"),
        pytest.param("abs(body.text)", "the function abs() takes number, not string", id="type"),
        pytest.param("sum(body.rows[*].s)", "the function sum() takes array-number", id="type of the items"),
        pytest.param("max_by(body.rows, &missing)", "the function max_by() takes number or string", id="max_by"),
        pytest.param("contains(body.text, `5`)", "can't be used", id="TypeError inside"),
        pytest.param("merge(body, `5`)", "can't be used", id="merge"),
        pytest.param("body.rows[::0]", "can't be used", id="a step of 0"),
        pytest.param("&body", "no plain JSON", id="an expression as result"),
        pytest.param("[body.id, &body]", "no plain JSON", id="an expression inside the result"),
        pytest.param("to_number('1e999')", "no plain JSON", id="infinite"),
        pytest.param("ceil(to_number('1e999'))", "can't be used", id="OverflowError inside"),
        pytest.param("to_number('nan')", "no plain JSON", id="NaN"),
    ],
)
def test_refused_when_evaluated(expression: str, words: str) -> None:
    compiled = compile_expression(expression)

    with pytest.raises(ExpressionError) as caught:
        search(compiled, ANSWER)

    assert words in str(caught.value)
    assert expression in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("@", id="as it is"),
        pytest.param("to_string(@)", id="as text"),
        pytest.param("@ == @[0]", id="compared"),
    ],
)
def test_deep_data_is_an_expression_error(expression: str) -> None:
    with pytest.raises(ExpressionError, match=r"too deeply|no plain JSON"):
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
    ],
)  # fmt: skip
def test_what_takes_too_much_work_is_given_up(text: str, root: Any) -> None:
    began = time.monotonic()
    with pytest.raises(ExpressionError, match="takes more work"):
        search(text, root)
    assert time.monotonic() - began < 20  # a second or two; without the bound, for ever


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
    assert str(caught.value).isprintable()
