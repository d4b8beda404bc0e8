"""Formats of the output and the commit protocol of a shard. Start reading at shard.py."""
