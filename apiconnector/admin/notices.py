"""What the system checks of a table find, said above its list: who works in the admin seldom reads a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core import checks
from django.db import router
from django.template.response import TemplateResponse

if TYPE_CHECKING:
    from django.http import HttpRequest

    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


class Noticed(ModelAdmin):
    """An admin whose list begins with what the checks tagged with its model's label say."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Add the notices to a list that is shown; whoever may not see it has been sent away by then."""
        response = super().changelist_view(request, extra_context)
        if request.method == "GET" and isinstance(response, TemplateResponse):
            for notice in self._notices():
                self.message_user(request, f"{notice.msg} {notice.hint}", messages.WARNING)
        return response

    def _notices(self) -> list[checks.CheckMessage]:
        found = checks.run_checks(tags=[self.opts.label_lower], databases=[router.db_for_read(self.model)])
        return [notice for notice in found if not notice.is_silenced()]
