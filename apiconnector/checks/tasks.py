"""The task backend that wakes whoever sends feed runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django
from django.core.checks import CheckMessage, Error

#: What ``submit`` does without: nothing is lost.
_STAYS = "What forms submit is kept, but nothing is sent until “manage.py apiconnector deliver” runs."
_FIX = (
    "Correct TASKS: the backend of the alias “apiconnector” is used where there is one, else that of “default”, and it "
    "has to take the queue “default”. Without TASKS runs are sent in the request, which needs no worker."
)


def check_tasks(**_: Any) -> list[CheckMessage]:
    """``apiconnector.E031``, ``E032``: there is no Tasks framework, or its backend can't be used."""
    # Late, since Django can start without it.
    try:
        if TYPE_CHECKING or django.VERSION >= (6, 0):
            from django.tasks import task_backends
        else:
            from django_tasks import task_backends
    except ImportError:
        return [
            Error(
                f"The package django-tasks is missing, which Django before 6.0 needs for its tasks. {_STAYS}",
                hint='Install it: python -m pip install "django-tasks>=0.12".',
                id="apiconnector.E031",
            )
        ]
    try:
        alias = "apiconnector" if "apiconnector" in task_backends.settings else "default"
        backend = task_backends[alias]
        queues = backend.queues
    except task_backends.exception_class as error:
        return [_unusable(f"can't be found: {error}")]
    except Exception as error:  # noqa: BLE001 - a backend of the site's choice may raise anything
        # Not its text: that may hold the password of a broker.
        return [_unusable(f"can't be set up: {type(error).__name__} was raised")]
    # An empty set takes every queue.
    if queues and "default" not in queues:
        return [_unusable(f"of the alias “{alias}” does not take the queue “default”")]
    return []


def _unusable(problem: str) -> CheckMessage:
    return Error(f"The task backend {problem.removesuffix('.')}. {_STAYS}", hint=_FIX, id="apiconnector.E032")
