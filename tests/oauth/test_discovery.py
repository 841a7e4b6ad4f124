"""Which addresses a text leads to, whose document is believed, and what of it is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apiconnector.exceptions import TokenRequestFailed
from apiconnector.oauth.discovery import Metadata, MetadataError, asked_for, discover, read
from apiconnector.oauth.wire import Answer, TokenEndpointRequest

H = "https://accounts.example.com"
WK = f"{H}/.well-known"
OAUTH, OPENID = f"{WK}/oauth-authorization-server", f"{WK}/openid-configuration"


def document(issuer: str = H, **members: Any) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{H}/authorize",
        "token_endpoint": f"{H}/token",
        **members,
    }


class Provider:
    """Answers by address; 404 for the others."""

    def __init__(self, documents: dict[str, Any]) -> None:
        self.documents = documents
        self.asked: list[str] = []

    def __call__(self, request: TokenEndpointRequest) -> Answer:
        assert (request.method, request.body) == ("GET", b"")
        self.asked.append(request.url)
        answer = self.documents.get(request.url, Answer(404, {}, b"<h1>Not found</h1>"))
        return answer if isinstance(answer, Answer) else Answer(200, {}, json.dumps(answer).encode())


def refused(text: str, documents: dict[str, Any] | None = None) -> MetadataError:
    with pytest.raises(MetadataError) as error:
        discover(text, Provider(documents or {}))
    assert error.value.__cause__ is None
    return error.value


@pytest.mark.parametrize(
    "text",
    [
        H,
        f"{H}/",
        "accounts.example.com",
        " accounts.example.com/\n",
        "HTTPS://Accounts.Example.com",
        "Accounts.EXAMPLE.com",
    ],
)
def test_an_issuer_without_a_path(text: str) -> None:
    asked = asked_for(text)
    assert asked.urls == (OAUTH, OPENID)
    assert {H, f"{H}/"} <= set(asked.issuers)


@pytest.mark.parametrize("text", [f"{H}/a/b", f"{H}/a/b/", "accounts.example.com/a/b"])
def test_an_issuer_with_a_path(text: str) -> None:
    asked = asked_for(text)
    assert asked.urls == (
        f"{OAUTH}/a/b",
        f"{H}/a/b/.well-known/openid-configuration",
        f"{OPENID}/a/b",
        f"{H}/a/b/.well-known/oauth-authorization-server",
    )
    assert asked.issuers == (f"{H}/a/b", f"{H}/a/b/")


def test_a_path_keeps_its_capitals() -> None:
    assert asked_for("HTTPS://Accounts.example.com/Realms/My%20Realm").issuers == (
        f"{H}/Realms/My%20Realm",
        f"{H}/Realms/My%20Realm/",
        "HTTPS://Accounts.example.com/Realms/My%20Realm",
        "HTTPS://Accounts.example.com/Realms/My%20Realm/",
    )


@pytest.mark.parametrize("origin", ["https://localhost:8001", "https://[::1]:8001", "https://192.0.2.1"])
def test_hosts_with_ports_and_addresses(origin: str) -> None:
    assert asked_for(origin).issuers[0] == origin
    assert asked_for(origin.removeprefix("https://")).issuers[0] == origin


@pytest.mark.parametrize(
    ("text", "issuer"),
    [
        (OAUTH, H),
        (OPENID, H),
        (f"{OPENID}/", H),
        (f"{WK}/example-configuration", H),
        (f"{OAUTH}/a/b", f"{H}/a/b"),
        (f"{OPENID}/a/b/", f"{H}/a/b"),
        (f"{H}/a/b/.well-known/openid-configuration", f"{H}/a/b"),
        (f"{H}/a/b/.well-known/oauth-authorization-server", f"{H}/a/b"),
        ("accounts.example.com/.well-known/openid-configuration", H),
    ],
)
def test_the_address_of_a_document_is_asked_alone_and_leads_back_to_its_issuer(text: str, issuer: str) -> None:
    asked = asked_for(text)
    assert asked.urls == (text if text.startswith(H) else f"https://{text}",)
    assert asked.issuers == (issuer, f"{issuer}/")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "two words",
        "ftp://accounts.example.com",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        f"{H}?tenant=1",
        f"{H}/#top",
        f"{OPENID}?p=policy",
        "https://ada:canary@accounts.example.com",
        f"{H}/a b",
        f"{H}/a\nb",
        f"{H}/\x00",
        f"{H}/../admin",
        f"{H}/a/.",
        f"{H}//a",
        f"{H}/{{{{ client_secret }}}}",
        f"{H}/\udce4",
        "https://münchen.example",
        "https://[::1",
        "https://host:port",
        f"{H}/.well-known",
        f"{H}/.well-known/",
        f"{H}/a/.well-known/openid-configuration/b",
        f"{H}/" + "a" * 500,
    ],
)
def test_what_is_no_issuer_is_not_asked(text: str) -> None:
    provider = Provider({})
    with pytest.raises(MetadataError) as error:
        discover(text, provider)
    assert provider.asked == []
    assert "nter" in str(error.value)
    assert "canary" not in str(error.value)


@pytest.mark.parametrize(
    ("issuer", "url"),
    [
        (H, OAUTH),
        (H, OPENID),
        (f"{H}/", OPENID),
        (f"{H}/a", f"{OAUTH}/a"),
        (f"{H}/a", f"{H}/a/.well-known/openid-configuration"),
        (f"{H}/a", f"{OPENID}/a"),
        (f"{H}/a", f"{H}/a/.well-known/oauth-authorization-server"),
        (f"{H}/a/", f"{H}/a/.well-known/openid-configuration"),
    ],
)
def test_servers_have_one_of_the_documents_only(issuer: str, url: str) -> None:
    for text in (issuer, issuer.rstrip("/"), url):
        assert discover(text, Provider({url: document(issuer)})).issuer == issuer


def test_the_first_document_counts() -> None:
    provider = Provider({OAUTH: document(token_endpoint=f"{H}/first"), OPENID: document(token_endpoint=f"{H}/second")})
    assert discover(H, provider).token_endpoint == f"{H}/first"
    assert provider.asked == [OAUTH]


@pytest.mark.parametrize(
    "issuer",
    [
        "https://evil.example",
        "https://accounts.example.com.evil.example",
        "http://accounts.example.com",
        f"{H}:443",
        f"{H}/a",
        f"{H}//",
        f"{H} ",
        "https://ACCOUNTS.example.com",
        "accounts.example.com",
        "",
    ],
)
def test_the_document_of_another_issuer_is_refused(issuer: str) -> None:
    for text in (H, OAUTH, OPENID):
        error = refused(text, {OAUTH: document(issuer), OPENID: document(issuer)})
        assert error.member == "issuer"
        assert "is of another issuer" in str(error)
        assert H in str(error)


def test_a_tenant_is_not_the_whole_server() -> None:
    for url in asked_for(f"{H}/a").urls:
        assert refused(f"{H}/a", {url: document(H)}).member == "issuer"
        assert refused(url, {url: document(f"{H}/b")}).member == "issuer"


def test_another_issuer_in_one_document_does_not_spoil_the_other() -> None:
    assert discover(f"{H}/a", Provider({
        f"{OAUTH}/a": document(H), f"{H}/a/.well-known/openid-configuration": document(f"{H}/a"),
    })).issuer == f"{H}/a"  # fmt: skip  # in rows


def test_the_issuer_of_a_refusal_is_shown_on_one_line() -> None:
    text = str(refused(H, {OAUTH: document("https://evil.example\n\u202egnp" + "x" * 9000)}))
    assert "\n" not in text
    assert "\u202e" not in text
    assert len(text) < 1000


def answer(body: bytes, status: int = 200, **headers: str) -> Answer:
    return Answer(status, headers, body)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (answer(b"<!DOCTYPE html><title>Sign in</title>"), "is a page (HTML)"),
        (answer(b"\xef\xbb\xbf  <html>"), "is a page (HTML)"),
        (answer(b""), "is not JSON"),
        (answer(b"issuer=https://accounts.example.com"), "is not JSON"),
        (answer(b'{"issuer": "https://accounts.example.com"'), "is not JSON"),
        (answer(b'{"issuer": "\xff"}'), "is not JSON"),
        (answer(b"[" * 200_000), "is not JSON"),
        (answer(b'{"a":' * 200_000), "is not JSON"),
        (answer(b'{"a": ' + b"1" * 10_000 + b"}"), "is not JSON"),
        (answer(b"[]"), "is not a JSON object"),
        (answer(b'[{"issuer": "https://accounts.example.com"}]'), "is not a JSON object"),
        (answer(b"null"), "is not a JSON object"),
        (answer(b"7"), "is not a JSON object"),
        (answer(b"{}"), "names no issuer"),
        (answer(b'{"issuer": null}'), "names no issuer"),
        (answer(b'{"issuer": ["https://accounts.example.com"]}'), "names no issuer"),
        (answer(b"{}", 500), "answered with status 500"),
        (answer(b"{}", 204), "answered with status 204"),
        (
            answer(b"", 302, location="https://evil.example/x?secret=canary"),
            "redirect to https://evil.example/x, which",
        ),
        (answer(b"", 301, location="/elsewhere"), "redirect to /elsewhere, which is not followed"),
        (answer(b"", 308), "answered with a redirect, which is not followed"),
        (answer(b"", 302, location="http://["), "answered with a redirect, which is not followed"),
    ],
)
def test_what_is_no_metadata(given: Answer, says: str) -> None:
    for text in (H, OAUTH):
        error = refused(text, {OAUTH: given})
        assert f"{OAUTH} " in str(error)
        assert says in str(error)
        assert "by hand" in str(error)
        assert "canary" not in str(error)
        assert error.member == ""
    # The other document is asked for all the same.
    assert discover(H, Provider({OAUTH: given, OPENID: document()})).issuer == H


def test_nothing_there_names_every_address_that_was_asked() -> None:
    text = str(refused(f"{H}/a"))
    assert all(f"{url} answered with status 404." in text for url in asked_for(f"{H}/a").urls)


def test_a_server_that_does_not_answer_is_not_asked_again() -> None:
    asked = []

    def send(request: TokenEndpointRequest) -> Answer:
        asked.append(request.url)
        raise TokenRequestFailed("The provider at https://accounts.example.com did not answer.")

    with pytest.raises(MetadataError, match="did not answer") as error:
        discover(H, send)
    assert asked == [OAUTH]
    assert error.value.__suppress_context__


def test_what_is_read() -> None:
    given = document(
        revocation_endpoint=f"{H}/revoke",
        scopes_supported=["openid", "email"],
        response_types_supported=["code"],
        response_modes_supported=["query", "form_post"],
        grant_types_supported=["authorization_code", "refresh_token"],
        code_challenge_methods_supported=["S256", "plain"],
        token_endpoint_auth_methods_supported=["client_secret_post"],
        authorization_response_iss_parameter_supported=True,
    )
    metadata = read({**given, "jwks_uri": "http://nobody.reads/this", "claims_supported": 7, "ui_locales": {"a": "b"}})
    assert dict(metadata.kept) == given
    assert metadata.code_challenge_methods_supported == ("S256", "plain")
    assert metadata.authorization_response_iss_parameter_supported is True
    assert metadata.revocation_endpoint == f"{H}/revoke"
    assert read(metadata.kept) == metadata


def test_what_is_not_stated() -> None:
    metadata = read({"issuer": H, "token_endpoint": f"{H}/token", "scopes_supported": None, "revocation_endpoint": ""})
    assert metadata == Metadata(issuer=H, token_endpoint=f"{H}/token", kept=metadata.kept)
    assert dict(metadata.kept) == {"issuer": H, "token_endpoint": f"{H}/token"}
    # RFC 8414 section 2.
    assert metadata.token_endpoint_auth_methods_supported == ("client_secret_basic",)
    assert metadata.grant_types_supported == ("authorization_code", "implicit")
    assert metadata.code_challenge_methods_supported == ()


@pytest.mark.parametrize("promise", [False, None, "true", 1, ["true"]])
def test_a_promise_is_true_and_nothing_else(promise: Any) -> None:
    metadata = read(document(authorization_response_iss_parameter_supported=promise))
    assert metadata.authorization_response_iss_parameter_supported is False
    assert "authorization_response_iss_parameter_supported" not in metadata.kept


@pytest.mark.parametrize("member", ["authorization_endpoint", "token_endpoint", "revocation_endpoint"])
@pytest.mark.parametrize(
    "value",
    [
        "/token",
        "//accounts.example.com/token",
        "accounts.example.com/token",
        "javascript:alert(document.cookie)",
        "data:text/html,x",
        "ftp://accounts.example.com/token",
        "HTTPS://",
        "https://",
        f"{H}/token#fragment",
        f"{H}/to ken",
        f"{H}/token\n",
        f"{H}/token\x00",
        f"{H}/\u202etoken",
        f"{H}/\ud800",
        f"{H}/token?secret={{{{ client_secret }}}}",
        f"{H}/{{% now %}}",
        f"{H}/" + "a" * 500,
        7,
        True,
        [f"{H}/token"],
        {"url": f"{H}/token"},
    ],
    ids=lambda value: repr(value)[:40],
)
def test_an_endpoint_that_is_no_address_refuses_the_whole(member: str, value: Any) -> None:
    error = refused(H, {OAUTH: Answer(200, {}, json.dumps(document(**{member: value})).encode())})
    assert error.member == member
    assert member in str(error)
    assert "by hand" in str(error)
    assert len(str(error)) < 700
    assert str(error).isprintable()


@pytest.mark.parametrize("member", ["token_endpoint", "issuer"])
@pytest.mark.parametrize("value", [None, ""])
def test_what_can_not_be_missing(member: str, value: Any) -> None:
    with pytest.raises(MetadataError, match=f"names no {member}") as error:
        read(document() | {member: value})
    assert error.value.member == member


@pytest.mark.parametrize(
    "member",
    [
        "grant_types_supported",
        "code_challenge_methods_supported",
        "token_endpoint_auth_methods_supported",
        "scopes_supported",
    ],
)
@pytest.mark.parametrize(
    "value",
    ["S256", {"S256": True}, 7, True, [7], [None], [["S256"]], ["a\nb"], ["\ud800"], ["x" * 201], ["x"] * 5001],
    ids=lambda value: repr(value)[:20],
)
def test_a_list_that_is_none(member: str, value: Any) -> None:
    with pytest.raises(MetadataError, match=f"its {member} is no list") as error:
        read(document(**{member: value}))
    assert error.value.member == member


def test_thousands_of_scopes_are_read_and_not_kept() -> None:
    scopes = [f"patient/Resource{number}.read" for number in range(4000)]
    metadata = read(document(scopes_supported=scopes))
    assert metadata.scopes_supported == tuple(scopes)
    assert "scopes_supported" not in metadata.kept
    assert len(json.dumps(metadata.kept)) < 1000
