"""A profile in speedscope's file format, to be opened at speedscope.app or with other viewers that read it.

Format: github.com/jlfwong/speedscope, wiki "Importing from custom sources" and its JSON schema. We write one
profile of type `sampled`: as many samples as stacks, each with its weight. Nothing is uploaded by us.
"""

from __future__ import annotations

from penstock.perf.profile.model import Frame, Profile
from penstock.version import __version__

SCHEMA_URL = "https://www.speedscope.app/file-format-schema.json"


def to_speedscope(profile: Profile) -> dict[str, object]:
    """Plain JSON. Seconds and task-seconds have the unit `seconds`, as the format knows no other; heaviest first."""
    table: dict[Frame, int] = {}
    samples: list[list[int]] = []
    weights: list[float] = []
    for stack, weight in sorted(profile.stacks.items(), key=lambda entry: (-entry[1], entry[0])):
        samples.append([table.setdefault(frame, len(table)) for frame in stack])
        weights.append(weight)
    name = f"{profile.kind}: {profile.title}" if profile.title else profile.kind
    return {
        "$schema": SCHEMA_URL,
        "exporter": f"penstock@{__version__}",
        "name": name,
        "activeProfileIndex": 0,
        "shared": {"frames": [_frame(frame) for frame in table]},
        "profiles": [
            {
                "type": "sampled",
                "name": name,
                "unit": "bytes" if profile.unit == "bytes" else "seconds",
                "startValue": 0,
                "endValue": sum(weights),
                "samples": samples,
                "weights": weights,
            }
        ],
    }


def _frame(frame: Frame) -> dict[str, object]:
    described: dict[str, object] = {"name": frame.name}
    if frame.file:
        described["file"] = frame.file
    if frame.line > 0:
        described["line"] = frame.line
    return described
