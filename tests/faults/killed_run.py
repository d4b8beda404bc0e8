"""A run that kills itself with SIGKILL at the n-th occurrence of a step of the commit protocol. A program, not a test.

python killed_run.py URLS OUT STEP N [SETTING=VALUE ...]
"""

from __future__ import annotations

import json
import os
import signal
import sys

from penstock.config import build_job
from penstock.engine.job import run_job
from penstock.engine.loop import run_blocking


def main() -> int:
    urls, out, step, occurrence, *pairs = sys.argv[1:]
    settings = {name: json.loads(value) for name, _, value in (pair.partition("=") for pair in pairs)}
    left = int(occurrence)

    def on_step(name: str) -> None:
        nonlocal left
        if name == step:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    result = run_blocking(run_job(build_job([urls], out, settings), on_step=on_step))
    return result.exit_code


if __name__ == "__main__":
    sys.exit(main())
