"""`python -m penstock.perf.origin`: what `process.OriginProcess` starts. People use `penstock origin`.

The first line of standard input is a JSON object with the fields of `OriginOptions`; `scenario` is a document in it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from penstock.errors import ConfigError
from penstock.perf.origin.run import OriginOptions, run_origin
from penstock.perf.origin.scenario import parse_scenario


def main(text: str) -> int:
    """Run the origin that `text` describes; 0 after a stop signal, 2 with a message for a mistake."""
    fields = json.loads(text)
    try:
        fields["scenario"] = parse_scenario(fields["scenario"])
        for name in ("log", "cert_dir", "ready_file"):
            if fields.get(name) is not None:
                fields[name] = Path(fields[name])
        run_origin(OriginOptions(**fields))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.stdin.readline()))
