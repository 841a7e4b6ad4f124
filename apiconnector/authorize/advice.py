"""What a provider's error usually means, and what to do about it."""

from __future__ import annotations

import re

_REDIRECT = (
    "The redirect URI is not the one registered at the provider. Register the redirect URI shown on the connection's "
    "page there, byte for byte: http or https, host, path and a slash at the end all count."
)
_SCOPE = (
    "The provider does not grant a scope that was asked for. Correct the scope of the connection, and allow the scope "
    "for the app registered at the provider."
)
_DENIED = "The request was denied on the provider's page. Press Authorize again if that was not meant."
_CLIENT = (
    "The provider does not know the client, or did not accept its secret. Compare the client ID, the client secret "
    "(is it its value, not its id; has it expired?) and the client authentication with the app registered there."
)
_EXPIRED = (
    "The code or the sign-in at the provider has expired or was used before. Press Authorize again, and go through the "
    "provider's pages without a long pause or the Back button."
)
_PKCE = (
    "The provider is at odds with PKCE. Choose S256 for PKCE at the connection, or none where the provider's "
    "documentation has no PKCE, and press Authorize again in one tab only."
)
_UNVERIFIED = (
    "The app registered at the provider is not verified or still in testing. Add the account as a test user there, "
    "publish the app, or have it verified."
)
_ORGANISATION = (
    "The organisation of this account has not approved the app. An administrator of that organisation (at the "
    "provider, not here) has to allow the app or to authorize it in person."
)
_ACCOUNT = (
    "This account may not use the app. Authorize with another account, or have the account assigned to the app at the "
    "provider."
)
_APP = "The app registered at the provider may not do this, or is switched off there: look at its settings."
_SIGN_IN = "The provider wants a person to sign in or to agree once more. Press Authorize again and follow its pages."
_LATER = "The provider has trouble of its own: try again later."

#: RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6, and names that well-known providers use.
ADVICE = {
    "access_denied": _DENIED,
    "user_cancelled_authorize": _DENIED,
    "user_cancelled_login": _DENIED,
    "invalid_scope": _SCOPE,
    "unauthorized_scope_error": _SCOPE,
    "invalid_client": _CLIENT,
    "incorrect_client_credentials": _CLIENT,
    "deleted_client": _APP,
    "disabled_client": _APP,
    "application_suspended": _APP,
    "unauthorized_client": _APP,
    "unsupported_response_type": "The provider does not offer the authorization code grant to this app.",
    "invalid_request": "The provider found the request faulty: compare URLs, scope and PKCE with its documentation.",
    "invalid_grant": _EXPIRED,
    "bad_verification_code": _EXPIRED,
    "expired_token": _EXPIRED,
    "redirect_uri_mismatch": _REDIRECT,
    "invalid_redirect_uri": _REDIRECT,
    "bad_redirect_uri": _REDIRECT,
    "admin_policy_enforced": _ORGANISATION,
    "org_internal": (
        "The app registered at the provider is for accounts of its own organisation only. Authorize with such an "
        "account, or make the app external there."
    ),
    "account_selection_required": _SIGN_IN,
    "consent_required": _SIGN_IN,
    "interaction_required": _SIGN_IN,
    "login_required": _SIGN_IN,
    "unverified_user_email": "The account's e-mail address is not verified at the provider: verify it there first.",
    "server_error": _LATER,
    "temporarily_unavailable": _LATER,
}
#: Words that say more than the name beside them: many providers file everything under two or three names.
_WORDS = [
    (r"code[_ -]?(?:verifier|challenge)|\bpkce\b", _PKCE),
    (r"redirect[_ -]?ur[il]", _REDIRECT),
    (r"AADSTS(?:65001|90094|90093)\b|admin(?:istrator)?[\w' -]{0,20}(?:consent|approv)", _ORGANISATION),
    (r"AADSTS(?:50020|50105)\b|not assigned|not (?:a )?(?:permitted|allowed) (?:user|account)", _ACCOUNT),
    (r"not (?:been )?verified|unverified app|test(?:ing)? (?:mode|user)|verification process", _UNVERIFIED),
    (r"AADSTS(?:700016|7000215|7000222)\b", _CLIENT),
]
_PATTERNS = [(re.compile(pattern, re.IGNORECASE), text) for pattern, text in _WORDS]
_REFUSED = "The provider refused the request. Press Authorize to try again; its own words say why."


def advice(error: str, description: str = "") -> str:
    """What to do about an error in the callback; never empty. Takes the provider's name for it, and its words."""
    name = error.strip().lower().replace("-", "_").replace(" ", "_")
    specific = ADVICE.get(name, "") if name not in {"access_denied", "invalid_request", "unauthorized_client"} else ""
    return specific or advice_on_words(error, description) or ADVICE.get(name, _REFUSED)


def advice_on_words(error: str, description: str) -> str:
    """What the words beside an error give away; empty where they say nothing more."""
    text = f"{error} {description}"
    return next((found for pattern, found in _PATTERNS if pattern.search(text)), "")
