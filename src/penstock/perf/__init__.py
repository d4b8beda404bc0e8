"""The performance laboratory: a local origin, the demo. The product never imports it."""
