"""HTTP clients for the strategies, each thin and idiomatic: one attempt, connections kept, nothing retried."""
