"""Properties that hold for any input. ``python -m tests.properties`` looks for counterexamples for longer."""
