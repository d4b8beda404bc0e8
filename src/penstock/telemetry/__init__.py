"""What a run has done, as numbers, a live view and a summary. Reads; never steers."""
