"""How throughput grows with concurrency: the sweep, scaling laws with their uncertainty, the concurrency to choose."""
