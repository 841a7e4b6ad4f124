"""Submit what is saved or deleted of a model, wherever that happens: in the admin, a form, a command."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db.models.signals import post_delete, post_save

from apiconnector.forms.submitting import logger, name_of, one_transaction, submit_or_log

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from django.db.models import Model

#: Makes of an instance what the feeds get.
GetData = TypeVar("GetData", bound="Callable[[Any], Mapping[str, Any]]")


@overload
def submits_model(
    trigger: str, model: type[Model] | str, *, created: bool | None = None, deleted: bool = False
) -> Callable[[GetData], GetData]: ...
@overload
def submits_model(
    trigger: str, model: type[Model] | str, *, fields: Sequence[str], created: bool | None = None, deleted: bool = False
) -> None: ...
@overload
def submits_model(
    trigger: str,
    model: type[Model] | str,
    *,
    data: Callable[[Any], Mapping[str, Any]],
    created: bool | None = None,
    deleted: bool = False,
) -> None: ...
def submits_model(
    trigger: str,
    model: type[Model] | str,
    *,
    fields: Sequence[str] | None = None,
    data: Any = None,
    created: bool | None = None,
    deleted: bool = False,
) -> Any:
    """Submit each instance of a model to the feeds of ``trigger`` when it was saved, or when it was deleted.

    Called in an ``AppConfig.ready()``, and imported there, with ``fields`` (names of the model's columns; of a relation
    the key) or with ``data``, a function that makes a mapping of the instance; without either it is the decorator of
    such a function. ``model`` may also be given as ``"app.Model"``.

    ``created=True``: only what is new; False: only what was there before; None: both. ``deleted=True``: not when it is
    saved, but when it is deleted.

    The submission is part of the transaction that saves, where there is one. Data never breaks the save: what can't be
    kept, and what ``data`` raises, is logged as an error. What ``loaddata`` loads is not submitted. Said twice, it is
    done once.

    Raises ``ImproperlyConfigured`` for fields that the model does not have, for a name that no model has, and for what
    contradicts itself.
    """
    if not isinstance(trigger, str) or not trigger:
        raise ImproperlyConfigured('submits_model needs a trigger, such as submits_model("new-customer", Customer, …).')
    if fields is not None and data is not None:
        raise ImproperlyConfigured("submits_model takes either fields or data, not both.")
    if isinstance(fields, str):
        raise ImproperlyConfigured(f"submits_model takes a list of fields, such as fields=[{fields!r}].")
    if deleted and created is not None:
        raise ImproperlyConfigured(
            "submits_model is told either created=… or deleted=True: deleting has a trigger of its own, so that other "
            "feeds can listen to it."
        )
    event = "deleted" if deleted else {None: "saved", True: "created", False: "changed"}[created]
    if fields is None and data is None:
        return partial(_decorate, trigger, model, event)
    _when_loaded(trigger, model, event, fields, data)
    return None


def _decorate(trigger: str, model: type[Model] | str, event: str, data: Any) -> Any:
    if isinstance(data, type) or not callable(data):
        raise ImproperlyConfigured(
            "submits_model decorates a function that makes a mapping of an instance; with fields=[…] call it alone."
        )
    _when_loaded(trigger, model, event, None, data)
    return data


def _when_loaded(trigger: str, model: type[Model] | str, event: str, fields: Sequence[str] | None, data: Any) -> None:
    """Connect as soon as the model is there, which in ``ready()`` is at once."""

    def connect(loaded: type[Model]) -> None:
        _connect(trigger, loaded, event, fields, data)

    if isinstance(model, str):
        app, _, name = model.partition(".")
        # Once all models are loaded, one that is not there never comes: what is saved would be lost without a word.
        if not name or (apps.models_ready and name.lower() not in apps.all_models.get(app, {})):
            raise ImproperlyConfigured(
                f"submits_model: there is no model “{model}”. Write the label of an installed app, a dot and the name "
                "of the model, such as “shop.Customer”."
            )
        apps.lazy_model_operation(connect, (app, name.lower()))
    else:
        connect(model)


def _connect(trigger: str, model: type[Model], event: str, fields: Sequence[str] | None, data: Any) -> None:
    if model._meta.abstract:
        raise ImproperlyConfigured(f"{name_of(model)} is abstract, nothing of it is ever saved: name the models.")
    if fields is not None:
        source, who, way_out = ", ".join(fields), f"submits_model of {model._meta.label}", "data=…"
        data = partial(_columns, tuple(_attribute(model, name) for name in fields))
    else:
        source = f"{name_of(data)}:{getattr(getattr(data, '__code__', None), 'co_firstlineno', '')}"
        who = way_out = name_of(data)
    wanted = {"created": True, "changed": False}.get(event)

    def receive(instance: Model, **kwargs: Any) -> None:
        # Of a fixture the other rows may not be there yet, and it was submitted where it was made.
        if kwargs.get("raw") or (wanted is not None and kwargs.get("created") is not wanted):
            return
        _submit(trigger, partial(data, instance), who, way_out)

    signal = post_delete if event == "deleted" else post_save
    signal.connect(
        receive, sender=model, weak=False, dispatch_uid=("apiconnector", trigger, model._meta.label, event, source)
    )


def _attribute(model: type[Model], name: str) -> tuple[str, str]:
    """The name that feeds know, and the attribute that has its value: of a relation the key, without a query."""
    if name == "pk":
        return name, name
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        field = None
    attribute = getattr(field, "attname", None)
    if field is None or attribute is None or field.many_to_many:
        raise ImproperlyConfigured(
            f"submits_model of {model._meta.label}: “{name}” is no column of it. Name columns, or give data=…."
        )
    return name, attribute


def _columns(attributes: Sequence[tuple[str, str]], instance: Model) -> dict[str, Any]:
    return {name: getattr(instance, attribute) for name, attribute in attributes}


class _DataError(Exception):
    """The function that makes the data failed; the cause is not chained, for its frames hold the instance."""


def _submit(trigger: str, get_data: Callable[[], Any], who: str, way_out: str) -> None:
    def read() -> Any:
        try:
            return get_data()
        except Exception as error:  # noqa: BLE001 - the site's own function, which may raise anything
            kind, inside = type(error).__name__, error.__traceback__ and error.__traceback__.tb_next
        raise _DataError(f"{kind} in line {inside.tb_lineno}" if inside else kind)

    try:
        # A query that fails in that function must not make the caller's transaction unusable.
        with one_transaction():
            submit_or_log(trigger, read, who, way_out)
    except _DataError as error:
        logger.error("%s submitted nothing to “%s”: it raised %s.", who, trigger, error)
