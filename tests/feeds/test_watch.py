"""The thread that breaks off what takes too long."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from apiconnector.feeds import watch


class Broken:
    """Stands for a wire, and tells when it is broken off."""

    def __init__(self) -> None:
        self.off = threading.Event()

    def abort(self) -> None:
        self.off.set()


def test_one_that_begins_while_the_thread_ends_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    wire: Any = Broken()

    class Late(dict[Any, float]):
        """Empty when it is asked for the first time; a moment later it is not."""

        has_begun = False

        def __len__(self) -> int:
            if not self.has_begun:
                self.has_begun = True
                watch.begin(wire, 0.0)
                return 0
            return super().__len__()

    for name, value in {"EVERY": 0.01, "_LINGER": -1.0, "_watched": Late(), "_thread": None}.items():
        monkeypatch.setattr(watch, name, value)
    watch._thread = threading.Thread(target=watch._watch, daemon=True)
    watch._thread.start()
    assert wire.off.wait(5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is none on Windows")
def test_a_child_breaks_nothing_off_that_its_parent_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    wire: Any = Broken()
    monkeypatch.setattr(watch, "_thread", threading.main_thread())  # none is needed here
    watch.begin(wire, 60.0)
    try:
        child = os.fork()
        if not child:
            os._exit(len(watch._watched))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert watch._watched
    finally:
        watch.end(wire)
