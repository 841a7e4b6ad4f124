"""The main job in a real browser: ``python -m pytest tests/browser``. Needs Chromium; without it the tests fail."""
