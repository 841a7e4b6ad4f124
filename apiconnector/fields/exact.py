"""Text that is one thing in every database: compared letter by letter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

if TYPE_CHECKING:
    BaseCharField = models.CharField[Any, Any]
else:
    BaseCharField = models.CharField


class ExactCharField(BaseCharField):
    """A ``CharField`` in which “a” and “A” differ, on MariaDB as well, whose collations take them for the same.

    Blanks at the end still make no difference there.
    """

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        """With the collation that compares bytes, where the database's own does not."""
        parameters: Any = super().db_parameters(connection)
        if connection.vendor == "mysql":  # MariaDB is one of them
            parameters["collation"] = "utf8mb4_bin"
        return parameters
