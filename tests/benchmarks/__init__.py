"""How fast requests are sent, and what happens when many want a token at once: ``python -m tests.benchmarks``."""
