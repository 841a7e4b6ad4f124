"""A connection made of each preset: whole, and a person can be sent to the provider with it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import responses
from django.core.exceptions import ValidationError

from apiconnector.authorize import begin
from apiconnector.models import AuthorizationAttempt, Connection, Token
from apiconnector.presets import find, presets
from apiconnector.templating import fill, fill_url
from tests.presets.examples import ANSWERS, VARIABLES
from tests.presets.test_presets import CODE, values

if TYPE_CHECKING:
    from apiconnector.presets import Preset

pytestmark = pytest.mark.django_db
EACH = pytest.mark.parametrize("preset", presets(), ids=lambda preset: preset.slug)
BY_CODE = pytest.mark.parametrize(
    "preset", [each for each in presets() if each.fields["auth_method"] == CODE], ids=lambda preset: preset.slug
)
REDIRECT_URI = "https://www.example.com/oauth/callback"


def made(preset: Preset, **more: Any) -> Connection:
    """What an administrator saves who chose the preset and entered what it asks for."""
    declared = preset.fields.get("dialect", {}).get("variables", {})
    typed = VARIABLES.get(preset.slug, {})
    return Connection(
        **{
            "name": preset.name,
            "slug": preset.slug,
            "preset": preset.slug,
            "client_id": "the-id",
            "client_secret": "canary-secret",
            "variables": {name: text for name, text in typed.items() if not declared[name].get("secret")},
            "secret_variables": {name: text for name, text in typed.items() if declared[name].get("secret")},
            **preset.fields,
            **more,
        }
    )


@EACH
def test_it_is_whole(preset: Preset) -> None:
    connection = made(preset)
    connection.full_clean()
    connection.save()
    connection = Connection.objects.get()
    assert connection.status == ("not_authorized" if preset.fields["auth_method"] == CODE else "ready")


@EACH
def test_defaults_do_where_a_variable_has_one(preset: Preset) -> None:
    """What is left empty is either filled by its default or named."""
    declared = preset.fields.get("dialect", {}).get("variables", {})
    missing = [name for name, each in declared.items() if not each.get("default")]
    connection = made(preset, variables={}, secret_variables={})
    if not missing:
        connection.full_clean()
        return
    with pytest.raises(ValidationError, match="This is needed") as caught:
        connection.full_clean()
    for name in missing:
        assert f"({name})" in str(caught.value)


@BY_CODE
def test_a_person_is_sent_to_the_provider(preset: Preset) -> None:
    connection = made(preset)
    connection.save()
    begun = begin(connection, redirect_uri=REDIRECT_URI, user=None)
    known = {
        **{name: each["default"] for name, each in _declared(preset).items() if each.get("default")},
        **VARIABLES.get(preset.slug, {}),
    }
    expected = urlsplit(fill_url(preset.fields["authorization_url"], known))
    url = urlsplit(begun.url)
    assert (url.scheme, url.netloc, url.path) == ("https", expected.netloc, expected.path)
    sent = parse_qsl(url.query, keep_blank_values=True)
    params = dict(sent)
    assert len(sent) == len(params), "a parameter stands twice"
    own = preset.fields.get("dialect", {}).get("authorization_params", {})
    standard = {"response_type": "code", "client_id": "the-id", "redirect_uri": REDIRECT_URI, "state": begun.state}
    if preset.fields.get("scope"):
        standard["scope"] = preset.fields["scope"]
    extra = fill(own, {**known, "client_id": "the-id"})
    wanted = {**dict(parse_qsl(expected.query)), **standard, **{key: str(value) for key, value in extra.items()}}
    assert {name: params.get(name) for name in wanted if own.get(name, "") is not None} == {
        name: value for name, value in wanted.items() if own.get(name, "") is not None
    }
    assert not {name for name, value in own.items() if value is None} & params.keys()
    assert ("code_challenge" in params) is bool(preset.fields["pkce"])
    assert "{{" not in begun.url
    assert "canary" not in begun.url
    assert AuthorizationAttempt.objects.get().connection == connection


@BY_CODE
@responses.activate
def test_its_test_request_says_whose_account_it_is(preset: Preset) -> None:
    """With what the provider handed over when it was authorized."""
    connection = made(preset)
    connection.save()
    Token.objects.create(connection=connection, access_token="canary-token", values=values(preset))
    connection = Connection.objects.get()
    body, label, account_id = ANSWERS[preset.slug]
    responses.add(
        responses.CallbackResponse(
            preset.fields["test_method"], re.compile(r"https://.*"), lambda _: (200, {}, json.dumps(body))
        )
    )
    result = connection.test()
    assert result.ok, result.message
    assert (result.label, result.account_id) == (label, str(account_id))
    request = responses.calls[0].request
    assert str(request.url).startswith("https://")
    assert "{{" not in f"{request.url} {request.body!r} {dict(request.headers)}"
    assert "canary-token" in str(dict(request.headers)) + str(request.url)


def test_each_of_the_examples_is_used() -> None:
    assert {slug for slug in VARIABLES if find(slug) is None} == set()


def _declared(preset: Preset) -> dict[str, Any]:
    found: dict[str, Any] = preset.fields.get("dialect", {}).get("variables", {})
    return found
