"""Text that is looked up letter by letter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    CharField = models.CharField[Any, Any]
else:
    CharField = models.CharField


class ExactCharField(CharField):
    """A text in which ``a`` and ``A`` are two letters on every database; in other columns of MariaDB they are one."""

    if TYPE_CHECKING:
        _pyi_private_set_type: Any
        _pyi_private_get_type: Any

    def deconstruct(self) -> Any:
        """Name the package: migrations outlive the file a class is in."""
        name, _, args, kwargs = super().deconstruct()
        return name, f"apiconnector.fields.{type(self).__name__}", args, kwargs

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        """Say how MariaDB and MySQL compare it, whatever the database's own collation is."""
        if connection.vendor == "mysql":
            return f"varchar({self.max_length}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        return super().db_type(connection)
