"""What the docs say of other packages, run with them: ``python -m pytest tests/integrations``."""
