"""Errors that leave without the frames that hold plain text: Django's debug page and error trackers show locals."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


def clean_frames(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function that handles plain text: its errors come from a frame that holds none, nothing chained."""

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - raised below; a time limit may be none of Exception
            failure = error.with_traceback(None)
        failure.__cause__ = failure.__context__ = None
        del args, kwargs
        raise failure

    return guarded
