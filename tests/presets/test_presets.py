"""The presets that are shipped: complete, sound, and true to what providers answer."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from apiconnector import auth
from apiconnector.client import Destinations
from apiconnector.models import Connection
from apiconnector.models.connection import MACHINE_FIELDS
from apiconnector.oauth import CLIENT_AUTHENTICATIONS
from apiconnector.presets import find, presets
from apiconnector.templating import (
    AFTER_AUTHORIZE_NAMES,
    BROWSER_NAMES,
    CONNECTION_NAMES,
    LABEL_NAMES,
    check_names,
    check_url,
    compile_expression,
    fill,
    fill_url,
    names_in,
    search,
    truth,
)
from tests.presets.examples import AFTER, ANSWERS, CALLBACKS, SPARSE_ANSWERS, TOKENS, VARIABLES

if TYPE_CHECKING:
    from apiconnector.presets import Preset

TWENTY = {
    "dropbox", "github", "gitlab", "google", "hubspot", "jira", "linkedin", "mailchimp", "microsoft", "notion",
    "pipedrive", "quickbooks", "salesforce", "shopify", "slack", "stripe", "wp-oauth-server", "xero", "zoho", "zoom",
}  # fmt: skip  # in rows

ROOT = Path(__file__).parent.parent.parent
#: Columns that a preset may fill; the others are the site's own, or secret.
COLUMNS = (
    {field.name for field in Connection._meta.concrete_fields}
    - {"id", "name", "slug", "is_active", "preset", "client_secret_expires_on", "discovered", "variables", "timeout"}
    - {"client_id", "client_secret", "username", "password", "api_key", "secret_variables"}
    - {"created_at", "updated_at"}
    - MACHINE_FIELDS
)
ADDRESSES = ("base_url", "authorization_url", "token_url", "refresh_url", "revocation_url", "issuer")
#: The sources of values kept from a provider, by the key of the dialect.
KEPT_FROM = ("keep_from_callback", "keep_from_token")
EACH = pytest.mark.parametrize("preset", presets(), ids=lambda preset: preset.slug)
CODE = "oauth2_authorization_code"


def dialect(preset: Preset) -> dict[str, Any]:
    found: dict[str, Any] = preset.fields.get("dialect", {})
    return found


def variables(preset: Preset) -> dict[str, Any]:
    found: dict[str, Any] = dialect(preset).get("variables", {})
    return found


def kept(preset: Preset) -> list[tuple[str, dict[str, str], Any]]:
    """What is kept from a provider's answers: name, declaration, and what the provider sent."""
    rules = dialect(preset)
    sent: dict[str, Any] = {"keep_from_callback": CALLBACKS, "keep_from_token": TOKENS}
    found = [(name, rule, sent[key][preset.slug]) for key in KEPT_FROM for name, rule in rules.get(key, {}).items()]
    values = (rules.get("after_authorize") or {}).get("values", {})
    return found + [
        (name, rule, {"status": 200, "headers": {}, "body": AFTER[preset.slug]}) for name, rule in values.items()
    ]


def values(preset: Preset) -> dict[str, Any]:
    return {name: search(rule.get("path", name), sent) for name, rule, sent in kept(preset)}


def context(preset: Preset) -> dict[str, Any]:
    defaults = {name: each["default"] for name, each in variables(preset).items() if each.get("default")}
    return {"client_id": "the-id", **defaults, **VARIABLES.get(preset.slug, {}), **values(preset)}


def test_the_twenty() -> None:
    assert {preset.slug for preset in presets()} == TWENTY
    assert set(ANSWERS) == TWENTY


def test_order_and_finding() -> None:
    names = [preset.name.casefold() for preset in presets()]
    assert names == sorted(names)
    assert len(set(names)) == len(names)
    github = find("github")
    assert github is not None
    assert (github.name, github.fields["auth_method"]) == ("GitHub", CODE)
    assert find("nobody") is None
    assert find("../data/github") is None


def test_who_changes_fields_changes_a_copy() -> None:
    preset = find("zoho")
    assert preset is not None
    preset.fields["dialect"]["keep_from_token"].clear()
    preset.fields["allowed_hosts"].append("evil.example")
    assert "api_domain" in preset.fields["dialect"]["keep_from_token"]
    assert "evil.example" not in preset.fields["allowed_hosts"]
    assert "keep_from_token" not in repr(preset)


def test_nothing_is_read_before_somebody_asks() -> None:
    script = """
from apiconnector.presets import loader
print(loader._by_slug.cache_info().currsize, end=" ")
loader.presets(), loader.find("zoom"), loader.presets()
print(loader._by_slug.cache_info().misses)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split() == ["0", "1"]


@EACH
def test_words(preset: Preset) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", preset.slug)
    assert len(preset.slug) <= 50, "the column preset holds it"
    assert preset.name == preset.name.strip() != ""
    assert preset.summary.endswith(".")
    assert "\n" not in preset.summary
    assert all(step.endswith(".") and "\n" not in step for step in preset.steps)
    assert len(preset.steps) >= 2


def publisher(url: str) -> str:
    """The host; of what is on GitHub also whose it is."""
    parts = urlsplit(url)
    return f"{parts.hostname}/{parts.path.split('/')[1]}" if parts.hostname == "github.com" else str(parts.hostname)


@EACH
def test_sources(preset: Preset) -> None:
    assert len(set(preset.sources)) >= 2
    assert len(set(preset.sources)) == len(preset.sources)
    assert len({publisher(source) for source in preset.sources}) >= 2, "two pages of one publisher agree anyhow"
    for url in (preset.documentation, preset.register_url, *preset.sources):
        assert urlsplit(url).scheme == "https", url
        assert urlsplit(url).hostname, url
    assert date(2026, 1, 1) <= preset.checked


@EACH
def test_steps_name_the_redirect_uri_and_nothing_else(preset: Preset) -> None:
    assert names_in(list(preset.steps)) == ({"redirect_uri"} if preset.fields["auth_method"] == CODE else set())


@EACH
def test_columns_take_what_they_are_given(preset: Preset) -> None:
    fields = preset.fields
    assert set(fields) <= COLUMNS
    connection = Connection()
    for name, value in fields.items():
        field = connection._meta.get_field(name)
        assert field.clean(value, connection) == value, name  # type: ignore[union-attr]  # no relation among them
        assert not isinstance(value, str) or name == "scope_delimiter" or value == value.strip(), name
    kind = next(each for each in auth.methods() if each.name == fields["auth_method"])
    needed = set(kind.required()) - {"client_id", "client_secret", "username", "password", "api_key"}
    assert {name for name in needed if not fields.get(name)} == set()


@EACH
def test_choices_of_oauth_are_made(preset: Preset) -> None:
    fields = preset.fields
    assert fields["client_auth"] in CLIENT_AUTHENTICATIONS
    assert fields["pkce"] in {"S256", ""}, "plain protects nothing that S256 does not, and no provider needs it"
    assert fields["scope_delimiter" if fields["scope"] else "token_url"]
    assert not re.search(r"(^|[ ,])[ ,]|[ ,]$", fields["scope"])
    other = {" ": ",", ",": " "}[fields.get("scope_delimiter", " ")]
    assert other not in fields["scope"]


@EACH
def test_addresses_compile_and_are_https(preset: Preset) -> None:
    known = context(preset)
    for name in ADDRESSES:
        url = preset.fields.get(name)
        if url:
            check_url(url)
            filled = urlsplit(fill_url(url, known))
            assert filled.scheme == "https", name
            assert filled.hostname, name
            assert not filled.query, name


@EACH
def test_the_test_request_goes_where_the_connection_may(preset: Preset) -> None:
    fields = preset.fields
    destinations = Destinations(fill_url(fields["base_url"], context(preset)), fields.get("allowed_hosts", []))
    destinations.check(destinations.join(fields["test_path"]))


@EACH
def test_hosts_that_a_provider_names_are_allowed_ones(preset: Preset) -> None:
    """A value from outside may decide the host only among those that were decided on beforehand."""
    fields = preset.fields
    names = set(values(preset))
    for column in ADDRESSES:
        url = fields.get(column, "")
        host = url.partition("://")[2].partition("/")[0] or url.partition("/")[0]
        if names & names_in(host):
            filled = fill_url(url, context(preset))
            Destinations("https://example.com", fields["allowed_hosts"]).check(filled)


@EACH
def test_patterns_of_variables(preset: Preset) -> None:
    given = VARIABLES.get(preset.slug, {})
    assert set(given) == set(variables(preset))
    for name, variable in variables(preset).items():
        assert variable["label"]
        assert re.fullmatch(variable["pattern"], given[name]), name
        default = variable.get("default", "")
        assert not default or re.fullmatch(variable["pattern"], default), name
        for odd in (
            "",
            "a b",
            "a\n",
            "https://user@example.com",
            "http://example.com",
            "https://example.com/",
            "x?y=z",
        ):
            assert not re.fullmatch(variable["pattern"], odd), (name, odd)


#: What somebody might send back through the browser to have a token sent elsewhere.
HOSTILE = (
    "", "evil.example", "https://evil.example", "http://login.salesforce.com", "https://evil.example/.salesforce.com",
    "https://login.salesforce.com.evil.example", "https://login.salesforce.com@evil.example",
    "https://www.zohoapis.com.evil.example", "https://www.zohoapis.evil", "https://www-zohoapis.com",
    "https://accounts.zoho.com/..", "https://accounts.zoho.com#", "https://accountszoho.com", "https://evilpipedrive.com",
    "https://pipedrive.com.evil.example", "https://a.b/c.pipedrive.com", "https://a?b.pipedrive.com",
    "ada.myshopify.com.evil.example", "evil.example/ada.myshopify.com", "us6.evil", "us6/", "../1", "1/2", "1?x=y", "1\n",
)  # fmt: skip  # in rows


@EACH
def test_patterns_of_kept_values(preset: Preset) -> None:
    for name, rule, sent in kept(preset):
        compile_expression(rule.get("path", name))
        value = search(rule.get("path", name), sent)
        assert isinstance(value, str), name
        assert re.fullmatch(rule["pattern"], value), name
        assert [odd for odd in (*HOSTILE, f"{value}\n", f" {value}") if re.fullmatch(rule["pattern"], odd)] == [], name


def test_examples_are_all_used() -> None:
    for key, given in (("keep_from_callback", CALLBACKS), ("keep_from_token", TOKENS), ("after_authorize", AFTER)):
        assert {preset.slug for preset in presets() if dialect(preset).get(key)} == set(given)
    assert {preset.slug for preset in presets() if variables(preset)} == set(VARIABLES)


@EACH
def test_templates_use_names_that_are_there(preset: Preset) -> None:
    fields, rules = preset.fields, dialect(preset)
    entered, later = set(variables(preset)), set(values(preset))
    assert not entered & later
    everything = entered | later
    browser = BROWSER_NAMES.with_variables(entered)
    check_names(fields.get("authorization_url", ""), browser)
    check_names(rules.get("authorization_params", {}), browser._replace(exact=browser.exact | {"scope", "state"}))
    for column in ("base_url", "token_url", "refresh_url", "revocation_url", "default_headers", "default_params"):
        check_names(fields.get(column, ""), CONNECTION_NAMES.with_variables(everything))
    check_names(fields["label_template"], LABEL_NAMES.with_variables(everything))
    for key in ("token_params", "refresh_params", "token_headers"):
        check_names(rules.get(key, {}), CONNECTION_NAMES.with_variables(everything))
    after = {key: value for key, value in (rules.get("after_authorize") or {}).items() if key != "values"}
    check_names(
        after,
        AFTER_AUTHORIZE_NAMES.with_variables(everything - set(rules.get("after_authorize", {}).get("values", {}))),
    )
    check_names(rules.get("revoke") or {}, CONNECTION_NAMES.with_variables(everything, secret={"refresh_token"}))
    check_names(rules.get("test_request", {}), CONNECTION_NAMES.with_variables(everything))


@EACH
def test_addresses_of_the_dialect(preset: Preset) -> None:
    rules = dialect(preset)
    for key in ("after_authorize", "revoke"):
        if rules.get(key):
            check_url(rules[key]["url"])
            host = urlsplit(fill_url(rules[key]["url"], context(preset))).hostname
            fields = preset.fields
            named = {
                urlsplit(fill_url(fields[name], context(preset))).hostname for name in ADDRESSES if fields.get(name)
            }
            assert host in named, "a secret goes to no host but those of the connection's columns"


@pytest.mark.parametrize(
    "preset", [each for each in presets() if "revoke" in dialect(each)], ids=lambda each: each.slug
)
def test_credentials_of_a_revocation(preset: Preset) -> None:
    request = dialect(preset)["revoke"]
    secrets = {"client_secret": "sö:cret", "access_token": "the-access", "refresh_token": "the-refresh"}
    headers = fill(request["headers"], {**context(preset), **secrets})
    assert headers["Authorization"] in {
        "Basic dGhlLWlkOnPDtjpjcmV0",
        "Bearer the-access",
        "Bearer sö:cret",
    }


@EACH
def test_account_of_the_answer(preset: Preset) -> None:
    body, label, account = ANSWERS[preset.slug]
    root = {"status": 200, "headers": {}, "body": body, "values": values(preset)}
    assert fill(preset.fields["label_template"], {**context(preset), **root}) == label
    assert search(compile_expression(preset.fields["account_id_path"]), root) == account
    rule = dialect(preset).get("test_request", {}).get("success_when")
    if rule:
        assert truth(search(compile_expression(rule), root))
        for refused in ({"ok": False, "error": "invalid_auth"}, {"data": None}, {"errors": [], "data": {"shop": None}}):
            assert not truth(search(rule, {**root, "body": refused}))


@pytest.mark.parametrize("slug", SPARSE_ANSWERS)
def test_label_of_an_account_that_lacks_something(slug: str) -> None:
    preset = find(slug)
    assert preset is not None
    body, label = SPARSE_ANSWERS[slug]
    assert fill(preset.fields["label_template"], {**context(preset), "body": body}) == label


@pytest.mark.parametrize(
    ("slug", "status", "body", "expired"),
    [
        ("slack", 200, {"ok": False, "error": "token_expired"}, True),
        ("slack", 200, {"ok": False, "error": "channel_not_found"}, False),
        ("slack", 200, {"ok": True}, False),
        ("slack", 401, "", True),
        ("wp-oauth-server", 400, {"error": "invalid_request"}, True),
        ("wp-oauth-server", 400, {"code": "rest_missing_callback_param"}, False),
        ("wp-oauth-server", 400, "<html>", False),
        ("wp-oauth-server", 401, {"code": "rest_forbidden"}, True),
        ("wp-oauth-server", 200, {"error": "invalid_request"}, False),
    ],
)
def test_what_counts_as_expired(slug: str, status: int, body: Any, expired: bool) -> None:
    preset = find(slug)
    assert preset is not None
    rule = compile_expression(dialect(preset)["expired_when"])
    assert truth(search(rule, {"status": status, "headers": {}, "body": body})) is expired


def test_the_page_on_presets() -> None:
    """Its table has a row for each, with what the data file says."""
    page = (ROOT / "docs" / "presets.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(.+?)\]\((.+?)\) \| `(.+?)` \| <(.+?)> \| (.*?) \| (.*?) \|$", page, re.MULTILINE)
    assert rows == [
        (
            preset.name,
            preset.documentation,
            preset.slug,
            preset.register_url,
            ", ".join(f"`{name}`" for name in variables(preset)),
            ", ".join(f"`{name}`" for name in values(preset)),
        )
        for preset in presets()
    ]
    notes = re.findall(r"^\*\*(.+?)\.\*\* ", page, re.MULTILINE)
    assert notes == [preset.name for preset in presets()]
