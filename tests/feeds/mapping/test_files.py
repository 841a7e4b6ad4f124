"""Uploaded files: kept until they have been sent, sent byte for byte, and gone afterwards."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from contextlib import suppress
from datetime import timedelta
from email import message_from_bytes
from email.policy import HTTP
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from django import forms
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, InMemoryStorage, storages
from django.core.files.uploadedfile import InMemoryUploadedFile, SimpleUploadedFile, TemporaryUploadedFile
from django.core.management import call_command
from django.db import OperationalError, models, transaction
from django.db.models.fields.files import FieldFile
from django.test import override_settings
from django.utils import timezone

from apiconnector.exceptions import ConfigurationError, InvalidFeedData
from apiconnector.feeds import deliver, files
from apiconnector.feeds.data import plain_data
from apiconnector.feeds.uploads import MAX_BYTES, Uploads
from apiconnector.models import FeedFile, FeedRun, Token
from apiconnector.models.file import folder, storage
from apiconnector.shortcuts import run_feed, submit
from tests import token_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from apiconnector.models import Connection, Feed
    from tests.feeds.mapping.recorder import Got, Recorder

pytestmark = pytest.mark.django_db

#: No text in any encoding, with what ends lines and parts.
BYTES = bytes(range(256)) + b"\r\n--boundary--\r\n\x00"


@pytest.fixture(autouse=True)
def place() -> Iterator[None]:
    backend = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    with override_settings(STORAGES={"default": backend, "apiconnector": backend, "staticfiles": backend}):
        yield


def stored() -> list[str]:
    with suppress(FileNotFoundError):
        return storage().listdir(folder())[1]
    return []


def cv(
    content: bytes = BYTES, name: str = "cv.pdf", content_type: str | None = "application/pdf"
) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type)  # type: ignore[arg-type]  # browsers may say nothing


def parts(got: Got) -> list[tuple[Any, Any, str, bytes]]:
    """Name, file name, content type and content of each part."""
    head = f"Content-Type: {got.headers['Content-Type']}\r\n\r\n".encode()
    message = message_from_bytes(head + got.body, policy=HTTP)
    found: list[tuple[Any, Any, str, bytes]] = []
    for part in message.iter_parts():
        content: Any = part.get_payload(decode=True)
        kind = part.get_content_type() if part["Content-Type"] else ""
        found.append((part.get_param("name", header="content-disposition"), part.get_filename(), kind, content))
    return found


class TestMultipart:
    def test_a_file_and_fields(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        make_api_feed(body_format="multipart", body={"cv": "{{ cv }}", "email": "{{ email }}", "name": "{{ cv.name }}"})
        (run,) = submit("contact", {"email": "a", "cv": cv()})
        assert run.input == {
            "email": "a",
            "cv": {"$file": FeedFile.objects.get().key, "name": "cv.pdf", "content_type": "application/pdf", "size": len(BYTES)},
        }  # fmt: skip  # in rows
        assert len(stored()) == 1
        assert deliver() == {"succeeded": 1}
        assert parts(api.last) == [
            ("email", None, "", b"a"),
            ("name", None, "", b"cv.pdf"),
            ("cv", "cv.pdf", "application/pdf", BYTES),
        ]
        assert BYTES in api.last.body

    def test_several_files_of_one_input(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        make_api_feed(body_format="multipart", body=[["files", "{{ files }}"]])
        submit("contact", {"files": [cv(b"1", "a.txt", "text/plain"), cv(b"2", "b", None)]})
        assert deliver() == {"succeeded": 1}
        assert parts(api.last) == [
            ("files", "a.txt", "text/plain", b"1"),
            ("files", "b", "application/octet-stream", b"2"),
        ]

    @pytest.mark.parametrize("value", [None, []])
    def test_no_file(self, api: Recorder, make_api_feed: Callable[..., Feed], value: Any) -> None:
        make_api_feed(body_format="multipart", body={"cv": "{{ cv }}", "email": "{{ email }}"})
        assert run_feed("lead", {"email": "a", "cv": value}).ok
        assert parts(api.last) == [("email", None, "", b"a")]

    def test_an_empty_file(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        make_api_feed(body_format="multipart", body={"cv": "{{ cv }}"})
        submit("contact", {"cv": cv(b"")})
        assert deliver() == {"succeeded": 1}
        assert parts(api.last) == [("cv", "cv.pdf", "application/pdf", b"")]

    @pytest.mark.parametrize(
        ("name", "kept"),
        [
            ('a"b.pdf', 'a"b.pdf'),
            ("a\r\nX-Evil: 1\x00.pdf", "a__X-Evil: 1_.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\temp\\cv.pdf", "cv.pdf"),
            ("Lebenslauf \u00fc \u65e5.pdf", "Lebenslauf \u00fc \u65e5.pdf"),
            ("half \ud800.pdf", "half ?.pdf"),
            ("x" * 400 + ".pdf", ("x" * 251 + ".pdf")),
            ("", "file"),
        ],
    )  # fmt: skip  # in rows
    def test_names(self, api: Recorder, make_api_feed: Callable[..., Feed], name: str, kept: str) -> None:
        make_api_feed(body_format="multipart", body={"cv": "{{ cv }}", "n": "{{ cv.name }}"})
        submit("contact", {"cv": ContentFile(b"x", name=name)})
        assert deliver() == {"succeeded": 1}
        assert FeedFile.objects.count() == 0
        assert FeedRun.objects.get().input["cv"]["name"] == kept
        assert f'filename="{kept.replace(chr(34), "%22")}"'.encode() in api.last.body
        assert parts(api.last)[0][3].decode() == kept

    @pytest.mark.parametrize("content_type", ["text/plain\r\nX: 1", "text", "", "a/b; charset=x", "\u00fc/x", 5])
    def test_odd_content_types(self, api: Recorder, make_api_feed: Callable[..., Feed], content_type: Any) -> None:
        make_api_feed(body_format="multipart", body={"cv": "{{ cv }}"})
        file = cv(b"x", "x.unknown")
        file.content_type = content_type
        assert run_feed("lead", {"cv": file}).ok
        assert parts(api.last)[0][2] == "application/octet-stream"


class TestElsewhere:
    def test_base64(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        body = {
            "cv": "{{ cv|base64 }}", "uri": "data:{{ cv.content_type }};base64,{{ cv|base64 }}", "size": "{{ cv.size }}",
            "list": ["{{ more.1|base64 }}"], "{{ cv.name }}": 1,
        }  # fmt: skip  # in rows
        make_api_feed(body=body)
        submit("contact", {"cv": cv(), "more": [cv(b"1"), cv(b"2")]})
        assert deliver() == {"succeeded": 1}
        encoded = b64encode(BYTES).decode()
        assert json.loads(api.last.body) == {
            "cv": encoded, "uri": f"data:application/pdf;base64,{encoded}", "size": len(BYTES), "list": ["Mg=="], "cv.pdf": 1,
        }  # fmt: skip  # in rows

    def test_more_than_a_text_may_have(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        make_api_feed(body={"cv": "{{ cv|base64 }}"})
        content = BYTES * 8000
        submit("contact", {"cv": cv(content)})
        assert deliver() == {"succeeded": 1}
        assert json.loads(api.last.body) == {"cv": b64encode(content).decode()}
        assert len(json.dumps(FeedRun.objects.values("request", "attempts", "input").get())) < 3000

    def test_base64_in_text_and_form(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        feed = make_api_feed(body_format="text", body="<cv>{{ cv|base64 }}</cv>")
        assert run_feed("lead", {"cv": cv()}).ok
        assert api.last.body == b"<cv>" + b64encode(BYTES) + b"</cv>"
        feed.body_format, feed.body = "form", {"cv": "{{ cv|base64 }}"}
        feed.save()
        run = run_feed("lead", {"cv": cv(b"??>")})
        assert run.ok, run.error_message
        assert api.last.body == b"cv=Pz8%2B"

    @pytest.mark.parametrize(("content", "name"), [(BYTES, "cv.pdf"), (b"", "cv.pdf"), (BYTES * 1000, "cv.pdf")])
    def test_raw(
        self,
        api: Recorder,
        make_api_feed: Callable[..., Feed],
        monkeypatch: pytest.MonkeyPatch,
        content: bytes,
        name: str,
    ) -> None:
        def all_at_once(*_: Any) -> bytes:
            raise AssertionError("it is not read into memory")

        monkeypatch.setattr(files.Source, "read", all_at_once)
        make_api_feed(body_format="text", body="{{ cv }}", method="PUT", path="files/{{ cv.name }}")
        submit("contact", {"cv": cv(content, name)})
        assert deliver() == {"succeeded": 1}
        assert api.last.body == content
        assert api.last.headers["Content-Length"] == str(len(content))
        assert api.last.headers["Content-Type"] == "application/pdf"
        assert api.last.path == "/v1/files/cv.pdf"

    def test_raw_with_a_content_type_of_the_feed(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        make_api_feed(body_format="text", body="{{ cv }}", headers={"content-type": "image/png"})
        assert run_feed("lead", {"cv": cv()}).ok
        assert api.last.headers.get_all("Content-Type") == ["image/png"]

    def test_raw_is_sent_again_after_a_new_token(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        make_api_feed(body_format="text", body="{{ cv }}", method="PUT", retry_delay=0)
        api.statuses = [503]
        submit("contact", {"cv": cv()})
        assert deliver() == {"pending": 1}
        assert deliver() == {"succeeded": 1}
        assert [got.body for got in api.got] == [BYTES, BYTES]

    def test_raw_is_sent_from_its_beginning_with_a_new_token(
        self, make_connection: Callable[..., Connection], make_feed: Callable[..., Feed]
    ) -> None:
        with token_server.running() as server:
            connection = make_connection(
                base_url=f"{server.origin}/api", auth_method="oauth2_client_credentials", client_id="i", client_secret="s",
                token_url=f"{server.origin}/token",
            )  # fmt: skip  # in rows
            Token.objects.create(
                connection=connection, access_token="old", expires_at=timezone.now() + timedelta(days=1)
            )
            make_feed(connection, body_format="text", body="{{ cv }}")
            submit("contact", {"cv": cv(b"x" * 100_000)})
            assert deliver() == {"succeeded": 1}
            # A body that was sent to its end before would have kept the server waiting.
            assert server.api_calls == ["Bearer old", "Bearer access-1"]

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"body": {"a": ["{{ cv }}"]}}, "a[0]: a file has no place in JSON"),
            ({"body": {"a": "{{ data }}"}}, "a.cv: a file has no place in JSON"),
            ({"body": {"a": "x {{ cv }}"}}, "is a file, which has no text"),
            ({"body": {"a": "{{ cv|json }}"}}, "can't write a file"),
            ({"body": {"a": "{{ data|json }}"}}, "can't write a file"),
            ({"body": {"a": "{{ cv|base64|upper }}"}}, "the content of a file"),
            ({"body": {"a": "{{ cv|upper }}"}}, "takes text, not a file"),
            ({"body_format": "form", "body": {"a": "{{ cv }}"}}, "choose the body format multipart"),
            ({"query": {"a": "{{ cv|base64 }}"}}, "the content of a file belongs in a body"),
            ({"headers": {"A": "x{{ cv|base64 }}"}}, "the content of a file belongs in a body"),
            ({"path": "x/{{ cv|base64 }}"}, "the content of a file belongs in a body"),
            ({"query": {"a": "{{ cv }}"}}, "choose the body format multipart"),
            ({"headers": {"A": "{{ cv }}"}}, "choose the body format multipart"),
            ({"path": "x/{{ cv }}"}, "is a file, which has no text"),
            ({"body_format": "text", "body": "a {{ cv }}"}, "is a file, which has no text"),
        ],
    )
    def test_where_no_file_belongs(
        self, api: Recorder, make_api_feed: Callable[..., Feed], fields: dict[str, Any], words: str
    ) -> None:
        make_api_feed(**{"body": {}, **fields})
        run = run_feed("lead", {"cv": cv()})
        assert (run.status, run.outcome, run.error) == ("failed", "not_sent", "template")
        assert words in run.error_message
        assert api.got == []

    def test_a_credential_in_the_body_can_not_be_added(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        for body_format, body in (("multipart", {"cv": "{{ cv }}"}), ("text", "{{ cv }}")):
            feed = make_api_feed(
                {"auth_method": "api_key", "credential_in": "body", "credential_name": "key", "slug": body_format},
                slug=body_format, body_format=body_format, body=body,
            )  # fmt: skip  # in rows
            run = run_feed(feed.slug, {"cv": cv()})
            assert (run.status, run.outcome, run.error) == ("failed", "not_sent", "not_ready")
            assert "in the body" in run.error_message


class TestLife:
    @pytest.fixture
    def feed(self, make_api_feed: Callable[..., Feed]) -> Feed:
        return make_api_feed(body_format="multipart", body={"cv": "{{ cv }}"}, retry_delay=0)

    def test_it_is_gone_once_sent(self, feed: Feed, django_capture_on_commit_callbacks: Any) -> None:
        submit("contact", {"cv": cv()})
        assert len(stored()) == FeedFile.objects.count() == 1
        with django_capture_on_commit_callbacks() as callbacks:
            assert deliver() == {"succeeded": 1}
        assert FeedFile.objects.count() == 0
        assert len(stored()) == 1  # until the end of the run is committed
        for callback in callbacks:
            callback()
        assert stored() == []
        assert "cv.pdf" in str(FeedRun.objects.get().input)

    def test_two_feeds_share_it(
        self, api: Recorder, feed: Feed, make_feed: Callable[..., Feed], django_capture_on_commit_callbacks: Any
    ) -> None:
        make_feed(feed.connection, slug="second", body={"cv": "{{ cv|base64 }}"})
        api.statuses = [200, 404]
        first, second = submit("contact", {"cv": cv()})
        assert first.input["cv"]["$file"] == second.input["cv"]["$file"]
        assert len(stored()) == 1
        with django_capture_on_commit_callbacks(execute=True):
            assert deliver() == {"succeeded": 1, "failed": 1}
        # The one that failed may be replayed.
        assert len(stored()) == 1
        FeedRun.objects.filter(status="failed").update(status="pending", next_attempt_at=timezone.now(), request=None)
        with django_capture_on_commit_callbacks(execute=True):
            assert deliver() == {"succeeded": 1}
        assert stored() == []

    def test_each_run_has_its_own(self, feed: Feed, django_capture_on_commit_callbacks: Any) -> None:
        """As those of a feed with for_each, which keep their item only."""
        uploads = [Uploads(), Uploads()]
        runs = [
            FeedRun(
                feed=feed,
                connection=feed.connection,
                input=plain_data({"cv": cv(b"x")}, each),
                next_attempt_at=timezone.now(),
            )
            for each in uploads
        ]
        with files.keeping(uploads) as needing:
            for run in runs:
                run.save()
            needing(runs)
        assert [run.files.count() for run in runs] == [1, 1]
        with django_capture_on_commit_callbacks(execute=True):
            assert deliver(limit=1) == {"succeeded": 1}
        assert (FeedFile.objects.count(), len(stored())) == (1, 1)

    def test_a_run_that_will_not_be_sent_keeps_none(self, feed: Feed) -> None:
        uploads = Uploads()
        run = FeedRun(feed=feed, connection=feed.connection, input=plain_data({"cv": cv()}, uploads), status="skipped")
        with files.keeping([uploads]) as needing:
            run.save()
            needing([run])
        assert (FeedFile.objects.count(), stored()) == (0, [])

    def test_what_was_submitted_may_be_forgotten_at_the_end(
        self, feed: Feed, django_capture_on_commit_callbacks: Any
    ) -> None:
        (run,) = submit("contact", {"cv": cv()})
        run.file_keys, run.input, run.status = files.keys_of(run), {}, "succeeded"
        run.save()
        with django_capture_on_commit_callbacks(execute=True):
            files.release([run])
        assert stored() == []

    def test_it_stays_for_a_retry(self, api: Recorder, feed: Feed) -> None:
        api.statuses = [429]
        submit("contact", {"cv": cv()})
        assert deliver() == {"pending": 1}
        assert len(stored()) == 1
        assert FeedRun.objects.get().request["body"][0][1]["name"] == "cv.pdf"
        assert deliver() == {"succeeded": 1}
        assert [parts(got)[0][3] for got in api.got] == [BYTES, BYTES]

    def test_the_record_has_its_name_only(self, feed: Feed) -> None:
        submit("contact", {"cv": cv(b"canary-content")})
        deliver()
        run_feed("lead", {"cv": cv(b"canary-content")})
        for run in FeedRun.objects.values():
            assert "canary-content" not in str(run)
            assert f"[file cv.pdf, {len('canary-content')} bytes]" in run["attempts"][0]["request"]["body"]

    @pytest.mark.parametrize("what", ["storage", "row", "changed"])
    @pytest.mark.parametrize(
        "fields",
        [{}, {"body_format": "text", "body": "{{ cv }}"}, {"body_format": "json", "body": ["{{ cv|base64 }}"]}],
    )
    def test_one_that_vanished(self, api: Recorder, feed: Feed, what: str, fields: dict[str, Any]) -> None:
        type(feed).objects.update(**fields)
        submit("contact", {"cv": cv()})
        if what == "row":
            FeedFile.objects.all().delete()
        else:
            name = FeedFile.objects.get().file
            storage().delete(name)
            if what == "changed":
                storage().save(name, ContentFile(b"x"))
        assert deliver() == {"failed": 1}
        run = FeedRun.objects.get()
        assert (run.outcome, run.error) == ("not_sent", "file")
        assert "is not there any more" in run.error_message
        assert "cv.pdf" not in run.error_message
        assert api.got == []

    @pytest.mark.parametrize("error", [OSError("canary"), RuntimeError("canary")])
    def test_a_storage_that_fails_is_asked_again(
        self, api: Recorder, feed: Feed, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        def broken(*_: Any, **__: Any) -> Any:
            raise error

        submit("contact", {"cv": cv()})
        with monkeypatch.context() as patch:
            patch.setattr(InMemoryStorage, "_open", broken)
            assert deliver() == {"pending": 1}
        run = FeedRun.objects.get()
        assert (run.outcome, run.error, run.attempt_count) == ("not_sent", "file", 1)
        assert "canary" not in run.error_message
        assert api.got == []
        assert deliver() == {"succeeded": 1}

    def test_a_storage_that_takes_nothing(
        self, feed: Feed, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
    ) -> None:
        real, calls = InMemoryStorage.save, []

        def breaks_at_the_second(self: Any, *arguments: Any, **options: Any) -> Any:
            calls.append(1)
            if len(calls) > 1:
                raise OSError("canary: no space left")
            return real(self, *arguments, **options)

        monkeypatch.setattr(InMemoryStorage, "save", breaks_at_the_second)
        with transaction.atomic(), pytest.raises(InvalidFeedData, match="The submitted files can't be kept") as refused:
            submit("contact", {"cv": cv(), "more": cv(name="b.pdf")})
        assert "canary" not in str(refused.value)
        assert (FeedRun.objects.count(), stored()) == (0, [])

    def test_a_row_that_can_not_be_written_leaves_no_file(self, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: Any, **__: Any) -> None:
            raise RuntimeError("the database is gone")

        monkeypatch.setattr(FeedFile, "save", broken)
        with pytest.raises(RuntimeError):
            submit("contact", {"cv": cv()})
        assert (FeedRun.objects.count(), FeedFile.objects.count(), stored()) == (0, 0, [])

    def test_nobody_listens(self, feed: Feed) -> None:
        assert submit("other", {"cv": cv()}) == []
        assert stored() == []

    def test_the_same_key_again_keeps_no_second_file(self, feed: Feed) -> None:
        submit("contact", {"cv": cv()}, idempotency_key="k")
        (again,) = submit("contact", {"cv": cv(b"other")}, idempotency_key="k")
        assert len(stored()) == FeedFile.objects.count() == 1
        assert deliver() == {"succeeded": 1}
        assert again.pk == FeedRun.objects.get().pk

    def test_a_commit_in_doubt_keeps_its_files(self, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
        """The database may have kept the runs and not said so: they need them."""
        with monkeypatch.context() as patch:
            patch.setattr(files, "_link", Mock(side_effect=OperationalError("gone while it committed")))
            with pytest.raises(OperationalError), transaction.atomic():
                submit("contact", {"email": "a", "attachment": cv()})
        assert len(stored()) == 1
        monkeypatch.setattr(InMemoryStorage, "get_modified_time", lambda *_: timezone.now() - timedelta(days=2))
        call_command("apiconnector", "prune")
        assert stored() == []

    def test_run_feed_keeps_nothing(self, api: Recorder, feed: Feed, django_assert_num_queries: Any) -> None:
        file = cv()
        with django_assert_num_queries(2):
            run = run_feed("lead", {"cv": file, "more": [file]})
        assert run.ok
        said = {"name": "cv.pdf", "content_type": "application/pdf", "size": len(BYTES)}
        assert FeedRun.objects.get().input == run.input == {"cv": said, "more": [said]}
        assert (FeedFile.objects.count(), stored()) == (0, [])
        assert parts(api.last)[0][3] == BYTES
        assert file.read() == BYTES

    def test_what_a_rollback_left_is_pruned_after_a_day(self, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            submit("contact", {"cv": cv()})
            raise ZeroDivisionError
        submit("contact", {"cv": cv()})
        assert len(stored()) == 2
        call_command("apiconnector", "prune")
        assert len(stored()) == 2
        assert files.remove_orphans(timezone.now() + timedelta(seconds=1)) == 1
        assert [f"{folder()}/{name}" for name in stored()] == [FeedFile.objects.get().file]

    def test_prune_says_how_many_nobody_needs(self, feed: Feed, capsys: pytest.CaptureFixture[str]) -> None:
        row = FeedFile.objects.create(
            key="k", file=storage().save(f"{folder()}/x", ContentFile(b"x")), name="n", size=1
        )
        FeedFile.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(days=2))
        call_command("apiconnector", "prune")
        assert FeedFile.objects.count() == 0
        assert "1 submitted file that no run needs removed" in capsys.readouterr().err

    def test_prune_takes_files_with_their_runs(
        self, api: Recorder, feed: Feed, django_capture_on_commit_callbacks: Any
    ) -> None:
        api.statuses = [404]
        submit("contact", {"cv": cv()})
        assert deliver() == {"failed": 1}
        old = timezone.now() - timedelta(days=40)
        FeedFile.objects.update(created_at=old)
        call_command("apiconnector", "prune")
        assert len(stored()) == 1
        FeedRun.objects.update(created_at=old, finished_at=old)
        with django_capture_on_commit_callbacks(execute=True):
            call_command("apiconnector", "prune")
        assert (FeedRun.objects.count(), FeedFile.objects.count(), stored()) == (0, 0, [])

    def test_a_storage_that_can_not_list_is_left_alone(self, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
        for error in (NotImplementedError(), OSError()):

            def broken(*_: Any, error: Exception = error) -> Any:
                raise error

            monkeypatch.setattr(InMemoryStorage, "listdir", broken)
            assert files.remove_orphans(timezone.now()) == 0

    def test_a_site_without_a_place_for_files(self, feed: Feed) -> None:
        backend = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
        with override_settings(STORAGES={"default": backend, "staticfiles": backend}, MEDIA_ROOT=""):
            with pytest.raises(ConfigurationError):
                storage()
            with pytest.raises(InvalidFeedData, match="MEDIA_ROOT"):
                submit("contact", {"cv": cv()})
            assert files.remove_orphans(timezone.now()) == 0
            assert submit("contact", {"cv": None})
        assert not Path(folder()).exists()

    def test_the_default_storage(self, feed: Feed, tmp_path: Path) -> None:
        backend = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
        with override_settings(STORAGES={"default": backend, "staticfiles": backend}, MEDIA_ROOT=str(tmp_path)):
            submit("contact", {"cv": cv()})
            (path,) = (tmp_path / folder()).iterdir()
            assert path.read_bytes() == BYTES
            assert deliver() == {"succeeded": 1}


class Document(models.Model):
    """Not in the database: only its field is of interest."""

    file = models.FileField()

    class Meta:
        app_label = "feeds_tests"
        managed = False

    def __str__(self) -> str:
        return "document"


class TestWhatIsAFile:
    @pytest.fixture(autouse=True)
    def feed(self, make_api_feed: Callable[..., Feed]) -> Feed:
        return make_api_feed(body_format="multipart", body={"cv": "{{ cv }}", "x": "{{ cv.content_type }}"})

    @pytest.mark.parametrize("way", ["submit", "run_feed"])
    def test_a_temporary_upload_stays_for_the_view(self, api: Recorder, tmp_path: Path, way: str) -> None:
        local = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
        with (
            override_settings(STORAGES={"apiconnector": local, "default": local, "staticfiles": local}),
            TemporaryUploadedFile("big.bin", "image/png", len(BYTES), None) as upload,
        ):
            upload.write(BYTES)
            upload.seek(3)
            sent = {"cv": upload}
            if way == "submit":
                submit("contact", sent)
                deliver()
            else:
                run_feed("lead", sent)
            assert Path(upload.temporary_file_path()).exists()
            assert upload.tell() == 3
            upload.seek(0)
            assert upload.read() == BYTES
        assert ("cv", "big.bin", "image/png", BYTES) in parts(api.last)

    def test_an_upload_that_the_view_has_moved_into_its_own_storage(self, api: Recorder, tmp_path: Path) -> None:
        with TemporaryUploadedFile("big.bin", "image/png", len(BYTES), None) as upload:
            upload.write(BYTES)
            FileSystemStorage(str(tmp_path)).save("kept.bin", upload)
            assert not Path(upload.temporary_file_path()).exists()
            submit("contact", {"cv": upload})
        assert deliver() == {"succeeded": 1}
        assert ("cv", "big.bin", "image/png", BYTES) in parts(api.last)
        assert (tmp_path / "kept.bin").read_bytes() == BYTES

    @pytest.mark.parametrize("way", ["submit", "run_feed"])
    def test_the_file_of_a_model(
        self, api: Recorder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
    ) -> None:
        monkeypatch.setattr(Document._meta.get_field("file"), "storage", FileSystemStorage(str(tmp_path)))
        document = Document()
        document.file.save("papers/plan.pdf", ContentFile(BYTES), save=False)
        document.file.close()
        assert document.file.closed
        if way == "submit":
            submit("contact", {"cv": document.file})
            deliver()
        else:
            run_feed("lead", {"cv": document.file})
        assert parts(api.last)[-1] == ("cv", "plan.pdf", "application/pdf", BYTES)
        assert document.file.closed

    def test_an_empty_field_of_a_model(self, api: Recorder) -> None:
        type_ = type(Document().file)
        assert issubclass(type_, FieldFile)
        (run,) = submit("contact", {"cv": Document().file})
        assert run.input == {"cv": None}

    def test_a_model_s_file_that_is_gone(self) -> None:
        document = Document(file="gone.pdf")
        with pytest.raises(InvalidFeedData, match=r"cv: this file can't be read \(FileNotFoundError\)"):
            submit("contact", {"cv": document.file})

    def test_one_that_can_be_read_once(self, api: Recorder) -> None:
        class Once(io.RawIOBase):
            left = BYTES

            def readable(self) -> bool:
                return True

            def readinto(self, buffer: Any) -> int:
                part, self.left = self.left[: len(buffer)], self.left[len(buffer) :]
                buffer[: len(part)] = part
                return len(part)

        submit("contact", {"cv": File(io.BufferedReader(Once()), name="pipe.txt")})
        assert deliver() == {"succeeded": 1}
        assert parts(api.last)[-1] == ("cv", "pipe.txt", "text/plain", BYTES)

    @pytest.mark.parametrize("content", ["text \u00fc", ""])
    def test_text(self, api: Recorder, content: str) -> None:
        submit("contact", {"cv": ContentFile(content, name="a.txt")})
        assert deliver() == {"succeeded": 1}
        assert parts(api.last)[-1][3] == content.encode()

    def test_without_a_name(self, api: Recorder) -> None:
        assert run_feed("lead", {"cv": File(io.BytesIO(b"x"))}).ok
        assert parts(api.last)[-1][:2] == ("cv", "file")

    def test_closed_ones_are_refused_and_nothing_else_is_opened(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "secret.txt").write_text("canary")
        monkeypatch.chdir(tmp_path)
        memory = InMemoryUploadedFile(io.BytesIO(b"x"), "cv", "secret.txt", "text/plain", 1, None)
        temporary = TemporaryUploadedFile("secret.txt", "text/plain", 1, None)
        for file in (memory, temporary, SimpleUploadedFile("secret.txt", b"x")):
            file.close()
            with pytest.raises(InvalidFeedData, match=r"cv: this file can't be read"):
                submit("contact", {"cv": file})
        assert not FeedRun.objects.exists()

    @pytest.mark.parametrize("way", [submit, run_feed])
    def test_too_large(self, way: Callable[..., Any], django_assert_num_queries: Any) -> None:
        half = cv(b"x" * (MAX_BYTES // 2 + 1))
        for data in ({"a": [half, cv(half.read())]}, {"a": File(io.BytesIO(b"x" * (MAX_BYTES + 1)), "a")}):
            with pytest.raises(InvalidFeedData, match=r"a(\[1\])?: the files of one submission may have 25 MB in all"):
                way("contact" if way is submit else "lead", data)
        assert not FeedRun.objects.exists()

    def test_one_file_twice_counts_once(self, api: Recorder) -> None:
        file = cv(b"x" * (MAX_BYTES // 2 + 1))
        submit("contact", {"cv": file, "again": file})
        assert FeedFile.objects.count() == 1

    @pytest.mark.parametrize("data", [{"cv": {"$file": "0" * 32}}, {"$file": "x"}, {"a": [{"b": {"$file": None}}]}])
    def test_nobody_names_a_file_of_somebody_else(self, data: Any) -> None:
        with pytest.raises(InvalidFeedData, match=r"the name “\$file” is kept for uploaded files"):
            submit("contact", data)

    def test_the_file_of_another_run_is_not_sent(self, api: Recorder) -> None:
        (first,) = submit("contact", {"cv": cv()})
        (second,) = submit("contact", {"cv": None})
        FeedRun.objects.filter(pk=second.pk).update(input=first.input)
        second.refresh_from_db()
        assert deliver() == {"succeeded": 1, "failed": 1}
        second.refresh_from_db()
        assert (second.status, second.error) == ("failed", "file")

    def test_what_looks_like_a_marker_stays(self, api: Recorder, make_feed: Callable[..., Feed], feed: Feed) -> None:
        make_feed(feed.connection, slug="json", trigger="", body={"a": "{{ a }}", "b": "{{ cv|base64 }}"})
        text = f"apiconnector_file_{'0' * 32}_base64"
        assert run_feed("json", {"a": text, "cv": cv(b"x")}).ok
        assert json.loads(api.last.body) == {"a": text, "b": "eA=="}


def test_a_form_with_files(api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
    class Several(forms.ClearableFileInput):
        allow_multiple_selected = True

    class SeveralField(forms.FileField):
        widget = Several

        def clean(self, data: Any, initial: Any = None) -> Any:
            return [forms.FileField.clean(self, one, initial) for one in data]

    class Form(forms.Form):
        cv = forms.FileField(required=False)
        papers = SeveralField()

    from django.utils.datastructures import MultiValueDict

    make_api_feed(body_format="multipart", body={"cv": "{{ cv }}", "paper": "{{ papers }}"})
    form = Form({}, MultiValueDict({"papers": [cv(b"1", "1.pdf"), cv(b"2", "2.pdf")]}))
    assert form.is_valid()
    submit("contact", form.cleaned_data)
    assert deliver() == {"succeeded": 1}
    assert [part[3] for part in parts(api.last)] == [b"1", b"2"]


def test_the_storage_s_folder_is_of_this_site() -> None:
    assert folder().startswith("apiconnector/")
    ours = folder()
    with override_settings(SECRET_KEY="another"):
        assert folder() != ours
    assert isinstance(storages["apiconnector"], InMemoryStorage)
    assert not isinstance(storage(), FileSystemStorage)
