"""Answers without a token: who has to act, and what that person is told."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from apiconnector.exceptions import Act
from apiconnector.oauth import (
    AuthorizationCode,
    ClientCredentials,
    ClientSecretBasic,
    ClientSecretPost,
    PublicClient,
    RefreshToken,
)
from tests.oauth.answers import CLIENT, answer, refused

if TYPE_CHECKING:
    from apiconnector.oauth import ClientAuthentication, Grant

CODE = AuthorizationCode("code-value", "https://site.example/oauth/callback", "verifier-value")
REFRESH = RefreshToken("refresh-value")
OWN = ClientCredentials()
GRANTS: dict[str, Grant] = {"code": CODE, "refresh": REFRESH, "client": OWN}

PERSON, ADMIN, NOBODY = Act.PERSON, Act.ADMINISTRATOR, Act.NOBODY
HTML = b"<!DOCTYPE html><html><body>invalid_grant: Invalid refresh token</body></html>"
PROBLEM = {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "Something is wrong."}

# Each row: status, body, and who has to act on it after a code, a refresh, and the client's own request.
CASES: dict[str, tuple[int, Any, tuple[Act, Act, Act]]] = {
    # Dead grants
    "invalid_grant": (400, {"error": "invalid_grant"}, (PERSON, PERSON, ADMIN)),
    "invalid_grant at 401": (401, {"error": "invalid_grant"}, (PERSON, PERSON, ADMIN)),
    "invalid_grant at 403": (403, {"error": "invalid_grant"}, (PERSON, PERSON, ADMIN)),
    "invalid_grant at 200": (200, {"error": "invalid_grant"}, (PERSON, PERSON, ADMIN)),
    "invalid_grant beside a token": (200, {"error": "invalid_grant", "access_token": "at"}, (PERSON, PERSON, ADMIN)),
    "invalid_grant as form data": (400, b"error=invalid_grant&error_description=gone", (PERSON, PERSON, ADMIN)),
    "invalid_grant as a list": (400, {"errors": [{"code": "invalid_grant"}]}, (PERSON, PERSON, ADMIN)),
    "invalid_grant in a list of texts": (400, {"errors": ["invalid_grant"]}, (PERSON, PERSON, ADMIN)),
    "invalid_grant as an object": (400, {"error": {"type": "invalid_grant", "code": 7}}, (PERSON, PERSON, ADMIN)),
    "invalid_grant in camel case": (400, {"errorCode": "invalidGrant", "errorSummary": "x"}, (PERSON, PERSON, ADMIN)),
    "GitHub, a wrong code": (200, {"error": "bad_verification_code", "error_description": "x"}, (PERSON, PERSON, NOBODY)),
    "Zoho, Slack": (200, {"ok": False, "error": "invalid_code"}, (PERSON, PERSON, NOBODY)),
    "HubSpot": (400, {"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"}, (ADMIN, PERSON, ADMIN)),
    "HubSpot, a wrong code": (400, {"status": "BAD_AUTH_CODE", "message": "x"}, (PERSON, ADMIN, ADMIN)),
    "WeChat": (200, {"errcode": 40029, "errmsg": "invalid code"}, (PERSON, NOBODY, NOBODY)),
    "Instagram": (
        400,
        {"error_type": "OAuthException", "code": 400, "error_message": "Matching code was not found or was already used"},
        (PERSON, ADMIN, ADMIN),
    ),
    "invalid_request for a dead token": (
        400, {"error": "invalid_request", "error_description": "Invalid refresh_token"}, (ADMIN, PERSON, ADMIN),
    ),
    "league, a dead token": (
        401, {"error": "invalid_request", "message": "The refresh token is invalid.", "hint": "Token has been revoked"},
        (ADMIN, PERSON, ADMIN),
    ),
    "invalid_request for a dead code": (
        400, {"error": "invalid_request", "error_description": "The authorization code has expired"}, (PERSON, ADMIN, ADMIN),
    ),
    "a sentence as error": (400, {"error": "The refresh token isn't valid"}, (ADMIN, PERSON, ADMIN)),
    "status text as error": (
        400, {"statusCode": 400, "error": "Bad Request", "message": "Refresh token expired"}, (ADMIN, PERSON, ADMIN),
    ),
    "a free edition without refresh": (400, {"error": "unauthorized_client"}, (ADMIN, PERSON, ADMIN)),
    "an app that is gone": (
        400, {"error": "unauthorized_client", "error_description": "AADSTS700016: Application was not found"}, (ADMIN,) * 3
    ),
    "interaction_required": (400, {"error": "interaction_required"}, (ADMIN, PERSON, ADMIN)),
    "invalid_token": (400, {"error": "invalid_token"}, (ADMIN, PERSON, ADMIN)),
    # The client, or the request
    "invalid_client": (400, {"error": "invalid_client"}, (ADMIN, ADMIN, ADMIN)),
    "invalid_client at 401": (401, {"error": "invalid_client"}, (ADMIN, ADMIN, ADMIN)),
    "invalid_client with words on tokens": (
        401, {"error": "invalid_client", "error_description": "Invalid grant or refresh token"}, (ADMIN, ADMIN, ADMIN),
    ),
    "GitHub, a wrong secret": (200, {"error": "incorrect_client_credentials"}, (ADMIN, ADMIN, ADMIN)),
    "401 and nothing": (401, b"", (ADMIN, ADMIN, ADMIN)),
    "401 and a word": (401, b"Unauthorized", (ADMIN, ADMIN, ADMIN)),
    "401 and a message": (401, {"message": "Unauthorized"}, (ADMIN, ADMIN, ADMIN)),
    "401 and null": (401, b"null", (ADMIN, ADMIN, ADMIN)),
    "invalid_scope": (400, {"error": "invalid_scope"}, (ADMIN, ADMIN, ADMIN)),
    "unsupported_grant_type": (400, {"error": "unsupported_grant_type"}, (ADMIN, ADMIN, ADMIN)),
    "redirect_uri_mismatch": (400, {"error": "redirect_uri_mismatch"}, (ADMIN, ADMIN, ADMIN)),
    "invalid_request": (400, {"error": "invalid_request"}, (ADMIN, ADMIN, ADMIN)),
    "invalid_request at 200": (200, {"error": "invalid_request"}, (ADMIN, ADMIN, ADMIN)),
    "a missing parameter": (
        400, {"error": "invalid_request", "error_description": "Invalid request: missing refresh_token, code"},
        (ADMIN, ADMIN, ADMIN),
    ),
    "a wrong verifier": (400, {"error": "invalid_request", "error_description": "Invalid code verifier"}, (ADMIN, ADMIN, ADMIN)),
    "a wrong grant type": (400, {"error": "invalid_request", "error_description": "Invalid grant_type"}, (ADMIN, ADMIN, ADMIN)),
    "an unknown error": (400, {"error": "computer_says_no"}, (ADMIN, ADMIN, ADMIN)),
    "404": (404, {"error": "not_found"}, (ADMIN, ADMIN, ADMIN)),
    "400 and nothing": (400, b"", (ADMIN, ADMIN, ADMIN)),
    "403 and nothing": (403, b" \r\n", (ADMIN, ADMIN, ADMIN)),
    "problem details": (400, PROBLEM, (ADMIN, ADMIN, ADMIN)),
    "problem details at 403": (403, PROBLEM | {"status": 403}, (ADMIN, ADMIN, ADMIN)),
    # Later, perhaps
    "X, a dead token": (
        400,
        {"error": "invalid_request", "error_description": "Value passed for the token was invalid."},
        (ADMIN, PERSON, ADMIN),
    ),
    "X, a wrong secret": (
        401,
        {"error": "unauthorized_client", "error_description": "Missing valid authorization header"},
        (ADMIN, ADMIN, ADMIN),
    ),
    "Zoho, too often": (
        400,
        {"error": "Access Denied", "status": "failure", "error_description": "You have made too many requests continuously."},
        (NOBODY, NOBODY, NOBODY),
    ),
    "a rate limit in words": (403, {"message": "Rate limit exceeded"}, (NOBODY, NOBODY, NOBODY)),
    "429": (429, {"error": "invalid_grant"}, (NOBODY, NOBODY, NOBODY)),
    "408": (408, b"", (NOBODY, NOBODY, NOBODY)),
    "500": (500, {"error": "invalid_grant"}, (NOBODY, NOBODY, NOBODY)),
    "500 for the client": (500, {"error": "invalid_client"}, (NOBODY, NOBODY, NOBODY)),
    "503 and nothing": (503, b"", (NOBODY, NOBODY, NOBODY)),
    "502 and a page": (502, HTML, (NOBODY, NOBODY, NOBODY)),
    "temporarily_unavailable": (400, {"error": "temporarily_unavailable"}, (NOBODY, NOBODY, NOBODY)),
    "server_error at 200": (200, {"error": "server_error"}, (NOBODY, NOBODY, NOBODY)),
    "slow_down": (401, {"error": "slow_down"}, (NOBODY, NOBODY, NOBODY)),
    "a page at 200": (200, HTML, (NOBODY, NOBODY, NOBODY)),
    "a page at 400": (400, HTML, (NOBODY, NOBODY, NOBODY)),
    "a page at 401": (401, HTML, (NOBODY, NOBODY, NOBODY)),
    "a page at 403": (403, b"\xef\xbb\xbf\n " + HTML, (NOBODY, NOBODY, NOBODY)),
    "words at 400": (400, b"Invalid refresh token", (NOBODY, NOBODY, NOBODY)),
    "words with an equals sign at 403": (403, b"Blocked. Ref id=77 error=invalid_grant", (NOBODY, NOBODY, NOBODY)),
    "too many fields": (400, b"&".join([b"x=1"] * 200), (NOBODY, NOBODY, NOBODY)),
    "bytes at 400": (400, b"\xff\x00\xfe\x80", (NOBODY, NOBODY, NOBODY)),
    # A success that is none
    "200 and nothing": (200, b"", (NOBODY, NOBODY, NOBODY)),
    "204": (204, b"", (NOBODY, NOBODY, NOBODY)),
    "null": (200, b"null", (NOBODY, NOBODY, NOBODY)),
    "a number": (200, b"42", (NOBODY, NOBODY, NOBODY)),
    "a text": (200, b'"at"', (NOBODY, NOBODY, NOBODY)),
    "a list": (200, [{"access_token": "at"}], (NOBODY, NOBODY, NOBODY)),
    "an empty object": (200, {}, (NOBODY, NOBODY, NOBODY)),
    "broken JSON": (200, b'{"access_token": "at"', (NOBODY, NOBODY, NOBODY)),
    "very deep JSON": (200, b"[" * 100_000, (NOBODY, NOBODY, NOBODY)),
    "very deep JSON in an object": (200, b'{"access_token": "at", "x": ' + b'{"x":' * 100_000, (NOBODY, NOBODY, NOBODY)),
    "a deep error": (200, b'{"access_token": "at", "error": ' + b"[" * 400 + b"1" + b"]" * 400 + b"}", (NOBODY, NOBODY, NOBODY)),
    "an endless number": (200, b'{"access_token": "at", "expires_in": ' + b"9" * 10_000 + b"}", (NOBODY, NOBODY, NOBODY)),
    "no token": (200, {"token_type": "bearer"}, (NOBODY, NOBODY, NOBODY)),
    "an empty token": (200, {"access_token": ""}, (NOBODY, NOBODY, NOBODY)),
    "a blank token": (200, {"access_token": "  "}, (NOBODY, NOBODY, NOBODY)),
    "a token of null": (200, {"access_token": None}, (NOBODY, NOBODY, NOBODY)),
    "a token of another type": (200, {"access_token": 5}, (NOBODY, NOBODY, NOBODY)),
    "a token elsewhere": (200, {"data": {"access_token": "at"}}, (NOBODY, NOBODY, NOBODY)),
    "a line end in the token": (200, {"access_token": "at\r\nX: y"}, (NOBODY, NOBODY, NOBODY)),
    "a line end at the end of the token": (200, {"access_token": "at\n"}, (NOBODY, NOBODY, NOBODY)),
    "a control character in the token": (200, {"access_token": "a\x00t"}, (NOBODY, NOBODY, NOBODY)),
    "a token no header can hold": (200, {"access_token": "tok\u20acn"}, (NOBODY, NOBODY, NOBODY)),
    "a lone surrogate in the token": (200, b'{"access_token": "\\ud800"}', (NOBODY, NOBODY, NOBODY)),
    "a token that is too long": (200, {"access_token": "x" * (64 * 1024 + 1)}, (NOBODY, NOBODY, NOBODY)),
    "a control character in the refresh token": (200, {"access_token": "at", "refresh_token": "r\n"}, (NOBODY, NOBODY, NOBODY)),
    "a number as error": (200, {"error": 10012, "access_token": "at"}, (NOBODY, NOBODY, NOBODY)),
    "an object as error": (200, {"error": {"code": 1}, "access_token": "at"}, (NOBODY, NOBODY, NOBODY)),
    "true as error": (200, {"error": True, "message": "no", "access_token": "at"}, (NOBODY, NOBODY, NOBODY)),
    "an error code beside a token": (200, {"errorCode": "E1", "access_token": "at"}, (NOBODY, NOBODY, NOBODY)),
    "a list of errors beside a token": (200, {"errors": ["no"], "access_token": "at"}, (NOBODY, NOBODY, NOBODY)),
    # Redirects
    "301": (301, b"", (ADMIN, ADMIN, ADMIN)),
    "302 and a page": (302, HTML, (ADMIN, ADMIN, ADMIN)),
    "307 and an error": (307, {"error": "invalid_grant"}, (ADMIN, ADMIN, ADMIN)),
}  # fmt: skip  # in rows


@pytest.mark.parametrize("grant", GRANTS)
@pytest.mark.parametrize("name", CASES)
def test_who_has_to_act(name: str, grant: str) -> None:
    status, body, acts = CASES[name]
    error = refused(answer(body, status), GRANTS[grant])
    assert error.act is dict(zip(GRANTS, acts, strict=True))[grant]
    assert error.retryable is (error.act is NOBODY)
    assert error.status_code == status
    # A whole sentence, which ends by saying what to do next.
    assert str(error).endswith((".", "byte for byte."))
    assert "\n" not in str(error)


def test_only_a_dead_grant_asks_a_person() -> None:
    assert all(acts[2] is not PERSON for _, _, acts in CASES.values())
    assert len(CASES) >= 60


@pytest.mark.parametrize(
    ("body", "error", "description"),
    [
        ({"error": "invalid_grant", "error_description": "Token expired"}, "invalid_grant", "Token expired"),
        (b"error=invalid_grant&error_description=Token+expired", "invalid_grant", "Token expired"),
        ({"error": {"code": 190, "type": "OAuthException", "message": "Expired"}}, "OAuthException", "Expired"),
        ({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "No"}}, "INVALID_ARGUMENT", "No"),
        ({"error": 42}, "42", ""),
        ({"error": True, "message": "No"}, "", "No"),
        ({"error": ["a", "b"]}, "a", ""),
        ({"errors": [{"code": "E1", "message": "One"}, {"code": "E2", "message": "Two"}]}, "E1", "One Two"),
        ({"status": "BAD_REFRESH_TOKEN", "message": "gone"}, "BAD_REFRESH_TOKEN", "gone"),
        ({"error_type": "auth", "error_message": "No"}, "auth", "No"),
        ({"errorCode": "E0001", "errorSummary": "No"}, "E0001", "No"),
        ({"errcode": 40029, "errmsg": "invalid code"}, "40029", "invalid code"),
        (PROBLEM, "400", "Something is wrong. Bad Request"),
        ([{"errorCode": "E1", "message": "No"}], "E1", "No"),
        (b'"invalid_grant"', "invalid_grant", ""),
        (HTML, "", ""),
        (b"", "", ""),
    ],
)
def test_the_providers_words_are_attributes(body: Any, error: str, description: str) -> None:
    caught = refused(answer(body, 400))
    assert (caught.error, caught.error_description) == (error, description)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500])
@pytest.mark.parametrize("code", ["invalid_grant", "invalid_client", "hocus", "server_error"])
def test_the_providers_words_are_not_in_ours(code: str, status: int) -> None:
    caught = refused(answer({"error": code, "error_description": "pocus <script>", "error_uri": "fidibus"}, status))
    assert (caught.error, caught.error_description) == (code, "pocus <script>")
    for words in (code, "hocus", "pocus", "fidibus", "<script>"):
        assert words not in str(caught)


def test_the_providers_words_are_short_and_plain() -> None:
    body = {"error": "e\x00\x1b" + "x" * 5000, "error_description": "one\r\ntwo\u202e\x00" + "y" * 500_000}
    error = refused(answer(body, 400))
    assert error.error == "e" + "x" * 199
    assert error.error_description.startswith("one  twoyyy")
    assert len(error.error_description) == 1000
    refused(answer(b'{"error": "\\ud800x"}', 400)).error.encode()


ECHOES: dict[str, tuple[Grant, ClientAuthentication, str]] = {
    "secret": (OWN, ClientSecretPost("id", "canary-secret"), "canary-secret"),
    "secret in capitals": (OWN, ClientSecretPost("id", "canary-secret"), "CANARY-SECRET"),
    "secret, percent-encoded": (OWN, ClientSecretPost("id", "canary /+"), "canary%20%2f%2B"),
    "secret, form-encoded": (OWN, ClientSecretPost("id", "canary /+"), "canary+%2F%2B"),
    "secret, for HTML": (OWN, ClientSecretPost("id", "canary<&"), "canary&lt;&amp;"),
    "secret of a Basic header": (OWN, ClientSecretBasic("id", "canary-secret"), "canary-secret"),
    "Basic header": (OWN, ClientSecretBasic("id", "secret"), "Basic aWQ6c2VjcmV0"),
    "code": (AuthorizationCode("canary-code", "https://x.example"), CLIENT, "canary-code"),
    "verifier": (AuthorizationCode("c0de", "https://x.example", "canary-verifier"), CLIENT, "canary-verifier"),
    "refresh token": (RefreshToken("canary-refresh"), CLIENT, "canary-refresh"),
}


@pytest.mark.parametrize("name", ECHOES)
@pytest.mark.parametrize("place", ["error", "error_description", "location"])
def test_an_echoed_secret_is_taken_out(name: str, place: str) -> None:
    grant, client, echo = ECHOES[name]
    if place == "location":
        error = refused(answer(b"", 302, location=f"https://p.example/{echo}/x"), grant, client)
    else:
        error = refused(answer({"error": "e", place: f"At {echo} it failed."}, 400), grant, client)
        assert "[redacted]" in getattr(error, place)
    shown = f"{error} {error!r} {error.error} {error.error_description}".lower()
    assert "canary" not in shown
    assert "awq6c2vjcmv0" not in shown


def test_without_a_secret_nothing_is_taken_out() -> None:
    error = refused(answer({"error": "e", "error_description": "All of it."}, 400), OWN, PublicClient("id", ""))
    assert error.error_description == "All of it."


def test_a_secret_at_the_cut_is_taken_out_whole() -> None:
    body = {"error": "e", "error_description": "x" * 995 + "client-secret-value"}
    assert "clie" not in refused(answer(body, 400)).error_description


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://p.example/token/?code=canary#canary", "https://p.example/token/. "),
        ("/token/?code=canary", "https://p.example/token/. "),
        ("//other.example/t", "https://other.example/t. "),
        ("https://user:canary@other.example:8443/t", "https://other.example:8443/t. "),
        ("https://[canary", "nowhere. "),
        ("https://p.example/\u00ad\u200bé\ud800?canary", "https://p.example/%C2%AD%E2%80%8B%C3%A9. "),
        ("/a%20b/" + "\u00ad" * 1000, "https://p.example/a%20b/%C2%AD"),
        ("", "nowhere. "),
    ],
)
def test_a_redirect_is_reported_without_its_query(location: str, shown: str) -> None:
    error = refused(answer(b"", 307, location=location))
    assert f"answered with a redirect to {shown}" in str(error)
    assert len(str(error)) < 500
    assert "canary" not in str(error)


@pytest.mark.parametrize(
    ("status", "body"), [(401, {"error": "invalid_client"}), (400, {"error": "invalid_client"}), (401, b"")]
)
def test_a_refused_client_with_an_odd_secret_gets_a_hint(status: int, body: Any) -> None:
    refusal = answer(body, status)
    assert "client_secret_post" in str(refused(refusal, OWN, ClientSecretBasic("id", "a+b/c")))
    assert "client_secret_post" not in str(refused(refusal, OWN, ClientSecretBasic("id", "abc")))
    assert "client_secret_post" not in str(refused(refusal, OWN, ClientSecretPost("id", "a+b/c")))
    assert "client_secret_post" not in str(refused(answer({"error": "x"}, 400), OWN, ClientSecretBasic("id", "a+b")))


def test_a_long_code_in_a_long_answer_takes_no_time() -> None:
    """Both are the server's choice. A pattern, tried anew at each letter, would take minutes."""
    grant = AuthorizationCode("a" * 60_000 + "b", "https://site.example/oauth/callback", "v")
    begun = time.perf_counter()
    error = refused(answer({"error": "e", "error_description": "a" * 900_000}, 400), grant)
    assert error.error_description == "a" * 1_000
    assert time.perf_counter() - begun < 5
