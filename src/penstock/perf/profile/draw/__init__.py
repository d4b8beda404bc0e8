"""Profiles as people read them: flamegraphs, tables, ten lines, folded stacks, speedscope files, differences."""
