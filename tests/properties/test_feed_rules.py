"""Whatever the rules of a feed and whatever meets them: runs that say what became of them, and never an error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from apiconnector.feeds import plan, verdict
from apiconnector.feeds.plan import Step, Submission
from apiconnector.feeds.verdict import End, Outcome
from apiconnector.models import Connection, Feed, FeedRun
from tests.properties.profiles import share
from tests.properties.strategies import encodable, json_objects, texts
from tests.properties.test_templating import EXPRESSIONS, finite

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What a row past validation may hold, too.
RULES = st.one_of(st.just(""), EXPRESSIONS, texts(), st.sampled_from(["rows", "data.rows", "rows[?a]", "rows[]"]))
ROWS = st.fixed_dictionaries({}, optional={"rows": st.lists(json_objects(encodable(2)), max_size=4)})


@share(2)
@given(RULES, RULES, json_objects(encodable(2)), ROWS)
def test_a_submission_makes_runs(condition: str, for_each: str, data: dict[str, Any], rows: dict[str, Any]) -> None:
    submitted = finite({**data, **rows})
    before = json.dumps(submitted)
    feed = Feed(slug="a", name="A", pk=1, condition=condition, for_each=for_each, connection=Connection(pk=1))
    runs = plan.runs_of(Step(feed), Submission(submitted, "key"))
    assert json.dumps(submitted) == before
    assert len({run.idempotency_key for run in runs}) == len(runs) >= 1
    for run in runs:
        json.dumps([run.input, run.item], allow_nan=False)
        if run.is_ended:
            assert len(runs) == 1
            assert (run.outcome, run.next_attempt_at) == (FeedRun.Outcome.NOT_SENT, None)
            assert run.error_message
            assert run.status in {FeedRun.Status.SKIPPED, FeedRun.Status.FAILED}
            assert (run.status == FeedRun.Status.SKIPPED) == (run.error == "")
        else:
            assert (run.status, run.error) == (FeedRun.Status.PENDING, "")
            assert run.next_attempt_at is not None
            if for_each == "rows":
                assert run.input == {**submitted, "rows": [run.item]}
    if for_each == "rows" and submitted.get("rows") and not runs[0].is_ended:
        assert [run.item for run in runs] == submitted["rows"]


@share(2)
@given(st.one_of(EXPRESSIONS, texts()), json_objects(texts(2)), st.integers(200, 299))
def test_an_answer_is_a_success_or_is_refused(rule: str, body: Mapping[str, Any], status: int) -> None:
    judged = verdict.of_rule(rule, {"status": status, "headers": {}, "body": finite(body)})
    if judged is not None:
        assert (judged.end, judged.outcome, judged.error) == (End.FAILED, Outcome.SENT, "success_rule")
        assert judged.message
