"""Look for counterexamples: ``python -m tests.properties [--seconds N | --examples N] [file or name …]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.properties",
        description="Try every property with many inputs. Exit status 1 when one does not hold, with the smallest "
        "input found.",
    )
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--seconds", type=float, default=300, help="time for all properties together (300)")
    amount.add_argument("--examples", type=int, help="so many inputs of each property instead")
    parser.add_argument("--seed", type=int, help="the seed of an earlier run, which it printed")
    parser.add_argument("names", nargs="*", metavar="name", help="only these, such as callbacks or urls; all")
    options = parser.parse_args()
    files = [str(HERE / f"test_{name}.py") for name in options.names]
    for name, file in zip(options.names, files, strict=True):
        if not Path(file).exists():
            parser.error(f"there are no properties {name}: choose from {', '.join(known())}.")
    if options.examples is not None:
        if options.examples < 1:
            parser.error("--examples is too small.")
        arguments = ["--property-examples", str(options.examples)]
    else:
        arguments = ["--property-seconds", str(options.seconds)]
    if options.seed is not None:
        arguments += [f"--randomly-seed={options.seed}"]
    return int(pytest.main(["-p", "tests.properties.long_run", *arguments, *(files or [str(HERE)])]))


def known() -> list[str]:
    return sorted(path.stem.removeprefix("test_") for path in HERE.glob("test_*.py"))


if __name__ == "__main__":
    sys.exit(main())
