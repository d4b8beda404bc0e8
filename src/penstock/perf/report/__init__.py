"""The report of a run: what its output folder holds, as one HTML page and as Markdown."""
