"""The session cookie, seen from the callback: it is reached from another site."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Info, Warning  # noqa: A004 - Django's own name


def check_session_cookie(**_: Any) -> list[CheckMessage]:
    """``apiconnector.W021``, ``I022``: ``SESSION_COOKIE_SAMESITE`` is None without Secure, or Strict.

    Lax (Django's default), None with Secure, and False need no word: the session comes along to the callback.
    """
    if not apps.is_installed("django.contrib.sessions"):
        return []
    same_site = str(settings.SESSION_COOKIE_SAMESITE).lower()
    # Python's None and False leave the attribute out; the text is what sends it.
    if settings.SESSION_COOKIE_SAMESITE and same_site == "none" and not settings.SESSION_COOKIE_SECURE:
        return [
            Warning(
                'SESSION_COOKIE_SAMESITE is "None" and SESSION_COOKIE_SECURE is not set: browsers drop such a cookie, '
                "so nobody can sign in to the admin to authorize a connection.",
                hint='Set SESSION_COOKIE_SECURE = True, or leave SESSION_COOKIE_SAMESITE at "Lax": authorizing does '
                'not need "None".',
                id="apiconnector.W021",
            )
        ]
    if same_site == "strict":
        return [
            Info(
                'SESSION_COOKIE_SAMESITE is "Strict": the browser leaves the session out when the provider sends it '
                "back to the callback. Authorizing works all the same, by a cookie of its own, but the callback can't "
                "notice that another user has signed in to this browser meanwhile. The next page on the site is "
                "signed in again.",
                hint='Nothing is to be done. Choose "Lax" if the callback shall compare the users.',
                id="apiconnector.I022",
            )
        ]
    return []
