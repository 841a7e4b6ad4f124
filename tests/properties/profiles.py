"""How many examples of each property are tried, and where those that failed are kept."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.database import DirectoryBasedExampleDatabase

#: Failed examples are tried first the next time. Ignored by git.
HOME = Path(__file__).parent.parent.parent / ".hypothesis"
#: Fewer in CI, which looks longer in a run of its own.
QUICK = 10 if os.environ.get("CI") else 35
#: Examples of one round of a long run; each round begins afresh, with another seed.
ROUND = 300
#: How many examples of each property ran; the long run prints them.
EXAMPLES = pytest.StashKey[Counter[str]]()


def register(rounds_of: int) -> None:
    """Make the profiles known: ``default`` for every run of the tests, ``long`` for looking longer."""
    set_hypothesis_home_dir(HOME)
    common = settings(
        # A slow machine is no defect; each property bounds the time of what it calls itself.
        deadline=None,
        # And each example undoes what it did to a fixture.
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
        database=DirectoryBasedExampleDatabase(HOME / "examples"),
        print_blob=True,
        # One failure, made small, is enough at a time; explaining which parts matter takes longer than finding it.
        report_multiple_bugs=False,
        phases=[phase for phase in Phase if phase is not Phase.explain],
    )
    settings.register_profile("default", common, max_examples=QUICK)
    settings.register_profile("long", common, max_examples=rounds_of)


def share(part: float) -> settings:
    """Try this part of the profile's examples: more of what is quick, fewer of what takes long."""
    profile = settings.default
    assert profile is not None
    return settings(max_examples=max(1, round(profile.max_examples * part)))
