"""The inputs of the connection's form that are no columns: those of its dialect, and of the variables it declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apiconnector.admin import presets
from apiconnector.admin.acts import ConnectionActs
from apiconnector.admin.rows import fieldsets

if TYPE_CHECKING:
    from django.http import HttpRequest

    from apiconnector.dialect import Variable
    from apiconnector.models import Connection


class Inputs(ConnectionActs):
    """The part of the connection's admin that makes its form."""

    def get_fieldsets(self, request: HttpRequest, obj: Connection | None = None) -> Any:
        """All fields; which rows are seen is the style sheet's matter, and the method's."""
        from apiconnector.admin import dialect_form

        may_change = obj is None or self.has_change_permission(request, obj)
        return fieldsets(
            obj,
            variables=list(self._inputs(request, obj)) if may_change else (),
            is_dialect_open=dialect_form.is_filled(request.POST, _differing(request, obj)),
            may_change=may_change,
        )

    def get_form(self, request: HttpRequest, obj: Connection | None = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """The form, with an input for each declared variable."""
        own = {
            "declared": _declared(request, obj),
            "chosen": presets.chosen(request) if obj is None else None,
            **self._inputs(request, obj),
        }
        form: Any = super().get_form(
            request, obj, change, **{"form": type(self.form.__name__, (self.form,), own), **kwargs}
        )
        return form

    def _inputs(self, request: HttpRequest, connection: Connection | None) -> dict[str, Any]:
        from apiconnector.admin import variables

        return variables.inputs(_declared(request, connection), secrets=self.may(request, "enter_secrets"))


def _shown(request: HttpRequest, connection: Connection | None) -> Any:
    """The dialect that the form begins with."""
    if connection is not None:
        return connection.dialect
    preset = presets.chosen(request)
    return preset.fields.get("dialect") if preset is not None else None


def _differing(request: HttpRequest, connection: Connection | None) -> Any:
    """The same, unless it is just what the preset brought: nobody has to look at that."""
    from apiconnector.presets import find

    preset = presets.chosen(request) if connection is None else find(connection.preset)
    shown = _shown(request, connection)
    return None if preset is not None and shown == preset.fields.get("dialect") else shown


def _declared(request: HttpRequest, connection: Connection | None) -> dict[str, Variable]:
    from apiconnector.admin import variables

    return variables.declared_in([_shown(request, connection), variables.parsed(request.POST.get("dialect"))])
