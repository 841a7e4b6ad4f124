"""What holds for every page of ours in the admin.

It is not shown inside another site's page, where a click can be stolen (RFC 9700 section 4.16), and an error of it is
reported without credentials. Who works here also has a few due runs taken up, where nobody else does that.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern

from apiconnector.redaction.reports import guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    View = Callable[..., HttpResponseBase]
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin

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
