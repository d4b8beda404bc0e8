"""Makes the pictures of the README from one real run: `python scripts/pictures.py`, half a minute, needs Chromium.

A local origin that serves eight requests at once is asked by 64: the summary as a terminal shows it, and the top of the
report; then one that answers at once, for a profile of where the CPU's time goes. The rule: nothing is drawn by hand.
"""

from __future__ import annotations

import io
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from penstock.perf.origin.process import OriginProcess
from penstock.perf.profile.draw.flamegraph import flamegraph_svg
from penstock.perf.profile.model import Profile

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
ITEMS = 8_000
SCENARIO = {"defaults": {"latency": "0.02", "slots": "8", "bytes": "lognormal:8000,0.6", "scope": "global"}}
_FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars")
_FLAGS += ("--disable-background-networking", "--disable-component-update", "--disable-sync")


def main() -> int:
    """Exit code 1 when the run failed, 2 without Chromium."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("expected Chromium, found none; hint: apt-get install chromium", file=sys.stderr)
        return 2
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="penstock-pictures-") as name, OriginProcess(SCENARIO, hosts=4) as origin:
        folder = Path(name)
        hosts = [f"http://127.0.0.{2 + n % 4}:{origin.port}" for n in range(4)]
        urls = "\n".join(f"{hosts[n % 4]}/page/{n}" for n in range(ITEMS))
        (folder / "urls.txt").write_text(urls)
        print(f"fetching {ITEMS:,} pages …", flush=True)
        shown = ["penstock", "fetch", "urls.txt", "-o", "out", "-j", "64"]
        flags = ["--allow-private", "127.0.0.0/8", "--progress", "none"]
        text = _in_terminal([sys.executable, "-m", *shown, *flags], folder)
        if "Finished" not in text:
            print(text, file=sys.stderr)
            return 1
        (PICTURES / "summary.svg").write_text(_terminal_picture(text, " ".join(shown)))
        subprocess.run([sys.executable, "-m", "penstock", "report", "out"], cwd=folder, check=True)
        _photograph(chromium, folder / "out" / "_penstock" / "report.html", PICTURES / "report.png", folder)
        print("profiling as many pages as come …", flush=True)
        (PICTURES / "flamegraph.svg").write_text(flamegraph_svg(_profiled(folder), 1000))
    for path in sorted(PICTURES.iterdir()):
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1000:.0f} kB")
    return 0


def _in_terminal(command: list[str], folder: Path) -> str:
    """What the command writes to a terminal of 104 columns, colours included."""
    master, slave = pty.openpty()
    environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "104", "LINES": "50"}
    process = subprocess.Popen(command, cwd=folder, stdin=slave, stdout=slave, stderr=slave, env=environ)
    os.close(slave)
    chunks = []
    while True:
        try:
            chunk = os.read(master, 65_536)
        except OSError:  # Linux: the other end was closed
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(master)
    process.wait()
    return b"".join(chunks).decode().replace("\r\n", "\n")


def _profiled(folder: Path) -> Profile:
    """Where the CPU's time goes when nothing but this machine is the limit."""
    with OriginProcess() as origin:
        urls = "\n".join(f"{origin.url}/page/{n}?bytes=1K" for n in range(40_000))
        (folder / "more.txt").write_text(urls)
        fetch = ["fetch", "more.txt", "-o", "more", "-j", "64", "--allow-private", "127.0.0.0/8", "-q"]
        command = [sys.executable, "-m", "penstock", "profile", "cpu", "-o", "profile", "--interval", "1ms", *fetch]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return Profile.from_json(json.loads((folder / "profile" / "cpu.json").read_text()))


def _terminal_picture(text: str, title: str) -> str:
    text = text[text.index("Finished") :] if "\x1b" not in text[: text.index("Finished")][-12:] else text
    console = Console(record=True, width=104, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(text.strip("\n")))
    svg = console.export_svg(title=title, theme=MONOKAI)
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # they would be fetched from a network


def _photograph(chromium: str, page: Path, picture: Path, folder: Path) -> None:
    flags = [*_FLAGS, f"--user-data-dir={folder / 'browser'}", "--window-size=1280,1480", "--virtual-time-budget=4000"]
    command = [chromium, *flags, f"--screenshot={picture}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


if __name__ == "__main__":
    raise SystemExit(main())
