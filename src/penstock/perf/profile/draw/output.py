"""Writes a profile to its files: the page, the picture, folded stacks, speedscope's and our own JSON.

Each file appears whole or not at all. The rule: what cannot be encoded (file names that are no UTF-8) is written
with escapes, so that no profile is lost for a name.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from penstock.perf.profile.draw.flamegraph import flamegraph_html
from penstock.perf.profile.draw.flamesvg import flamegraph_svg
from penstock.perf.profile.draw.folded import to_folded
from penstock.perf.profile.draw.speedscope import to_speedscope
from penstock.perf.profile.model import Profile


def write_profile(profile: Profile, folder: Path) -> list[Path]:
    """Write KIND.html, KIND.svg, KIND.folded, KIND.speedscope.json and KIND.json; the paths, in that order.

    The folder is made if needed; files of an earlier profile of that kind are replaced. Raises OSError when the disk
    does not take them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "html": flamegraph_html(profile),
        "svg": flamegraph_svg(profile),
        "folded": to_folded(profile),
        "speedscope.json": _json(to_speedscope(profile)),
        "json": _json(profile.to_json()),
    }
    paths = []
    for ending, text in contents.items():
        path = folder / f"{profile.kind}.{ending}"
        write_text(path, text)
        paths.append(path)
    return paths


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file under a temporary name beside it, then rename. Raises OSError; then nothing is left behind."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(text.encode("utf-8", "backslashreplace"))
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"
