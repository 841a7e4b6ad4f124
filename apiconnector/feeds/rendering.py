"""Fill a feed with data: the request it makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apiconnector.exceptions import ConfigurationError, FeedMisconfigured
from apiconnector.feeds import followers
from apiconnector.models import Feed, names
from apiconnector.models.names import Names
from apiconnector.templating import fill, fill_path

if TYPE_CHECKING:
    from apiconnector.models import Connection, FeedRun

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class FeedRequest:
    """A filled feed, as keyword arguments of ``requests.Session.request`` besides method and path."""

    method: str
    path: str
    arguments: dict[str, Any] = field(default_factory=dict)


def context_of(feed: Feed, run: FeedRun, connection: Connection) -> Names:
    """The names placeholders may use. Fixed names win over variables, variables over bare data keys."""
    if not isinstance(connection.variables, dict):
        raise ConfigurationError(f"“{connection}”: the variables must be a JSON object.")
    data = run.input
    values = {
        **data,
        **names.public(connection),
        "data": data,
        "client_id": "",
        "run": {"id": run.pk, "created_at": run.created_at.isoformat()},
        "now": run.created_at.isoformat(),
        "values": followers.values_of(run),
    }
    if feed.for_each or run.item is not None:
        values["item"] = run.item
    # Opened for sending: the client ID is bound to hosts as the other credentials are.
    return Names(connection, values, ["client_id"] if connection.client_id else [])


def render(feed: Feed, run: FeedRun, connection: Connection) -> FeedRequest:
    """The request a feed makes of a run's input.

    Raises ``FeedMisconfigured`` for a feed that could not have been saved in a form, ``TemplateError`` for a
    placeholder that can't be filled.
    """
    if not feed.is_sound and (problems := feed.problems()):
        name, message = next(iter(problems.items()))
        raise FeedMisconfigured(f"Feed “{feed.slug}”, {name}: {message}")
    context = context_of(feed, run, connection)
    arguments: dict[str, Any] = {}
    if feed.query:
        arguments["params"] = _pairs(fill(feed.query, context))
    headers = dict(_pairs(fill(feed.headers, context))) if feed.headers else {}
    if feed.idempotency_header:
        headers[feed.idempotency_header] = run.idempotency_key
    if headers:
        arguments["headers"] = headers
    if feed.body_format == Feed.BodyFormat.JSON:
        arguments["json"] = fill({} if feed.body is None else feed.body, context)
    elif feed.body_format == Feed.BodyFormat.FORM:
        arguments["data"] = _pairs(fill({} if feed.body is None else feed.body, context))
    return FeedRequest(feed.method, fill_path(feed.path, context), arguments)


def _pairs(value: Any) -> Pairs:
    """Name and text of each parameter; a list gives one pair for each item, and None none."""
    items = value.items() if isinstance(value, dict) else value
    return [
        (name, _text(item))
        for name, content in items
        for item in (content if isinstance(content, list) else [content])
        if item is not None
    ]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        raise FeedMisconfigured(
            "A query, header or form field holds an object: only texts, numbers and lists of them fit there."
        )
    return str(value)
