"""Callbacks as providers send them: the query, and what the person then reads."""

from __future__ import annotations

from typing import Any

from tests.odd_answers.shapes import CallbackRow, fails

ISSUER = "https://login.example.com/realms/acme"
REALM = {"keep_from_callback": {"realm_id": {"path": "realmId", "pattern": "[0-9]+"}}}
SHOP = {"keep_from_callback": {"shop": {"pattern": "[a-z0-9-]+[.]myshopify[.]com"}}}
ZOHO = {"keep_from_callback": {
    "accounts_server": {"path": '"accounts-server"', "pattern": "https://accounts[.]zoho[.](com|eu|in)"},
    "location": {"pattern": "[a-z]{2}"},
}}  # fmt: skip  # in rows
AMAZON: dict[str, Any] = {
    "callback_code_param": "spapi_oauth_code",
    "keep_from_callback": {"seller": {"path": "selling_partner_id", "pattern": "[A-Z0-9]+"}},
}
NOTHING_SENT = "neither a code nor an error"
DENIED = "was denied on the provider"

AUTHORIZED: list[CallbackRow] = [
    CallbackRow("RFC 6749", "code=code-value-1&state={state}"),
    CallbackRow("the state first", "state={state}&code=code-value-1"),
    CallbackRow("WordPress in a frame", "iframe=break&code=code-value-1&state={state}"),
    CallbackRow("Keycloak", f"state={{state}}&session_state=4f8c&iss={ISSUER}&code=code-value-1", issuer=ISSUER),
    CallbackRow("an issuer that nobody entered", f"state={{state}}&iss={ISSUER}&code=code-value-1"),
    CallbackRow("an issuer that was not sent", "state={state}&code=code-value-1", issuer=ISSUER),
    CallbackRow("an encoded issuer", "iss=https%3A%2F%2Flogin.example.com%2Frealms%2Facme&state={state}&code=code-value-1", issuer=ISSUER),
    CallbackRow("Google", "state={state}&code=4/0AbC-d_E&scope=email%20openid&authuser=0&hd=example.org&prompt=consent", code="4/0AbC-d_E"),
    CallbackRow("Google, encoded", "state={state}&code=4%2F0AbC-d_E&scope=email+openid", code="4/0AbC-d_E"),
    CallbackRow("a code with everything in it", "code=a%2Fb%2Bc%3D%3D%26d%20e%25%2A%21~&state={state}", code="a/b+c==&d e%*!~"),
    CallbackRow("a code with an equals sign at its end", "code=YWJj==&state={state}", code="YWJj=="),
    CallbackRow("a code that is encoded twice is decoded once", "code=a%252Fb&state={state}", code="a%2Fb"),
    CallbackRow("Microsoft's long code", "code=0.A" + "x" * 1800 + "&state={state}&session_state=1-2", code="0.A" + "x" * 1800),
    CallbackRow("Instagram's mark at the end", "code=code-value-1%23_&state={state}", code="code-value-1#_"),
    CallbackRow("Stripe", "scope=read_write&code=ac_1&state={state}", code="ac_1"),
    CallbackRow("Square", "code=sq0cgb-1&response_type=code&state={state}", code="sq0cgb-1"),
    CallbackRow("an error that is empty", "code=code-value-1&state={state}&error=&error_description="),
    CallbackRow("an error of 0", "code=code-value-1&state={state}&error_code=0"),
    CallbackRow("a message that is no error", "code=code-value-1&state={state}&error_description=&message=Welcome"),
    CallbackRow("an encoded name", "c%6Fde=code-value-1&st%61te={state}"),
    CallbackRow("other parameters twice", "code=code-value-1&state={state}&scope=a&scope=b"),
    CallbackRow("QuickBooks", "code=code-value-1&state={state}&realmId=9341453474484455", dialect=REALM, values={"realm_id": "9341453474484455"}),
    CallbackRow("Shopify", "code=code-value-1&hmac=0a1b&host=YWRh&shop=ada.myshopify.com&state={state}&timestamp=1", dialect=SHOP, values={"shop": "ada.myshopify.com"}),
    CallbackRow("Zoho", "state={state}&code=1000.a.b&location=eu&accounts-server=https%3A%2F%2Faccounts.zoho.eu", code="1000.a.b", dialect=ZOHO, values={"accounts_server": "https://accounts.zoho.eu", "location": "eu"}),
    CallbackRow("Amazon", "state={state}&selling_partner_id=A1&mws_auth_token=m&spapi_oauth_code=code-value-1", dialect=AMAZON, values={"seller": "A1"}),
    CallbackRow("TikTok for business", "auth_code=code-value-1&code=other&state={state}", dialect={"callback_code_param": "auth_code"}),
    CallbackRow("Alipay", "app_id=2014&source=alipay_app_auth&auth_code=code-value-1&state={state}", dialect={"callback_code_param": "auth_code"}),
    CallbackRow("a state under another name", "code=code-value-1&custom_state={state}", dialect={"callback_state_param": "custom_state"}),
    CallbackRow("another state beside it", "code=code-value-1&state=of-the-provider&custom_state={state}", dialect={"callback_state_param": "custom_state"}),
]  # fmt: skip  # in rows

REFUSED: list[CallbackRow] = [
    fails("Google, denied", "error=access_denied&state={state}", DENIED),
    fails("Facebook, denied", "error=access_denied&error_code=200&error_description=Permissions+error&error_reason=user_denied&state={state}", DENIED),
    fails("denied in capitals", "error=ACCESS_DENIED&state={state}", DENIED),
    fails("LinkedIn, log-in cancelled", "error=user_cancelled_login&error_description=The+user+cancelled&state={state}", DENIED),
    fails("LinkedIn, consent cancelled", "error=user_cancelled_authorize&state={state}", DENIED),
    fails("Facebook, under other names", "error_code=1349048&error_message=Can%27t+load+URL&state={state}", "Can&#x27;t load URL"),
    fails("in camel case", "errorCode=E17&errorMessage=Tenant+locked&state={state}", "Tenant locked"),
    fails("a reason alone", "error_reason=user_denied&state={state}", "user_denied"),
    fails("Microsoft, consent of an administrator", "error=access_denied&error_description=AADSTS65001%3a+The+user+or+administrator+has+not+consented.%0d%0aTrace+ID%3a+1&state={state}", "organisation of this account"),
    fails("Microsoft, not assigned", "error=access_denied&error_description=AADSTS50105%3a+not+assigned+to+a+role&state={state}", "may not use the app"),
    fails("Google, a policy", "error=admin_policy_enforced&state={state}", "organisation of this account"),
    fails("Google, still in testing", "error=access_denied&error_description=The+app+is+in+testing+mode&state={state}", "not verified or still in testing"),
    fails("GitHub, suspended", "error=application_suspended&error_description=x&error_uri=https://docs.example.com&state={state}", "switched off"),
    fails("GitHub, another redirect URI", "error=redirect_uri_mismatch&error_description=The+redirect_uri+MUST+match&state={state}", "byte for byte"),
    fails("another redirect URI in words", "error=invalid_request&error_description=Invalid+redirect_uri&state={state}", "byte for byte"),
    fails("no such scope", "error=invalid_scope&error_description=Unknown+scope+x&state={state}", "does not grant a scope"),
    fails("Slack's word for it", "error=invalid_scope_requested&state={state}", "refused the request"),
    fails("the app may not", "error=unauthorized_client&state={state}", "may not do this"),
    fails("no code grant", "error=unsupported_response_type&state={state}", "does not offer the authorization code grant"),
    fails("PKCE", "error=invalid_request&error_description=Code+challenge+required&state={state}", "at odds with PKCE"),
    fails("trouble", "error=server_error&state={state}", "trouble of its own"),
    fails("later", "error=temporarily_unavailable&state={state}", "try again later"),
    fails("to sign in", "error=login_required&state={state}", "sign in or to agree once more"),
    fails("Salesforce", "error=OAUTH_APP_BLOCKED&error_description=this+app+is+blocked+by+admin&state={state}", "OAUTH_APP_BLOCKED"),
    fails("a sentence as error", "error=The+user+denied+the+request&state={state}", "The user denied the request"),
    fails("markup in the words", "error=x%3Cscript%3E&error_description=%3Cimg+src%3Dx%3E&state={state}", "x&lt;script&gt;"),
    fails("a code beside an error", "code=code-value-1&error=access_denied&state={state}", DENIED),
    fails("an error page that is a script", "error=odd&error_uri=javascript:alert(1)&state={state}", "refused the request"),
    fails("nothing but the state", "state={state}", NOTHING_SENT),
    fails("an empty code", "code=&state={state}", NOTHING_SENT),
    fails("Twitter's old way to deny", "denied=abc&state={state}", NOTHING_SENT),
    fails("a token in place of a code", "access_token=canary-token&token_type=bearer&state={state}", NOTHING_SENT),
    fails("Amazon's name without its dialect", "spapi_oauth_code=code-value-1&state={state}", NOTHING_SENT),
    fails("the code under the usual name, not the dialect's", "code=code-value-1&state={state}", NOTHING_SENT, dialect={"callback_code_param": "auth_code"}),
    fails("another issuer", "code=code-value-1&state={state}&iss=https://evil.example", "another issuer", issuer=ISSUER),
    fails("an issuer with a slash more", f"code=code-value-1&state={{state}}&iss={ISSUER}/", "another issuer", issuer=ISSUER),
    fails("QuickBooks without its realm", "code=code-value-1&state={state}", "no value “realm_id”", dialect=REALM),
    fails("a realm that is no number", "code=code-value-1&state={state}&realmId=1%2F..", "does not match its pattern", dialect=REALM),
    fails("another shop", "code=code-value-1&state={state}&shop=ada.myshopify.com.evil.example", "does not match its pattern", dialect=SHOP),
    fails("a realm sent twice is none", "code=code-value-1&state={state}&realmId=1&realmId=1", "has no value “realm_id”", dialect=REALM),
]  # fmt: skip  # in rows

#: They belong to nothing, so the attempt stays open.
STRAY: list[CallbackRow] = [
    fails("no state, denied", "error=access_denied", "holds no state"),
    fails("no state", "code=code-value-1", "holds no state"),
    fails("an empty state", "code=code-value-1&state=", "holds no state"),
    fails("escaped for HTML on its way", "code=code-value-1&amp;state={state}", "holds no state"),
    fails("a slash behind the state", "code=code-value-1&state={state}/", "No attempt with this state"),
    fails("a state in capitals", "code=code-value-1&state=A{state}", "No attempt with this state"),
    fails("a state under a name that no dialect has", "code=code-value-1&custom_state={state}", "holds no state"),
    fails("the state twice", "code=code-value-1&state={state}&state={state}", "twice (state)"),
    fails("the code twice", "code=code-value-1&state={state}&code=other", "twice (code)"),
    fails("the issuer twice", f"code=code-value-1&state={{state}}&iss={ISSUER}&iss=x", "twice (iss)"),
    fails("in one signed parameter", "response=eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "holds no state"),
    fails("nothing", "", "holds no state"),
    fails("a state of other characters", "code=code-value-1&state=%00%ff%0a", "No attempt with this state"),
]  # fmt: skip  # in rows

CALLBACKS = [*AUTHORIZED, *REFUSED, *STRAY]
