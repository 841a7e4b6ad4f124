"""What a feed would send of sample data: the exact request, without sending it and without asking for a token."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import requests

from apiconnector.exceptions import ApiConnectorError, ExpressionError
from apiconnector.feeds import bodies, conditions
from apiconnector.feeds.data import plain_data
from apiconnector.feeds.rendering import FeedRequest, arguments, fill_feed, hide_written_down
from apiconnector.feeds.uploads import Uploads, fit_name, fit_type
from apiconnector.models import FeedRun, status
from apiconnector.models.session import open_preview
from apiconnector.redaction import REDACTED
from apiconnector.templating import REFERENCE, references, search, truth

if TYPE_CHECKING:
    from collections.abc import Callable

    from apiconnector.models import Feed

#: What ``{{ run.id }}`` gives: a run has its number once it is kept.
SAMPLE_ID: Final = 1
_KEY: Final = re.compile(r"[0-9a-f]{32}")
_HIDDEN: Final = frozenset({"authorization", "proxy-authorization", "cookie"})


@dataclass
class Preview:
    """The request a feed would send, redacted; as much of it as can be made. ``problems`` say what keeps it from that.

    A file is shown by its name and size. ``url`` is the path alone where the whole address is not known, and empty
    where there is no request.
    """

    method: str
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    problems: list[str] = field(default_factory=list)


class _Samples(Uploads):
    """Sample data may name a file that is nowhere, as ``{"$file": "cv.pdf"}``."""

    def allows(self, reference: Any) -> bool:
        """Whether it has a name."""
        return isinstance(reference.get(REFERENCE), str)


def preview(feed: Feed, data: Any) -> Preview:
    """The request that a feed makes of sample data. Never raises: what is wrong is among its problems.

    Nothing is sent and nothing kept; no secret of the connection's method is opened. The feed need not be saved, nor be
    valid. ``data`` is what a form handler would submit, with uploaded files or ``{"$file": "cv.pdf", "size": 5000}``.
    Where the feed waits for another one, the object ``values`` in it is what that one keeps. Of a feed with
    ``for_each`` it is the request of the first item.
    """
    shown = Preview(feed.method)
    shown.problems += [f"{name}: {message}" for name, message in feed.problems().items()]
    if shown.problems:
        return shown
    connection = feed.connection
    try:
        sample = _sample(feed, data, shown)
        if sample is None:
            return shown
        run, values = sample
        hide_written_down(feed, connection)
        request = fill_feed(feed, run, connection, values)
    except ApiConnectorError as error:
        shown.problems.append(connection.redactor()(str(error)))
        return shown
    state = status.of(connection)
    if state.status in status.NEEDS_PERSON or state.status == status.Status.INACTIVE:
        shown.problems.append(f"The connection is not ready: {state.reason}")
    _show(shown, feed, run, request)
    return shown


def _sample(feed: Feed, data: Any, shown: Preview) -> tuple[FeedRun, dict[str, Any]] | None:
    """The run that there would be, and what it has from those it waits for; None where there would be none."""
    plain = plain_data(data, _Samples())
    values = plain.pop("values") if feed.after_id is not None and isinstance(plain.get("values"), dict) else {}
    for reference in references(plain):
        _complete(reference)
    run = FeedRun(pk=SAMPLE_ID, feed=feed, connection=feed.connection, input=plain)
    if feed.condition and not truth(_evaluated("condition", search, feed.condition, plain)):
        shown.problems.append("The condition is false for this data: nothing would be sent.")
    if feed.for_each:
        items = _evaluated("for_each", conditions.items_of, feed, plain)
        if not items:
            shown.problems.append("“For each” finds no items in this data: nothing would be sent.")
            return None
        run.item, run.input = items[0], conditions.data_with(feed, plain, items[0])
    return run, values


def _evaluated(name: str, evaluate: Callable[..., Any], *arguments: Any) -> Any:
    """What a rule of the feed gives; an error of it says, as that of a run does, which one it is."""
    try:
        return evaluate(*arguments)
    except ExpressionError as error:
        raise ExpressionError(f"{name}: {error}") from None


def _complete(reference: dict[str, Any]) -> None:
    """Give a sample file what an uploaded one has: whatever was typed, a name, a type and a size."""
    given = reference[REFERENCE]
    name, kind, size = (reference.get(part) for part in ("name", "content_type", "size"))
    reference["name"] = fit_name(name if isinstance(name, str) else given)
    reference["content_type"] = fit_type(kind)
    reference["size"] = size if isinstance(size, int) and size >= 0 else 0
    if not _KEY.fullmatch(given):
        reference[REFERENCE] = uuid.uuid4().hex


def _show(shown: Preview, feed: Feed, run: FeedRun, request: FeedRequest) -> None:
    connection, files = feed.connection, bodies.referred(run.input)
    key = {feed.idempotency_header: run.idempotency_key} if feed.idempotency_header else {}
    given = arguments(request, connection, files, bodies.Shown(), key)
    try:
        with open_preview(connection) as session:
            prepared = session.prepare_request(requests.Request(request.method, request.path, **given))
        url = prepared.url or ""
    except Exception as error:  # noqa: BLE001 - a site's own method may raise whatever it likes
        shown.problems.append(_reason(error, connection.redactor()))
        # The rest is what requests makes of it, without what the connection adds.
        given = {name: value for name, value in given.items() if name not in {"params", "headers"}}
        prepared = requests.Request(request.method, "https://unknown.invalid", **given).prepare()
        url = request.path
    redact = connection.redactor()
    shown.url = redact(_unquoted(url))
    shown.headers = {name: redact(_header(name, value)) for name, value in prepared.headers.items()}
    if files:
        shown.headers.pop("Content-Length", None)  # that of the names
    body = prepared.body
    shown.body = redact(_unquoted(body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")))


def _reason(error: Exception, redact: Any) -> str:
    if isinstance(error, ApiConnectorError):
        return str(redact(str(error)))
    if isinstance(error, requests.RequestException):
        return "The request can't be made: check path, query and headers of the feed."
    return f"What the connection adds can't be shown ({type(error).__name__})."


def _unquoted(text: str) -> str:
    return text.replace("%5Bredacted%5D", REDACTED)


def _header(name: str, value: Any) -> str:
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    if name.lower() not in _HIDDEN:
        return text
    scheme, space, _ = text.partition(" ")
    return f"{scheme} {REDACTED}" if space else REDACTED
