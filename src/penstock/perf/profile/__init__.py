"""Profiles of anybody's Python: where CPU time, waiting, memory and the event loop's time go, as flamegraphs.

`with profile("await") as p: …` for a part of a program, `penstock profile` for a whole one. Imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.perf.profile.draw.output import write_profile
    from penstock.perf.profile.model import Frame, Profile
    from penstock.perf.profile.recorder import CannotProfile, RecorderOptions
    from penstock.perf.profile.session import Profiling, profile

_HOME = {
    "CannotProfile": "recorder",
    "Frame": "model",
    "Profile": "model",
    "Profiling": "session",
    "RecorderOptions": "recorder",
    "profile": "session",
    "write_profile": "output",
}
__all__ = [
    "CannotProfile",
    "Frame",
    "Profile",
    "Profiling",
    "RecorderOptions",
    "profile",
    "write_profile",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
