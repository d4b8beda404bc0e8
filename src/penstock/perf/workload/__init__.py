"""What is measured: items, what is done with each, and the check that every alternative gives the same output."""
