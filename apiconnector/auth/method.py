"""What an authentication method is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from requests.auth import AuthBase

if TYPE_CHECKING:
    from requests import PreparedRequest


class TokenSource(Protocol):
    """Where an OAuth method gets its access token from."""

    def access_token(self) -> str:
        """A token that is believed to work; fetched or refreshed where there is none."""

    def renew(self, rejected: str) -> str | None:
        """Another token after the API refused ``rejected``; None where there is none to be had."""

    def refused(self, token: str) -> None:
        """Take note that the API refused the new ``token`` as well."""


class Credentials(Protocol):
    """What a method may ask of the connection it authenticates.

    ``reveal(name)`` gives the text of an encrypted column, and raises ``SecretUnreadable`` or ``SecretSealed``.
    """

    credential_in: Any
    credential_name: Any
    credential_prefix: Any

    def reveal(self, name: str) -> Any:
        """Decrypt one column, for sending it to this connection's own hosts."""

    def token_source(self) -> TokenSource:
        """Where tokens come from."""


class AuthMethod(AuthBase):
    """The base of every method: declare what it is called and needs, and authenticate a request in ``__call__``.

    ``fields`` names the columns of ``Connection`` that the method uses, in the order the form shows them. All but
    those also in ``optional`` are required. The form, ``full_clean()`` and the docs are made from this.

    An instance belongs to one session, which is used by one thread at a time.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    fields: ClassVar[tuple[str, ...]] = ()
    optional: ClassVar[tuple[str, ...]] = ()
    #: Whether the method keeps a token, and whether a person has to authorize it first.
    uses_token: ClassVar[bool] = False
    needs_person: ClassVar[bool] = False

    def __init__(self, connection: Credentials) -> None:
        self.connection = connection
        #: The access token that the last request carried, of methods that have one.
        self.sent_token = ""

    @classmethod
    def required(cls) -> tuple[str, ...]:
        """The columns that can't be left empty."""
        return tuple(name for name in cls.fields if name not in cls.optional)

    @classmethod
    def problems(cls, connection: Any) -> dict[str, str]:
        """What else is wrong with a connection of this method, by column; the form shows it there."""
        del connection
        return {}

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Authenticate a prepared request; called anew for each redirect."""
        raise NotImplementedError

    def renew(self, request: PreparedRequest) -> bool:
        """Authenticate a request anew after a 401; False where nothing new is to be had."""
        del request
        return False

    def refused(self) -> None:
        """Take note that the credential which ``renew`` gave was refused as well: it is not the reason."""
