"""How a client authenticates at the token endpoint (RFC 6749 section 2.3): one class for each way."""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus

from apiconnector.redaction import remember

if TYPE_CHECKING:
    from collections.abc import Callable

#: RFC 6749 section 2.3.1 says form-encoded; many servers take percent-encoding, or no encoding at all.
_ENCODINGS: Final[dict[str, Callable[[str], str]]] = {
    "percent": partial(quote, safe=""),
    "form": quote_plus,
    "raw": str,
}


@dataclass(frozen=True)
class ClientAuthentication(ABC):
    """A client's identity and the proof of it. It knows nothing of the grant it goes with."""

    client_id: str
    client_secret: str = field(repr=False)
    #: How both are encoded before the Base64 of ``client_secret_basic``: ``percent``, ``form`` or ``raw``.
    basic_encoding: str = "percent"

    @abstractmethod
    def authenticate(self, params: dict[str, str], headers: dict[str, str]) -> None:
        """Add the credentials to the form parameters or to the headers; never to both (RFC 6749 section 2.3)."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts that must not appear in anything that is shown."""
        return (self.client_secret,)

    @property
    def hint(self) -> str:
        """What to try when the provider doesn't accept these credentials; empty where there is nothing to say."""
        return ""

    @property
    def fallback(self) -> ClientAuthentication | None:
        """The way that every server has to accept from such a client, where this is another one."""
        return None


class ClientSecretPost(ClientAuthentication):
    """``client_secret_post``: ID and secret in the form (RFC 6749 section 2.3.1)."""

    def authenticate(self, params: dict[str, str], headers: dict[str, str]) -> None:  # noqa: ARG002 - the interface
        """Add ``client_id`` and ``client_secret`` to the form."""
        params["client_id"] = self.client_id
        if self.client_secret:
            params["client_secret"] = self.client_secret

    @property
    def fallback(self) -> ClientAuthentication | None:
        """The header: RFC 6749 section 2.3.1 leaves the form to the server, and the header not."""
        if not self.client_secret:
            return None
        return ClientSecretBasic(self.client_id, self.client_secret, self.basic_encoding)


class ClientSecretBasic(ClientAuthentication):
    """``client_secret_basic``: ID and secret in the ``Authorization`` header (RFC 6749 section 2.3.1, RFC 7617)."""

    def authenticate(self, params: dict[str, str], headers: dict[str, str]) -> None:  # noqa: ARG002 - the interface
        """Set ``Authorization``."""
        remember(self._credentials)
        headers["Authorization"] = f"Basic {self._credentials}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secret, and what the header holds."""
        return (self.client_secret, self._credentials)

    @property
    def hint(self) -> str:
        """Servers disagree on the encoding before base64; letters and digits are the same in all of them."""
        secret = self.client_secret
        if secret.isascii() and secret.isalnum() and quote(self.client_id, safe="") == self.client_id:
            return ""
        others = " or ".join(f"“{name}”" for name in _ENCODINGS if name != self.basic_encoding)
        return (
            "The credentials hold characters other than letters and digits, which servers read differently in this "
            "header: try the client authentication client_secret_post, or in the dialect the basic_encoding "
            f"{others}."
        )

    @property
    def _credentials(self) -> str:
        encode = _ENCODINGS[self.basic_encoding]
        joined = f"{encode(self.client_id)}:{encode(self.client_secret)}"
        return base64.b64encode(joined.encode()).decode("ascii")


class PublicClient(ClientAuthentication):
    """``none``: a client without a secret says who it is in the form (RFC 6749 section 3.2.1)."""

    def authenticate(self, params: dict[str, str], headers: dict[str, str]) -> None:  # noqa: ARG002 - the interface
        """Add ``client_id`` to the form; a secret is never sent."""
        params["client_id"] = self.client_id


#: The ways by their names in the registry of RFC 7591 section 4.2.
CLIENT_AUTHENTICATIONS: dict[str, type[ClientAuthentication]] = {
    "client_secret_post": ClientSecretPost,
    "client_secret_basic": ClientSecretBasic,
    "none": PublicClient,
}
