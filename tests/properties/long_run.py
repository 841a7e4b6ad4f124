"""A pytest plugin: try each property for a share of the given time, with another seed each round, and say how often."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import is_hypothesis_test, seed

from tests.properties.profiles import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = pytest.StashKey[dict[str, float]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("properties")
    group.addoption("--property-seconds", dest="property_seconds", type=float, help="Time for all properties.")
    group.addoption("--property-examples", dest="property_examples", type=int, help="Examples of each property.")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SECONDS] = {}


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    began = time.monotonic()
    test: Any = pyfuncitem.obj
    try:
        yield
        total = pyfuncitem.config.getoption("property_seconds")
        if total is not None and is_hypothesis_test(test):
            properties = sum(is_hypothesis_test(getattr(item, "obj", None)) for item in pyfuncitem.session.items)
            repeat_until(pyfuncitem, began + total / properties)
    finally:
        pyfuncitem.config.stash[SECONDS][pyfuncitem.nodeid] = time.monotonic() - began


def repeat_until(pyfuncitem: pytest.Function, end: float) -> None:
    test: Any = pyfuncitem.obj
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    number = pyfuncitem.config.getoption("randomly_seed", 0)
    while time.monotonic() < end:
        number += 1
        seed(number)(test)
        test(**arguments)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    counts, seconds = config.stash[EXAMPLES], config.stash[SECONDS]
    if not counts:
        return
    width = max(map(len, counts))
    terminalreporter.section("properties")
    terminalreporter.write_line(f"{'property':{width}}  {'examples':>8}  {'seconds':>7}")
    for name in sorted(counts):
        terminalreporter.write_line(f"{name:{width}}  {counts[name]:8}  {seconds.get(name, 0):7.1f}")
    terminalreporter.write_line(f"{len(counts)} properties, {sum(counts.values())} examples")
