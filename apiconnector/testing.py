"""For a site's own tests, with unittest and pytest alike: a connection whose API is faked, and delivery on the spot."""

from __future__ import annotations

import json as json_module
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any
from unittest import mock
from urllib.parse import urlsplit

import requests
from django.db import router
from django.test import TestCase
from urllib3 import HTTPResponse

from apiconnector.client import Destinations, shared_adapter
from apiconnector.feeds.delivery import send_due
from apiconnector.fields import EncryptedTextField
from apiconnector.models import Connection, FeedRun, Token, hosts, names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from requests import PreparedRequest, Response

__all__ = ["FakeApi", "delivered", "fake_connection"]

#: The token a faked OAuth connection has.
ACCESS_TOKEN = "fake-access-token"  # noqa: S105 - opens nothing


@dataclass(frozen=True)
class _Canned:
    """One answer: a body with its status and headers, or an error to raise."""

    body: bytes | Exception
    status: int
    headers: Mapping[str, str]


@dataclass
class FakeApi:
    """The API behind a faked connection: answers what it was told, and keeps what was sent.

    ``requests`` are the prepared requests in the order they were sent, as they would have gone out: with the
    ``Authorization`` header, and also those of the token endpoint.
    """

    connection: Connection
    requests: list[PreparedRequest] = field(default_factory=list)
    _canned: dict[tuple[str, str], list[_Canned]] = field(default_factory=dict, repr=False)

    def add(
        self,
        method: str,
        path: str,
        body: str | bytes | Exception = b"",
        *,
        json: Any = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer ``method`` on ``path`` (below the base URL, or a whole address of the connection) like this.

        A query is not compared. Answers for the same request are given in order, and the last one stays. An exception
        as ``body`` is raised, such as ``requests.ConnectTimeout()``. ``DestinationRefused`` for a path that the
        connection would not send to.

        Without any call everything is answered ``200 {}``; after the first, what was not added is answered 404.
        """
        content = json_module.dumps(json).encode() if json is not None else body
        if isinstance(content, str):
            content = content.encode()
        kind = "application/json" if json is not None else "text/plain; charset=utf-8"
        canned = _Canned(content, status, {"Content-Type": kind, **(headers or {})})
        connection = self.connection
        address = Destinations(connection.address("base_url"), connection.filled_allowed_hosts).join(path)
        # Prepared as the real one will be, so that both are encoded alike.
        prepared = requests.Request(method.upper(), address).prepare()
        self._canned.setdefault(_key(prepared), []).append(canned)

    def serves(self, request: PreparedRequest) -> bool:
        """Whether a request goes to one of the connection's hosts."""
        return not hosts.new_among(frozenset({hosts.of_address(request.url or "")}), self.connection.secret_hosts())

    def answer(self, request: PreparedRequest) -> Response:
        """Keep a request and answer it; raises what was canned."""
        self.requests.append(request)
        canned = self._next(request)
        if isinstance(canned.body, Exception):
            raise canned.body
        raw = HTTPResponse(
            body=BytesIO(canned.body),
            headers=dict(canned.headers),
            status=canned.status,
            reason=_reason(canned.status),
            request_method=request.method,
            preload_content=False,
        )
        return shared_adapter().build_response(request, raw)

    def _next(self, request: PreparedRequest) -> _Canned:
        answers = self._canned.get(_key(request))
        if answers:
            return answers.pop(0) if len(answers) > 1 else answers[0]
        if (request.url or "").partition("?")[0] in self._token_addresses():
            return _json({"access_token": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 3600})
        if not self._canned:
            return _json({})
        known = ", ".join(" ".join(key) for key in self._canned)
        return _json({"error": f"No answer was added for {' '.join(_key(request))}, but for {known}."}, 404)

    def _token_addresses(self) -> set[str]:
        connection = self.connection
        found = {connection.address(column) for column in ("token_url", "refresh_url")} - {""}
        declared = connection.read_dialect()
        for request in filter(None, (declared.login, declared.second_token)):
            found.add(connection.declared_address(request, names.for_sending(connection)))
        return {address.partition("?")[0] for address in found}


@contextmanager
def fake_connection(slug: str, **fields: Any) -> Iterator[FakeApi]:
    """A saved connection whose API is faked as long as the block lasts; nothing reaches the network.

    ``fields`` are those of ``Connection``. What is not said is plausible: a bearer token at ``https://<slug>.example/``,
    and for another ``auth_method`` whatever it needs, as ``fake-<field>``; an OAuth connection is authorized.
    Requests of other connections go on as before.

    The row is left to the test's rollback. ``ValidationError`` for a connection that could not be saved in the admin.
    """
    fields = {"name": slug, "base_url": f"https://{slug.lower()}.example/", "auth_method": "bearer", **fields}
    connection = Connection(slug=slug, **fields)
    for name in connection.method.fields:
        wanted = name not in connection.method.optional or isinstance(
            Connection._meta.get_field(name), EncryptedTextField
        )
        if wanted and name not in fields:
            setattr(connection, name, _plausible(name, connection.base_url))
    if connection.auth_method == "login" and not connection.dialect:
        connection.dialect = {"login": {"url": "login", "body": {"user": "{{ username }}", "pass": "{{ password }}"}}}
    connection.full_clean()
    connection.save()
    if connection.method.uses_token:
        Token.objects.create(connection=connection, access_token=ACCESS_TOKEN)
    api = FakeApi(connection)
    adapter = shared_adapter()
    real_send = adapter.send

    def send(request: PreparedRequest, **kwargs: Any) -> Response:
        return api.answer(request) if api.serves(request) else real_send(request, **kwargs)

    with mock.patch.object(adapter, "send", send):
        yield api


@contextmanager
def delivered() -> Iterator[list[FeedRun]]:
    """Do at the end of the block what a commit would do: run its on-commit callbacks, and send what was submitted.

    For ``TestCase`` and pytest's ``db``, whose transactions never commit; where they do, it works too. Whatever
    ``TASKS`` says, each run that was submitted in the block has been sent once, if it was due. Gives a list, which
    holds the runs of the block in order, and as they are afterwards, once the block has ended.
    """
    using = router.db_for_write(FeedRun)
    rows = FeedRun.objects.using(using).order_by("pk")
    last = rows.values_list("pk", flat=True).last() or 0
    runs: list[FeedRun] = []
    with TestCase.captureOnCommitCallbacks(using=using, execute=True):
        yield runs
    new = rows.filter(pk__gt=last)
    # What a backend with workers, or one that only takes notes, has not sent.
    send_due(list(new.filter(started_at=None).values_list("pk", flat=True)))
    runs.extend(new.select_related("feed", "connection"))


def _plausible(name: str, base_url: str) -> str:
    if name.endswith("_url"):
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(base_url))
        return f"{origin}/oauth/{name.removesuffix('_url')}"
    return f"fake-{name.replace('_', '-')}"


def _key(request: PreparedRequest) -> tuple[str, str]:
    return request.method or "", (request.url or "").partition("?")[0]


def _json(content: Any, status: int = 200) -> _Canned:
    return _Canned(json_module.dumps(content).encode(), status, {"Content-Type": "application/json"})


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
