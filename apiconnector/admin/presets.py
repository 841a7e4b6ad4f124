"""A new connection begins with a provider: the picker, the form filled in, and what to do at the provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin, messages
from django.utils.html import format_html, format_html_join

from apiconnector import auth
from apiconnector.models import Connection

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    from apiconnector.presets import Preset

    ModelAdmin = admin.ModelAdmin[Connection]
else:
    ModelAdmin = admin.ModelAdmin

_REDIRECT_URI: Final = "{{ redirect_uri }}"


def chosen(request: HttpRequest) -> Preset | None:
    """The preset that a new connection begins with."""
    from apiconnector.presets import find

    return find(request.POST.get("preset") or request.GET.get("preset", ""))


class Presetting(ModelAdmin):
    """The part of the connection's admin that knows providers."""

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with the preset that was chosen."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        preset = chosen(request)
        if preset is None:
            return initial
        return {**preset.fields, **_free_name(preset), **initial, "preset": preset.slug}

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Add the picker, or what to do at the provider that was chosen."""
        from apiconnector.presets import find, presets

        context = dict(extra_context or {})
        panel = context.get("panel", {})
        connection = panel.get("connection")
        if object_id is not None:
            preset = find(connection.preset) if connection is not None else None
        else:
            preset = chosen(request)
        if preset is not None:
            context["guide"] = _guide(preset, request, panel.get("redirect_uri", ""))
        elif object_id is None and request.method == "GET":
            context["picker"] = [_card(preset, request) for preset in presets()]
            if slug := request.GET.get("preset"):
                self.message_user(
                    request,
                    f"There is no preset “{slug[:50]}”. Choose one of these, or fill in the form.",
                    messages.WARNING,
                )
        return super().changeform_view(request, object_id, form_url, context)


def _free_name(preset: Preset) -> dict[str, str]:
    """A name and a slug to begin with, which no connection has."""
    taken = set(Connection.objects.filter(slug__startswith=preset.slug).values_list("slug", flat=True))
    if preset.slug not in taken:
        return {"name": preset.name, "slug": preset.slug}
    number = next(number for number in range(2, len(taken) + 3) if f"{preset.slug}-{number}" not in taken)
    return {"name": f"{preset.name} {number}", "slug": f"{preset.slug}-{number}"}


def _address(request: HttpRequest, slug: str) -> str:
    """The form of a new connection that begins with a preset; what else stands in its address stays."""
    query = request.GET.copy()
    query.pop("preset", None)
    if slug:
        query["preset"] = slug
    return f"?{query.urlencode()}"


def _card(preset: Preset, request: HttpRequest) -> dict[str, str]:
    method = auth.find(preset.fields.get("auth_method", ""))
    return {
        "name": preset.name,
        "summary": preset.summary,
        "method": method.label if method is not None else "",
        "url": _address(request, preset.slug),
    }


def _guide(preset: Preset, request: HttpRequest, redirect_uri: str) -> dict[str, Any]:
    return {
        "preset": preset,
        "steps": [_step(step, redirect_uri) for step in preset.steps],
        "others": _address(request, ""),
    }


def _step(text: str, redirect_uri: str) -> SafeString:
    shown = format_html("<code>{}</code>", redirect_uri) if redirect_uri else "the redirect URI"
    first, *rest = text.split(_REDIRECT_URI)
    return format_html("{}{}", first, format_html_join("", "{}{}", ((shown, piece) for piece in rest)))
