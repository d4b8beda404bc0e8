"""Whose code a frame is, and the hue it is drawn with: yours warm, libraries cool, Python's own almost grey.

It looks at names only, never at the disk. The rule: the same file has the same colour in every picture.
"""

from __future__ import annotations

import re
import zlib
from typing import Final, Literal, NamedTuple, TypeAlias

Owner: TypeAlias = Literal["yours", "library", "python", "state"]

STATE_ROLES: Final = {"[running]": "running", "[runnable]": "runnable", "[waiting]": "waiting"}
"""Synthetic frames that have a colour of their own on the page: the token `--c-ROLE`."""

_INSTALLED = re.compile(r"[\\/](?:site|dist)-packages[\\/]+([^\\/]+)")
_STDLIB = re.compile(r"[\\/]lib(?:64)?[\\/]python3[\d.]*t?[\\/]|[\\/]Python3\d+[\\/]Lib[\\/]|\.zip[\\/]", re.IGNORECASE)
_SOURCE_ROOT = re.compile(r"[\\/]src[\\/]([A-Za-z_]\w*)[\\/]")
_ENDING = re.compile(r"\.(?:py|pyc|pyx|so|pyd|abi3|cpython-[\w-]+)+$")


class Group(NamedTuple):
    """`label` for the legend; `hue` in degrees (OKLCH); `chroma` a factor of the theme's; `role` of a state, or ""."""

    label: str
    owner: Owner
    hue: int
    chroma: float
    role: str = ""


def group_of(name: str, file: str) -> Group:
    """The group of a frame, by its name and file (either separator, any system)."""
    if not file:
        role = STATE_ROLES.get(name, "")
        label = name.strip("[]") if role else "other"
        return Group(label, "state", 250, 0.12, role)
    installed = _INSTALLED.search(file)
    if installed:
        package = _ENDING.sub("", installed[1])
        return Group(package, "library", _hue(package, 130, 320), 0.8)
    if file.startswith("<") or _STDLIB.search(file):
        return Group("Python", "python", 250, 0.22)
    source = _SOURCE_ROOT.search(file)
    label = source[1] if source else re.split(r"[\\/]", file)[-1]
    # A package of one's own is drawn with a hue for each file, but is one entry of the legend.
    return Group(label, "yours", _hue(file_label(file), 25, 100), 1.15)


def file_label(file: str) -> str:
    """A path as short as it can be while a reader still knows the file: below site-packages, the library, or src."""
    for pattern in (_INSTALLED, _STDLIB, _SOURCE_ROOT):
        found = pattern.search(file)
        if found:
            start = found.start(1) if found.groups() else found.end()
            return file[start:].replace("\\", "/")
    parts = re.split(r"[\\/]", file)
    return "/".join(parts[-2:]) if len(parts) > 2 else file.replace("\\", "/")


def _hue(text: str, low: int, high: int) -> int:
    """A hue between `low` and `high` degrees, in steps that can be told apart, the same in every process."""
    steps = (high - low) // 12
    return low + 12 * (zlib.crc32(text.encode("utf-8", "replace")) % (steps + 1))
