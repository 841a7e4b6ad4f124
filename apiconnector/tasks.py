"""The one background task. Import it late: Django checks it against ``TASKS`` when this module is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import django

if TYPE_CHECKING or django.VERSION >= (6, 0):
    from django.tasks import task, task_backends
else:
    from django_tasks import task, task_backends

from apiconnector.feeds.delivery import send_due

#: A site that wants a backend of its own for this app gives it this alias in ``TASKS``.
ALIAS = "apiconnector"


@task(backend=ALIAS if ALIAS in task_backends.settings else "default")
def send_runs(run_ids: list[int]) -> None:
    """Send these runs, if they are still due."""
    send_due(run_ids)


def sends_at_once() -> bool:
    """Whether the backend runs a task while it is enqueued, as the default one does."""
    return type(send_runs.get_backend()).__name__ == "ImmediateBackend"
