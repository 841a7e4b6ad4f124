"""What the fake providers share: requests as they came, routes by method, host and path, and tokens that are counted.

A fake takes what its provider's documentation names and nothing else, and refuses in the provider's own kind of answer.
"""

from __future__ import annotations

import base64
import hashlib
import json
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl, urlencode

from apiconnector.presets import find

if TYPE_CHECKING:
    from collections.abc import Callable

CLIENT_ID, CLIENT_SECRET = "client-of-tests", "canary-client-secret"
CODE_METHOD, CREDENTIALS_METHOD = "oauth2_authorization_code", "oauth2_client_credentials"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


@dataclass(frozen=True)
class Request:
    method: str
    host: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0]

    @property
    def form(self) -> dict[str, str]:
        """The form; nothing for another kind of body, as a server that wants one sees it."""
        return dict(parse_qsl(self.body.decode())) if self.content_type == FORM else {}

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads(self.body) if self.content_type == JSON else {}
        return found if isinstance(found, dict) else {}

    @property
    def authorization(self) -> str:
        return self.headers.get("authorization", "")

    @property
    def basic(self) -> tuple[str, str]:
        """User name and password; both empty without Basic."""
        scheme, _, encoded = self.authorization.partition(" ")
        name, _, password = base64.b64decode(encoded if scheme == "Basic" else "").decode().partition(":")
        return name, password

    @property
    def text(self) -> str:
        """All of it, to look for a credential in."""
        return f"{self.host}{self.path}{self.query}{self.headers}{self.body.decode()}"


@dataclass(frozen=True)
class Reply:
    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """A provider's own kind of refusal."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status)
        self.reply = Reply(status, body)


@dataclass(frozen=True)
class Story:
    """How it went with one provider, from the press on Authorize to the end of the grant."""

    values: dict[str, Any] = field(default_factory=dict)
    scope: str = ""
    #: Seconds, to the nearest ten; None where no end is known.
    lifetime: float | None = 3600
    refresh_lifetime: float | None = None
    label: str = ""
    account: str = ""
    called: str = "200"
    #: Whether another token was there before the end of the first.
    renewed_ahead: bool = True
    #: What the caller gets once the provider has ended the access token, and the grant.
    expired: str = "200"
    dead: str = "AuthorizationRequired"
    status: str = "needs_reauthorization"
    #: The status once it is authorized again, and whether Disconnect then revokes the token at the provider.
    again: str = "authorized"
    revoked: bool = False
    #: Where it broke off.
    ended: str = ""


def route(method: str, host: str, path: str) -> Callable[[Any], Any]:
    """Answer requests to this address with a method of the fake."""

    def mark(function: Any) -> Any:
        function.routes = [*getattr(function, "routes", ()), (method, host, path)]
        return function

    return mark


def preset(slug: str, *, dialect: dict[str, Any] | None = None, **columns: Any) -> dict[str, Any]:
    """The fields of a preset as it is shipped, with what is entered beside it."""
    found = find(slug)
    assert found is not None
    fields = found.fields
    if dialect:
        fields["dialect"] = {**fields.get("dialect", {}), **dialect}
    return {**fields, **columns}


class Fake:
    """A provider. Subclasses say its ways; this one counts tokens."""

    slug: ClassVar[str]
    hosts: ClassVar[tuple[str, ...]]
    #: The columns of the connection, as somebody enters them.
    fields: ClassVar[dict[str, Any]]
    #: The slug of the preset they come from, if there is one.
    begins_with: ClassVar[str] = ""
    #: Columns that are this account's own.
    entered: ClassVar[dict[str, Any]] = {}
    #: A call of the API: method, path, and what else requests is told.
    call: ClassVar[tuple[str, str, dict[str, Any]]] = ("GET", "me", {})
    story: ClassVar[Story]
    #: Whether a refresh carries the client secret.
    refresh_has_secret: ClassVar[bool] = True
    #: The status after a code that was used before: some providers don't tell that from a wrong request.
    used_code: ClassVar[str] = "not_authorized"
    #: Places in the fields that this fake can't tell from their absence.
    unseen: ClassVar[frozenset[str]] = frozenset()
    rotates: ClassVar[bool] = True

    def __init__(self) -> None:
        self.client_secret = CLIENT_SECRET
        self.code = self.redirect_uri = self.challenge = ""
        self.access = self.refresh = ""
        self.count = 0
        self.asked: list[Request] = []
        self.revoked = ""
        self.routes = {
            address: getattr(self, name)
            for name in dir(type(self))
            for address in getattr(getattr(type(self), name), "routes", ())
        }

    def columns(self) -> dict[str, Any]:
        """The columns to create a connection with."""
        names = {"name": self.slug.title(), "slug": self.slug, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        return {**names, **deepcopy(self.fields), **deepcopy(self.entered)}

    def answer(self, request: Request) -> Reply:
        self.asked.append(request)
        handler = self.routes.get((request.method, request.host, request.path))
        if handler is None:
            return Reply(404, {"message": f"{request.method} {request.host}{request.path} is nowhere"})
        try:
            found = handler(request)
        except RefusedError as refused:
            return refused.reply
        return found if isinstance(found, Reply) else Reply(200, found)

    # What a fake is made of

    def malformed(self, why: str) -> RefusedError:
        """The provider's answer to a request that is not what it wants."""
        return RefusedError(400, {"error": "invalid_request", "error_description": why})

    def takes(self, given: dict[str, Any], required: str, optional: str = "") -> None:
        """Refuse parameters that are not exactly the documented ones, or are empty."""
        needed, known = set(required.split()), set(f"{required} {optional}".split())
        if not needed <= set(given) <= known or not all(given.values()):
            raise self.malformed(f"wrong parameters: {sorted(set(given) ^ needed)}")

    def must(self, condition: object, refusal: RefusedError) -> None:
        if not condition:
            raise refusal

    def back(self, request: Request, *, code_name: str = "code", **more: str) -> Reply:
        """Consent, and send the browser back with a code."""
        self.count += 1
        # Encoded once; it holds what some do.
        self.code = f"{self.slug}/code*{self.count}!"
        self.redirect_uri = request.query["redirect_uri"]
        self.challenge = request.query.get("code_challenge", "")
        sent = {code_name: self.code, "state": request.query["state"], **more}
        return Reply(302, "", {"Location": f"{self.redirect_uri}?{urlencode(sent)}"})

    def spend(self, code: str | None) -> bool:
        """Whether it is the code; it is spent."""
        known, self.code = self.code, ""
        return bool(known) and code == known

    def proves(self, verifier: str) -> bool:
        """Whether a verifier belongs to the challenge (RFC 7636 section 4.6)."""
        digest = hashlib.sha256(verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=") == self.challenge != ""

    def issue(self) -> None:
        """Another access token, and another refresh token where they change."""
        self.count += 1
        self.access = f"access-{self.slug}-{self.count}"
        if self.rotates or not self.refresh:
            self.refresh = f"refresh-{self.slug}-{self.count}"

    def knows(self, token: str | None) -> bool:
        return bool(self.access) and token == self.access

    def expire(self) -> None:
        """End the access token."""
        self.access = ""

    def kill(self) -> None:
        """End the grant."""
        self.access = self.refresh = ""
