"""What must be true after faults at the worst moments, with real processes: ``python -m tests.faults``."""
