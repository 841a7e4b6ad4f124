"""The profile, the seed, and the count of examples."""

from __future__ import annotations

from collections import Counter
from functools import wraps
from typing import TYPE_CHECKING, Any

from hypothesis import is_hypothesis_test, seed, settings

from tests.properties import profiles

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def pytest_configure(config: pytest.Config) -> None:
    is_long = config.getoption("property_seconds", None) is not None
    profiles.register(config.getoption("property_examples", None) or profiles.ROUND)
    settings.load_profile("long" if is_long or config.getoption("property_examples", None) else "default")
    config.stash[profiles.EXAMPLES] = Counter()


def pytest_itemcollected(item: pytest.Item) -> None:
    """One seed, which pytest-randomly prints, decides the order of the tests and the examples."""
    test: Any = getattr(item, "obj", None)
    if not is_hypothesis_test(test):
        return
    chosen = item.config.getoption("randomly_seed", None)
    if isinstance(chosen, int):
        seed(chosen)(test)
    test.hypothesis.inner_test = _counted(test.hypothesis.inner_test, item)


def _counted(inner: Callable[..., Any], item: pytest.Item) -> Callable[..., Any]:
    counts = item.config.stash[profiles.EXAMPLES]

    @wraps(inner)
    def counting(*args: Any, **kwargs: Any) -> Any:
        # An example that is assumed away leaves with an exception, and is none.
        result = inner(*args, **kwargs)
        counts[item.nodeid] += 1
        return result

    return counting
