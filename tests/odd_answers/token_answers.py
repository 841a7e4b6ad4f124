"""Answers of token endpoints, as they come from the world: shapes of real servers, with values of our own.

Who sent such an answer is said where it is known. An expectation is what serves the site: a token that can be used, or
the one person who can do something about it.
"""

from __future__ import annotations

import gzip
import json
import time
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

from apiconnector.exceptions import Act
from tests.odd_answers.shapes import ACCESS, KEPT, OLD_REFRESH, REFRESH, TokenRow, gives, refuses

PERSON, ADMINISTRATOR, NOBODY = Act.PERSON, Act.ADMINISTRATOR, Act.NOBODY
AT: dict[str, Any] = {"access_token": ACCESS}
BOTH: dict[str, Any] = {"access_token": ACCESS, "refresh_token": REFRESH}
HOUR = 3600
IN_AN_HOUR = int(time.time()) + HOUR
#: When the table was read.
MADE = datetime.now(tz=UTC).replace(microsecond=0)
ISO = MADE + timedelta(hours=1)
JWT = "eyJhbGciOiJSUzI1NiJ9." + "eyJzdWIiOiI3In0" * 500 + ".c2ln-_"
PAGE = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>invalid_grant</body></html>"

CODE_DEAD = "refused the authorization code"
REFRESH_DEAD = "refused the refresh token"
CLIENT = "did not accept the client ID and client secret"
REQUEST = "refused the token request"
LATER = "trouble of its own"
OFTEN = "limits how often"
NO_TOKEN = "without an access token"
WEB_PAGE = "a web page and no token"
UNREADABLE = "something that can't be read"
UNUSABLE = "a token that can't be used"
ERROR_INSTEAD = "an error instead of a token"
REDIRECTED = "answered with a redirect"
BROKEN = "broke off the connection"

#: How an answer is written and labelled.
FORMS: list[TokenRow] = [
    gives("RFC 6749", {**BOTH, "token_type": "Bearer", "expires_in": HOUR, "scope": "read"}, refresh_token=REFRESH, expires_in=HOUR, scope="read"),
    gives("JSON labelled as a page", AT, label="text/html; charset=utf-8"),
    gives("JSON labelled as text in Latin 1", AT, label="text/plain; charset=iso-8859-1"),
    gives("JSON labelled as JavaScript", AT, label="application/javascript"),
    gives("JSON labelled as a form", AT, label="application/x-www-form-urlencoded"),
    gives("JSON with a label that is none", AT, label="json"),
    gives("JSON without a label", AT, label=None),
    gives("JSON of a vendor's own type", AT, label="application/vnd.example.token+json;v=2"),
    gives("JSON behind a byte order mark", b"\xef\xbb\xbf" + json.dumps(AT).encode()),
    gives("JSON in UTF-16", json.dumps(AT).encode("utf-16"), label="application/json; charset=utf-16"),
    gives("JSON written over many lines", "\r\n\r\n" + json.dumps({**BOTH, "expires_in": 60}, indent=8) + "\n\n", refresh_token=REFRESH, expires_in=60),
    gives("JSON with an escaped token", '{"access_token": "\\u0061ccess-value\\u002d1"}'),
    gives("JSON with bytes that are no UTF-8", b'{"access_token": "access-value-1", "name": "Zo\xeb"}'),
    gives("JSON with a number beyond 64 bits", '{"access_token": "access-value-1", "user_id": 178414000000000000000000}'),
    gives("form, GitHub without Accept", "access_token=access-value-1&scope=repo%2Cgist&token_type=bearer", label="application/x-www-form-urlencoded; charset=utf-8", scope="repo,gist"),
    gives("form, GitHub without a scope", "access_token=access-value-1&scope=&token_type=bearer", label="application/x-www-form-urlencoded", scope=""),
    gives("form with an empty refresh token and error", "access_token=access-value-1&refresh_token=&error=", label="application/x-www-form-urlencoded"),
    gives("form labelled as text", "access_token=access-value-1&expires_in=60", label="text/plain", expires_in=60),
    gives("form labelled as JSON", "access_token=access-value-1&refresh_token=refresh-value-1", refresh_token=REFRESH),
    gives("form, percent-encoded", "access%5Ftoken=access%2Dvalue%2D1&scope=read+write"),
    gives("201", AT, status=201),
    gives("202", AT, status=202),
    gives("gzip", gzip.compress(json.dumps(AT).encode()), headers={"Content-Encoding": "gzip"}),
    gives("in pieces", "", raw=b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"access_\r\n19\r\ntoken":"access-value-1" }\r\n0\r\n\r\n'),
    gives("HTTP/1.0, ended by closing", "", raw=b'HTTP/1.0 200 OK\r\n\r\n{"access_token":"access-value-1"}'),
    gives("a status without words, headers in lower case", "", raw=b'HTTP/1.1 200\r\ncontent-length: 33\r\n\r\n{"access_token":"access-value-1"}'),
    gives("a cookie beside it", AT, headers={"Set-Cookie": "session=canary; Path=/"}),
    gives("a token of eight thousand characters", {"access_token": JWT}, access_token=JWT),
    gives("a token of every character that is allowed", {"access_token": "~-._+/=aZ09!@#$%^&*() "}, access_token="~-._+/=aZ09!@#$%^&*() "),
]  # fmt: skip  # in rows

#: Lifetimes.
LIVES: list[TokenRow] = [
    gives("a lifetime as text", AT | {"expires_in": "3600"}, expires_in=HOUR),
    gives("a lifetime with a fraction", AT | {"expires_in": 3599.75}, expires_in=3599.75),
    gives("a lifetime as text with a fraction", AT | {"expires_in": "3600.0"}, expires_in=HOUR),
    gives("a lifetime with space around it", AT | {"expires_in": " 3600\n"}, expires_in=HOUR),
    gives("0 for never, Mailchimp", AT | {"expires_in": 0, "scope": None}),
    gives("0 as text", AT | {"expires_in": "0"}),
    gives("negative", AT | {"expires_in": -1}),
    gives("null", AT | {"expires_in": None}),
    gives("empty", AT | {"expires_in": ""}),
    gives("true", AT | {"expires_in": True}),
    gives("a word", AT | {"expires_in": "never"}),
    gives("a sentence", AT | {"expires_in": "3600 seconds"}),
    gives("a list", AT | {"expires_in": [HOUR]}),
    gives("an object", AT | {"expires_in": {"value": HOUR, "unit": "s"}}),
    gives("thousands of years", AT | {"expires_in": 124_234_123_534}),
    gives("beyond any float", '{"access_token": "access-value-1", "expires_in": 1e999}'),
    gives("none stated, Notion, ClickUp", AT | {"token_type": "bearer", "workspace_id": "w-1"}),
    gives("five years, Weibo", AT | {"expires_in": 157_679_999, "remind_in": "157679999", "uid": "7"}, expires_in=157_679_999),
    gives("a moment as ISO 8601, Square", AT | {"expires_at": ISO.isoformat().replace("+00:00", "Z")}, expires_in=HOUR),
    gives("a moment with an offset", AT | {"expires_at": (ISO + timedelta(hours=2)).replace(tzinfo=None).isoformat() + "+02:00"}, expires_in=HOUR),
    gives("a moment without a zone", AT | {"expires_at": ISO.replace(tzinfo=None).isoformat()}, expires_in=HOUR),
    gives("a moment as seconds", AT | {"expires_at": IN_AN_HOUR}, expires_in=HOUR),
    gives("a moment as text of seconds", AT | {"expires_at": str(IN_AN_HOUR)}, expires_in=HOUR),
    gives("a moment as milliseconds", AT | {"expires_at": IN_AN_HOUR * 1000}, expires_in=HOUR),
    gives("a moment that is over", AT | {"expires_at": 1_577_836_800}),
    gives("a moment that is none", AT | {"expires_at": "tomorrow"}),
    gives("both, Strava: the lifetime counts", AT | {"expires_in": 21_600, "expires_at": IN_AN_HOUR}, expires_in=21_600),
    gives("Microsoft's first version", AT | {"expires_in": "3599", "ext_expires_in": "0", "expires_on": "1893456000", "not_before": "0"}, expires_in=3599),
    gives("Facebook's old name is not known", "access_token=access-value-1&expires=5183999"),
    gives("Facebook's old name, said", "access_token=access-value-1&expires=5183999", dialect={"token_response": {"expires_in": "expires"}}, expires_in=5_183_999),
    gives("refresh lifetime, GitHub, eBay", BOTH | {"refresh_token_expires_in": 15_897_600}, refresh_token=REFRESH, refresh_expires_in=15_897_600),
    gives("refresh lifetime, Keycloak, TikTok", BOTH | {"refresh_expires_in": 1800, "not-before-policy": 0}, refresh_token=REFRESH, refresh_expires_in=1800),
    gives("refresh lifetime 0 of an offline session, Keycloak", BOTH | {"refresh_expires_in": 0}, refresh_token=REFRESH),
    gives("refresh lifetime, QuickBooks", BOTH | {"x_refresh_token_expires_in": 8_726_400}, refresh_token=REFRESH, refresh_expires_in=8_726_400),
    gives("refresh lifetime, the fourth name", BOTH | {"refresh_expires": "600"}, refresh_token=REFRESH, refresh_expires_in=600),
    gives("milliseconds", AT | {"expires_in": 3_600_000}, dialect={"expires_unit": "milliseconds"}, expires_in=HOUR),
    gives("none stated, one known, Salesforce", AT | {"issued_at": "1577836800000"}, dialect={"default_expires_in": 7200}, expires_in=7200),
    gives("a stated one counts before a known one", AT | {"expires_in": 60}, dialect={"default_expires_in": 7200}, expires_in=60),
    gives("never stays never beside a known one", AT | {"expires_in": 0}, dialect={"default_expires_in": 7200}),
    gives("a moment under another name", AT | {"accessTokenExpiresAt": ISO.isoformat()}, dialect={"token_response": {"expires_at": "accessTokenExpiresAt"}}, expires_in=HOUR),
    gives("moments of both tokens, Clover", BOTH | {"access_token_expiration": IN_AN_HOUR, "refresh_token_expiration": IN_AN_HOUR + HOUR}, dialect={"token_response": {"expires_at": "access_token_expiration", "refresh_expires_at": "refresh_token_expiration"}}, refresh_token=REFRESH, expires_in=HOUR, refresh_expires_in=2 * HOUR),
]  # fmt: skip  # in rows

#: Everything else beside a token.
MEMBERS: list[TokenRow] = [
    gives("no type, LinkedIn, Facebook", AT),
    gives("the type bot, Slack", AT | {"ok": True, "token_type": "bot", "bot_user_id": "U1"}),
    gives("eBay's type", AT | {"token_type": "User Access Token"}),
    gives("a type in capitals", AT | {"token_type": "BEARER"}),
    gives("a type that is a number", AT | {"token_type": 1}),
    gives("no refresh token: null", AT | {"refresh_token": None}),
    gives("no refresh token: empty", AT | {"refresh_token": ""}),
    gives("no refresh token: false", AT | {"refresh_token": False}),
    gives("scopes as a list, Twitch", AT | {"scope": ["user:read", "chat:read"]}, scope="user:read chat:read"),
    gives("scopes as a list with other things", AT | {"scope": ["a", None, 3, "b"]}, scope="a b"),
    gives("scopes with commas, Strava", AT | {"scope": "read,activity:read"}, scope="read,activity:read"),
    gives("a scope that is an address, Google", AT | {"scope": "openid https://www.example.com/auth/drive"}, scope="openid https://www.example.com/auth/drive"),
    gives("no scope was granted", AT | {"scope": ""}, scope=""),
    gives("a scope of null", AT | {"scope": None}),
    gives("a scope that is a number", AT | {"scope": 7}),
    gives("scopes under another name, Bitbucket", AT | {"scopes": "account team"}),
    gives("scopes under another name, said", AT | {"scopes": ["account", "team"]}, dialect={"token_response": {"scope": "scopes"}}, scope="account team"),
    gives("an error of null", AT | {"error": None, "error_description": None}),
    gives("an error that is empty", AT | {"error": "", "error_description": ""}),
    gives("an error of false, Figma", AT | {"error": False, "status": 200}),
    gives("an error of 0", AT | {"error": 0}),
    gives("an error of 0 as text", "access_token=access-value-1&error=0"),
    gives("an errcode of 0, DingTalk", AT | {"errcode": 0, "errmsg": "ok"}),
    gives("no errors", AT | {"errors": []}),
    gives("a good status in words", AT | {"status": "success", "message": "Token issued", "code": 200}),
    gives("a good status, Kuaishou", AT | {"result": 1, "scopes": ["user_info"]}),
    gives("a description without an error", AT | {"error_description": "none"}),
    gives("a user, Notion", AT | {"owner": {"type": "user", "user": {"id": "u", "name": "Ada", "error": None}}}),
    gives("a token for another purpose beside it, Slack", AT | {"authed_user": {"id": "U1", "access_token": "user-token"}}),
    gives("an identity, OpenID", BOTH | {"id_token": "eyJ.eyJ.c2ln"}, refresh_token=REFRESH),
    gives("a time of birth, Doorkeeper", AT | {"created_at": 1_607_635_748, "expires_in": 7200}, expires_in=7200),
    gives("a nonce, PayPal", AT | {"nonce": "2026-01-01T00:00:00Z-x", "app_id": "APP-1"}),
    gives("the same token twice, Intercom", AT | {"token": ACCESS}),
    gives("a list for nothing, Box", BOTH | {"restricted_to": []}, refresh_token=REFRESH),
]  # fmt: skip  # in rows

SLACK_USER = {
    "token_response": {name: f"authed_user.{name}" for name in ("access_token", "refresh_token", "expires_in", "scope")}
}
ENVELOPE = {"token_response": {
    **{name: f"data.{name}" for name in ("access_token", "refresh_token", "expires_in", "scope")},
    "error": "data.error_code", "error_description": "data.description",
}}  # fmt: skip  # in rows
WITHINGS = {"token_response": {
    **{name: f"body.{name}" for name in ("access_token", "refresh_token", "expires_in", "scope")},
    "error": "status != `0` && error",
}}  # fmt: skip  # in rows
CAMEL = {"token_response": {"access_token": "accessToken", "refresh_token": "refreshToken", "expires_in": "expireIn"}}
#: Tokens elsewhere than RFC 6749 has them.
ELSEWHERE: list[TokenRow] = [
    gives("Slack's user token", {"ok": True, "authed_user": {**BOTH, "expires_in": 43_200, "scope": "search:read,files:read"}}, dialect=SLACK_USER, refresh_token=REFRESH, expires_in=43_200, scope="search:read,files:read"),
    gives("TikTok's envelope", {"data": {**BOTH, "expires_in": 86_400, "error_code": 0, "description": ""}, "message": "success"}, dialect=ENVELOPE, refresh_token=REFRESH, expires_in=86_400),
    gives("Withings' envelope", {"status": 0, "body": {**BOTH, "expires_in": 10_800, "scope": "user.info", "userid": 7}}, dialect=WITHINGS, refresh_token=REFRESH, expires_in=10_800, scope="user.info"),
    gives("DingTalk in camel case", {"accessToken": ACCESS, "refreshToken": REFRESH, "expireIn": 7200}, dialect=CAMEL, refresh_token=REFRESH, expires_in=7200),
    gives("a list at the top", [AT], dialect={"token_response": {"access_token": "[0].access_token"}}),
    gives("a list inside", {"data": [{"token": ACCESS}]}, dialect={"token_response": {"access_token": "data[0].token"}}),
    gives("nothing but the token, as JSON", f'"{ACCESS}"', dialect={"token_response": {"access_token": "@"}}),
    gives("under one of two names", {"token": ACCESS}, dialect={"token_response": {"access_token": "access_token || token"}}),
    gives("an error that says ok", AT | {"error": {"code": "ok", "message": ""}}, dialect={"token_response": {"error": "error.code != 'ok' && error.code"}}),
    gives("a status for an error", AT | {"err": 0, "status": 1}, dialect={"token_response": {"error": "err"}}),
    refuses("Slack's user token is missing", {"ok": True, **AT}, NOBODY, NO_TOKEN, grant="code", status=200, dialect=SLACK_USER),
    refuses("TikTok's code is dead", {"data": {"error_code": 10_007, "description": "Authorization code expired"}, "message": "error"}, PERSON, CODE_DEAD, grant="code", status=200, dialect=ENVELOPE),
    refuses("TikTok's refresh token is dead", {"data": {"error_code": 10_010, "description": "Refresh token expired"}, "message": "error"}, PERSON, REFRESH_DEAD, status=200, dialect=ENVELOPE),
    refuses("Withings' code is dead", {"status": 503, "body": {}, "error": "Invalid Params: invalid code"}, PERSON, CODE_DEAD, grant="code", status=200, dialect=WITHINGS),
    refuses("Withings' refresh token is dead", {"status": 503, "body": {}, "error": "Invalid Params: invalid refresh_token"}, PERSON, REFRESH_DEAD, status=200, dialect=WITHINGS),
    refuses("an expression that finds a number", {"token": 12}, NOBODY, UNUSABLE, grant="code", status=200, dialect={"token_response": {"access_token": "token"}}),
    refuses("X: the token was invalid", {"error": "invalid_request", "error_description": "Value passed for the token was invalid."}, PERSON, REFRESH_DEAD, dialect={"token_response": {"error": "(contains(error_description || '', 'the token was invalid') && 'invalid_grant') || error"}}),
    refuses("Instagram: a dead token that renews itself", {"error": {"message": "Error validating access token: Session has expired", "type": "OAuthException", "code": 190}}, PERSON, REFRESH_DEAD, dialect={"token_response": {"error": "(error.code == `190` && 'invalid_grant') || error.type"}}),
]  # fmt: skip  # in rows

#: What a refresh changes, and what it leaves.
REFRESHES: list[TokenRow] = [
    gives("a new refresh token", BOTH | {"expires_in": 60}, grant="refresh", refresh_token=REFRESH, expires_in=60),
    gives("none: the old one stays", AT, grant="refresh", **KEPT),
    gives("null: the old one stays", AT | {"refresh_token": None}, grant="refresh", **KEPT),
    gives("empty: the old one stays", AT | {"refresh_token": ""}, grant="refresh", **KEPT),
    gives("a number: the old one stays", AT | {"refresh_token": 7}, grant="refresh", **KEPT),
    gives("the same one again", AT | {"refresh_token": OLD_REFRESH}, grant="refresh", **KEPT),
    gives("as a form", "access_token=access-value-1&refresh_token=refresh-value-1", grant="refresh", refresh_token=REFRESH),
    gives("a narrower scope", AT | {"scope": "read"}, grant="refresh", scope="read", **KEPT),
    gives("201", AT, grant="refresh", status=201, **KEPT),
    gives("the old access token again, Google", {"access_token": "old-access-value", "expires_in": 1200}, grant="refresh", access_token="old-access-value", expires_in=1200, **KEPT),
    gives("without a lifetime after one with", AT, grant="refresh", expires_in=None, **KEPT),
    gives("Dropbox: no refresh token, a lifetime", AT | {"token_type": "bearer", "expires_in": 14_400}, grant="refresh", expires_in=14_400, **KEPT),
]  # fmt: skip  # in rows

#: The site's own account.
OWN: list[TokenRow] = [
    gives("a lifetime as text, PayPal", AT | {"expires_in": "32400", "scope": "https://uri.example.com/payments"}, grant="client", expires_in=32_400, scope="https://uri.example.com/payments"),
    gives("no lifetime", AT, grant="client"),
    gives("eBay's type", AT | {"token_type": "Application Access Token", "expires_in": 7200}, grant="client", expires_in=7200),
    gives("as a form, Facebook", "access_token=access-value-1&token_type=bearer", grant="client"),
    gives("DocuSign, of a person's password", BOTH | {"expires_in": 28_800}, grant="password", refresh_token=REFRESH, expires_in=28_800),
    refuses("a wrong secret", {"error": "invalid_client"}, ADMINISTRATOR, CLIENT, grant="client", status=401),
    refuses("a wrong secret at 400", {"error": "invalid_client", "error_description": "Client authentication failed"}, ADMINISTRATOR, CLIENT, grant="client"),
    refuses("invalid_grant for a client", {"error": "invalid_grant"}, ADMINISTRATOR, "own credentials as a grant", grant="client"),
    refuses("an app that may not", {"error": "unauthorized_client"}, ADMINISTRATOR, "may not use this grant", grant="client"),
    refuses("no such grant", {"error": "unsupported_grant_type"}, ADMINISTRATOR, "does not offer this grant", grant="client"),
    refuses("no such scope", {"error": "invalid_scope"}, ADMINISTRATOR, "does not grant the scope", grant="client"),
    refuses("a wrong password", {"error": "invalid_grant", "error_description": "Bad credentials"}, ADMINISTRATOR, "user name or the password", grant="password"),
    refuses("a wrong secret with the right password", {"error": "invalid_client"}, ADMINISTRATOR, CLIENT, grant="password", status=401),
    refuses("Sorry", {"error": "server_error"}, NOBODY, LATER, grant="client", status=500),
]  # fmt: skip  # in rows

#: The grant is dead: a person authorizes again.
DEAD: list[TokenRow] = [
    refuses("Google", {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}, PERSON, REFRESH_DEAD),
    refuses("Google, a policy", {"error": "invalid_grant", "error_description": "reauth related error (invalid_rapt)", "error_subtype": "invalid_rapt"}, PERSON, REFRESH_DEAD),
    refuses("Google, a used code", {"error": "invalid_grant", "error_description": "Bad Request"}, PERSON, CODE_DEAD, grant="code"),
    refuses("Microsoft", {"error": "invalid_grant", "error_description": "AADSTS70008: The refresh token has expired due to inactivity.", "error_codes": [70008], "trace_id": "t", "correlation_id": "c"}, PERSON, REFRESH_DEAD),
    refuses("Microsoft, more to sign", {"error": "interaction_required", "error_description": "AADSTS50076", "suberror": "basic_action"}, PERSON, REFRESH_DEAD),
    refuses("Microsoft, consent", {"error": "consent_required"}, PERSON, REFRESH_DEAD),
    refuses("GitHub, a used code at 200", {"error": "bad_verification_code", "error_description": "The code passed is incorrect or expired."}, PERSON, CODE_DEAD, grant="code", status=200),
    refuses("GitHub, the same as a form", "error=bad_verification_code&error_description=The+code+is+incorrect", PERSON, CODE_DEAD, grant="code", status=200, label="application/x-www-form-urlencoded"),
    refuses("GitHub, a dead refresh token", {"error": "bad_refresh_token", "error_description": "The refresh token passed is incorrect or expired."}, PERSON, REFRESH_DEAD, status=200),
    refuses("Slack, a code", {"ok": False, "error": "code_already_used"}, PERSON, CODE_DEAD, grant="code", status=200),
    refuses("Slack, a refresh token", {"ok": False, "error": "invalid_refresh_token"}, PERSON, REFRESH_DEAD, status=200),
    refuses("Zoho, a code", {"error": "invalid_code"}, PERSON, CODE_DEAD, grant="code", status=200),
    refuses("Zoho, a refresh token under the code's name", {"error": "invalid_code"}, PERSON, REFRESH_DEAD, status=200),
    refuses("HubSpot, a refresh token", {"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token", "correlationId": "c"}, PERSON, REFRESH_DEAD),
    refuses("HubSpot, a code", {"status": "BAD_AUTH_CODE", "message": "missing or unknown auth code"}, PERSON, CODE_DEAD, grant="code"),
    refuses("WeChat, a code", {"errcode": 40029, "errmsg": "invalid code, rid: 1"}, PERSON, CODE_DEAD, grant="code", status=200),
    refuses("WeChat, a refresh token", {"errcode": 40030, "errmsg": "invalid refresh_token, rid: 1"}, PERSON, REFRESH_DEAD, status=200),
    refuses("Instagram, a code", {"error_type": "OAuthException", "code": 400, "error_message": "Matching code was not found or was already used"}, PERSON, CODE_DEAD, grant="code"),
    refuses("Facebook, a used code", {"error": {"message": "This authorization code has been used.", "type": "OAuthException", "code": 100, "fbtrace_id": "f"}}, PERSON, CODE_DEAD, grant="code"),
    refuses("Fitbit's list", {"errors": [{"errorType": "invalid_grant", "message": "Refresh token invalid: r"}], "success": False}, PERSON, REFRESH_DEAD),
    refuses("Twitch", {"status": 400, "message": "Invalid refresh token"}, PERSON, REFRESH_DEAD),
    refuses("Twitch, a code", {"status": 400, "message": "Invalid authorization code"}, PERSON, CODE_DEAD, grant="code"),
    refuses("Discord, a code", {"error": "invalid_request", "error_description": 'Invalid "code" in request.'}, PERSON, CODE_DEAD, grant="code"),
    refuses("LinkedIn, a code", {"error": "invalid_request", "error_description": "Unable to retrieve access token: authorization code not found"}, PERSON, CODE_DEAD, grant="code"),
    refuses("LinkedIn, a refresh token", {"error": "invalid_request", "error_description": "The provided refresh token is invalid"}, PERSON, REFRESH_DEAD),
    refuses("Salesforce", {"error": "invalid_grant", "error_description": "expired access/refresh token"}, PERSON, REFRESH_DEAD),
    refuses("Stripe, a code", {"error": "invalid_grant", "error_description": "Authorization code does not exist: ac_1"}, PERSON, CODE_DEAD, grant="code"),
    refuses("Shopify, a code", {"error": "invalid_request", "error_description": "The authorization code was not found or was already used"}, PERSON, CODE_DEAD, grant="code"),
    refuses("Atlassian", {"error": "unauthorized_client", "error_description": "refresh_token is invalid"}, PERSON, REFRESH_DEAD, status=403),
    refuses("Auth0", {"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."}, PERSON, REFRESH_DEAD, status=403),
    refuses("Keycloak", {"error": "invalid_grant", "error_description": "Session not active"}, PERSON, REFRESH_DEAD),
    refuses("Baidu", {"error": "expired_token", "error_description": "refresh token has been used"}, PERSON, REFRESH_DEAD),
    refuses("Weibo, a number beside the name", {"error": "invalid_grant", "error_code": 21325, "request": "/oauth2/access_token", "error_description": "invalid authorization code:x"}, PERSON, CODE_DEAD, grant="code"),
    refuses("VK", {"error": "invalid_grant", "error_description": "Code is expired."}, PERSON, CODE_DEAD, grant="code", status=401),
    refuses("Zoom", {"reason": "Invalid Token!", "error": "invalid_grant"}, PERSON, REFRESH_DEAD, status=401),
    refuses("Podio", {"error": "invalid_grant", "error_description": "expired", "error_detail": "oauth.token.expired", "error_parameters": {}, "error_propagate": False}, PERSON, REFRESH_DEAD, status=401),
    refuses("Reddit at 200", {"error": "invalid_grant"}, PERSON, CODE_DEAD, grant="code", status=200),
    refuses("league's server at 401", {"error": "invalid_request", "message": "The refresh token is invalid.", "hint": "Token has been revoked"}, PERSON, REFRESH_DEAD, status=401),
    refuses("WP OAuth Server, the free edition", {"error": "unauthorized_client", "error_description": "The grant type is unauthorized for this client_id"}, PERSON, REFRESH_DEAD),
    refuses("PHP: a sentence", {"error": "Refresh token expired"}, PERSON, REFRESH_DEAD),
    refuses("Nest: the status text as error", {"statusCode": 400, "error": "Bad Request", "message": "Refresh token expired"}, PERSON, REFRESH_DEAD),
    refuses("invalid_grant in camel case", {"errorCode": "InvalidGrant", "errorSummary": "No"}, PERSON, REFRESH_DEAD),
    refuses("beside a token", {**AT, "error": "invalid_grant"}, PERSON, REFRESH_DEAD, status=200),
    refuses("Strava's list of fields", {"message": "Bad Request", "errors": [{"resource": "RefreshToken", "field": "refresh_token", "code": "invalid"}]}, PERSON, REFRESH_DEAD),
    refuses("Strava, a code", {"message": "Bad Request", "errors": [{"resource": "AuthorizationCode", "field": "code", "code": "invalid"}]}, PERSON, CODE_DEAD, grant="code"),
    refuses("ClickUp, a code", {"err": "Code already used", "ECODE": "OAUTH_014"}, PERSON, CODE_DEAD, grant="code"),
    refuses("Mail.ru", {"error": "token not found", "error_code": 6, "error_description": "token not found"}, PERSON, REFRESH_DEAD, status=200),
    refuses("Yandex", {"error": "invalid_grant", "error_description": "expired_token"}, PERSON, REFRESH_DEAD),
    refuses("Amazon", {"error": "invalid_grant", "error_description": "The request has an invalid grant parameter : refresh_token"}, PERSON, REFRESH_DEAD),
    refuses("labelled as a page", {"error": "invalid_grant"}, PERSON, REFRESH_DEAD, label="text/html"),
]  # fmt: skip  # in rows

#: Client or request are wrong: the administrator's matter.
WRONG: list[TokenRow] = [
    refuses("invalid_client", {"error": "invalid_client"}, ADMINISTRATOR, CLIENT, status=401, headers={"WWW-Authenticate": 'Basic realm="x"'}),
    refuses("invalid_client, a code", {"error": "invalid_client"}, ADMINISTRATOR, CLIENT, grant="code"),
    refuses("Microsoft, an expired secret", {"error": "invalid_client", "error_description": "AADSTS7000222: The provided client secret keys are expired.", "error_codes": [7000222]}, ADMINISTRATOR, CLIENT, status=401),
    refuses("GitHub, a wrong secret at 200", {"error": "incorrect_client_credentials", "error_description": "The client_id and/or client_secret passed are incorrect."}, ADMINISTRATOR, CLIENT, status=200),
    refuses("Salesforce, a wrong ID", {"error": "invalid_client_id", "error_description": "client identifier invalid"}, ADMINISTRATOR, CLIENT),
    refuses("HubSpot, a wrong ID", {"status": "BAD_CLIENT_ID", "message": "missing or unknown client id"}, ADMINISTRATOR, CLIENT),
    refuses("Zoho, a wrong secret at 200", {"error": "invalid_client_secret"}, ADMINISTRATOR, CLIENT, status=200),
    refuses("Okta's names", {"errorCode": "invalid_client", "errorSummary": "Invalid value for 'client_id' parameter.", "errorLink": "invalid_client", "errorCauses": []}, ADMINISTRATOR, CLIENT, status=401),
    refuses("WeChat, a wrong secret at 200", {"errcode": 40125, "errmsg": "invalid appsecret, rid: 1"}, ADMINISTRATOR, CLIENT, grant="code", status=200),
    refuses("WeChat, a wrong ID at 200", {"errcode": 40013, "errmsg": "invalid appid"}, ADMINISTRATOR, CLIENT, status=200),
    refuses("Twitch, a wrong secret", {"status": 403, "message": "invalid client secret"}, ADMINISTRATOR, CLIENT, status=403),
    refuses("Figma, a wrong secret", {"error": True, "status": 400, "message": "Invalid client secret", "i18n": None}, ADMINISTRATOR, CLIENT),
    refuses("Strava, a wrong ID", {"message": "Bad Request", "errors": [{"resource": "Application", "field": "client_id", "code": "invalid"}]}, ADMINISTRATOR, CLIENT),
    refuses("Amazon, no secret arrived", {"error": "invalid_request", "error_description": "The request is missing a required parameter : client_secret"}, ADMINISTRATOR, REQUEST),
    refuses("Zoom, another redirect URI", {"reason": "Invalid request : Redirect URI mismatch.", "error": "invalid_request"}, ADMINISTRATOR, REQUEST, grant="code"),
    refuses("Square", {"message": "Not Authorized", "type": "service.not_authorized"}, ADMINISTRATOR, CLIENT, status=401),
    refuses("401 with nothing", "", ADMINISTRATOR, CLIENT, status=401),
    refuses("401 with a message, Discord", {"message": "401: Unauthorized", "code": 0}, ADMINISTRATOR, CLIENT, status=401),
    refuses("401 with a number, Reddit", {"message": "Unauthorized", "error": 401}, ADMINISTRATOR, REQUEST, status=401),
    refuses("Auth0's word for it", {"error": "access_denied", "error_description": "Unauthorized"}, ADMINISTRATOR, REQUEST, status=401),
    refuses("GitHub, another redirect URI at 200", {"error": "redirect_uri_mismatch"}, ADMINISTRATOR, "byte for byte", grant="code", status=200),
    refuses("Slack, another redirect URI at 200", {"ok": False, "error": "bad_redirect_uri"}, ADMINISTRATOR, "byte for byte", grant="code", status=200),
    refuses("no such scope", {"error": "invalid_scope"}, ADMINISTRATOR, "does not grant the scope", grant="code"),
    refuses("the app may not, a code", {"error": "unauthorized_client"}, ADMINISTRATOR, "may not use this grant", grant="code"),
    refuses("a missing parameter", {"error": "invalid_request", "error_description": "Missing required parameter: code"}, ADMINISTRATOR, REQUEST, grant="code"),
    refuses("PKCE", {"error": "invalid_request", "error_description": "Invalid code_verifier"}, ADMINISTRATOR, REQUEST, grant="code"),
    refuses("a number as error", {"error": 17, "message": "No"}, ADMINISTRATOR, REQUEST),
    refuses("problem details", {"type": "about:blank", "title": "Bad Request", "status": 400}, ADMINISTRATOR, REQUEST, label="application/problem+json"),
    refuses("400 with nothing", "", ADMINISTRATOR, REQUEST),
    refuses("403 with nothing", "", ADMINISTRATOR, REQUEST, status=403),
    refuses("404 in JSON", {"error": "not_found"}, ADMINISTRATOR, REQUEST, status=404),
    refuses("405 in JSON", {"message": "Method Not Allowed"}, ADMINISTRATOR, REQUEST, status=405),
    refuses("415, Okta", {"errorCode": "E0000021", "errorSummary": "Bad request. Accept and/or Content-Type headers"}, ADMINISTRATOR, REQUEST, status=415),
    refuses("a redirect to a slash", "", ADMINISTRATOR, REDIRECTED, status=301, headers={"Location": "/token/"}),
    refuses("a redirect to https", "", ADMINISTRATOR, "redirect to https://p.example/token.", status=308, headers={"Location": "https://p.example/token?code=canary"}),
    refuses("a redirect to a log-in", PAGE, ADMINISTRATOR, REDIRECTED, status=302, headers={"Location": "/login"}),
    refuses("a redirect to nowhere", "", ADMINISTRATOR, "redirect to nowhere", status=303),
]  # fmt: skip  # in rows

#: It passes, or it says nothing about anybody: nothing is given up for it.
PASSING: list[TokenRow] = [
    refuses("429", {"error": "invalid_grant"}, NOBODY, OFTEN, status=429, headers={"Retry-After": "30"}),
    refuses("429 with a page", PAGE, NOBODY, OFTEN, status=429, label="text/html"),
    refuses("Slack's limit at 200", {"ok": False, "error": "ratelimited"}, NOBODY, LATER, status=200),
    refuses("Salesforce's limit", {"error": "rate_limit_exceeded", "error_description": "login rate exceeded"}, NOBODY, LATER),
    refuses("408", "", NOBODY, LATER, status=408),
    refuses("500 with invalid_grant", {"error": "invalid_grant"}, NOBODY, LATER, status=500),
    refuses("502 with a page", PAGE, NOBODY, LATER, status=502, label="text/html"),
    refuses("503 with nothing", "", NOBODY, LATER, status=503),
    refuses("520 of a proxy", "error code: 520", NOBODY, LATER, status=520, label="text/plain"),
    refuses("temporarily_unavailable at 400", {"error": "temporarily_unavailable"}, NOBODY, LATER),
    refuses("server_error at 200", {"error": "server_error"}, NOBODY, LATER, status=200),
    refuses("internal_error in camel case", {"errors": [{"errorType": "InternalServerError", "message": "oops"}]}, NOBODY, LATER),
    refuses("a page at 200", PAGE, NOBODY, WEB_PAGE, status=200, label="text/html"),
    refuses("a page at 401, of a firewall", PAGE, NOBODY, WEB_PAGE, status=401, label="text/html"),
    refuses("a page at 403, of a firewall", PAGE, NOBODY, WEB_PAGE, status=403, label="text/html"),
    refuses("a page at 404", PAGE, NOBODY, WEB_PAGE, status=404, label="text/html"),
    refuses("XML", "<?xml version='1.0'?><OAuth><access_token>x</access_token></OAuth>", NOBODY, WEB_PAGE, status=200, label="text/xml"),
    refuses("words of a firewall", "Request blocked. Reference #18.1", NOBODY, UNREADABLE, status=403, label="text/plain"),
    refuses("words at 400", "Invalid refresh token", NOBODY, UNREADABLE, label="text/plain"),
    refuses("JSONP, QQ", 'callback( {"error":100019,"error_description":"code to access token error"} );', NOBODY, UNREADABLE, status=200, label="text/html"),
    refuses("a form without a token's value", "access_token=&token_type=bearer", NOBODY, NO_TOKEN, status=200, label="application/x-www-form-urlencoded"),
    refuses("half of it", '{"access_token": "access-va', NOBODY, UNREADABLE, status=200),
    refuses("two objects", '{"access_token": "access-value-1"}{}', NOBODY, UNREADABLE, status=200),
    refuses("bytes", bytes(range(256)), NOBODY, UNREADABLE, status=200, label="application/octet-stream"),
    refuses("nothing at 200", "", NOBODY, UNREADABLE, status=200),
    refuses("nothing at 204", "", NOBODY, UNREADABLE, raw=b"HTTP/1.1 204 No Content\r\n\r\n"),
    refuses("null", "null", NOBODY, UNREADABLE, status=200),
    refuses("a number", "12345", NOBODY, UNREADABLE, status=200),
    refuses("an empty object", {}, NOBODY, NO_TOKEN, status=200),
    refuses("an empty list", [], NOBODY, NO_TOKEN, status=200),
    refuses("a success without a token", {"token_type": "bearer", "expires_in": 60}, NOBODY, NO_TOKEN, status=200),
    refuses("an empty token", {"access_token": ""}, NOBODY, NO_TOKEN, status=200),
    refuses("a token of null", {"access_token": None, "error": None}, NOBODY, NO_TOKEN, status=200),
    refuses("a token that is a number", {"access_token": 123}, NOBODY, UNUSABLE, status=200),
    refuses("a token that is an object", {"access_token": {"value": "x"}}, NOBODY, UNUSABLE, status=200),
    refuses("a token with a line end", {"access_token": "x\r\nX-Evil: 1"}, NOBODY, UNUSABLE, status=200),
    refuses("a token beyond ASCII", {"access_token": "tökén"}, NOBODY, UNUSABLE, status=200),
    refuses("a token of a hundred thousand characters", {"access_token": "x" * 100_000}, NOBODY, UNUSABLE, status=200),
    refuses("a refresh token with a line end", {**AT, "refresh_token": "r\n"}, NOBODY, UNUSABLE, status=200),
    refuses("in an envelope nobody named", {"success": True, "data": AT}, NOBODY, NO_TOKEN, status=200),
    refuses("an unknown error at 200", {"error": "computer_says_no"}, NOBODY, ERROR_INSTEAD, status=200),
    refuses("a failure with a number at 200", {"errcode": -1, "errmsg": "system error"}, NOBODY, ERROR_INSTEAD, status=200),
    refuses("over a megabyte", "{" + " " * 1_100_000 + "}", NOBODY, "more than", status=200),
    refuses("nested a hundred thousand deep", "[" * 100_000, NOBODY, UNREADABLE, status=200),
    refuses("broken off in the middle", "", NOBODY, BROKEN, raw=b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"access_token": "acc'),
    refuses("broken off before the first byte", "", NOBODY, BROKEN, raw=b"\r\n"),
    refuses("no HTTP at all", "", NOBODY, BROKEN, raw=b"220 smtp.example.com ESMTP\r\n"),
    refuses("gzip that is none", b"no gzip", NOBODY, "damaged data", status=200, headers={"Content-Encoding": "gzip"}),
    refuses("an encoding nobody asked for", zlib.compress(json.dumps(AT).encode()), NOBODY, "encoding that was not asked for", status=200, headers={"Content-Encoding": "deflate"}),
    refuses("Zoho's limit, in words", {"error": "Access Denied", "error_description": "You have made too many requests continuously.", "status": "failure"}, NOBODY, OFTEN),
    refuses("Salesforce: retry", {"error": "unknown_error", "error_description": "retry your request"}, NOBODY, LATER),
    refuses("a limit on a code, in words", {"error": "invalid_request", "message": "API rate limit exceeded for this app"}, NOBODY, OFTEN, grant="code", status=403),
]  # fmt: skip  # in rows

TOKEN_ANSWERS: list[TokenRow] = [
    *FORMS, *LIVES, *MEMBERS, *ELSEWHERE, *REFRESHES, *OWN, *DEAD, *WRONG, *PASSING,
]  # fmt: skip  # in rows
