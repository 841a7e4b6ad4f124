"""The idle connections of a pool are kept as urllib3's own queue keeps them."""

from __future__ import annotations

import queue

import pytest

from apiconnector.client.idle import Idle


def test_last_in_first_out_and_never_more_than_it_may_have() -> None:
    idle = Idle(2)
    for conn in ("a", "b"):
        idle.put(conn, block=False)
    with pytest.raises(queue.Full):
        idle.put("c", block=False)
    assert idle.qsize() == 2
    assert [idle.get(block=False, timeout=None), idle.get()] == ["b", "a"]
    with pytest.raises(queue.Empty):
        idle.get(block=False)
