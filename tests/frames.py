"""Everything of an error that a report may show."""

from __future__ import annotations

import traceback


def _safe(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # a queryset asks the database, whose transaction may be broken
        return f"no repr: {type(error).__name__}"


def shown(error: BaseException) -> str:
    """Text, arguments, attributes, chain, and every frame with its locals; without the frames of the test itself."""
    found: list[str] = []
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        waiting += [one.__cause__, one.__context__]
        found += [str(one), repr(one), repr(one.args)]
        found += [_safe(value) for value in vars(one).values()]
        for frame, _ in traceback.walk_tb(one.__traceback__):
            if "/tests/" not in frame.f_code.co_filename:
                found += [f"{frame.f_code.co_qualname} {name}={_safe(value)}" for name, value in frame.f_locals.items()]
    return "\n".join(found)
