"""The mapping table: targets such as customer.address[0].city, and the JSON they make."""

from __future__ import annotations

from typing import Any

import pytest

from apiconnector.feeds.targets import TargetError, from_targets, targets


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        ({"a": "{{ x }}"}, [("a", "{{ x }}")]),
        (
            {"customer": {"address": [{"city": "{{ city }}", "zip": 5}], "tags": []}, "ok": True},
            [("customer.address[0].city", "{{ city }}"), ("customer.address[0].zip", 5), ("customer.tags", []), ("ok", True)],
        ),
        ([["a", "{{ x }}"], ["b", None]], [("[0][0]", "a"), ("[0][1]", "{{ x }}"), ("[1][0]", "b"), ("[1][1]", None)]),
        ({"a.b": {"c d": 1, "": 2, "first-name": 3, "@type": 4}}, [('"a.b"."c d"', 1), ('"a.b".""', 2), ('"a.b".first-name', 3), ('"a.b".@type', 4)]),
        ("{{ data }}", [("", "{{ data }}")]),
        ({}, []),
        ([], [("", [])]),
        ({"0": {"1": "x"}}, [("0.1", "x")]),
    ],
    ids=str,
)  # fmt: skip  # in rows
def test_there_and_back(body: Any, rows: list[tuple[str, Any]]) -> None:
    assert targets(body) == rows
    assert from_targets(rows) == body


def test_items_in_any_order() -> None:
    assert from_targets([("a[1]", 1), ("b", 2), ("a[0].x", 3), ('"b c"', 4), ('"\\u0061"."d"', 5)][:4]) == {
        "a": [{"x": 3}, 1],
        "b": 2,
        "b c": 4,
    }


@pytest.mark.parametrize(
    ("rows", "row", "words"),
    [
        (["a", "a.b"], 1, "a.b: is below “a”, which has a value in row 1."),
        (["a.b", "a"], 1, "a: row 1 has a value below it."),
        (["x", "a", "a"], 2, "a: is there already in row 2."),
        (["a[0]", "a.b"], 1, "a.b: row 1 makes a list of “a”; it can't be both."),
        (["x.a.b", "x.a[0]"], 1, "x.a[0]: row 1 makes an object of “x.a”; it can't be both."),
        (["[0]", "a"], 1, "a: row 1 makes a list of the body; it can't be both."),
        (["a", ""], 1, "The body: row 1 has a value below it."),
        (["", "a"], 1, "a: is below the body, which has a value in row 1."),
        (["", ""], 1, "The body: is there already in row 1."),
        (["b", "a[0]", "a[2]"], 1, "a[1] is missing, for there is one with [2]"),
        (["x.y[999999].z"], 0, "x.y[0] is missing, for there is one with [999999]"),
        (["a..b"], 0, "a..b: can't be read from “..b” on"),
        (["a."], 0, "can't be read from “.” on"),
        ([".a"], 0, "can't be read from “.a” on"),
        (["a b"], 0, "can't be read from “ b” on"),
        (["a[b]"], 0, "can't be read from “[b]” on"),
        (["a[-1]"], 0, "can't be read from “[-1]” on"),
        (["a[0]b"], 0, "can't be read from “b” on"),
        (["a[9999999]"], 0, "can't be read"),
        (['a."b'], 0, "can't be read from “.\"b” on"),
        (['a"b"'], 0, "can't be read from “\"b\"” on"),
        (['"a\\q"'], 0, "between the quotes"),
        (["a" + ".b" * 100], 0, "has more than 100 steps"),
    ],
)  # fmt: skip  # in rows
def test_what_makes_no_json_names_the_row(rows: list[str], row: int, words: str) -> None:
    with pytest.raises(TargetError) as refused:
        from_targets([(target, 1) for target in rows])
    assert words in str(refused.value)
    assert refused.value.row == row
