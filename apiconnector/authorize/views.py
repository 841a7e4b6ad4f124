"""``/oauth/callback``: where the provider sends the browser back to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.decorators import login_not_required
from django.db import router, transaction
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils.crypto import constant_time_compare
from django.utils.decorators import method_decorator
from django.utils.log import log_response
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_deny
from django.views.decorators.csrf import csrf_exempt

from apiconnector.authorize.answered import find, read_for
from apiconnector.authorize.begin import cookie_name, has_begun
from apiconnector.authorize.complete import again, spend, unusable
from apiconnector.authorize.form_post import same_as_get
from apiconnector.models import AuthorizationAttempt
from apiconnector.models.attempt import digest
from apiconnector.oauth import parse_callback
from apiconnector.redaction.reports import guard

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from apiconnector.oauth import Callback

Outcome, Via = AuthorizationAttempt.Outcome, AuthorizationAttempt.Via
_AGAIN = again(Via.ADMIN)
PERMISSION = "apiconnector.authorize_connection"


@method_decorator([never_cache, csrf_exempt, xframe_options_deny, transaction.non_atomic_requests], name="dispatch")
class CallbackView(View):
    """Takes the answer of the authorization request (RFC 6749 section 4.1.2).

    A state is spent by the first callback from the browser and person that began it, whatever its outcome; nobody
    else's callback spends it. One begun by the command is spent there: the page shows what to paste. The code is
    exchanged here, outside any transaction: some live for 30 seconds.
    """

    http_method_names = ("get", "post")

    def post(self, request: HttpRequest) -> HttpResponse:
        """Send a form_post answer through GET: a cross-site POST carries no cookie."""
        address = same_as_get(request)
        if not address:
            reason = "What was posted is no answer of a provider: it is too long, or can't be read."
            return _page(request, f"{reason} {_AGAIN}", status=400)
        # Not HttpResponseRedirect, which some releases of Django limit to 2048 characters: a code may be longer.
        response = HttpResponse(status=303)
        response["Location"] = address
        response["Referrer-Policy"] = "no-referrer"
        return response

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Have errors reported without code and state."""
        guard(request)
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponse:
        """Find the attempt, check browser and person, complete it, and show how it ended."""
        callback = _taken(request)
        attempt = None if callback.too_long or callback.repeated else find(callback)
        if attempt is not None:
            callback = read_for(attempt, callback)
        if reason := unusable(callback):
            return _page(request, f"{reason} {_AGAIN}", status=400, callback=callback)
        if attempt is None:
            return _page(
                request,
                f"No attempt with this state is known: it is too old, or was not begun on this site. {_AGAIN}",
                status=400,
            )
        if attempt.via == Via.COMMAND:
            return _for_command(request, attempt, callback)
        refusal = _foreign(request, attempt, callback)
        if refusal:
            return _page(request, refusal, status=403)
        spend(attempt, callback)
        return _outcome(request, attempt)


def _taken(request: HttpRequest) -> Callback:
    """Take the answer out of the request: what is logged or reported of it from here on holds no code and no state."""
    callback = parse_callback(request.META.get("QUERY_STRING", ""))
    request.META["QUERY_STRING"] = ""
    request.GET = QueryDict()
    return callback


def _foreign(request: HttpRequest, attempt: AuthorizationAttempt, callback: Callback) -> str:
    """Why this browser or person may not use the attempt; empty where it may."""
    nonce = request.COOKIES.get(cookie_name(callback.state, attempt.redirect_uri), "")
    if not nonce or not constant_time_compare(digest(nonce), attempt.nonce):
        return (
            "Authorizing was begun in another browser, or the cookie of this attempt is gone. Go on in the browser "
            f"where you pressed Authorize. If that was this one: is it the same host name? {_AGAIN}"
        )
    user = getattr(request, "user", None)
    # With SESSION_COOKIE_SAMESITE = "Strict" there is no session here: nobody is not somebody else.
    if user is not None and user.is_authenticated and user.pk != attempt.user_id:
        return "Authorizing was begun by another user of this site. Sign in as that user, or press Authorize yourself."
    if attempt.via == Via.ADMIN and attempt.user is not None and not attempt.user.has_perm(PERMISSION):
        return "The user who began this may not authorize connections any more. Nothing was exchanged."
    return ""


def _for_command(request: HttpRequest, attempt: AuthorizationAttempt, callback: Callback) -> HttpResponse:
    """What to paste where the attempt was begun: it is spent there, and by nobody else."""
    if attempt.used_at is not None:
        return _outcome(request, attempt)
    if attempt.is_expired:
        return _page(request, f"Authorizing took longer than ten minutes. {again(attempt.via)}", status=400)
    # All that the page asks for is there: for what is missing Django logs the whole context, at the level of debugging.
    context = {
        "ok": False,
        "held": False,
        "link": "",
        "address": f"{attempt.redirect_uri}?{callback.query}",
        "connection": attempt.connection,
    }
    return _guarded(request, render(request, "apiconnector/paste.html", context))


def _outcome(request: HttpRequest, attempt: AuthorizationAttempt) -> HttpResponse:
    if attempt.outcome == Outcome.OPEN:
        return _page(
            request,
            "This answer is being worked on. Reload this page in a moment.",
            status=400,
            attempt=attempt,
        )
    status = 200 if attempt.outcome in {Outcome.AUTHORIZED, Outcome.HELD} else 400
    return _page(request, attempt.message, status=status, attempt=attempt)


def _page(
    request: HttpRequest,
    message: str,
    *,
    status: int,
    attempt: AuthorizationAttempt | None = None,
    callback: Callback | None = None,
) -> HttpResponse:
    """The landing page. It never redirects to the admin: a Strict session would not come along."""
    # To who began nothing here the page shows no words of a stranger, and not where the admin is.
    is_known = attempt is not None or has_begun(request)
    source = attempt or (callback if is_known else None)
    is_held = attempt is not None and attempt.outcome == Outcome.HELD
    context = {
        "ok": status == 200 and not is_held,
        "held": is_held,
        "message": message,
        "attempt": attempt,
        "error": getattr(source, "error", ""),
        "error_description": getattr(source, "error_description", ""),
        "link": _link(attempt) if is_known else "",
    }
    return _guarded(request, render(request, "apiconnector/callback.html", context, status=status))


def _guarded(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    if response.status_code >= 400:
        # Anybody can call this address as often as they like. What concerns a connection is in its history; Django
        # would write a warning for each.
        log_response("%s: %s", response.reason_phrase, request.path, response=response, request=request, level="info")
    # The address holds code and state: it is not handed on.
    response["Referrer-Policy"] = "no-referrer"
    response["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
    )
    return response


def _link(attempt: AuthorizationAttempt | None) -> str:
    try:
        if attempt is None:
            return reverse("admin:apiconnector_connection_changelist")
        return reverse("admin:apiconnector_connection_change", args=[attempt.connection_id])
    except NoReverseMatch:
        return ""


# The decorator above covers the default database; tokens may be kept in another one.
_view = transaction.non_atomic_requests(using=router.db_for_write(AuthorizationAttempt))(CallbackView.as_view())
# With LoginRequiredMiddleware a Strict session, which does not come along, would end at the login page.
callback_view = login_not_required(_view)
