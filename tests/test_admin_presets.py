"""A new connection begins with a provider: the picker, the form it fills, and what to do at the provider."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from apiconnector import auth
from apiconnector.admin import presets as picker
from apiconnector.models import Connection
from apiconnector.presets import Preset, find, presets
from tests.browserless import ALL_BUT_SECRETS, change_url, clerk, shown, submit
from tests.presets.examples import VARIABLES
from tests.test_admin import ADD, errors, form

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    Make = Callable[..., Connection]

pytestmark = pytest.mark.django_db
REDIRECT_URI = "http://testserver/oauth/callback"
EACH = pytest.mark.parametrize("preset", presets(), ids=lambda preset: preset.slug)


def known(slug: str) -> Preset:
    found = find(slug)
    assert found is not None
    return found


def opened(client: Client, slug: str, query: str = "") -> Any:
    return client.get(f"{ADD}?preset={slug}{query}")


def sent_of(page: Any, **changes: str) -> dict[str, Any]:
    """What a browser sends of a form that a page shows."""
    form = page.context["adminform"].form
    values = {}
    for name, field in form.fields.items():
        value = field.prepare_value(form.get_initial_for_field(field, name))
        if value not in (None, False):
            values[name] = "on" if value is True else value
    return {**values, **changes}


def told(page: Any) -> str:
    return " ".join(str(message) for message in page.context["messages"])


class TestThePicker:
    def test_it_is_above_an_empty_form(self, admin_client: Client) -> None:
        text = admin_client.get(ADD).content.decode()
        cards = re.findall(r'<li><a href="([^"]+)"><strong>([^<]+)</strong> <span>([^<]+)</span> <small>([^<]+)<', text)
        assert [(link, name) for link, name, _, _ in cards] == [(f"?preset={one.slug}", one.name) for one in presets()]
        assert {method for *_, method in cards} == {auth.OAuth2AuthorizationCode.label}
        assert "Another API: fill in the form below" in text
        assert text.index("apiconnector-presets") < text.index('id="connection_form"')
        # Without scripts it is a plain list: the box that filters is shown by the script.
        assert re.search(r"data-apiconnector-search hidden", text)
        assert not re.search(r"<li[^>]* hidden", text)

    def test_it_is_nowhere_else(self, admin_client: Client, bearer: Connection) -> None:
        pages = [
            admin_client.get(change_url(bearer)),
            opened(admin_client, "google"),
            admin_client.post(ADD, form(name="")),
        ]
        for page in pages:
            assert page.status_code == 200
            assert "data-apiconnector-presets" not in page.content.decode()

    def test_what_stands_in_the_address_stays(self, admin_client: Client) -> None:
        text = admin_client.get(f"{ADD}?_popup=1&name=A%26B&preset=nobody").content.decode()
        assert 'href="?_popup=1&amp;name=A%26B&amp;preset=github"' in text

    @pytest.mark.parametrize("slug", ["nobody", "../data/github", "%00", "<script>", "x" * 3000])
    def test_an_unknown_preset_is_said_and_ignored(self, admin_client: Client, slug: str) -> None:
        page = opened(admin_client, slug)
        assert page.status_code == 200
        assert "There is no preset" in told(page)
        assert "<script>”" not in page.content.decode()
        assert "data-apiconnector-presets" in page.content.decode()
        assert admin_client.post(f"{ADD}?preset=nobody", form(preset="nobody")).status_code == 302
        assert Connection.objects.get().preset == ""

    @pytest.mark.parametrize(
        "name", ["dialect", "variables", "variable_shop", "dialect_token_params", "preset", "slug"]
    )
    @pytest.mark.parametrize("value", ["", "[1]", "5", "nonsense", '"><script>', "x" * 3000, "%00", "%ff"])
    @pytest.mark.parametrize("slug", ["", "shopify"])
    def test_what_an_address_prefills_breaks_no_page(
        self, admin_client: Client, name: str, value: str, slug: str
    ) -> None:
        page = admin_client.get(f"{ADD}?preset={slug}&{name}={value}")
        assert page.status_code == 200
        assert '"><script>' not in page.content.decode()

    def test_the_number_of_queries_is_constant(
        self, admin_client: Client, make_connection: Make, django_assert_num_queries: Any
    ) -> None:
        for number in range(12):
            make_connection(slug=f"google-{number}")
        admin_client.get(ADD)
        with django_assert_num_queries(2):
            admin_client.get(ADD)
        with django_assert_num_queries(3):
            opened(admin_client, "google")


class TestAPreset:
    @EACH
    def test_its_form_is_filled_in_and_can_be_saved(self, admin_client: Client, preset: Preset) -> None:
        page = opened(admin_client, preset.slug)
        assert page.status_code == 200
        assert told(page) == ""
        sent = sent_of(page, client_id="the-id", client_secret="canary-secret")
        assert (sent["name"], sent["slug"], sent["preset"]) == (preset.name, preset.slug, preset.slug)
        declared = preset.fields.get("dialect", {}).get("variables", {})
        for name in declared:
            assert f'name="variable_{name}"' in page.content.decode()
        sent |= {f"variable_{name}": value for name, value in VARIABLES.get(preset.slug, {}).items()}
        saved = admin_client.post(f"{ADD}?preset={preset.slug}", sent, follow=True)
        assert saved.redirect_chain, errors(saved)
        connection = Connection.objects.get()
        assert connection.preset == preset.slug
        for name, value in preset.fields.items():
            assert getattr(connection, name) == value, name
        assert connection.variables == VARIABLES.get(preset.slug, {})
        assert connection.status == "not_authorized"
        assert "canary" not in saved.content.decode()

    @EACH
    def test_it_says_what_to_do_at_the_provider(self, admin_client: Client, preset: Preset) -> None:
        page = opened(admin_client, preset.slug)
        text = page.content.decode()
        guide = text[text.index('class="apiconnector-guide"') : text.index('id="connection_form"')]
        assert guide.count("<li>") == len(preset.steps)
        assert f"<code>{REDIRECT_URI}</code>" in guide
        assert "redirect_uri }}" not in text
        links = [link.replace("&amp;", "&") for link in re.findall(r'href="(https://[^"]+)"', guide)]
        assert links == [preset.register_url, preset.documentation]
        assert 'data-apiconnector-copy="apiconnector-redirect-uri"' in guide
        assert f'readonly value="{REDIRECT_URI}"' in guide
        assert '<a href="?">Choose another API</a>' in guide

    def test_a_variable_that_is_missing_is_said_at_its_input(self, admin_client: Client) -> None:
        sent = sent_of(opened(admin_client, "shopify"), client_id="the-id", client_secret="canary-secret")
        page = admin_client.post(f"{ADD}?preset=shopify", sent)
        assert set(errors(page)) == {"variable_shop"}
        text = page.content.decode()
        assert "apiconnector-guide" in text
        assert 'name="preset" value="shopify"' in text
        assert "canary" not in text

    def test_a_key_typed_as_json_counts_where_the_preset_s_was_left_alone(self, admin_client: Client) -> None:
        sent = sent_of(opened(admin_client, "notion"), client_id="the-id", client_secret="s")
        assert sent["dialect_token_request_format"] == "json"
        assert admin_client.post(ADD, {**sent, "dialect": '{"token_request_format": "query"}'}).status_code == 302
        assert Connection.objects.get().dialect["token_request_format"] == "query"

    def test_what_was_typed_counts(self, admin_client: Client) -> None:
        sent = sent_of(opened(admin_client, "google", "&name=Ours"), client_id="the-id", client_secret="s")
        assert sent["name"] == "Ours"
        sent |= {"scope": "openid", "dialect_authorization_params": ""}
        assert admin_client.post(ADD, sent).status_code == 302
        connection = Connection.objects.get()
        assert (connection.scope, connection.dialect) == ("openid", {"refresh_token_idle_days": 180})

    def test_a_post_without_the_hidden_input_has_that_of_the_address(self, admin_client: Client) -> None:
        assert admin_client.post(f"{ADD}?preset=github", form()).status_code == 302
        connection = Connection.objects.get()
        assert (connection.preset, connection.dialect) == ("github", known("github").fields.get("dialect", {}))

    def test_the_suggested_name_is_free(self, admin_client: Client, make_connection: Make) -> None:
        for slug in ("google", "google-2", "google-ads"):
            make_connection(slug=slug)
        initial = opened(admin_client, "google").context["adminform"].form.initial
        assert (initial["name"], initial["slug"]) == ("Google 3", "google-3")

    def test_without_a_redirect_uri_the_steps_are_still_there(self, admin_client: Client, settings: Any) -> None:
        settings.ROOT_URLCONF = "tests.urls_without_callback"
        text = opened(admin_client, "google").content.decode()
        assert "the redirect URI" in text
        assert "apiconnector.urls" in text

    def test_a_clerk_without_secrets_can_begin_with_one(self) -> None:
        page = opened(clerk(*ALL_BUT_SECRETS), "quickbooks")
        assert page.status_code == 200
        assert 'name="client_secret"' not in page.content.decode()

    def test_steps_are_no_way_into_the_page(self) -> None:
        step = picker._step("<b>{{ redirect_uri }}</b> and {{ redirect_uri }}", "https://a/?<i>")
        assert step == "&lt;b&gt;<code>https://a/?&lt;i&gt;</code>&lt;/b&gt; and <code>https://a/?&lt;i&gt;</code>"


class TestASavedConnection:
    def test_the_same_is_shown_folded(self, admin_client: Client, make_connection: Make) -> None:
        connection = make_connection(preset="google", **{**known("google").fields, "client_id": "i"})
        text = admin_client.get(change_url(connection)).content.decode()
        assert '<details class="apiconnector-guide"><summary>What to do at Google</summary>' in text
        assert f"<code>{REDIRECT_URI}</code>" in text
        assert "Choose another API" not in text
        submit(admin_client, connection, name="Renamed")
        assert Connection.objects.get().preset == "google"

    @pytest.mark.parametrize("preset", ["", "of-an-older-release", "<script>"])
    def test_without_one_there_is_nothing(self, admin_client: Client, make_connection: Make, preset: str) -> None:
        connection = make_connection(preset=preset)
        text = admin_client.get(change_url(connection)).content.decode()
        assert "apiconnector-guide" not in text
        assert "<script>" not in text[text.index('id="connection_form"') :].partition("prepopulated")[0][:2000]
        assert shown(admin_client, connection).get("preset", "") == preset
        submit(admin_client, connection, name="Renamed")
        after = Connection.objects.get()
        assert (after.name, after.preset) == ("Renamed", preset)
