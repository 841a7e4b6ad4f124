"""Whatever a body is: its table makes the same JSON again; whatever is typed into the table: JSON, or the row at fault."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from apiconnector.feeds.targets import TargetError, from_targets, targets
from tests.properties.profiles import share

NAMES = st.one_of(
    st.text(max_size=6),
    st.text(alphabet='ab.[]"\\ 0\n', max_size=5),
    st.sampled_from(["a", "a.b", "[0]", '"', "0", "", ".", "first-name", "\u00fc", "a b"]),
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5))
BODIES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=15,
)


@share(1)
@given(BODIES, st.randoms(use_true_random=False))
@example({"a": {"b": [{"c": 1}, []]}, "a.b": {}}, None)
@example([], None)
@example({}, None)
def test_there_and_back(body: Any, random: Any) -> None:
    rows = targets(body)
    assert json.dumps(from_targets(rows)) == json.dumps(body)
    # In another order the same, but for the order of names.
    if random is not None:
        random.shuffle(rows)
        assert from_targets(rows) == body


@share(1)
@given(st.lists(st.tuples(st.one_of(NAMES, st.text(alphabet='ab.[]"\\01', max_size=12)), LEAVES), max_size=6))
def test_whatever_is_typed(rows: list[tuple[str, Any]]) -> None:
    try:
        body = from_targets(rows)
    except TargetError as error:
        assert 0 <= error.row < len(rows)
        assert str(error).isprintable()
        assert len(str(error)) < 600
        return
    json.dumps(body)
    if rows:
        assert sorted(map(repr, (value for _, value in targets(body)))) == sorted(
            map(repr, (value for _, value in rows))
        )
