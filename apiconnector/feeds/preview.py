"""What a feed would send of sample data: the exact request, without sending it and without asking for a token."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import requests

from apiconnector.exceptions import ApiConnectorError
from apiconnector.feeds import bodies
from apiconnector.feeds.data import plain_data
from apiconnector.feeds.rendering import FeedRequest, arguments, fill_feed
from apiconnector.feeds.uploads import Uploads
from apiconnector.models import FeedRun, status
from apiconnector.models.session import open_preview
from apiconnector.redaction import REDACTED
from apiconnector.templating import REFERENCE, references, search, truth

if TYPE_CHECKING:
    from apiconnector.models import Feed

#: What ``{{ run.id }}`` gives: a run has its number once it is kept.
SAMPLE_ID: Final = 1
_KEY: Final = re.compile(r"[0-9a-f]{32}")
_HIDDEN: Final = frozenset({"authorization", "proxy-authorization", "cookie"})


@dataclass
class Preview:
    """The request a feed would send, redacted; as much of it as can be made. ``problems`` say what keeps it from that.

    A file is shown by its name and size. ``url`` is the path alone where the whole address is not known.
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
    """
    shown = Preview(feed.method, feed.path)
    shown.problems += [f"{name}: {message}" for name, message in feed.problems().items()]
    if shown.problems:
        return shown
    connection = feed.connection
    try:
        run = _sample(feed, data, shown)
        request = fill_feed(feed, run, connection)
    except ApiConnectorError as error:
        shown.problems.append(connection.redactor()(str(error)))
        return shown
    state = status.of(connection)
    if state.status in status.NEEDS_PERSON or state.status == status.Status.INACTIVE:
        shown.problems.append(f"The connection is not ready: {state.reason}")
    _show(shown, feed, run, request)
    return shown


def _sample(feed: Feed, data: Any, shown: Preview) -> FeedRun:
    plain = plain_data(data, _Samples())
    for reference in references(plain):
        _complete(reference)
    run = FeedRun(pk=SAMPLE_ID, feed=feed, connection=feed.connection, input=plain)
    if feed.condition and not truth(search(feed.condition, plain)):
        shown.problems.append("The condition is false for this data: nothing would be sent.")
    if feed.for_each:
        items = search(feed.for_each, plain)
        if not isinstance(items, list) or not items:
            shown.problems.append("“For each” finds no list with items in this data: nothing would be sent.")
        else:
            run.item = items[0]
    return run


def _complete(reference: dict[str, Any]) -> None:
    """Give a sample file what an uploaded one has."""
    given = reference[REFERENCE]
    known = {"name": given, "content_type": "", "size": 0}
    reference.update({name: reference.get(name, default) for name, default in known.items()})
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
