"""The jobs of ``manage.py apiconnector``, by what they are about.

A job is a function that takes an ``Output`` and the options and returns the exit status.
"""

from apiconnector.management.jobs import connections, feeds, keys, presets, prune, replays, testing, tokens

#: Each has ``add_parsers``, in the order the help shows them.
GROUPS = (connections, testing, tokens, feeds, replays, prune, presets, keys)

__all__ = ["GROUPS"]
