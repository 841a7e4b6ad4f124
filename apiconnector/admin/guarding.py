"""What holds for every page of ours in the admin.

It is not shown inside another site's page, where a click can be stolen (RFC 9700 section 4.16), and an error of it is
reported without credentials. A list that is asked for what no database knows is shown whole. Who works here also has a
few due runs taken up, where nobody else does that.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db import DataError
from django.http import HttpResponseRedirect
from django.urls import URLPattern

from apiconnector.redaction import get_logger
from apiconnector.redaction.reports import guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    View = Callable[..., HttpResponseBase]
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin

logger = get_logger(__name__)

_POLICY = "Content-Security-Policy"


class Guarded(ModelAdmin):
    """An admin whose pages are guarded, also on a site without Django's middleware against framing."""

    def get_urls(self) -> list[Any]:
        """Wrap every view."""
        patterns = super().get_urls()
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                pattern.callback = _guarded(pattern.callback)
        return patterns

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the whole list where an address written by hand, or rows chosen by hand, mean nothing.

        Django does so itself for what it can't make a query of, and answers 500 for what a database can't.
        """
        from django.contrib.admin.views.main import ERROR_FLAG  # its module can't be loaded before the apps are

        if request.method == "POST" and not all(map(self._is_key, request.POST.getlist(ACTION_CHECKBOX_NAME))):
            self.message_user(request, "No such rows: nothing was done.", messages.WARNING)
            return HttpResponseRedirect(request.path)
        try:
            return super().changelist_view(request, extra_context)
        except (ValueError, OverflowError, DataError) as error:
            if request.method != "GET" or not request.GET.keys() - {ERROR_FLAG}:
                raise
            logger.warning("A list of %s could not be read: %s.", self.opts.verbose_name_plural, type(error).__name__)
            return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")

    def _is_key(self, text: str) -> bool:
        try:
            self.opts.pk.run_validators(self.opts.pk.to_python(text))
        except ValidationError:
            return False
        return True


def _guarded(view: View) -> View:
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        guard(request)
        response = view(request, *args, **kwargs)
        from apiconnector.feeds import takeup

        takeup.begin()
        own = _may_frame_itself()
        if not response.has_header("X-Frame-Options"):
            response["X-Frame-Options"] = "SAMEORIGIN" if own else "DENY"
        if not response.has_header(_POLICY) and _is_left_to_us():
            response[_POLICY] = "frame-ancestors 'self'" if own else "frame-ancestors 'none'"
        return response

    return wrapped


def _may_frame_itself() -> bool:
    """Whether the site allows its own pages to frame each other, as some themes of the admin need."""
    return str(settings.X_FRAME_OPTIONS).upper() == "SAMEORIGIN"


def _is_left_to_us() -> bool:
    """Whether nothing after us sends a policy: most leave one alone that is there, and the site's says more than ours.

    Only of Django's own middleware that is known.
    """
    if getattr(settings, "SECURE_CSP", None):
        return False
    return all(name.startswith("django.") for name in settings.MIDDLEWARE)
