"""Why a token endpoint gave no token, who has to act on it, and what to tell that person.

Only what clearly says that the grant is dead asks a person to authorize again, since the token kept here is given up
for it. Whatever may come from a proxy, a firewall or a bad day of the provider changes nothing.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin

from apiconnector.exceptions import Act, TokenRequestFailed
from apiconnector.oauth.answer import ErrorReport, is_page, parse_body, plain_name
from apiconnector.oauth.lifetime import retry_after
from apiconnector.oauth.wire import public_url
from apiconnector.oauth.words import MAX_DESCRIPTION, MAX_NAME, plain_words, without_secrets

if TYPE_CHECKING:
    from apiconnector.oauth.client_auth import ClientAuthentication
    from apiconnector.oauth.grants import Grant
    from apiconnector.oauth.wire import Answer

#: Codes are compared by ``plain_name``. These mean "not now", whatever the status.
_NOT_NOW = frozenset({
    "temporarilyunavailable", "servererror", "slowdown", "internalerror", "internalservererror", "fatalerror",
    "serviceunavailable", "ratelimited", "ratelimitexceeded", "toomanyrequests", "requesttimeout", "unknownerror",
})  # fmt: skip  # in rows
#: The same in words, for servers that call it otherwise.
_NOT_NOW_WORDS = re.compile(r"too many requests|rate[ -]?limit", re.IGNORECASE)
#: The grant that was handed in is dead, by grant. No entry: no person can help.
_DEAD = {
    "authorization_code": frozenset({
        "invalidgrant", "invalidcode", "badverificationcode", "badauthcode", "invalidauthorizationcode",
        "codeexpired", "expiredcode", "codealreadyused",
    }),
    "refresh_token": frozenset({
        "invalidgrant", "invalidrefreshtoken", "badrefreshtoken", "refreshtokenexpired", "expiredrefreshtoken",
        "invalidtoken", "expiredtoken", "tokenexpired", "tokenrevoked", "tokennotfound", "invalidcode",
        "badverificationcode", "unauthorizedclient", "interactionrequired", "consentrequired", "loginrequired",
    }),
}  # fmt: skip  # in rows
#: For servers without a code of their own for it: the grant's name, and beside it a word for being dead.
_GRANT_WORDS = {
    "authorization_code": re.compile(
        r"grant(?![\s_-]*type)"
        r"|(?<!status )(?<!error )(?<![a-z])code(?![\s_-]*(?:verifier|challenge))",
        re.IGNORECASE,
    ),
    "refresh_token": re.compile(r"grant(?![\s_-]*type)|refresh[\s_-]*token|\bthe token (?:is|was)\b", re.IGNORECASE),
}
_DEAD_WORDS = re.compile(
    r"invalid|expired|revoked|unknown|incorrect|wrong|bad|malformed|consumed|redeemed|inactive|no longer"
    r"|not (?:valid|found|exist|active|recogni[sz]ed|match)|n.t (?:valid|exist|match)|(?:been|already) used",
    re.IGNORECASE,
)
#: What was sent is not what the server wants; that says nothing about the grant.
_OTHER_WORDS = re.compile(r"missing|unsupported|not (?:supported|allowed|permitted)", re.IGNORECASE)
#: With them ``unauthorized_client`` means that the client did not prove who it is, and not what it may do.
_CLIENT_WORDS = re.compile(
    r"authorization header|client[\s_-]*(?:authentication|credentials|secret)|AADSTS700(?:016|0215|0222)\b",
    re.IGNORECASE,
)
_BAD_CLIENT = frozenset({
    "invalidclient", "invalidclientid", "invalidclientsecret", "badclientid", "badclientsecret",
    "incorrectclientcredentials", "invalidclientcredentials", "clientnotfound",
})  # fmt: skip  # in rows
#: For servers that have no code for it: what names the client; beside it a word that says it is wrong.
_WRONG_CLIENT = re.compile(r"(?:client|app(?:lication)?)[\s_-]*(?:id|secret|key|credentials)(?![a-z])", re.IGNORECASE)
_IN_ADDRESSES = ":/[]@!$&'()*+,;=%~"
_REGISTER_REDIRECT = "Register the redirect URI shown on the connection's page at the provider, byte for byte."

_REJECTED_CLIENT = (
    "The provider did not accept the client ID and client secret. Compare them, and the client authentication, with "
    "the app registered at the provider."
)
#: What is refused where no client authenticates in the way of RFC 6749.
_REJECTED = {
    "login": "The API refused the log-in. Compare user name, password or key, and the log-in request in the dialect.",
    "second_token": "The provider refused the second token request: compare it with the provider's documentation.",
}
_REJECTED_PERSON = "The provider refused the user name or the password: type them again."
_ADVICE = {
    "invalidscope": "The provider does not grant the scope that was asked for: correct the scope of the connection.",
    "unauthorizedclient": "The app registered at the provider may not use this grant: change its settings there.",
    "unsupportedgranttype": "The provider does not offer this grant: choose another authentication method.",
    "redirecturimismatch": _REGISTER_REDIRECT,
    "invalidredirecturi": _REGISTER_REDIRECT,
    "badredirecturi": _REGISTER_REDIRECT,
    # Of a client that acts for itself; for the others it is the grant that is dead.
    "invalidgrant": "The provider refused the client's own credentials as a grant: check what the app may do there.",
}
_DEAD_ADVICE = {
    "authorization_code": (
        "The provider refused the authorization code: it has expired, was used before or belongs to another redirect "
        "URI. Press Authorize again; if that does not help, compare the redirect URI with the one registered there."
    ),
    "refresh_token": (
        "The provider refused the refresh token: it has expired, was revoked or was used before. A person has to "
        "authorize again."
    ),
}
_COMPARE = "Check the token URL, the client ID and the client secret; if they are right, authorize again."
_GO_ON = "Nothing was changed, and a later attempt may succeed. If it goes on, check the token URL."


def refusal(
    url: str,
    answer: Answer,
    grant: Grant,
    client: ClientAuthentication,
    secrets: tuple[str, ...],
    *,
    report: ErrorReport,
    problem: str = "",
    token: Any = None,
) -> TokenRequestFailed:
    """Make the error for an answer from ``url`` that holds no token; the caller raises it.

    Its text is ours. The provider's own words, as found in ``report``, are in ``error`` and ``error_description``,
    shortened, without control characters and without the ``secrets`` that were sent. ``problem`` says why the answer
    could not be read as the dialect says; ``token`` is what stands where the access token should.
    """
    data = parse_body(answer.body)
    if HTTPStatus.MULTIPLE_CHOICES <= answer.status_code < HTTPStatus.BAD_REQUEST:
        act, message = Act.ADMINISTRATOR, _redirected(url, answer, secrets)
    else:
        act, message = _not_now(answer, data, report) or _refused(answer, report, grant, client, token)
        if problem:
            message = f"{message} {problem}"
    return TokenRequestFailed(
        message,
        act=act,
        retry_after=retry_after(answer.headers) if act is Act.NOBODY else None,
        is_unanswered=_is_unanswered(answer, report),
        error=plain_words(without_secrets(report.name, secrets), MAX_NAME),
        error_description=plain_words(without_secrets(" ".join(report.words), secrets), MAX_DESCRIPTION),
        status_code=answer.status_code,
    )


def _is_unanswered(answer: Answer, report: ErrorReport) -> bool:
    """Whether the provider may have acted on the request all the same: behind a gateway, or with a damaged answer."""
    if answer.status_code < HTTPStatus.MULTIPLE_CHOICES:
        return not report.present
    return answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status_code == HTTPStatus.REQUEST_TIMEOUT


def _redirected(url: str, answer: Answer, secrets: tuple[str, ...]) -> str:
    location = answer.headers.get("location", "")
    try:
        target = public_url(urljoin(url, location)) if location else ""
    except ValueError:
        target = ""
    # Fit to be copied: characters beyond ASCII as an address has them.
    target = quote(plain_words(without_secrets(target, secrets), MAX_NAME), safe=_IN_ADDRESSES)[:MAX_NAME] or "nowhere"
    return (
        f"The token URL answered with a redirect to {target}. It was not followed: a redirected token request loses "
        "its content. If that is the provider's token endpoint, enter it as the token URL."
    )


def _not_now(answer: Answer, data: Any, report: ErrorReport) -> tuple[Act, str] | None:
    """Whatever says nothing about the grant, nor about the client."""
    status = answer.status_code
    if status == HTTPStatus.TOO_MANY_REQUESTS or any(_NOT_NOW_WORDS.search(text) for text in report.words):
        return Act.NOBODY, "The provider limits how often it may be asked for a token. Try again later."
    passing = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}
    if (
        status in passing
        or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        or status < HTTPStatus.OK
        or any(plain_name(code) in _NOT_NOW for code in report.codes)
    ):
        return Act.NOBODY, f"The provider has trouble of its own (status {status}). Try again later."
    if is_page(answer.body):
        return Act.NOBODY, f"The token URL answered with a web page and no token (status {status}). {_GO_ON}"
    # An empty body is the token endpoint's own way to refuse; other unreadable ones come from anywhere.
    is_noise = data is None and (answer.body.strip() != b"" or status < HTTPStatus.BAD_REQUEST)
    if is_noise and status != HTTPStatus.UNAUTHORIZED:
        return Act.NOBODY, f"The token URL answered with something that can't be read (status {status}). {_GO_ON}"
    return None


def _refused(
    answer: Answer, report: ErrorReport, grant: Grant, client: ClientAuthentication, token: Any
) -> tuple[Act, str]:
    """What the provider means to refuse: the grant, the client, or the request as such."""
    codes = [plain_name(code) for code in report.codes]
    if _is_dead(codes, report, grant):
        return Act.PERSON, _DEAD_ADVICE[grant.grant_type]
    if reason := _bad_client(answer, codes, report, grant, client):
        return Act.ADMINISTRATOR, reason
    for code in codes:
        if code in _ADVICE:
            return Act.ADMINISTRATOR, _ADVICE[code]
    if answer.status_code >= HTTPStatus.BAD_REQUEST or "invalidrequest" in codes:
        return Act.ADMINISTRATOR, f"The provider refused the token request (status {answer.status_code}). {_COMPARE}"
    if report.present:
        return Act.NOBODY, f"The provider answered with an error instead of a token. {_GO_ON}"
    if token:
        return Act.NOBODY, f"The provider sent a token that can't be used: it is no plain text, or too long. {_GO_ON}"
    return Act.NOBODY, f"The token URL answered without an access token. {_GO_ON}"


def _bad_client(
    answer: Answer, codes: list[str], report: ErrorReport, grant: Grant, client: ClientAuthentication
) -> str:
    """Why what identifies the client, or the site's own account, was not accepted; empty where that is not said."""
    status = answer.status_code
    if own_words := _REJECTED.get(grant.grant_type, ""):
        is_refused = status >= HTTPStatus.BAD_REQUEST or report.present
        return f"{own_words} (Status {status}.)" if is_refused else ""
    is_bad = (
        bool(_BAD_CLIENT.intersection(codes))
        or _names_client(codes, report)
        or any(_says(_WRONG_CLIENT, text) for text in (*report.codes, *report.words))
    )
    if is_bad or (status == HTTPStatus.UNAUTHORIZED and not report.present):
        return f"{_REJECTED_CLIENT} {client.hint}".rstrip()
    return _REJECTED_PERSON if grant.grant_type == "password" and "invalidgrant" in codes else ""


def _says(subject: re.Pattern[str], text: str) -> bool:
    """Whether a text says of a subject that it is wrong or dead."""
    return bool(subject.search(text) and _DEAD_WORDS.search(text) and not _OTHER_WORDS.search(text))


def _is_dead(codes: list[str], report: ErrorReport, grant: Grant) -> bool:
    kind = grant.grant_type
    if kind not in _DEAD:
        return False
    if _names_client(codes, report):
        return False
    if _DEAD[kind].intersection(codes):
        return True
    if _BAD_CLIENT.intersection(codes) or any(code in _ADVICE for code in codes):
        return False
    return any(_says(_GRANT_WORDS[kind], text) for text in (*report.codes, *report.words))


def _names_client(codes: list[str], report: ErrorReport) -> bool:
    return "unauthorizedclient" in codes and any(_CLIENT_WORDS.search(text) for text in report.words)
