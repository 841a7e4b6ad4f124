"""What a run's state means to a person, and what there is to do about it."""

from __future__ import annotations

from typing import Final

from apiconnector.admin.shown import moment
from apiconnector.feeds import recorded
from apiconnector.feeds.endings import AFTER
from apiconnector.feeds.replay import may_follow
from apiconnector.models import FeedRun, clock

Status, Outcome = FeedRun.Status, FeedRun.Outcome

OUTCOMES: Final[dict[str, str]] = {
    Outcome.OPEN: "Nothing was sent yet.",
    Outcome.SENT: "The API got it.",
    Outcome.NOT_SENT: "The API did not get it.",
    Outcome.UNKNOWN: "Whether the API got it, and acted on it, is not known.",
}
_REPLAY = "then replay it."
#: By the kind of error of a run that failed.
_FAILED: Final = {
    "template": f"Correct the feed's mapping, or what the form submits; {_REPLAY}",
    "invalid_request": f"Correct path, query and headers of the feed; {_REPLAY}",
    "destination": f"Correct the feed's path, or the base URL and the allowed hosts of the connection; {_REPLAY}",
    "redirect": f"The API has moved: correct the feed's path, or the base URL of the connection; {_REPLAY}",
    "not_ready": f"Make the connection ready; {_REPLAY}",
    "success_rule": (
        "The answer says that it was not accepted, by the feed's success rule: look at the answer below. Correct the "
        f"mapping, or the rule; {_REPLAY}"
    ),
    "file": "A file that was submitted is not there any more: have it submitted again.",
    "internal": f"Look into the site's log; {_REPLAY}",
    recorded.DECIDED: "Nothing, unless it is to be sent once more.",
}
#: By the status of the last answer.
_ANSWERED: Final = {
    401: f"The API does not accept the credential: test the connection, authorize it again or type the key; {_REPLAY}",
    403: f"The credential may not do this: check scope and permissions at the provider; {_REPLAY}",
    404: f"There is nothing at this address: check the feed's path; {_REPLAY}",
    405: f"The API does not take this method here: check method and path of the feed; {_REPLAY}",
    409: "The API says that it conflicts with what is there: look there, whether it has arrived already.",
    413: f"It was too large for the API: send less of it; {_REPLAY}",
    415: f"The API does not take this kind of body: check the feed's body format; {_REPLAY}",
    429: f"The API was asked too often: wait a while, {_REPLAY}",
}
_UNKNOWN: Final = (
    "Look in the API's own records whether it has arrived. If it has, press “It has arrived”. If not, replay it. Sent "
    "twice, it may be there twice."
)


def next_step(run: FeedRun) -> str:
    """What a person does next; empty where nothing is to be done."""
    if run.status == Status.PENDING:
        return _of_pending(run)
    if run.status in {Status.FAILED, Status.DEAD} and run.outcome == Outcome.UNKNOWN:
        return _UNKNOWN
    if run.status == Status.DEAD and run.error == recorded.STOPPED:
        return f"The log of the workers says what stopped them. Once that is mended, {_REPLAY}"
    if run.status == Status.DEAD:
        return (
            f"It was tried as often as the feed says. Once the API answers again, replay it. {_of_answer(run)}".strip()
        )
    if run.status == Status.FAILED and run.error == AFTER:
        return _of_follower(run)
    if run.status == Status.FAILED:
        return _FAILED.get(run.error) or _of_answer(run) or f"Look at the attempts below; {_REPLAY}"
    return ""


def _of_pending(run: FeedRun) -> str:
    if run.next_attempt_at is None and run.waits_for_id is not None:
        return f"Nothing: it is sent once run #{run.waits_for_id} has succeeded."
    if run.feed.is_paused:
        return "The feed is paused: switch that off, and this is sent."
    if not run.feed.is_active:
        return "The feed is switched off: switch it on, and this is sent."
    if run.error == "not_ready":
        return "Make the connection ready, as the message says: what waits for it is sent then, by itself."
    until = run.connection.busy_until
    if until is not None and until > clock.now():
        return (
            f"Nothing: the API asked to be left alone until {moment(until)}, and this is sent by itself then. "
            "The page of the connection can end that."
        )
    return "Nothing: it is sent by itself."


def _of_follower(run: FeedRun) -> str:
    if run.waits_for is None:
        return f"It waits for no run any more: correct what the message says; {_REPLAY}"
    if may_follow(run.waits_for):
        return f"Run #{run.waits_for_id} has arrived since: replay this one, not that one."
    return f"Nothing is to be done here: replay run #{run.waits_for_id}, and this one waits for it again."


def _of_answer(run: FeedRun) -> str:
    code = run.status_code
    if code is None or run.outcome != Outcome.SENT:
        return ""
    if code in _ANSWERED:
        return _ANSWERED[code]
    if 400 <= code < 500:
        return f"The API refused what was sent: its answer below says why. Correct the mapping; {_REPLAY}"
    return "The API had an error of its own."
