"""The files in what is submitted, as Django hands them out: read once, whether they can be, and how large they are."""

from __future__ import annotations

import mimetypes
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.core.files.base import ContentFile, File
from django.db.models.fields.files import FieldFile

from apiconnector.templating import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

if TYPE_CHECKING:
    BaseFile = File[bytes]
else:
    BaseFile = File

#: Bytes of all files of one submission.
MAX_BYTES: Final = 25 * 1024 * 1024
_LONGEST_NAME: Final = 255
_CONTENT_TYPE: Final = re.compile(r"[\w!#$&^.+-]{1,120}/[\w!#$&^.+-]{1,120}", re.ASCII)


class UnreadableError(Exception):
    """A file that can't be sent. The words say why, and hold nothing of it."""


class Borrowed(BaseFile):
    """A file that is read from its beginning, and left as it was when this one is closed.

    Raises whatever the file raises that can't be read, also one that is closed: but for a model's, which knows where
    it is.
    """

    def __init__(self, file: File[Any]) -> None:
        self._was_closed = file.closed
        if self._was_closed:
            if not isinstance(file, FieldFile):
                # File.open() would open whatever lies here under the name that the visitor chose.
                raise ValueError("closed")
            file.open()
        self._position = file.tell()
        file.seek(0)
        # A plain file: a temporary one would be moved into the storage, from under the view that keeps it, too.
        super().__init__(file, "")

    def close(self) -> None:
        """Give it back."""
        if self.file is None or self.file.closed:
            return
        if self._was_closed:
            self.file.close()
        else:
            self.file.seek(self._position)


@dataclass(frozen=True)
class Upload:
    """A file that can be read again and again, from its beginning."""

    key: str
    name: str
    content_type: str
    size: int
    file: File[Any]

    @property
    def reference(self) -> dict[str, Any]:
        """What stands for it in the submitted data."""
        return {REFERENCE: self.key, "name": self.name, "content_type": self.content_type, "size": self.size}

    def open(self) -> Borrowed:
        """The file, to be read and closed. Raises whatever it raises."""
        return Borrowed(self.file)


class Uploads:
    """The files of one submission."""

    def __init__(self) -> None:
        # With the file itself, so that no other can get its id.
        self._known: dict[int, tuple[File[Any], Upload]] = {}
        self._left = MAX_BYTES

    def __bool__(self) -> bool:
        return bool(self._known)

    def __iter__(self) -> Iterator[Upload]:
        return (upload for _, upload in self._known.values())

    def add(self, file: File[Any]) -> dict[str, Any] | None:
        """Take a file, and give what refers to it; the same file is taken once. None for a model's empty field.

        Raises ``UnreadableError`` for one that is closed or gone, and when all together are larger than ``MAX_BYTES``.
        """
        if isinstance(file, FieldFile) and not file:
            return None
        if id(file) in self._known:
            return self._known[id(file)][1].reference
        content, size = self._measured(file)
        name = _name(file)
        upload = Upload(uuid.uuid4().hex, name, _content_type(file, name), size, content)
        self._left -= size
        self._known[id(file)] = file, upload
        return upload.reference

    def allows(self, reference: Any) -> bool:
        """Whether data may bring a reference of its own: no, for it could be to somebody else's file."""
        del reference
        return False

    def _measured(self, file: File[Any]) -> tuple[File[Any], int]:
        try:
            found = self._of_bytes(file)
        except Exception as error:  # noqa: BLE001 - a file may be anything that can be read, and its storage any service
            kind = type(error).__name__
        else:
            if found[1] > self._left:
                raise UnreadableError(
                    f"the files of one submission may have {MAX_BYTES // 1024 // 1024} MB in all, and these have more"
                )
            return found
        # Raised outside the except clause: the text of that error may hold the file's name, or its content.
        raise UnreadableError(f"this file can't be read ({kind}): it is closed, or gone; submit it before that")

    def _of_bytes(self, file: File[Any]) -> tuple[File[Any], int]:
        """The file, or a copy where it can be read once only, or gives text; and its size."""
        most = self._left + 1
        if not file.closed and not file.seekable():
            return _copied(file.read(most))
        with Borrowed(file) as borrowed:
            beginning: str | bytes = borrowed.read(1)
            if isinstance(beginning, str):
                return _copied(beginning + str(borrowed.read(most)))
            borrowed.seek(0, 2)
            return file, borrowed.tell()


def _copied(content: str | bytes) -> tuple[File[Any], int]:
    raw = content.encode() if isinstance(content, str) else bytes(content)
    return ContentFile(raw), len(raw)


def _name(file: File[Any]) -> str:
    """What the visitor's browser calls it."""
    return fit_name(file.name if isinstance(file.name, str) else "")


def fit_name(given: str) -> str:
    """The name of a file, fit for a header and a database; without folders."""
    name = re.split(r"[/\\]", given)[-1].encode("utf-8", "replace").decode()
    return "".join(char if char.isprintable() else "_" for char in name).strip()[-_LONGEST_NAME:] or "file"


def _content_type(file: File[Any], name: str) -> str:
    return fit_type(getattr(file, "content_type", None) or mimetypes.guess_type(name)[0])


def fit_type(given: Any) -> str:
    """A content type, fit for a header; empty for anything else."""
    return given if isinstance(given, str) and _CONTENT_TYPE.fullmatch(given) else ""
