"""About how many lines a file has, for progress and ETA.

Counted up to 64 MiB, extrapolated from the first MiB beyond.
"""

from __future__ import annotations

from contextlib import closing

from penstock.errors import SourceError
from penstock.sources.byte_inputs import FileInput

COUNTED_BYTES_MAX = 64 * 1024 * 1024
_SAMPLE_BYTES = 1024 * 1024
# Text with one URL a line shrinks to about a quarter; used only to extrapolate compressed files.
_TYPICAL_RATIO = 4


def estimate_lines(file: FileInput) -> int:
    """Lines of `file`, blank ones and comments included; exact for a plain file up to 64 MiB, else about right."""
    size = file.size_bytes()
    is_plain = file.compression == "none"
    wanted = COUNTED_BYTES_MAX if is_plain and size <= COUNTED_BYTES_MAX else _SAMPLE_BYTES
    lines = seen = 0
    last = b"\n"
    is_whole = True
    with closing(file.open(0)) as chunks:
        try:
            for chunk in chunks:
                lines += chunk.count(b"\n")
                seen += len(chunk)
                last = chunk[-1:]
                if seen > wanted:
                    is_whole = False
                    break
        except SourceError:
            is_whole = True  # damaged further on: what can be read is all there will be
    if is_whole:
        return lines + (last != b"\n")
    return max(lines, 1) * (size if is_plain else size * _TYPICAL_RATIO) // max(seen, 1)
