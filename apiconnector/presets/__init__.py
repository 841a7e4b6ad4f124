"""Presets: the public facts of well-known providers, which fill the form of a new connection.

Each is one JSON file in ``data``: nobody writes code for another provider.
"""

from apiconnector.presets.loader import Preset, find, presets

__all__ = ["Preset", "find", "presets"]
