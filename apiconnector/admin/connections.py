"""The connection's admin: its form, its list, and the panel above the form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.core.exceptions import ObjectDoesNotExist
from django.forms import HiddenInput
from django.urls import path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.text import capfirst
from django.views.decorators.debug import sensitive_post_parameters

from apiconnector.admin import held
from apiconnector.admin.discovering import Discovering
from apiconnector.admin.filters import StatusFilter, last_use
from apiconnector.admin.guarding import Guarded
from apiconnector.admin.inputs import Inputs
from apiconnector.admin.keeping import KeepsRuns
from apiconnector.admin.notices import Noticed
from apiconnector.admin.presets import Presetting
from apiconnector.admin.rows import fields_css
from apiconnector.admin.shown import ending_mark, moment
from apiconnector.exceptions import ConfigurationError
from apiconnector.fields import EncryptedField, EncryptedJSONField
from apiconnector.models import Connection, ConnectionEvent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from django.db.models import Field, QuerySet
    from django.forms import Field as FormField
    from django.http import HttpRequest, HttpResponse

    from apiconnector.admin.discovery_form import DiscoveryForm
    from apiconnector.models import Token

#: How a status looks: the class of its badge.
_TONES = {
    "ready": "good",
    "authorized": "good",
    "not_authorized": "open",
    "inactive": "off",
}


@admin.register(Connection)
class ConnectionAdmin(Guarded, KeepsRuns, Noticed, Inputs, Discovering, Presetting):
    """Add, edit, fill in, authorize, test and disconnect connections."""

    list_display = ("name", "slug", "status_badge", "ends", "method_label", "last_use", "base_url")
    list_filter = (StatusFilter, "auth_method", "is_active")
    search_fields = ("name", "slug", "base_url", "token__account_label", "token__account_id")
    list_select_related = ("token",)
    prepopulated_fields: ClassVar[dict[str, Sequence[str]]] = {"slug": ("name",)}
    save_on_top = False

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["apiconnector/admin.css"]}
        js = ("apiconnector/copy.js", "apiconnector/presets.js")

    def get_urls(self) -> list[Any]:
        """Add the style sheet that shows the fields of the chosen method."""
        own = path("fields.css", self.admin_site.admin_view(fields_css), name="apiconnector_connection_fields_css")
        return [own, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        """One query for the list, with the status to filter and order by, and the last use."""
        from apiconnector.models import status

        rows = super().get_queryset(request).select_related("token")
        match = request.resolver_match
        if match is not None and match.url_name == "apiconnector_connection_changelist":
            rows = rows.annotate(sql_status=status.in_sql(Connection), last_use=last_use())
        return rows

    @admin.display(description="Authentication", ordering="auth_method")
    def method_label(self, connection: Connection) -> str:
        """The label of the method, or its name where the app that registers it is gone."""
        method = connection.method_or_none
        return method.label if method else connection.auth_method

    @admin.display(description="Status", ordering="sql_status")
    def status_badge(self, connection: Connection) -> str:
        """The status, with its reason as a tool tip."""
        return badge(connection)

    @admin.display(description="Ends", empty_value="")
    def ends(self, connection: Connection) -> str | None:
        """When the grant or the client secret ends, the nearer of the two; what to do about it as a tool tip."""
        from apiconnector.models import endings

        known = endings.of(connection)
        return ending_mark(known[0], timezone.now()) if known else None

    @admin.display(description="Last run", ordering="last_use", empty_value="never")
    def last_use(self, connection: Connection) -> str | None:
        """When a feed used it last. Requests of code that calls ``connect()`` leave no record."""
        at: datetime | None = connection.last_use  # type: ignore[attr-defined]  # annotated above
        return moment(at) if at else None

    # The form

    @cached_property
    def form(self) -> type[DiscoveryForm]:  # type: ignore[override]  # Django asks the object, not the class
        """The form, imported when a page needs it."""
        from apiconnector.admin.discovery_form import DiscoveryForm

        return DiscoveryForm

    def get_readonly_fields(self, request: HttpRequest, obj: Connection | None = None) -> list[str]:
        """The slug of a saved connection, and secrets for whoever may not enter them."""
        names = list(super().get_readonly_fields(request, obj))
        if obj is not None:
            names.append("slug")
        if not self.may(request, "enter_secrets"):
            names += [field.name for field in Connection._meta.concrete_fields if isinstance(field, EncryptedField)]
        return names

    def get_prepopulated_fields(self, request: HttpRequest, obj: Connection | None = None) -> dict[str, Any]:
        """Only a new connection's slug follows its name."""
        return {} if obj is not None else dict(super().get_prepopulated_fields(request, obj))

    def formfield_for_dbfield(
        self, db_field: Field[Any, Any], request: HttpRequest | None, **kwargs: Any
    ) -> FormField | None:
        """Secrets get an input that never shows them."""
        from apiconnector.admin.forms import SHOWN
        from apiconnector.admin.secret_inputs import (
            SecretField,
            SecretInput,
            SecretJSONField,
            SecretTextarea,
            ShownInput,
        )

        if not isinstance(db_field, EncryptedField) or db_field.name in SHOWN:
            if db_field.name in SHOWN:
                kwargs["widget"] = ShownInput()
            if db_field.name == "preset":
                kwargs["widget"] = HiddenInput()
            if db_field.name == "scope_delimiter":
                kwargs["strip"] = False  # it is a space, most of the time
            return super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[arg-type]  # stubs
        arguments: dict[str, Any] = {
            "required": False,
            "label": capfirst(db_field.verbose_name),
            "help_text": db_field.help_text,
        }
        if isinstance(db_field, EncryptedJSONField):
            return SecretJSONField(widget=SecretTextarea(), **arguments)
        return SecretField(widget=SecretInput(), **arguments)

    def save_model(self, request: HttpRequest, obj: Connection, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        """Save, and write down which fields were changed, never what to."""
        super().save_model(request, obj, form, change)
        if change and form.changed_data:
            labels = ", ".join(obj.label_of(name) for name in form.changed_data)
            ConnectionEvent.record(obj, ConnectionEvent.Kind.EDITED, f"Changed: {labels}", request.user)
        self.say_sealed(request, obj)

    def response_add(self, request: HttpRequest, obj: Connection, post_url_continue: str | None = None) -> HttpResponse:
        """Stay on the page of a connection that still has to be authorized: the button is there."""
        if obj.method.needs_person:
            _stay_on_page(request)
        return super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Connection) -> HttpResponse:
        """Stay on the page of a connection that is sealed: the fields to type again are there."""
        if obj.sealed_by():
            _stay_on_page(request)
        return super().response_change(request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Its history goes with a connection; nobody may delete from the history alone."""
        deleted, counts, lacking, protected = super().get_deleted_objects(objs, request)
        return deleted, counts, lacking - {ConnectionEvent._meta.verbose_name}, protected

    @method_decorator(sensitive_post_parameters())
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Add what the panel above the form shows."""
        from apiconnector.authorize import callback_uri

        panel: dict[str, Any] = {"redirect_uri": "", "redirect_uri_error": ""}
        try:
            panel["redirect_uri"] = callback_uri(request)
        except ConfigurationError as error:
            panel["redirect_uri_error"] = str(error)
        connection = self.get_object(request, object_id) if object_id else None
        if connection is not None and self.has_view_permission(request, connection):
            panel |= self._panel(request, connection, panel["redirect_uri"])
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), "panel": panel})

    def _panel(self, request: HttpRequest, connection: Connection, redirect_uri: str) -> dict[str, Any]:
        from apiconnector.models import clock, site

        token, until = _token(connection), connection.busy_until
        method = connection.method_or_none
        needs_person = method is not None and method.needs_person
        other_site = token.site if token is not None and needs_person and site.may_not_refresh(token) else ""
        has_moved = token is not None and bool(token.redirect_uri) and token.redirect_uri != redirect_uri
        return {
            "connection": connection,
            "badge": badge(connection),
            **_said(connection),
            "needs_person": needs_person,
            "token": token,
            "is_expired": token is not None and token.is_expired(timezone.now()),
            "other_site": other_site,
            # The other site says the same, and more.
            "moved": has_moved and not other_site,
            "may_authorize": self.may(request, "authorize"),
            "may_test": self.may(request, "test"),
            "busy_until": moment(until) if until is not None and until > clock.now() else "",
            "held": held.newest(connection),
            "events": connection.events.select_related("actor")[:8],
        }


def _stay_on_page(request: HttpRequest) -> None:
    if not {"_addanother", "_popup"}.intersection(request.POST):
        answers = request.POST.copy()
        answers["_continue"] = "1"
        request.POST = answers  # type: ignore[assignment]  # as UserAdmin does


def _token(connection: Connection) -> Token | None:
    try:
        token = connection.token
    except ObjectDoesNotExist:
        return None
    return token if token.access_token else None


def _said(connection: Connection) -> dict[str, Any]:
    """The reason of the status, what is near its end, and what ends later."""
    from apiconnector.models import endings

    now, reason = timezone.now(), connection.status_reason
    near = endings.near(connection, now)
    return {
        "reason": "" if reason == near else reason,
        "near": near,
        "later": [ending.before for ending in endings.of(connection) if not ending.is_near(now)],
    }


def badge(connection: Connection) -> str:
    """The status as a coloured word; colour is never the only sign."""
    from apiconnector.models import status

    state = status.of(connection)
    now = status.Status(state.status)
    return format_html(
        '<span class="apiconnector-badge apiconnector-{}" title="{}">{}</span>',
        _TONES.get(now.value, "bad"),
        state.reason,
        now.label,
    )
