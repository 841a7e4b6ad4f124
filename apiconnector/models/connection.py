"""Where an API is and how to authenticate there: one row, one account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, router

from apiconnector import auth, conf
from apiconnector.exceptions import ConfigurationError
from apiconnector.fields import JSONTextField
from apiconnector.models.binding import BoundSecrets
from apiconnector.models.hosts import HOST_FIELDS
from apiconnector.models.sealing import ConnectionQuerySet
from apiconnector.models.watched import WATCHED_FIELDS, Watched

if TYPE_CHECKING:
    from collections.abc import Collection

    from apiconnector.client import ApiSession, Wire
    from apiconnector.models.source import TokenSource
    from apiconnector.models.testing import TestResult
    from apiconnector.models.token import Token
    from apiconnector.oauth import ClientAuthentication
    from apiconnector.redaction import Redactor

#: Written by the machine: saving a form that was opened earlier must not put an old state back.
MACHINE_FIELDS = WATCHED_FIELDS | {"is_sealed"}


class Connection(Watched, BoundSecrets):
    """An API this site talks to, with its credentials. Reading a credential gives a ``Secret``."""

    class ClientAuth(models.TextChoices):
        """Client authentication at the token endpoint (RFC 6749 section 2.3)."""

        POST = "client_secret_post", "Secret in the body (client_secret_post)"
        BASIC = "client_secret_basic", "Secret in the header (client_secret_basic)"
        NONE = "none", "None: a public client"

    class Pkce(models.TextChoices):
        """Code challenge method (RFC 7636)."""

        S256 = "S256", "S256"
        PLAIN = "plain", "plain"
        OFF = "", "Off"

    class Place(models.TextChoices):
        """Where the credential of an API request goes."""

        HEADER = "header", "Header"
        QUERY = "query", "Query"
        BODY = "body", "Body"
        NONE = "none", "Nowhere by itself"

    name = models.CharField(max_length=100)
    slug = models.SlugField(
        max_length=100,
        unique=True,
        help_text="The name code uses: connect(“slug”). It can't be changed later.",
    )
    base_url = models.CharField(
        "base URL", max_length=500, help_text="Every request goes below this address, and nowhere else."
    )
    auth_method = models.CharField("authentication", max_length=50, choices=auth.choices, default="none")
    is_active = models.BooleanField("active", default=True)
    preset = models.CharField(max_length=50, blank=True)

    client_secret_expires_on = models.DateField(
        null=True, blank=True, help_text="Where the provider says so: people are told two weeks ahead."
    )

    issuer = models.CharField(
        max_length=500,
        blank=True,
        help_text="Compared with the “iss” of the callback (RFC 9207), where the provider sends one.",
    )
    authorization_url = models.CharField("authorization URL", max_length=500, blank=True)
    token_url = models.CharField("token URL", max_length=500, blank=True)
    refresh_url = models.CharField(
        "refresh URL", max_length=500, blank=True, help_text="Only where it differs from the token URL."
    )
    revocation_url = models.CharField(
        "revocation URL", max_length=500, blank=True, help_text="Called on Disconnect (RFC 7009)."
    )
    scope = models.CharField(max_length=2000, blank=True, help_text="What to ask for, joined as the provider wants it.")
    scope_delimiter = models.CharField(
        max_length=5,
        default=" ",
        help_text="What stands between two scopes at this provider; usually a space.",
    )
    pkce = models.CharField("PKCE", max_length=10, choices=Pkce, default=Pkce.S256, blank=True)
    client_auth = models.CharField("client authentication", max_length=30, choices=ClientAuth, default=ClientAuth.POST)
    discovered = JSONTextField(default=dict, blank=True, editable=False, json_type=dict)

    credential_in = models.CharField(
        "credential goes into",
        max_length=10,
        choices=Place,
        default=Place.HEADER,
        help_text="Query writes an OAuth token into logs and histories (RFC 9700 section 4.3.2): only where the API "
        "takes nothing else.",
    )
    credential_name = models.CharField(
        max_length=100, blank=True, help_text="Name of the header or parameter; empty: the usual one."
    )
    credential_prefix = models.CharField(
        max_length=50,
        blank=True,
        help_text="Word before the credential, such as Token; empty: the usual one.",
    )

    default_headers = JSONTextField(
        default=dict, blank=True, json_type=dict, help_text="JSON object, sent with every request."
    )
    default_params = JSONTextField(
        "default query parameters",
        default=dict,
        blank=True,
        json_type=dict,
        help_text="JSON object, sent with every request.",
    )
    default_body = JSONTextField(
        "default body fields",
        default=dict,
        blank=True,
        json_type=dict,
        help_text="JSON object, added to every body that is an object or a form.",
    )
    allowed_hosts = JSONTextField(
        default=list,
        blank=True,
        json_type=list,
        help_text="Other hosts requests may go to (https only), as a JSON list: “host[:port]” or “.suffix[:port]”.",
    )
    variables = JSONTextField(
        default=dict, blank=True, json_type=dict, help_text="JSON object: names for use in placeholders."
    )
    timeout = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.001), MaxValueValidator(conf.MAX_TIMEOUT)],
        help_text="Seconds, for API and token requests; empty: the site's setting.",
    )

    test_method = models.CharField(
        max_length=10, default="GET", choices=[(name, name) for name in ("GET", "HEAD", "POST")]
    )
    test_path = models.CharField(
        max_length=500, blank=True, help_text="Requested by Test, such as “me”; empty: the base URL itself."
    )
    label_template = models.CharField(
        max_length=500,
        blank=True,
        help_text="Names the account from the answer of Test, such as “{{ body.name }}”.",
    )
    account_id_path = models.CharField(
        max_length=500,
        blank=True,
        help_text="JMESPath to the account's id in the answer of Test, such as “body.id”.",
    )
    dialect = JSONTextField(
        default=dict,
        blank=True,
        json_type=dict,
        help_text="How the provider differs from the standard, as a JSON object; empty for one that does not.",
    )

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[ConnectionQuerySet] = ConnectionQuerySet.as_manager()  # type: ignore[assignment]  # stubs see a Manager
    if TYPE_CHECKING:
        token: Token

    class Meta:
        ordering = ("name",)
        permissions = (
            ("authorize_connection", "Can authorize and disconnect connections"),
            ("test_connection", "Can test connections"),
            ("enter_secrets_connection", "Can enter secrets of connections"),
        )

    def __str__(self) -> str:
        return self.name

    # Configuration

    @property
    def method(self) -> type[auth.AuthMethod]:
        """The class of the auth method; ``ConfigurationError`` where the app that registers it is gone."""
        method = self.method_or_none
        if method is None:
            raise ConfigurationError(f"“{self}” uses the authentication “{self.auth_method}”, which no app registers.")
        return method

    @property
    def timeout_seconds(self) -> float:
        """The time-out in seconds: this connection's, or the setting's where it has none that can be used."""
        given = self.timeout
        return given if given is not None and 0 < given <= conf.MAX_TIMEOUT else conf.timeout()

    def clean(self) -> None:
        """Check what fields alone can't: what the method needs, addresses, headers, and the slug."""
        from apiconnector.models.validation import connection_problems

        problems = connection_problems(self)
        if self._slug_changed():
            problems["slug"] = "The slug can't be changed: code refers to the connection by it."
        if problems:
            # A field that this form does not show would make the error itself fail.
            raise ValidationError(problems)

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Leave the method to ``clean()``, which says more about one that is gone."""
        super().clean_fields(exclude={*(exclude or ()), "auth_method"} if self.method_or_none is None else exclude)

    def _slug_changed(self) -> bool:
        if self._state.adding or self.pk is None:
            return False
        return not type(self).objects.filter(pk=self.pk, slug=self.slug).exists()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; ``ValidationError`` when the slug of a saved connection was changed.

        What the machine writes is left alone, except that a connection corrected by its administrator is no longer
        ``misconfigured``, and that one whose hosts changed is sealed.
        """
        from apiconnector.models.edited import follow_up

        update_fields = kwargs.get("update_fields")
        using = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        rows = ConnectionQuerySet(type(self), using=using).filter(pk=self.pk)
        old = None if self.pk is None or kwargs.get("force_insert") else rows.first()
        if old is None:
            self._state.fields_cache.pop("token", None)  # a copy of a connection is not authorized
            self.is_sealed = self.sealed_by() is not None
            super().save(*args, **kwargs)
            self.note_secrets()
            return
        if old.slug != self.slug:
            raise ValidationError({"slug": "The slug can't be changed: code refers to the connection by it."})
        names = {field.name for field in self._meta.concrete_fields if not field.primary_key}
        written = names - MACHINE_FIELDS - self.untouched_secrets() if update_fields is None else set(update_fields)
        written -= {"is_sealed", *self.get_deferred_fields()}
        if not written.issuperset(HOST_FIELDS):
            self.bind_typed(old, written)
        super().save(*args, **{**kwargs, "update_fields": written})
        self.note_secrets()
        follow_up(self, old)
        self.is_sealed = bool(rows.refresh_sealed())

    # Authentication

    def client_authentication(self) -> ClientAuthentication:
        """How this connection's client authenticates at the token endpoint; raises what ``open()`` raises."""
        from apiconnector.oauth import CLIENT_AUTHENTICATIONS

        client = CLIENT_AUTHENTICATIONS.get(self.client_auth)
        if client is None:
            raise ConfigurationError(
                f"“{self}” has the client authentication “{self.client_auth}”, which is not available."
            )
        # Opened within the call: pages on errors show the locals of a frame.
        return client(
            self.reveal("client_id"),
            "" if self.client_auth == self.ClientAuth.NONE else self.reveal("client_secret"),
            self.read_dialect().basic_encoding,
        )

    def token_source(self) -> TokenSource:
        """Where a session's access token comes from."""
        from apiconnector.models.source import TokenSource, TrialSource

        return TokenSource(self) if self.on_trial is None else TrialSource(self)

    # Use

    def session(self, *, wire: Wire | None = None) -> ApiSession:
        """A ``requests.Session`` that goes to this API, authenticated. Raises nothing that a request could raise."""
        from apiconnector.models.session import open_session

        return open_session(self, wire=wire)

    def redactor(self, *, is_fresh: bool = False) -> Redactor:
        """Takes every credential out of what is kept; ``is_fresh``: the connection was read just now."""
        from apiconnector.models.redacting import Redaction

        return Redaction(self).everything(is_fresh=is_fresh)

    def test(self) -> TestResult:
        """Send the test request; never raises for what the remote does or for what is not configured."""
        from apiconnector.models.testing import run_test

        return run_test(self)
