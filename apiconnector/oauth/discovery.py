"""Discovery: what a provider says of itself (RFC 8414, OpenID Connect Discovery 1.0).

A document is believed where its address follows from its own issuer: whoever answers there is that issuer. Nobody can
publish metadata for another one, and so have a browser or a code sent elsewhere (RFC 8414 section 6.2).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from apiconnector.exceptions import ConfigurationError, RequestRefused
from apiconnector.oauth.answer import is_page
from apiconnector.oauth.wire import TokenEndpointRequest, public_url
from apiconnector.oauth.words import MAX_NAME, plain_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apiconnector.oauth.wire import Answer, Send

#: The longest address that is read or kept, in characters.
MAX_ADDRESS: Final = 500
#: Scopes that are longer together are not kept: a provider may have thousands of them.
_MAX_SCOPES: Final = 1000
_MOST_ITEMS: Final = 100
_MOST_SCOPES: Final = 5000

_WELL_KNOWN: Final = "/.well-known/"
_OAUTH: Final = "oauth-authorization-server"
_OPENID: Final = "openid-configuration"

_ADDRESSES: Final = ("issuer", "authorization_endpoint", "token_endpoint", "revocation_endpoint")
_LISTS: Final = (
    "scopes_supported",
    "response_types_supported",
    "response_modes_supported",
    "grant_types_supported",
    "code_challenge_methods_supported",
    "token_endpoint_auth_methods_supported",
)
_PROMISE: Final = "authorization_response_iss_parameter_supported"

_HAS_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# Neither has a user name, a query or a fragment (RFC 8414 section 2).
_ISSUER = re.compile(r"(https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?)(/[^?#]*)?", re.IGNORECASE)
# The characters of RFC 3986 alone: braces would be read as a placeholder where addresses are filled in.
_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]+")
_ODD_SEGMENT = re.compile(r"//|/\.{1,2}(?:/|$)")
_PATH = re.compile(r"[A-Za-z0-9._~:/\[\]@!$&'()*+,;=%-]*")


class MetadataError(ConfigurationError):
    """A provider's metadata can't be used. ``member`` is what it is about; empty: the document, or the address."""

    def __init__(self, message: str, *, member: str = "") -> None:
        super().__init__(message)
        self.member = member


@dataclass(frozen=True)
class Asked:
    """Where the document may be, in the order to ask, and the issuers whose document it may then be."""

    urls: tuple[str, ...]
    issuers: tuple[str, ...]


@dataclass(frozen=True)
class Metadata:
    """What is used of a document, checked: its addresses are absolute, its lists hold texts.

    An address that is not stated is empty; lists that are not stated are what RFC 8414 section 2 says they are then.
    ``kept`` has the members under their own names as far as they were stated, and is read again by ``read()``.
    """

    issuer: str
    token_endpoint: str
    authorization_endpoint: str = ""
    revocation_endpoint: str = ""
    scopes_supported: tuple[str, ...] = ()
    response_types_supported: tuple[str, ...] = ("code",)
    response_modes_supported: tuple[str, ...] = ("query", "fragment")
    grant_types_supported: tuple[str, ...] = ("authorization_code", "implicit")
    code_challenge_methods_supported: tuple[str, ...] = ()
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False
    kept: Mapping[str, Any] = field(default_factory=dict, repr=False)


def asked_for(text: str) -> Asked:
    """What a person asks for who types an issuer, a host, or the address of a ``.well-known`` document.

    The slash at the end of an issuer does not count: it is taken off before the address of the document is made (RFC
    8414 section 3.1), so that the document is that of both, and which one it is, it says itself. Raises
    ``MetadataError`` for anything else.
    """
    text = text.strip()
    if not text:
        raise MetadataError("Enter the provider's issuer, such as https://accounts.example.com.")
    if len(text) > MAX_ADDRESS:
        raise MetadataError(f"Enter an address of at most {MAX_ADDRESS} characters.")
    parts = _ISSUER.fullmatch(text if _HAS_SCHEME.match(text) else f"https://{text}")
    path = (parts[2] or "") if parts else ""
    if parts is None or not _PATH.fullmatch(path) or _ODD_SEGMENT.search(path):
        raise MetadataError(
            "This is neither an issuer nor the address of a document. Enter one such as https://accounts.example.com, "
            "without a user name and without what follows ? or #."
        )
    origin = parts[1].lower()
    if (folder := f"{path.removesuffix('/')}/").endswith(_WELL_KNOWN):
        raise MetadataError(
            f"Enter the issuer, or the whole address of the document, such as {origin}{folder}{_OPENID}."
        )
    if _WELL_KNOWN not in path:
        base = path.removesuffix("/")
        return Asked(_documents(origin, base), _issuers(parts[1], base))
    before, _, rest = path.partition(_WELL_KNOWN)
    _, _, after = rest.partition("/")
    after = after.removesuffix("/")
    if before and after:
        raise MetadataError("No issuer has its document at this address: enter the issuer.")
    return Asked((origin + path,), _issuers(parts[1], before or (f"/{after}" if after else "")))


def _documents(origin: str, path: str) -> tuple[str, ...]:
    """RFC 8414 inserts, OpenID appends; servers do either with both names."""
    urls = (
        f"{origin}{_WELL_KNOWN}{_OAUTH}{path}",
        f"{origin}{path}{_WELL_KNOWN}{_OPENID}",
        f"{origin}{_WELL_KNOWN}{_OPENID}{path}",
        f"{origin}{path}{_WELL_KNOWN}{_OAUTH}",
    )
    return tuple(dict.fromkeys(urls))


def _issuers(origin: str, path: str) -> tuple[str, ...]:
    # A person may write scheme and host in capitals; the issuer is compared as a text.
    found = [f"{written}{path}{slash}" for written in (origin.lower(), origin) for slash in ("", "/")]
    return tuple(dict.fromkeys(found))


def discover(text: str, send: Send) -> Metadata:
    """Find and check the metadata of what a person typed; ``send`` bounds time and size, and follows no redirect.

    Raises ``MetadataError``, which says why there is none and what to do.
    """
    asked = asked_for(text)
    problems, others = [], []
    for url in asked.urls:
        try:
            answer = send(TokenEndpointRequest(url, {"Accept": "application/json"}, b"", method="GET"))
        except RequestRefused as error:
            # The other documents are on the same host.
            raise MetadataError(str(error)) from None
        document = _object(answer)
        if isinstance(document, str):
            problems.append(f"{url} {document}.")
        elif not isinstance(document.get("issuer"), str):
            problems.append(f"{url} is no metadata: it names no issuer.")
        elif document["issuer"] in asked.issuers:
            return read(document)
        else:
            others.append(
                f"The document at {url} is of another issuer: “{plain_words(document['issuer'], MAX_NAME)}”, not "
                f"“{asked.issuers[0]}”. It is not used: it could be somebody else's (RFC 8414 section 3.3). "
                "Enter the issuer as the provider's documentation gives it, letter by letter."
            )
    if others:
        raise MetadataError(others[0], member="issuer")
    raise MetadataError(
        f"No metadata was found. {' '.join(problems)} Compare the address with the provider's documentation; a "
        "provider without metadata is entered by hand."
    )


def _object(answer: Answer) -> dict[str, Any] | str:
    """The object in an answer, or what came in its place."""
    if 300 <= answer.status_code < 400:
        target = plain_words(public_url(answer.headers.get("location", "")), MAX_NAME)
        return f"answered with a redirect{f' to {target}' if target else ''}, which is not followed"
    if answer.status_code != 200:
        return f"answered with status {answer.status_code}"
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return "is a page (HTML), not JSON" if is_page(answer.body) else "is not JSON"
    return document if isinstance(document, dict) else "is not a JSON object"


def read(document: Mapping[str, Any]) -> Metadata:
    """Check the members that are used, and leave out the rest. Raises ``MetadataError`` with the member.

    Whose document it is has been looked at before.
    """
    values: dict[str, Any] = {}
    for name in _ADDRESSES:
        if document.get(name) not in (None, ""):
            values[name] = _address(name, document[name])
    for name in ("issuer", "token_endpoint"):
        if name not in values:
            raise MetadataError(
                f"The provider's metadata names no {name}. Enter what is missing by hand, from the provider's "
                "documentation.",
                member=name,
            )
    for name in _LISTS:
        if document.get(name) is not None:
            values[name] = _texts(name, document[name])
    if document.get(_PROMISE) is True:
        values[_PROMISE] = True
    kept = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    if len(" ".join(values.get("scopes_supported", ()))) > _MAX_SCOPES:
        del kept["scopes_supported"]
    return Metadata(**values, kept=kept)


def _address(name: str, value: Any) -> str:
    if isinstance(value, str) and len(value) <= MAX_ADDRESS and _ADDRESS.fullmatch(value):
        return value
    shown = f": “{plain_words(value, MAX_NAME)}”" if isinstance(value, str) else ""
    raise MetadataError(
        f"The provider's metadata has no usable address as its {name}{shown}. It begins with https://, holds no "
        f"fragment, space or brace and has at most {MAX_ADDRESS} characters. Enter what the provider's documentation "
        "says by hand.",
        member=name,
    )


def _texts(name: str, value: Any) -> tuple[str, ...]:
    most = _MOST_SCOPES if name == "scopes_supported" else _MOST_ITEMS
    if isinstance(value, list) and len(value) <= most and all(map(_is_name, value)):
        return tuple(value)
    raise MetadataError(
        f"The provider's metadata can't be used: its {name} is no list of at most {most} short texts. Tell the "
        "provider, and enter what its documentation says by hand.",
        member=name,
    )


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_NAME and value.isprintable()
