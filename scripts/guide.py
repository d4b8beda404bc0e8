"""Fills in what docs/guides/choose-a-strategy.md shows: `python scripts/guide.py`, two minutes.

Each `<!-- output: NAME -->` of the page is followed by what the command wrote, and the two flamegraphs are drawn from
real profiles. The rule: nothing that looks like output is written by hand.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from penstock.perf.profile.draw.flamegraph import flamegraph_svg
from penstock.perf.profile.model import Profile

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "guides" / "choose-a-strategy.md"
PICTURES = ROOT / "docs" / "pictures"
COMMANDS = {
    "io-20ms": ["compare", "--preset", "io-20ms"],
    "cpu-5ms": ["compare", "--preset", "cpu-5ms"],
    "tune": ["tune"],
}
PROFILES = {"waiting": "await", "computing": "cpu"}


def main() -> int:
    text = PAGE.read_text(encoding="utf-8")
    for name, words in COMMANDS.items():
        print(f"penstock {' '.join(words)} …", flush=True)
        command = [sys.executable, "-m", "penstock", *words, "--progress", "none"]
        environ = {**os.environ, "COLUMNS": "118", "NO_COLOR": "1"}
        shown = subprocess.run(command, check=True, capture_output=True, text=True, env=environ).stdout.strip("\n")
        shown = "\n".join(line.rstrip() for line in shown.splitlines())
        marker = f"<!-- output: {name} -->"
        block = re.compile(re.escape(marker) + r"(\n```text\n.*?\n```)?", re.DOTALL)
        if not block.search(text):
            print(f"expected {marker} in {PAGE.name}, found none", file=sys.stderr)
            return 1
        filled = f"{marker}\n```text\n{shown}\n```"
        text = block.sub(lambda _, filled=filled: filled, text)
    PAGE.write_text(text, encoding="utf-8")
    for kind_of_work, kind in PROFILES.items():
        print(f"profiling {kind_of_work} …", flush=True)
        (PICTURES / f"strategy-{kind_of_work}.svg").write_text(_flamegraph(kind, kind_of_work))
    return 0


def _flamegraph(kind: str, kind_of_work: str) -> str:
    with tempfile.TemporaryDirectory(prefix="penstock-guide-") as folder:
        command = [sys.executable, "-m", "penstock", "profile", kind, "-o", folder]
        command += ["examples/strategies.py", kind_of_work]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        profile = Profile.from_json(json.loads((Path(folder) / f"{kind}.json").read_text(encoding="utf-8")))
    return flamegraph_svg(profile, 1000)


if __name__ == "__main__":
    raise SystemExit(main())
