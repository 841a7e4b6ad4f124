"""Every key of a dialect, with what it means: the table in the docs is made from this."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from apiconnector.dialect.request import DeclaredRequest, TestRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apiconnector.dialect.kept import Kept
    from apiconnector.dialect.variable import Variable

FORMATS: Final = ("form", "json", "query")
METHODS: Final = ("POST", "GET")
EXPIRES_UNITS: Final = ("seconds", "milliseconds")
BASIC_ENCODINGS: Final = ("percent", "form", "raw")
#: The members of a token answer that ``token_response`` may find elsewhere.
TOKEN_MEMBERS: Final = (
    "access_token",
    "refresh_token",
    "expires_in",
    "expires_at",
    "refresh_expires_in",
    "refresh_expires_at",
    "scope",
    "error",
    "error_description",
)

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def _key(default: Any, meaning: str, example: str) -> Any:
    """A key with its default, what it means, and who needs it."""
    return field(default_factory=lambda: default, metadata={"meaning": meaning, "example": example})


@dataclass(frozen=True)
class Dialect:
    """The ways of one provider. Each text is a template, filled when it is used; each default is RFC 6749."""

    authorization_params: Mapping[str, Any] = _key(
        _NOTHING,
        "Laid over the parameters of the authorization request; null leaves a standard one out.",
        "Google `access_type=offline` and `prompt=consent`, Atlassian `audience`, Notion `owner=user`",
    )
    token_params: Mapping[str, Any] = _key(
        _NOTHING,
        "Laid over the parameters of a token request that is no refresh; null leaves a standard one out.",
        "TikTok `client_key`, WeChat `appid` and `secret`",
    )
    refresh_params: Mapping[str, Any] = _key(
        _NOTHING,
        "The same for a refresh. Where they leave `refresh_token` out and name `access_token`, the access token renews "
        "itself.",
        "Instagram `ig_refresh_token`, TikTok `client_key`",
    )
    token_request_format: str = _key(
        "form", "How a token request is written: `form`, `json` or `query`.", "Notion, Atlassian, ClickUp: `json`"
    )
    token_request_method: str = _key(
        "POST", "`POST` or `GET`. With `GET` the parameters are always in the query.", "WeChat: `GET`"
    )
    refresh_request_format: str | None = _key(
        None, "The same for a refresh; null: as the token request.", "Instagram: `query`"
    )
    refresh_request_method: str | None = _key(
        None, "The same for a refresh; null: as the token request.", "Instagram: `GET`"
    )
    token_headers: Mapping[str, Any] = _key(
        _NOTHING,
        "Laid over the headers of token requests and of a revocation; null leaves one out.",
        "Stripe apps: the secret key as user name of Basic",
    )
    token_response: Mapping[str, str] = _key(
        _NOTHING,
        "Where a token answer holds `access_token`, `refresh_token`, `expires_in`, `expires_at`, `refresh_expires_in`, "
        "`refresh_expires_at`, `scope`, `error` or `error_description`: an expression for each that is elsewhere. An "
        "error of null, false or empty text means none.",
        "Slack user tokens `authed_user.access_token`, TikTok `data.access_token`",
    )
    expires_unit: str = _key(
        "seconds", "What lifetimes are counted in: `seconds` or `milliseconds`.", "servers that count milliseconds"
    )
    default_expires_in: float | None = _key(
        None, "The lifetime in seconds where an answer states none; null: until it is refused.", "Salesforce"
    )
    refresh_token_idle_days: float | None = _key(
        None,
        "After how many days without a refresh the provider ends an authorization; null: not known. `refresh --due` "
        "refreshes it in time.",
        "Xero 60, Atlassian 90, Google 180",
    )
    callback_code_param: str = _key(
        "code", "The callback's parameter with the code.", "Amazon SP-API `spapi_oauth_code`, TikTok ads `auth_code`"
    )
    callback_state_param: str = _key("state", "The callback's parameter with the state.", "a few")
    keep_from_callback: Mapping[str, Kept] = _key(
        _NOTHING,
        "Values of the callback to keep, by name: `path` (an expression, default the name) and `pattern` (a regular "
        "expression for the whole value). One that does not match refuses the authorization.",
        "QuickBooks `realmId`, Zoho `accounts-server`, Shopify `shop`",
    )
    keep_from_token: Mapping[str, Kept] = _key(
        _NOTHING, "The same of the token answer.", "Salesforce `instance_url`, Zoho `api_domain`"
    )
    after_authorize: DeclaredRequest | None = _key(
        None,
        "One request, authenticated with the new token, whose answer gives `values` to keep. The token goes where the "
        "credential goes, unless the request names `access_token` itself.",
        "Jira's cloud id, Xero's tenant, Mailchimp's data centre",
    )
    variables: Mapping[str, Variable] = _key(
        _NOTHING,
        "Names the administrator fills in: `label`, `pattern`, `default`, `secret`, `help`.",
        "Shopify's shop, a tenant, an API's second key",
    )
    expired_when: str = _key(
        "",
        "When an API's answer means that the token has expired: an expression; empty: the status 401.",
        "WP OAuth Server ``status == `400` ``; 403, 498, or 200 with a code in the body",
    )
    basic_encoding: str = _key(
        "percent",
        "How client ID and secret are encoded before the Base64 of `client_secret_basic`: `percent`, `form` or `raw`. "
        "The same for letters and digits.",
        "servers that take a secret with `+` or `/` as it is: `raw`",
    )
    login: DeclaredRequest | None = _key(
        None,
        "The request of the authentication “Log in first”, whose answer holds the token: see below.",
        "APIs with a log-in of their own",
    )
    second_token: DeclaredRequest | None = _key(
        None,
        "A second token request, whose answer takes the place of the first token; `after_refresh` says whether it also "
        "follows a refresh.",
        "Instagram, Facebook: a long-lived token",
    )
    revoke: DeclaredRequest | None = _key(
        None, "The request of Disconnect, in place of RFC 7009.", "GitHub, LinkedIn, Zendesk"
    )
    test_request: TestRequest = _key(
        TestRequest(),
        "What belongs to the test request beside method and path: `params`, `headers`, `format`, `body`, the accepted "
        "`statuses` (empty: 2xx) and a rule, `success_when`. `explain` puts the API's own codes into words: `path` "
        "finds the code in an answer that is no success, `words` says what each means.",
        "Slack: `body.ok`; GraphQL: a body",
    )

    @property
    def renews_itself(self) -> bool:
        """Whether an access token is renewed with itself, and no refresh token is needed."""
        return "refresh_token" in self.refresh_params and self.refresh_params["refresh_token"] is None

    @property
    def refresh_format(self) -> str:
        """How a refresh is written."""
        return self.refresh_request_format or self.token_request_format

    @property
    def refresh_method(self) -> str:
        """The method of a refresh."""
        return self.refresh_request_method or self.token_request_method

    def declared_requests(self) -> dict[str, DeclaredRequest]:
        """The requests it declares, by key."""
        found = {name: getattr(self, name) for name in ("login", "second_token", "after_authorize", "revoke")}
        return {name: request for name, request in found.items() if request is not None}

    def kept_names(self) -> frozenset[str]:
        """The names of all values that authorizing keeps."""
        after = self.after_authorize.values if self.after_authorize else {}
        return frozenset({*self.keep_from_callback, *self.keep_from_token, *after})


#: A provider that does not differ.
EMPTY: Final = Dialect()


def documented() -> list[tuple[str, Any, str, str]]:
    """Each key with its default, what it means and who needs it, for the docs."""
    return [
        (one.name, getattr(EMPTY, one.name), str(one.metadata["meaning"]), str(one.metadata["example"]))
        for one in fields(Dialect)
    ]
