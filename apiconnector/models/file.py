"""A file that was submitted with a form, kept until no run needs it any more."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.core.files.storage import FileSystemStorage, InvalidStorageError, storages
from django.db import models, router
from django.utils.crypto import salted_hmac

from apiconnector.exceptions import ConfigurationError

if TYPE_CHECKING:
    from django.core.files.storage import Storage
    from django.db.models import Manager

#: A site that keeps these files in a place of their own gives it this alias in ``STORAGES``; else it is ``default``.
ALIAS = "apiconnector"


def storage() -> Storage:
    """Where submitted files are kept. ``ConfigurationError`` for a site that has no place for files."""
    try:
        return storages[ALIAS]
    except InvalidStorageError:
        found = storages["default"]
    if isinstance(found, FileSystemStorage) and not found.base_location:
        # Django would write into whatever folder the process was started in.
        raise ConfigurationError(
            f'There is no place for submitted files: give one to STORAGES["{ALIAS}"], or set MEDIA_ROOT.'
        )
    return found


def folder() -> str:
    """The folder of this site's files: of sites that share a storage, each knows which files are its own."""
    database = settings.DATABASES[router.db_for_write(FeedFile)]
    place = "\n".join(str(database.get(part, "")) for part in ("ENGINE", "HOST", "PORT", "NAME"))
    return f"apiconnector/{salted_hmac('apiconnector.files', place, algorithm='sha256').hexdigest()[:16]}"


def stored_name() -> str:
    """A name that nobody can guess, and of which nothing is the visitor's."""
    return f"{folder()}/{uuid.uuid4().hex}"


class FeedFile(models.Model):
    """An uploaded file of what was submitted; ``input`` of its runs refers to it by its key."""

    runs = models.ManyToManyField("apiconnector.FeedRun", related_name="files")
    #: Random, as runs know it.
    key = models.CharField(max_length=32, unique=True)
    # No FileField: that asks for the storage when models are loaded, before one that needs models can be.
    file = models.CharField(max_length=255, unique=True)
    name = models.CharField(max_length=255)
    content_type = models.CharField(max_length=255, blank=True)
    size = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[Manager[FeedFile]]

    class Meta:
        verbose_name = "submitted file"

    def __str__(self) -> str:
        return self.name
