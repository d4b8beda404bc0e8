"""Profiles of anybody's Python: where CPU time, waiting, memory and the event loop's time go, as flamegraphs."""
