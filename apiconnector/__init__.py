"""Admin-managed, encrypted API connections for Django."""

__version__ = "0.1.0"
