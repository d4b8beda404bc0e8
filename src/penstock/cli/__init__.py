"""The commands: parse, configure, call, exit code. One file for each."""
