"""The whole dance against servers that others wrote: ``python -m pytest tests/servers``.

Needs Node with ``npm ci`` done in ``tests/servers/node``, and the extra ``servers``; without them the tests fail.
"""
