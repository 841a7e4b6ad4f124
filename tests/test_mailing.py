"""Mails are written in the background: in their order, by one thread, and nobody waits for them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from apiconnector import mailing

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What stands in for a mail server that hangs until this is set."""
    event = threading.Event()
    yield event
    event.set()
    assert mailing.wait()


def test_they_are_written_in_their_order_by_one_thread(gate: threading.Event) -> None:
    written: list[tuple[int, str]] = []

    def write(number: int) -> None:
        gate.wait(30)
        written.append((number, threading.current_thread().name))

    for number in range(5):
        mailing.begin(lambda number=number: write(number), about="x")  # type: ignore[misc]  # it has no parameter for mypy
    assert written == []
    gate.set()
    assert mailing.wait()
    assert written == [(number, "apiconnector-mail") for number in range(5)]
    assert mailing.wait()


def test_one_that_fails_is_said_and_the_next_one_is_written(caplog: pytest.LogCaptureFixture) -> None:
    happened: list[str] = []

    def refuse() -> None:
        raise OSError("canary")

    def unnoted() -> None:
        happened.append("unsent")
        raise ValueError("canary")

    mailing.begin(refuse, about="Nobody was told", unsent=unnoted)
    mailing.begin(lambda: happened.append("sent"), about="x")
    assert mailing.wait()
    assert happened == ["unsent", "sent"]
    assert [record.getMessage() for record in caplog.records] == [
        "Nobody was told (OSError).", "Nobody was told, and that could not be noted (ValueError).",
    ]  # fmt: skip  # in rows


def test_there_is_an_end_to_those_that_wait(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mailing, "MOST", 3)
    happened: list[str] = []
    is_begun = threading.Event()

    def hang() -> None:
        is_begun.set()
        gate.wait(30)

    mailing.begin(hang, about="x")
    assert is_begun.wait(30)
    for _ in range(5):
        mailing.begin(lambda: happened.append("sent"), about="One more", unsent=lambda: happened.append("unsent"))
    assert happened == ["unsent", "unsent"]
    gate.set()
    assert mailing.wait()
    assert happened == ["unsent", "unsent", "sent", "sent", "sent"]
    assert [record.getMessage() for record in caplog.records] == ["One more (too many mails wait)."] * 2


def test_a_thread_that_can_not_be_started_is_said_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    happened: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        mailing.begin(lambda: happened.append("sent"), about="One", unsent=lambda: happened.append("unsent"))
        assert mailing.wait()
    mailing.begin(lambda: happened.append("sent"), about="x")
    assert mailing.wait()
    assert happened == ["unsent", "sent"]
    assert [record.getMessage() for record in caplog.records] == ["One (no thread could be started)."]


def test_waiting_ends(gate: threading.Event) -> None:
    mailing.begin(lambda: gate.wait(30), about="x")
    assert not mailing.wait(0.01)


@pytest.mark.django_db
def test_in_a_test_case_they_are_written_at_once() -> None:
    written: list[str] = []
    mailing.begin(lambda: written.append(threading.current_thread().name), about="x")
    assert written == [threading.current_thread().name]


AT_THE_END = """
import atexit, threading
from django.conf import settings

settings.configure()

from apiconnector import mailing


def write():
    print("written", flush=True)


atexit.register(lambda: mailing.begin(write, about="x"))
mailing.begin(write, about="x")
"""


def test_a_process_that_ends_writes_what_it_has_to() -> None:
    done = subprocess.run([sys.executable, "-c", AT_THE_END], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["written", "written"]
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_the_child_of_a_fork_leaves_them_to_its_parent(gate: threading.Event) -> None:
    written: list[int] = []
    mailing.begin(lambda: gate.wait(30), about="x")
    mailing.begin(lambda: written.append(os.getpid()), about="x")
    child = os.fork()
    if child == 0:
        mailing.begin(lambda: written.append(os.getpid()), about="x")
        os._exit(0 if mailing.wait(20) and written == [os.getpid()] else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    gate.set()
    assert mailing.wait()
    assert written == [os.getpid()]
