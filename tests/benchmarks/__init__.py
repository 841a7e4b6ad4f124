"""How fast requests are sent and how a storm of refreshes ends, measured: ``python -m tests.benchmarks``."""
