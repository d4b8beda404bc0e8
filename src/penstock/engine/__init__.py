"""Joins source, fetch, process and sink into a run. Start reading at pipeline.py; job.py opens and closes things."""
