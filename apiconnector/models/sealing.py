"""Keeps ``is_sealed`` right, the column that lists filter and order by: no database can open an envelope.

Nothing is decided by it. Whether a secret may be sent is asked of its envelope when it is opened, and the status of a
connection is worked out anew each time. What goes past the models (SQL, or an UPDATE of the tokens by a query) leaves
the column as it was, until the connection is saved or ``refresh_sealed()`` is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from apiconnector.models.binding import DEFAULT_FIELDS, SECRET_FIELDS
from apiconnector.models.hosts import HOST_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apiconnector.models.connection import Connection
    from apiconnector.models.token import Token

#: A change of one of these can seal a connection, or end that.
_DECISIVE = frozenset({*HOST_FIELDS, *SECRET_FIELDS, *DEFAULT_FIELDS, "auth_method", "is_sealed"})
#: How many rows are asked for at once.
_BATCH = 500


class ConnectionQuerySet(models.QuerySet["Connection"]):
    """Writes of many rows at once, which do not go through ``Connection.save()``."""

    def update(self, **kwargs: Any) -> int:
        """Update, and judge anew whether these connections are sealed; so does ``bulk_update()``."""
        if not _DECISIVE.intersection(kwargs):
            return super().update(**kwargs)
        self._for_write = True
        # Asked before: the same conditions may not find the rows afterwards.
        keys = list(self.order_by().values_list("pk", flat=True))
        count = super().update(**kwargs)
        self._refresh(Q(pk__in=keys[at : at + _BATCH]) for at in range(0, len(keys), _BATCH))
        return count

    def bulk_create(self, objs: Iterable[Connection], *args: Any, **kwargs: Any) -> list[Connection]:
        """Create, or update where rows are in the way, and judge whether these connections are sealed."""
        created = super().bulk_create(objs, *args, **kwargs)
        slugs = [row.slug for row in created]
        self._refresh(Q(slug__in=slugs[at : at + _BATCH]) for at in range(0, len(slugs), _BATCH))
        return created

    def refresh_sealed(self) -> set[int]:
        """Write down which of these connections are sealed; the keys of those that are."""
        return self._refresh([Q(pk__in=self.order_by().values_list("pk", flat=True))])

    def _refresh(self, batches: Iterable[Q]) -> set[int]:
        every: models.QuerySet[Connection] = models.QuerySet(self.model, using=self.db)
        sealed = set()
        for batch in batches:
            changed: dict[bool, list[int]] = {True: [], False: []}
            for row in every.filter(batch).select_related("token"):
                is_sealed = row.sealed_by() is not None
                if is_sealed:
                    sealed.add(row.pk)
                if is_sealed != row.is_sealed:
                    changed[is_sealed].append(row.pk)
            for is_sealed, keys in changed.items():
                if keys:
                    every.filter(pk__in=keys).update(is_sealed=is_sealed)
        return sealed


@receiver(post_save, sender="apiconnector.Connection")
def _after_fixture(sender: type[Connection], instance: Connection, raw: bool, using: str, **_: Any) -> None:  # noqa: FBT001 - Django's signature
    """A fixture is written without ``Connection.save()``."""
    if raw:
        ConnectionQuerySet(sender, using=using).filter(pk=instance.pk).refresh_sealed()


@receiver([post_save, post_delete], sender="apiconnector.Token")
def _after_token(instance: Token, using: str, **_: Any) -> None:
    """A token is one of the secrets of its connection."""
    model: Any = type(instance)._meta.get_field("connection").related_model
    ConnectionQuerySet(model, using=using).filter(pk=instance.connection_id).refresh_sealed()
