"""Fill a feed with data: the request it makes, once for each run, and what is handed to requests for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import requests

from apiconnector.client.headers import check_headers
from apiconnector.exceptions import ConfigurationError, FeedMisconfigured, TemplateError
from apiconnector.feeds import bodies, followers
from apiconnector.feeds.files import FromStorage
from apiconnector.models import Feed, names
from apiconnector.models.names import Names
from apiconnector.redaction import literal_secrets, remember
from apiconnector.templating import Empty, fill_pairs, fill_path

if TYPE_CHECKING:
    from django.core.files.base import File

    from apiconnector.feeds.bodies import Contents
    from apiconnector.models import Connection, FeedRun

#: Without one a missing name is an error, and empty values are what they are.
_RULES: Final = {rule.value: rule for rule in Empty}


@dataclass
class FeedRequest:
    """A filled feed: JSON, in which files are referred to. It holds no credential and no idempotency key.

    ``arguments`` are those of ``requests.Session.request`` besides method and path. ``shown_body`` is what is kept of a
    body with files: their names instead of their content; None: the body as it was sent. To be used as a context, which
    closes the files.
    """

    method: str
    path: str
    params: list[list[str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    body_format: str = Feed.BodyFormat.NONE.value
    body: Any = None
    #: The header that the idempotency key is sent in, as of the latest attempt.
    key_header: str = ""
    #: The connection it was sent by, likewise.
    connection_id: int | None = None
    #: Whether the API may have acted on an attempt before: the status it answered with, 0 for none; None: it has not.
    in_doubt: int | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    shown_body: str | None = None
    #: The files that were opened for it.
    opened: list[File[bytes]] = field(default_factory=list, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self.opened:
            file.close()

    def frozen(self) -> dict[str, Any]:
        """What a run keeps of it, to send the same again."""
        return {
            "method": self.method,
            "path": self.path,
            "params": self.params,
            "headers": self.headers,
            "body_format": self.body_format,
            "body": self.body,
            "key_header": self.key_header,
            "connection_id": self.connection_id,
            "in_doubt": self.in_doubt,
        }


def context_of(feed: Feed, run: FeedRun, connection: Connection, values: dict[str, Any] | None = None) -> Names:
    """The names placeholders may use. Fixed names win over variables, variables over bare data keys.

    ``values`` stand in for what the runs have kept that this one waited for.
    """
    if not isinstance(connection.variables, dict):
        raise ConfigurationError(f"“{connection}”: the variables must be a JSON object.")
    data = run.input
    known = {
        **data,
        **names.public(connection),
        "data": data,
        "client_id": "",
        "run": {"id": run.pk, "created_at": run.created_at.isoformat()},
        "now": run.created_at.isoformat(),
        "values": followers.values_of(run) if values is None else values,
    }
    if feed.for_each or run.item is not None:
        known["item"] = run.item
    # Opened for sending: the client ID is bound to hosts as the other credentials are.
    return Names(connection, known, ["client_id"] if connection.client_id else [])


def render(feed: Feed, run: FeedRun, connection: Connection) -> FeedRequest:
    """The request a feed makes of a run's input; the one that the run made at its first attempt, if it made one.

    Raises ``FeedMisconfigured`` for a feed that could not have been saved in a form, ``TemplateError`` for a
    placeholder that can't be filled, ``FileUnavailableError`` for a file that can't be read.
    """
    hide_written_down(feed, connection)
    request = FeedRequest(**run.request) if run.request is not None else fill_feed(feed, run, connection)
    files = bodies.referred(run.input)
    if files:
        run.file_keys = files.keys()
        request.shown_body = _shown_body(request, files)
    sent = bodies.Sent(run.file_source or FromStorage(run), request.opened)
    request.key_header, request.connection_id = feed.idempotency_header, connection.pk
    key = {request.key_header: run.idempotency_key} if request.key_header else {}
    request.arguments = arguments(request, connection, files, sent, key)
    return request


def method_of(feed: Feed, run: FeedRun) -> str:
    """The method of a run's request: what it was at the first attempt."""
    return str(run.request["method"]) if run.request is not None else feed.method


def fill_feed(feed: Feed, run: FeedRun, connection: Connection, values: dict[str, Any] | None = None) -> FeedRequest:
    """The request a feed makes of a run's input, without what is sent of it. Raises what ``render`` raises.

    ``values`` as of ``context_of``.
    """
    if not feed.is_sound and (problems := feed.problems()):
        name, message = next(iter(problems.items()))
        raise FeedMisconfigured(f"Feed “{feed.slug}”, {name}: {message}")
    context = context_of(feed, run, connection, values)
    rule = _RULES.get(feed.empty_values)
    params = bodies.texts(fill_pairs(feed.query, context, rule)) if feed.query else []
    headers = bodies.texts(fill_pairs(feed.headers, context, rule)) if feed.headers else []
    body_format, body = bodies.filled(feed, context, rule)
    path = fill_path(feed.path, context, may_be_empty=False)
    if files := bodies.referred(run.input):
        bodies.check_no_content([path, params, headers], files)
    return FeedRequest(feed.method, path, params, _joined(headers), body_format, body)


def hide_written_down(feed: Feed, connection: Connection) -> None:
    """Keep credentials that were typed into a feed, instead of into its connection, out of what is shown and kept."""
    for given in (feed.query, feed.headers, feed.body):
        texts = literal_secrets(given)
        if isinstance(given, list):
            # Pairs say the same as an object.
            pairs = [pair for pair in given if isinstance(pair, list) and len(pair) == 2]
            texts += [text for name, value in pairs for text in literal_secrets({str(name): value})]
        connection.opened.update(texts)
        for text in texts:
            remember(text)


def _joined(pairs: list[list[str]]) -> dict[str, str]:
    """Headers by their names; what has several values is one line (RFC 9110 section 5.3), for requests sends one."""
    lines: dict[str, str] = {}
    names: dict[str, str] = {}
    for given, text in pairs:
        name = names.setdefault(given.lower(), given)
        lines[name] = f"{lines[name]}, {text}" if name in lines else text
    try:
        check_headers(lines)
    except requests.exceptions.InvalidHeader as error:
        # It names the header, and holds nothing of its value.
        raise TemplateError(str(error)) from None
    return lines


def arguments(
    request: FeedRequest, connection: Connection, files: bodies.References, contents: Contents, key: dict[str, str]
) -> dict[str, Any]:
    """What is handed to requests; ``key`` is the header with the idempotency key. Raises ``FileUnavailableError``."""
    found, content_type = bodies.arguments(request.body_format, request.body, files, contents)
    headers: dict[str, str | None] = {**request.headers, **key}
    has_own, has_default = _names_content_type(request.headers), _names_content_type(connection.default_headers)
    if request.body_format == bodies.Format.MULTIPART and (has_own or has_default):
        # requests writes its own, with the boundary, without which nobody can read the body; None lets go a default.
        headers = {name: text for name, text in headers.items() if name.lower() != "content-type"}
        headers["Content-Type"] = None
    elif request.body_format == bodies.Format.FORM and has_default and not has_own:
        # That of a connection is about JSON, or text.
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    elif content_type and not has_own and not has_default:
        headers["Content-Type"] = content_type
    if request.params:
        found["params"] = [(name, text) for name, text in request.params]
    if headers:
        found["headers"] = headers
    return found


def _names_content_type(headers: Any) -> bool:
    # What is no object is said where the session is configured.
    return isinstance(headers, dict) and any(str(name).lower() == "content-type" for name in headers)


def _shown_body(request: FeedRequest, files: bodies.References) -> str | None:
    found, _ = bodies.arguments(request.body_format, request.body, files, bodies.Shown())
    prepared = requests.Request(request.method, "https://shown.invalid", **found).prepare()
    body = prepared.body
    return body.decode("utf-8", "replace") if isinstance(body, bytes) else body
