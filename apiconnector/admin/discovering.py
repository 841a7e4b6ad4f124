"""Fill the connection's form, or a saved connection, in from its provider's metadata."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.db import router, transaction
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join

from apiconnector import conf
from apiconnector.admin.acts import ConnectionActs
from apiconnector.exceptions import ConfigurationError
from apiconnector.models import Connection, ConnectionEvent

if TYPE_CHECKING:
    from django.http import HttpRequest

    from apiconnector.authorize import Found

#: In a form what was typed, and in an address what was typed or found, signed.
_TYPED, _FOUND = "provider", "discovery"


class Discovering(ConnectionActs):
    """The part of the connection's admin that asks the provider what to fill in."""

    def get_urls(self) -> list[Any]:
        """Add one URL for a new connection and one for a saved one, under the same name."""
        name = "apiconnector_connection_discover"
        saved = partial(self._act, permission="change", act=self._discover)
        return [
            path("discover/", self._view(partial(self._discover_new)), name=name),
            path("<path:object_id>/discover/", self._view(saved), name=name),
            *super().get_urls(),
        ]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with what was found, and with what else stands in the address."""
        from apiconnector.admin.discovery_form import opened

        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        if text := initial.get(_FOUND):
            try:
                initial |= opened(text).values
            except ValidationError as error:
                del initial[_FOUND]
                self.message_user(request, " ".join(error.messages), messages.ERROR)
        return initial

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Add what the input above the form shows."""
        context = extra_context or {}
        shown = self._input(request, context.get("panel", {}).get("connection"), is_new=object_id is None)
        return super().changeform_view(request, object_id, form_url, {**context, "discover": shown})

    def _input(self, request: HttpRequest, connection: Connection | None, *, is_new: bool) -> dict[str, str] | None:
        url = f"{self.admin_site.name}:apiconnector_connection_discover"
        if is_new and self.has_add_permission(request):
            query = request.GET.urlencode()
            return {"url": reverse(url) + (f"?{query}" if query else ""), "text": _typed(request)}
        if connection is None or not self.may(request, "change"):
            return None
        method = connection.method_or_none
        if method is None or not method.uses_token:
            return None
        said = connection.discovered if isinstance(connection.discovered, dict) else {}
        return {"url": reverse(url, args=[connection.pk]), "text": connection.issuer or said.get("issuer", "")}

    def _discover_new(self, request: HttpRequest) -> HttpResponse:
        """Go back to the form of a new connection, filled in."""
        from apiconnector.admin.discovery_form import signed
        from apiconnector.authorize import discovery

        if not self.has_add_permission(request):
            raise PermissionDenied
        typed, query = request.POST.get(_TYPED, ""), request.GET.copy()
        for name in (_TYPED, _FOUND):
            query.pop(name, None)
        try:
            found = discovery.discover(typed, timeout=conf.timeout())
        except (ConfigurationError, ValidationError) as error:
            self._refuse(request, error)
            # What is no address stays out of ours: it may be a password.
            if discovery.is_address(typed):
                query[_TYPED] = typed.strip()
        else:
            query[_FOUND] = signed(found)
            self._say(request, "Filled in from the provider. Check it, add what is missing, and save:", found.lines)
        url = reverse(f"{self.admin_site.name}:apiconnector_connection_add")
        return HttpResponseRedirect(f"{url}?{query.urlencode()}" if query else url)

    def _discover(self, request: HttpRequest, connection: Connection) -> HttpResponse:
        """Fill in and save what differs, all of it or nothing."""
        from apiconnector.authorize import discovery

        try:
            metadata = discovery.look_up(request.POST.get(_TYPED, ""), timeout=connection.timeout_seconds)
            with transaction.atomic(using=router.db_for_write(Connection)):
                # Read again: the provider may have taken its time.
                stored = Connection.objects.select_for_update().filter(pk=connection.pk).first()
                if stored is None:
                    raise Http404
                self._fill(request, stored, discovery.found_in(metadata, stored))
        except (ConfigurationError, ValidationError) as error:
            self._refuse(request, error, "Nothing was saved.")
        return self._back(connection)

    def _fill(self, request: HttpRequest, connection: Connection, found: Found) -> None:
        from apiconnector.authorize.discovery import in_words, label

        old = {name: getattr(connection, name) for name in found.values}
        changed = [name for name, value in found.values.items() if old[name] != value]
        is_said_anew = connection.discovered != found.discovered
        if not changed and not is_said_anew:
            self._say(request, "Everything is as the provider says already.", found.notes)
            return
        for name in changed:
            setattr(connection, name, found.values[name])
        connection.discovered = found.discovered
        connection.full_clean()
        connection.save(update_fields=[*changed, "discovered", "updated_at"])
        labels = ", ".join(connection.label_of(name) for name in changed) or "only what the provider says of itself"
        message = f"Filled in from the provider: {labels}"
        ConnectionEvent.record(connection, ConnectionEvent.Kind.EDITED, message, request.user)
        self._log(request, connection, f"{message}.")
        lines = [
            f"{label(name)}: {in_words(name, old[name])} → {in_words(name, found.values[name])}" for name in changed
        ]
        if not changed:
            lines.append("No field differed. What the provider says of itself was noted anew.")
        self._say(request, "Filled in from the provider and saved:", [*lines, *found.notes])
        self.say_sealed(request, connection)

    def _say(self, request: HttpRequest, text: str, lines: list[str] | tuple[str, ...]) -> None:
        # Not a list: the admin's style sheet makes a message of every "li" in its messages.
        items = format_html_join("", '<div class="apiconnector-line">{}</div>', ((line,) for line in lines))
        self.message_user(request, format_html("{}{}", text, items), messages.SUCCESS)

    def _refuse(self, request: HttpRequest, error: ConfigurationError | ValidationError, end: str = "") -> None:
        from apiconnector.authorize.discovery import label

        texts = [str(error)]
        if isinstance(error, ValidationError):
            texts = [
                " ".join(said) if name == NON_FIELD_ERRORS else f"{label(name)}: {' '.join(said)}"
                for name, said in error.message_dict.items()
            ]
        for text in texts:
            self.message_user(request, f"{text} {end}".strip(), messages.ERROR)


def _typed(request: HttpRequest) -> str:
    """What was asked for last, to go on with."""
    from apiconnector.admin.discovery_form import opened

    if text := request.GET.get(_TYPED, ""):
        return text
    try:
        return opened(request.GET[_FOUND]).metadata.issuer
    except (KeyError, ValidationError):
        return ""
