"""A file that was submitted with a form, kept until no run needs it any more."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.core.files.storage import InvalidStorageError, storages
from django.db import models

if TYPE_CHECKING:
    from django.core.files.storage import Storage
    from django.db.models import Manager

#: A site that keeps these files in a place of their own gives it this alias in ``STORAGES``; else it is ``default``.
ALIAS = "apiconnector"


def storage() -> Storage:
    """Where submitted files are kept."""
    try:
        return storages[ALIAS]
    except InvalidStorageError:
        return storages["default"]


def stored_name(instance: FeedFile, name: str) -> str:
    """A name that nobody can guess, and of which nothing is the visitor's."""
    del instance, name
    return f"apiconnector/{uuid.uuid4().hex}"


class FeedFile(models.Model):
    """An uploaded file of what was submitted; ``input`` of its runs refers to it by its key."""

    runs = models.ManyToManyField("apiconnector.FeedRun", related_name="files")
    #: Random, as runs know it.
    key = models.CharField(max_length=32, unique=True)
    file = models.FileField(upload_to=stored_name, storage=storage, max_length=255)
    name = models.CharField(max_length=255)
    content_type = models.CharField(max_length=255, blank=True)
    size = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[Manager[FeedFile]]

    class Meta:
        verbose_name = "submitted file"

    def __str__(self) -> str:
        return self.name
