"""The process stage: the user's function, inline, in threads or in processes. Start reading at runner.py."""
