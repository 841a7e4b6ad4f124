"""What an admin does with a connection besides editing it, such as authorize, test and disconnect.

Each is a POST with permission.
"""

from __future__ import annotations

from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.views.decorators.http import require_POST

from apiconnector.admin import held
from apiconnector.admin.shown import answer_block
from apiconnector.exceptions import ConfigurationError
from apiconnector.models import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

    Act = Callable[[HttpRequest, Connection], HttpResponse]
    ModelAdmin = admin.ModelAdmin[Connection]
else:
    ModelAdmin = admin.ModelAdmin


class ConnectionActs(ModelAdmin):
    """The part of the connection's admin that talks to the provider."""

    def get_urls(self) -> list[Any]:
        """Add one URL for each act."""
        acts: dict[str, tuple[str, Act]] = {
            "authorize": ("authorize", self._authorize),
            "test": ("test", self._test),
            "end_rest": ("test", self._end_rest),
            "confirm_site": ("authorize", self._confirm_site),
            "disconnect": ("authorize", self._disconnect),
            "use_account": ("authorize", self._use_account),
            "keep_account": ("authorize", self._keep_account),
        }
        own = [
            path(
                f"<path:object_id>/{name.replace('_', '-')}/",
                self._view(partial(self._act, permission=permission, act=act)),
                name=f"apiconnector_connection_{name}",
            )
            for name, (permission, act) in acts.items()
        ]
        return [*own, *super().get_urls()]

    def _view(self, act: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        """A view of the admin site that is not run inside a transaction: it waits for somebody else's server."""
        update_wrapper(act, self._act)
        return transaction.non_atomic_requests(require_POST(self.admin_site.admin_view(act)))

    def may(self, request: HttpRequest, action: str) -> bool:
        """Whether a person has the permission for an act."""
        codename = get_permission_codename(action, self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{codename}")

    def _act(self, request: HttpRequest, object_id: str, *, permission: str, act: Act) -> HttpResponse:
        if not self.may(request, permission):
            raise PermissionDenied
        connection = self.get_object(request, unquote(object_id))
        if connection is None:
            raise Http404
        return act(request, connection)

    def _back(self, connection: Connection, field: str = "") -> HttpResponseRedirect:
        url = reverse(f"{self.admin_site.name}:apiconnector_connection_change", args=[connection.pk])
        return HttpResponseRedirect(f"{url}#id_{field}" if field else url)

    def say_sealed(self, request: HttpRequest, connection: Connection) -> None:
        """Say that secrets have to be typed again, if they have."""
        if seal := connection.sealed_by():
            who = "" if self.may(request, "enter_secrets") else " Only somebody who may enter secrets can type them."
            self.message_user(request, f"“{connection}” is sealed. {seal.reason}{who}", messages.WARNING)

    def _log(self, request: HttpRequest, connection: Connection, message: str) -> None:
        assert request.user.pk is not None  # the admin view lets nobody else in
        LogEntry.objects.log_actions(request.user.pk, [connection], CHANGE, message, single_object=True)

    def _authorize(self, request: HttpRequest, connection: Connection) -> HttpResponse:
        """Send the browser to the provider's page."""
        from apiconnector.authorize import begin, callback_uri
        from apiconnector.authorize.begin import other_host

        try:
            if origin := other_host(request):
                url = origin + request.path.removesuffix("authorize/") + "change/"
                self.message_user(
                    request,
                    format_html(
                        "This page was opened under another host than APICONNECTOR_BASE_URL, where the provider "
                        'sends the browser back to. Press Authorize there: <a href="{0}">{0}</a>',
                        url,
                    ),
                    messages.ERROR,
                )
                return self._back(connection)
            begun = begin(connection, redirect_uri=callback_uri(request), user=request.user)
        except ValidationError as error:
            for name, texts in error.message_dict.items():
                self.message_user(request, f"{_label(name)}: {' '.join(texts)}", messages.ERROR)
            return self._back(connection, next(iter(error.message_dict)))
        except ConfigurationError as error:
            self.message_user(request, str(error), messages.ERROR)
            return self._back(connection)
        self._log(request, connection, "Began to authorize.")
        response = HttpResponseRedirect(begun.url)
        begun.set_cookie(response)
        # The provider needs to know nothing of the admin's address.
        response["Referrer-Policy"] = "no-referrer"
        return response

    def _test(self, request: HttpRequest, connection: Connection) -> HttpResponse:
        """Send the test request and say what came back."""
        from apiconnector.models import health

        result = connection.test()
        parts = [result.message]
        if result.label:
            parts.append(f"Account: {result.label}.")
        if result.account_id:
            parts.append(f"Account id: {result.account_id}.")
        parts.append(health.record_test(connection, result, request.user))
        self._log(request, connection, "Tested.")
        said: str = " ".join(filter(None, parts))
        if result.status_code is not None:
            if _has_room():
                answer = answer_block(result.request, result.status_code, result.headers, result.body)
                said = format_html("{} {}", said, answer)
            else:
                said = f"{said} The answer itself is not shown: this site keeps messages in cookies."
        self.message_user(request, said, messages.SUCCESS if result.ok else messages.ERROR)
        return self._back(connection)

    def _end_rest(self, request: HttpRequest, connection: Connection) -> HttpResponse:
        """Send to an API again that asked to be left alone for longer than it needs."""
        from apiconnector.feeds import outbox

        if not outbox.wake_from_rest(connection):
            self.message_user(request, f"“{connection}” was not left alone: nothing was changed.", messages.WARNING)
            return self._back(connection)
        self._log(request, connection, "Ended the rest that the API had asked for.")
        self.message_user(request, "Feeds send to it again, also what it refused.", messages.SUCCESS)
        return self._back(connection)

    def _confirm_site(self, request: HttpRequest, connection: Connection) -> HttpResponse:
        """Use a token here that was authorized for another site."""
        from apiconnector.authorize import callback_uri, confirm_site

        try:
            message = confirm_site(connection, callback_uri(request), actor=request.user)
        except ConfigurationError as error:
            self.message_user(request, str(error), messages.ERROR)
            return self._back(connection)
        self._log(request, connection, "Confirmed the site of the token.")
        self.message_user(request, message, messages.SUCCESS)
        return self._back(connection)

    def _use_account(self, request: HttpRequest, connection: Connection) -> HttpResponse:
        """Use the account of a held token from now on."""
        from apiconnector.authorize import use_held

        return self._decide(request, connection, use_held, "Used another account.")

    def _keep_account(self, request: HttpRequest, connection: Connection) -> HttpResponse:
        """Forget a held token."""
        from apiconnector.authorize import discard_held

        return self._decide(request, connection, discard_held, "Kept the account.")

    def _decide(
        self, request: HttpRequest, connection: Connection, decide: Callable[..., str], done: str
    ) -> HttpResponse:
        attempt = held.find(connection, request.POST.get("attempt", ""))
        if attempt is None:
            # What was on the page is not what is there now.
            self.message_user(request, f"That was decided already. “{connection}” was not changed.", messages.WARNING)
            return self._back(connection)
        try:
            message = decide(attempt, actor=request.user)
        except ConfigurationError as error:
            self.message_user(request, str(error), messages.ERROR)
            return self._back(connection)
        self._log(request, connection, done)
        self.message_user(request, message, messages.SUCCESS)
        return self._back(connection)

    def _disconnect(self, request: HttpRequest, connection: Connection) -> HttpResponse:
        """Revoke and forget the token."""
        from apiconnector.authorize import disconnect

        message = disconnect(connection, actor=request.user)
        self._log(request, connection, "Disconnected.")
        self.message_user(request, message, messages.SUCCESS)
        return self._back(connection)


def _has_room() -> bool:
    """Whether a message may have some thousand characters. A cookie has no room, and one too large is lost."""
    return not (
        settings.MESSAGE_STORAGE.endswith(".CookieStorage") or settings.SESSION_ENGINE.endswith(".signed_cookies")
    )


def _label(name: str) -> str:
    return capfirst(Connection.label_of(name))
