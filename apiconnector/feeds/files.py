"""Submitted files: kept in a storage until no run needs them any more, and read when a run is sent.

Rows and runs are written in one transaction. A storage knows none: what it holds after a rollback, or when a process
was killed, is removed by ``remove_orphans`` a day later.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.db import DatabaseError, router, transaction
from django.db.models import Exists, OuterRef

from apiconnector.exceptions import ConfigurationError, FeedMisconfigured, InvalidFeedData
from apiconnector.feeds.away import AWAY
from apiconnector.models import FeedFile, FeedRun
from apiconnector.models.file import folder, storage, stored_name
from apiconnector.redaction import get_logger
from apiconnector.templating import REFERENCE, references

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from django.core.files.base import File
    from django.db.models import QuerySet

    from apiconnector.feeds.uploads import Upload, Uploads

logger = get_logger(__name__)

#: A run that ended so needs its files no more. One that failed may be replayed.
DONE: Final = (FeedRun.Status.SUCCEEDED, FeedRun.Status.SKIPPED)
#: Rows and files looked at by one statement.
CHUNK: Final = 500


class FileUnavailableError(FeedMisconfigured):
    """A file that is to be sent can't be read. ``is_gone``: it is not there, and no later attempt will find it."""

    def __init__(self, message: str, *, is_gone: bool) -> None:
        super().__init__(message)
        self.is_gone = is_gone


class Source:
    """Where the files of a run are read."""

    def open(self, reference: dict[str, Any]) -> File[bytes]:
        """The file, to be read and closed. Raises ``FileUnavailableError``."""
        raise NotImplementedError

    def read(self, reference: dict[str, Any]) -> bytes:
        """All of it. Raises ``FileUnavailableError``."""
        with self.open(reference) as file:
            try:
                content: bytes = file.read()
            except Exception as error:  # noqa: BLE001 - any error of a file or a storage
                kind = type(error).__name__
            else:
                return content
        raise _unreadable(kind)


class FromMemory(Source):
    """The files of ``run_feed``, which are kept nowhere."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = {upload.key: upload for upload in uploads}

    def open(self, reference: dict[str, Any]) -> File[bytes]:
        """The uploaded file."""
        upload = self._uploads.get(reference[REFERENCE])
        if upload is None:
            raise FileUnavailableError(_GONE, is_gone=True)
        try:
            return upload.open()
        except Exception as error:  # noqa: BLE001 - a file may be anything that can be read
            kind = type(error).__name__
        raise _unreadable(kind)


class FromStorage(Source):
    """The files of a run that was kept; of no other run."""

    def __init__(self, run: FeedRun) -> None:
        self._run = run

    def open(self, reference: dict[str, Any]) -> File[bytes]:
        """The stored file."""
        row = _rows().filter(key=reference[REFERENCE], runs=self._run.pk).first()
        if row is None:
            raise FileUnavailableError(_GONE, is_gone=True)
        try:
            file: File[bytes] = storage().open(row.file)
            if file.size == row.size:
                return file
            file.close()
            kind = "changed"
        except FileNotFoundError:
            kind = "gone"
        except Exception as error:
            logger.exception("The storage could not read a submitted file of feed run %s.", self._run.pk)
            kind = type(error).__name__
        raise FileUnavailableError(_GONE, is_gone=True) if kind in {"gone", "changed"} else _unreadable(kind)


def _unreadable(kind: str) -> FileUnavailableError:
    return FileUnavailableError(f"A file that belongs to this run can't be read now ({kind}).", is_gone=False)


#: Without the name, which is the visitor's: everybody who sees the run sees its error.
_GONE: Final = (
    "A file that belongs to this run is not there any more: it was removed from the storage, or when the run ended. "
    "Nothing was sent; have it submitted again."
)


@contextmanager
def keeping(submitted: Iterable[Uploads]) -> Iterator[Callable[[Iterable[FeedRun]], None]]:
    """Store files, and write what the block writes, all or nothing. The block is given what takes its new runs.

    Raises ``InvalidFeedData`` before any SQL where the storage does not take a file.
    """
    uploads = [upload for each in submitted for upload in each]
    if not uploads:
        yield lambda _: None
        return
    rows = _store(uploads)
    needed: list[FeedRun] = []
    try:
        with transaction.atomic(using=router.db_for_write(FeedFile)):
            yield needed.extend
            unused = _link(rows, needed)
    except AWAY:
        # The commit may have been kept all the same, and the runs need them; else they are orphans.
        raise
    except BaseException:
        _remove([row.file for row in rows])
        raise
    _remove(unused)


def _link(rows: list[FeedFile], runs: Iterable[FeedRun]) -> list[str]:
    """Save the rows of the files that runs are still to send; gives the stored names of the others."""
    needing: dict[str, list[FeedRun]] = {}
    for run in runs:
        if run.status not in DONE:
            for key in keys_of(run):
                needing.setdefault(key, []).append(run)
    link, links = FeedFile.runs.through, []
    for row in rows:
        if row.key in needing:
            row.save(force_insert=True)
            links += [link(feedfile=row, feedrun=run) for run in needing[row.key]]
    link.objects.bulk_create(links, batch_size=CHUNK)
    return [row.file for row in rows if row.key not in needing]


def keys_of(run: FeedRun) -> set[str]:
    """The keys of the files that a run sends, also where what was submitted is not kept any more."""
    return set(run.file_keys) | {found[REFERENCE] for found in references(run.input)}


def _store(uploads: Iterable[Upload]) -> list[FeedFile]:
    rows: list[FeedFile] = []
    for upload in uploads:
        try:
            with upload.open() as file:
                stored = storage().save(stored_name(), file)
        except ConfigurationError as error:
            reason = str(error)
        except Exception as error:
            logger.exception("The storage does not take submitted files; what was submitted with one is refused.")
            reason = f"The storage failed ({type(error).__name__}); see the log."
        else:
            rows.append(
                FeedFile(
                    key=upload.key,
                    file=stored,
                    name=upload.name,
                    content_type=upload.content_type,
                    size=upload.size,
                )
            )
            continue
        _remove([row.file for row in rows])
        # Raised outside the except clause: the error of a storage may say where it is, and by which key.
        raise InvalidFeedData(f"The submitted files can't be kept. {reason}")
    return rows


def _remove(names: Iterable[str]) -> int:
    """Remove files from the storage; how many. One that can't be is left for ``remove_orphans``."""
    removed = 0
    for name in names:
        try:
            storage().delete(name)
        except Exception:
            logger.warning("A submitted file could not be removed from the storage; prune tries again.", exc_info=True)
        else:
            removed += 1
    return removed


def without_references(value: Any) -> Any:
    """Submitted data in which files have a name, a type and a size only, for they are kept nowhere."""
    if isinstance(value, dict):
        return {name: without_references(item) for name, item in value.items() if name != REFERENCE}
    return [without_references(item) for item in value] if isinstance(value, list) else value


def release(runs: Iterable[FeedRun]) -> None:
    """Remove the files that ended runs no longer need, once that is committed; other runs may still need them."""
    keys = {key for run in runs if run.status in DONE for key in keys_of(run)}
    if not keys:
        return
    try:
        _remove_rows(_not_needed().filter(key__in=keys))
    except DatabaseError:
        # The run has ended, whatever becomes of its files.
        logger.warning("The files of ended feed runs could not be removed; prune tries again.", exc_info=True)


def _not_needed() -> QuerySet[FeedFile]:
    needing = FeedFile.runs.through.objects.filter(feedfile=OuterRef("pk")).exclude(feedrun__status__in=DONE)
    return _rows().filter(~Exists(needing))


def _rows() -> QuerySet[FeedFile]:
    """The rows where they are written: a replica may not have what was written a moment ago."""
    return FeedFile.objects.using(router.db_for_write(FeedFile))


def _remove_rows(rows: QuerySet[FeedFile]) -> int:
    found = dict(rows.values_list("pk", "file")[:CHUNK])
    if found:
        _rows().filter(pk__in=found).delete()
        using = router.db_for_write(FeedFile)
        transaction.on_commit(partial(_remove, list(found.values())), using=using, robust=True)
    return len(found)


def remove_orphans(before: datetime) -> int:
    """Remove files that are older and that no run needs, also those of which the database knows nothing; how many.

    A storage that can't list what it holds is left alone.
    """
    removed = 0
    while more := _remove_rows(_not_needed().filter(created_at__lt=before)):
        removed += more
    names = _stored_names()
    for start in range(0, len(names), CHUNK):
        stored = [f"{folder()}/{name}" for name in names[start : start + CHUNK]]
        known = set(_rows().filter(file__in=stored).values_list("file", flat=True))
        removed += _remove(name for name in stored if name not in known and _is_older(name, before))
    return removed


def _stored_names() -> list[str]:
    try:
        _, names = storage().listdir(folder())
    except (ConfigurationError, NotImplementedError, FileNotFoundError):
        return []
    except Exception:
        logger.exception("The storage could not list submitted files.")
        return []
    return list(names)


def _is_older(name: str, before: datetime) -> bool:
    try:
        return bool(storage().get_modified_time(name) < before)
    except Exception:  # noqa: BLE001 - gone meanwhile, or the storage doesn't know: what is not known to be old stays
        return False
