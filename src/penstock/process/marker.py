"""Remembers, across the death of the whole run, which items were inside the user's function at that moment.

A function that crashes the interpreter inline (a segmentation fault in a C extension) would crash every resume at the
same item. The marker costs one 8-byte store before and one after a call; the page cache keeps it when the process
dies. The one rule: an id is in its slot before the function starts, and leaves it only after the function returned.

File format, version 1, int64 in the machine's own byte order throughout:

| offset | what |
| --- | --- |
| 0 | magic and version, `PNSTMRK` and the byte 1 |
| 8 | number of slots, n |
| 16 | n slots: item id + 1 while that slot's call runs, else 0 |
| 16 + 8n | item id + 1 of every slot found set when the file was opened again, once per such death |
"""

from __future__ import annotations

import mmap
import os
import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

_MAGIC = b"PNSTMRK\x01"
_HEADER = struct.Struct("=8sq")
_SLOTS = 64
_DEATHS_MAX = 100_000  # bounds the file; older deaths are forgotten first


class Marker:
    """Slots in a shared memory map of the file at `path`. `slots[k] = id + 1` marks, `slots[k] = 0` clears.

    Opening it first moves what an earlier run left in the slots to the list of deaths, so that two different crashing
    items cannot make each other be forgotten. A file that is not a marker is replaced: it is an aid, not a record.
    Raises OSError when the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        deaths = _read(path)[-_DEATHS_MAX:]
        content = _HEADER.pack(_MAGIC, _SLOTS) + bytes(8 * _SLOTS) + struct.pack(f"={len(deaths)}q", *deaths)
        temporary = path.with_name(path.name + ".new")
        temporary.write_bytes(content)
        os.replace(temporary, path)
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _HEADER.size + 8 * _SLOTS)
        # One aligned 8-byte store: the machine never shows half of it.
        self._view = memoryview(self._map)
        self.slots = self._view[_HEADER.size :].cast("q")

    def close(self) -> None:
        """Clear nothing, release the map. Harmless when repeated."""
        self.slots.release()
        self._view.release()
        self._map.close()


def suspects(path: Path) -> Mapping[int, int]:
    """Item ids that were inside the function when a run died, with how often; empty without a readable marker.

    A suspect may be innocent (the run was killed from outside, or a neighbouring thread crashed).
    """
    return Counter(value - 1 for value in _read(path))


def _read(path: Path) -> list[int]:
    """Every non-zero value after the header: deaths listed before, then those in the slots now."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    if len(content) < _HEADER.size:
        return []
    magic, slots = _HEADER.unpack_from(content)
    if magic != _MAGIC or not 0 < slots <= 4096:
        return []
    values = [value for (value,) in struct.iter_unpack("=q", content[_HEADER.size : len(content) // 8 * 8])]
    return [value for value in values[slots:] + values[:slots] if value > 0]
