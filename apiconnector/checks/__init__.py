"""System checks: what can be known to be wrong before anybody presses Authorize or submits a form.

None of them uses the network. Ids are unique by number, whatever their level: below 10 are the settings of this app,
from 11 the callback, from 21 cookies, from 31 tasks, from 41 the database. ``docs/checks.md`` lists them all.
"""

from __future__ import annotations

from django.core import checks

from apiconnector.checks.callback import check_callback, check_proxy, check_scheme
from apiconnector.checks.cookies import check_session_cookie
from apiconnector.checks.database import check_methods, check_overdue, check_sites
from apiconnector.checks.settings import check_keys, check_unknown, check_values
from apiconnector.checks.tasks import check_tasks
from apiconnector.models import Connection, FeedRun

#: ``manage.py check --tag apiconnector`` runs all but those that read the database.
TAG = "apiconnector"


def register() -> None:
    """Register every check of the app.

    Those that read the database are tagged with their model as well: the admin's lists ask for them by that name.
    """
    checks.register(check_keys, TAG, checks.Tags.security)
    checks.register(check_values, TAG)
    checks.register(check_unknown, TAG)
    checks.register(check_callback, TAG, checks.Tags.urls)
    checks.register(check_tasks, TAG)
    for check in (check_scheme, check_proxy, check_session_cookie):
        checks.register(check, TAG, checks.Tags.security, deploy=True)
    checks.register(check_overdue, checks.Tags.database, FeedRun._meta.label_lower)
    for check in (check_methods, check_sites):
        checks.register(check, checks.Tags.database, Connection._meta.label_lower)
