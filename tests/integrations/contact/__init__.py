"""The app of the docs."""
