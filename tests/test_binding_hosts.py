"""Which hosts a connection names, however they are written, and which of them are new to a secret."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from apiconnector.exceptions import SecretSealed
from apiconnector.models import Connection, Token, hosts
from apiconnector.shortcuts import connect
from apiconnector.testing import fake_connection
from tests.bindings import CANARY, CODE, found_in_sql

if TYPE_CHECKING:
    from collections.abc import Callable


def named(*allowed: Any, **fields: Any) -> frozenset[str]:
    return Connection(allowed_hosts=list(allowed), **fields).secret_hosts()


class TestHosts:
    @pytest.mark.parametrize(
        ("written", "host"),
        [
            ("https://api.example.com", "api.example.com:443"),
            ("HTTPS://API.Example.COM:443/x?y#z", "api.example.com:443"),
            ("https://api.example.com./v1", "api.example.com:443"),
            ("https://api.example.com:8443", "api.example.com:8443"),
            ("https://bücher.example", "xn--bcher-kva.example:443"),
            ("https://XN--BCHER-KVA.example.", "xn--bcher-kva.example:443"),
            ("https://[2001:DB8:0:0::1]", "[2001:db8::1]:443"),
            ("https://[2001:db8::1]:443/", "[2001:db8::1]:443"),
            ("http://api.example.com:443", "http://api.example.com:443"),
            ("http://api.example.com", "http://api.example.com:80"),
        ],
    )
    def test_one_host_is_written_in_one_way(self, written: str, host: str) -> None:
        assert named(base_url=written) == {host}
        if written.startswith("https://"):
            entry = written.removeprefix("https://").partition("/")[0]
            assert named(entry) == {host}
            assert named(f".{entry}") == {f".{host}"}

    def test_every_column_that_names_a_host_counts(self) -> None:
        urls = {name: f"https://{name.replace('_', '-')}.example" for name in hosts.ADDRESS_FIELDS}
        connection = Connection(**urls, allowed_hosts=["more.example"])
        assert connection.secret_hosts() == {
            *(f"{name.replace('_', '-')}.example:443" for name in urls),
            "more.example:443",
        }
        assert connection.hosts_in_words() == (
            "authorization-url.example:443 (authorization URL), base-url.example:443 (base URL), "
            "more.example:443 (allowed hosts), refresh-url.example:443 (refresh URL), "
            "revocation-url.example:443 (revocation URL), token-url.example:443 (token URL)"
        )
        assert named() == frozenset()

    @pytest.mark.parametrize(
        ("host", "known", "is_new"),
        [
            ("a.example:443", "a.example:443", False),
            ("a.example:443", "b.example:443", True),
            ("a.example:8443", "a.example:443", True),
            ("http://a.example:8443", "a.example:8443", True),
            ("a.example:8443", "http://a.example:8443", True),
            ("a.example:443", ".example:443", False),
            ("example:443", ".example:443", False),
            (".a.example:443", ".example:443", False),
            (".example:443", ".a.example:443", True),
            (".a.example:443", "a.example:443", True),
            ("evila.example:443", ".a.example:443", True),
            ("a.example:8443", ".example:443", True),
            ("http://a.example:443", ".example:443", True),
            ("http://example:443", ".example:443", True),
        ],
    )
    def test_what_is_new(self, host: str, known: str, is_new: bool) -> None:
        assert bool(hosts.new_among(frozenset({host}), frozenset({known}))) is is_new
        assert hosts.new_among(frozenset({host}), frozenset()) == {host}
        assert hosts.new_among(frozenset(), frozenset({known})) == frozenset()

    @pytest.mark.parametrize(
        "written",
        [
            "nonsense", "evil.example", "//evil.example/", "https:/evil.example/", "https:evil.example", "https://",
            "ftp://evil.example/", "https://user:canary-pw@evil.example/", "https://api.example.com@evil.example/",
            "https://evil.example\\@api.example.com/", "https://api.example.com\n.evil.example/",
            "https://evil.example:99999/", "https://evil.example:0/", "https://evil .example/", "https://[::1%25eth0]/",
            "https://evil..example/", "javascript:alert(1)", "https://{{ oops }}/", "{{ oops }}", "https://{{", "\ud800",
        ],
    )  # fmt: skip  # in rows
    def test_what_is_no_host_is_new_and_not_shown(self, written: str) -> None:
        """It does not silently contribute nothing, and no other text passes for it."""
        (entry,) = named(base_url=written)
        known = named("api.example.com", ".evil.example", base_url="https://api.example.com")
        assert hosts.new_among(frozenset({entry}), known) == {entry}
        assert entry not in named(base_url=f"{written}x")
        assert Connection(base_url=written).hosts_in_words() == "something that can't be read as a host (base URL)"

    @pytest.mark.parametrize(
        "allowed",
        ["evil.example", {"evil.example": 1}, [["evil.example"]], [5], [None], [""], ["."], ["*"], ["*.evil.example"],
         ["a@evil.example"], ["..evil.example"], ["evil.example\x00"], 7],
        ids=repr,
    )  # fmt: skip  # in rows
    def test_allowed_hosts_that_are_none_are_new(self, allowed: Any) -> None:
        connection = Connection(base_url="https://api.example.com")
        before = connection.secret_hosts()
        connection.allowed_hosts = allowed
        assert hosts.new_among(connection.secret_hosts(), before)

    @pytest.mark.parametrize("allowed", [["evil.example/x"], ["evil.example?x"], ["evil.example#x"]], ids=repr)
    def test_allowed_hosts_with_more_behind_them_are_new_too(self, allowed: list[str]) -> None:
        assert hosts.new_among(named(*allowed), named("api.example.com")) == {"evil.example:443"}


class TestVariables:
    """Placeholders in addresses name hosts as they are filled."""

    @pytest.mark.parametrize(
        ("fields", "host"),
        [
            ({"base_url": "https://{{ tenant }}.example/v1"}, "acme.example:443"),
            ({"base_url": "https://{{ Tenant|default:'acme' }}.example/{{ unknown }}"}, "acme.example:443"),
            ({"base_url": "https://acme.example/{{ oops"}, None),
            ({"base_url": "https://acme.example/bot{{ api_key }}/"}, "acme.example:443"),
            ({"base_url": "{{ origin }}/v1"}, "acme.example:443"),
            ({"base_url": "https://acme.example:{{ port }}"}, "acme.example:8443"),
            ({"base_url": "https://{{ evil }}.example"}, None),
            ({"base_url": "https://acme{{ evil }}"}, None),
            ({"base_url": "https://{{ number }}.example"}, None),
            ({"base_url": "https://{{ listed }}.example"}, None),
            ({"base_url": "https://{{ unknown }}.example"}, None),
            ({"base_url": "{{ tenant }}.example/x"}, None),
            ({"allowed_hosts": ["{{ tenant }}.example"]}, "acme.example:443"),
            ({"allowed_hosts": [".{{ tenant }}.example:{{ port }}"]}, ".acme.example:8443"),
            ({"allowed_hosts": ["{{ whole }}"]}, "acme.example:8443"),
            ({"allowed_hosts": ["{{ evil }}.example"]}, None),
            ({"allowed_hosts": ["{{ whole }}.example"]}, None),
            ({"allowed_hosts": ["{{ unknown }}"]}, None),
        ],
        ids=str,
    )
    def test_the_host_is_that_of_the_filled_text(self, fields: dict[str, Any], host: str | None) -> None:
        connection = Connection(
            variables={
                "tenant": "acme", "origin": "https://acme.example", "port": 8443, "evil": "evil.example/", "number": 1.5,
                "listed": ["a"], "whole": "acme.example:8443",
            },
            **fields,
        )  # fmt: skip  # in rows
        (entry,) = connection.secret_hosts()
        assert entry == host if host else entry.startswith("?")

    @pytest.mark.parametrize("name", ["api_key", "client_id", "client_secret", "secret_variables", "access_token"])
    def test_no_secret_takes_part(self, name: str) -> None:
        """Nor a variable of its name: what fills a request would take the secret instead."""
        connection = Connection(
            base_url=f"https://{{{{ {name} }}}}.example", api_key="a", client_id="a", client_secret="a",
            secret_variables={"tenant": "a"}, variables={name: "acme"},
        )  # fmt: skip  # in rows
        (entry,) = connection.secret_hosts()
        assert entry.startswith("?")
        connection.base_url = "https://{{ tenant }}.example"
        (entry,) = connection.secret_hosts()
        assert entry.startswith("?")

    @pytest.mark.django_db
    def test_what_was_kept_with_the_token_wins(self, make_connection: Callable[..., Connection]) -> None:
        connection = make_connection(
            **CODE | {"base_url": "{{ api }}/v1", "variables": {"api": "https://one.example"}, "allowed_hosts": []}
        )
        assert "one.example:443" in connection.secret_hosts()
        Token.objects.create(connection=connection, values={"api": "https://two.example"})
        assert "two.example:443" in Connection.objects.get().secret_hosts()
        assert "one.example:443" not in Connection.objects.get().secret_hosts()

    @pytest.mark.django_db
    def test_a_variable_that_changes_a_host_seals(self, make_connection: Callable[..., Connection]) -> None:
        connection = make_connection(
            auth_method="bearer", api_key=CANARY, base_url="https://{{ tenant }}.example/{{ version }}",
            variables={"tenant": "acme", "version": "v1"},
        )  # fmt: skip  # in rows
        assert connection.reveal("api_key") == CANARY
        connection.variables = {"tenant": "acme", "version": "v2", "more": "evil.example"}
        connection.save()
        assert connection.reveal("api_key") == CANARY
        assert found_in_sql() == {"crm": "ready"}
        connection.variables = {"tenant": "evil", "version": "v2"}
        connection.save()
        with pytest.raises(SecretSealed, match=r"evil.example:443 \(base URL\)"):
            connection.reveal("api_key")
        assert found_in_sql() == {"crm": "sealed"}

    @pytest.mark.django_db
    def test_an_allowed_host_admits_what_a_variable_brings(self, make_connection: Callable[..., Connection]) -> None:
        connection = make_connection(
            auth_method="bearer", api_key=CANARY, base_url="https://{{ tenant }}.example", allowed_hosts=[".example"]
        )
        connection.variables = {"tenant": "acme"}
        connection.save()
        assert connection.reveal("api_key") == CANARY

    @pytest.mark.django_db
    def test_what_only_the_token_will_bring_stops_nobody_from_authorizing(
        self, make_connection: Callable[..., Connection]
    ) -> None:
        """An address that can't be filled yet can't be sent to; the secret is bound to its text."""
        connection = make_connection(**CODE | {"base_url": "{{ api }}/v1"})
        assert connection.reveal("client_secret") == CANARY
        Token.objects.create(connection=connection, values={"api": "https://evil.example"})
        with pytest.raises(SecretSealed):
            Connection.objects.get().reveal("client_secret")

    @pytest.mark.django_db
    def test_a_secret_typed_while_there_was_a_token_survives_its_end(
        self, make_connection: Callable[..., Connection]
    ) -> None:
        """Nothing can be sent to an address that is not filled any more, so that it is nothing new."""
        kept = {"keep_from_token": {"api": {"pattern": ".*"}}}
        connection = make_connection(
            **CODE | {"base_url": "{{ api }}/v1", "allowed_hosts": [".example"], "dialect": kept}
        )
        Token.objects.create(connection=connection, values={"api": "https://acme.example"})
        connection = Connection.objects.get()
        connection.client_secret = "canary-typed-later"
        connection.save()
        assert Connection.objects.get().reveal("client_secret") == "canary-typed-later"
        Token.objects.all().delete()
        assert Connection.objects.get().reveal("client_secret") == "canary-typed-later"
        Token.objects.create(connection=connection, values={"api": "https://acme.evil"})
        with pytest.raises(SecretSealed, match=r"acme.evil:443 \(base URL\)"):
            Connection.objects.get().reveal("client_secret")

    def test_values_that_are_no_objects_break_nothing(self) -> None:
        connection = Connection(base_url="https://{{ a }}.example", variables=["a"])
        connection.token = Token(values=["a"])
        assert len(connection.secret_hosts()) == 1


@pytest.mark.django_db
def test_a_fake_api_serves_what_is_the_connections() -> None:
    with fake_connection("crm", base_url="https://crm.example:8443", allowed_hosts=[".files.example"]) as api:
        with connect("crm") as session:
            for url in ("x", "https://CRM.example:8443/x", "https://files.example/x", "https://a.files.example/x"):
                session.get(url)
        assert len(api.requests) == 4
        for url in (
            "http://crm.example:8443/x", "https://crm.example/x", "http://a.files.example:443/x", "nonsense",
        ):  # fmt: skip  # in rows
            request = copy.copy(api.requests[0])
            request.url = url
            assert not api.serves(request), url
