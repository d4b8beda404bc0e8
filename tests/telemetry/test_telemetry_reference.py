"""docs/reference/progress.md says what the code shows: every word of the frame, and every key of stats.json."""

from __future__ import annotations

from pathlib import Path

from penstock.telemetry.counters import Counters
from penstock.telemetry.frame import frame
from penstock.telemetry.rates import Rates
from penstock.telemetry.snapshot import HostRow, Snapshot
from penstock.telemetry.stats import RunFacts, summary_dict
from penstock.telemetry.styled import text_of

REFERENCE = (Path(__file__).parents[2] / "docs" / "reference" / "progress.md").read_text(encoding="utf-8")


def everything() -> Snapshot:
    counters = Counters()
    counters.admitted = 5
    counters.throttled = counters.retries = 1
    counters.success("https://a:443", 1, 0.1, 0.1)
    counters.failures = {"dns": 1}
    return Snapshot(
        1.0,
        counters,
        in_flight=1,
        queued=1,
        delayed=1,
        deferred=1,
        total=10,
        limit=4,
        bytes_held=1,
        bytes_held_max=2,
        loop_lag_s_p95=1.0,
        hosts=[HostRow("https://a:443")],
    )


def test_every_word_of_the_frame_is_explained() -> None:
    shown = text_of(frame(everything(), Rates(), width=120, height=40))
    letters = "".join(character if character.isalpha() else " " for character in shown)
    words = {word for word in letters.split() if len(word) > 2}
    assert "throttled" in words
    assert "late" in words
    missing = sorted(word for word in words if word not in REFERENCE)
    assert not missing


def test_every_key_of_stats_json_is_listed() -> None:
    stats = summary_dict(everything(), RunFacts(data="out/*.parquet"))
    nested = [stats["items"], stats["accounting"], stats["ttfb_s"], stats["hosts"]["https://a:443"]]  # type: ignore[index] # typed as object
    keys = set(stats).union(*nested)  # type: ignore[arg-type] # dicts, typed as object
    missing = sorted(key for key in keys if f"`{key}`" not in REFERENCE)
    assert not missing
