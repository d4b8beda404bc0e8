"""Decisions, pure: values in, a decision out. No clock, no I/O, no tasks."""
