"""The summary: its golden text, its arithmetic, what it says in each kind of end, and stats.json."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model import Failure
from penstock.telemetry.counters import Counters, Earlier
from penstock.telemetry.snapshot import Snapshot
from penstock.telemetry.stats import RunFacts, summary_dict
from penstock.telemetry.styled import text_of, width_of
from penstock.telemetry.summary import summary_lines
from penstock.telemetry.terminal import write_lines

FACTS = RunFacts(
    data="out/*.parquet",
    read_with="pyarrow.dataset.dataset(glob.glob('out/*.parquet')).head(5)",
    failures_command="head -n 3 out/failed/*.jsonl",
    retry_command="penstock retry out",
    resume_command="penstock fetch urls.txt -o out",
    process_mode="thread × 2",
    process_reason="inline calls held the event loop 3.1 ms each",
    cpu_s=8.1,
    memory_bytes_max=123_000_000,
)


def counted(answers: int = 1000) -> Counters:
    """A run that was resumed once: 500 items before, then `answers` and three failures of two kinds."""
    counters = Counters(Earlier(written=480, failed=15, skipped=5, failures={"dns": 15}))
    counters.admitted += answers + 3
    for number in range(1, answers + 1):
        counters.success("https://a.example:443", 2000, number / 1000, number / 500)
    counters.ended = answers
    counters.written += answers
    counters.records = 2 * answers
    for item_id in (1700, 1800):
        failure = Failure("http_5xx", "503 Service Unavailable", http_status=503)
        counters.attempt_failed("https://a.example:443", failure)
        counters.item_failed(item_id, "https://user:secret@a.example/page/" + "x" * 200, failure)
    counters.item_failed(1900, "http://b.example/", Failure("process", "ValueError: " + "no title " * 30))
    counters.failed += 3
    counters.retries = 12
    counters.bytes_durable = 1_230_000
    counters.shards = 3
    return counters


def finished(counters: Counters | None = None, **changes: object) -> Snapshot:
    values: dict[str, object] = {"loop_lag_s_p95": 0.0012, "loop_lag_s_max": 0.0141, "total": 1503}
    return Snapshot(4.0, counters or counted(), **(values | changes))  # type: ignore[arg-type] # fields by name


GOLDEN = """\
Finished in 4.0 s; 18 items failed

admitted 1,503 = written 1,480 + failed 18 + skipped 5 + pending 0
  of these, earlier runs: written 480 + failed 15 + skipped 5

throughput    251 items/s · 500 records/s · 500 kB/s · bodies 2.0 MB
output        records 2,000 · shards 3 · 1.2 MB
TTFB          p50 504 ms · p95 956 ms · p99 995 ms · max 1.0 s · n = 1,000
total time    p50 995 ms · p95 1.9 s · p99 2.0 s · max 2.0 s · n = 1,000
attempts      1,002 · retries 12 (1.1 %) · throttled 2
process       thread × 2: inline calls held the event loop 3.1 ms each
this machine  CPU 8.1 s · memory at most 123 MB · event loop late p95 1.2 ms, max 14.1 ms

Failures by kind, each with its first example
  dns       15  in earlier runs
  http_5xx   2  item 1,700  https://a.example/page/xxxxxxxxxxxxxxxxxxxxxxxxx…xxxxxxxxxxxxxxxxxxxxxxx
                503 Service Unavailable
  process    1  item 1,900  http://b.example/
                ValueError: no title no title no title no title no title… no title no title no title
look at them  head -n 3 out/failed/*.jsonl
try again     penstock retry out --kind dns

data          out/*.parquet
read it       pyarrow.dataset.dataset(glob.glob('out/*.parquet')).head(5)
"""


def test_the_summary_of_a_finished_run_reads_like_this() -> None:
    assert text_of(summary_lines(finished(), FACTS)) == GOLDEN


@pytest.mark.parametrize(("answers", "missing"), [(19, ["p95", "p99"]), (20, ["p99"]), (99, ["p99"]), (100, [])])
def test_a_percentile_of_too_few_samples_is_not_shown_as_one(answers: int, missing: list[str]) -> None:
    shown = text_of(summary_lines(finished(counted(answers)), FACTS))
    ttfb = next(line for line in shown.splitlines() if line.startswith("TTFB"))
    for name in ("p50", "p95", "p99"):
        assert (f"{name} – (n too small)" in ttfb) == (name in missing)
    assert ttfb.endswith(f"n = {answers}")


def test_without_one_answer_the_latencies_say_so() -> None:
    shown = text_of(summary_lines(Snapshot(1.0, Counters()), RunFacts(data="out/*.parquet")))
    assert "TTFB          no successful attempt" in shown
    assert shown.startswith("Finished in 1.0 s; nothing failed\n")
    assert "Failures" not in shown


def test_a_stopped_run_says_why_what_is_left_and_ends_with_how_to_go_on() -> None:
    counters = counted()
    counters.admitted += 40
    facts = RunFacts(data="out/*.parquet", stop_reason="disk full", held=40, resume_command="penstock fetch u -o out")
    lines = text_of(summary_lines(finished(counters, total=9000), facts)).splitlines()
    assert lines[0] == "Stopped after 4.0 s: disk full"
    assert "admitted 1,543 = written 1,480 + failed 18 + skipped 5 + pending 40" in lines
    assert "  not admitted yet: 7,457 of 9,000 input items" in lines
    assert lines[-1] == "resume        penstock fetch u -o out"


def test_pending_items_alone_bring_the_resume_line() -> None:
    counters = counted()
    counters.admitted += 1
    lines = text_of(summary_lines(finished(counters), FACTS)).splitlines()
    assert lines[0] == "Ended after 4.0 s with 1 item pending"
    assert lines[-1] == "resume        penstock fetch urls.txt -o out"


def test_a_finished_run_does_not_speak_of_resuming() -> None:
    assert "resume" not in text_of(summary_lines(finished(), FACTS))


def test_sums_that_are_wrong_are_said_to_be_wrong_and_the_rest_is_still_told() -> None:
    counters = counted()
    counters.written += 7
    shown = text_of(summary_lines(finished(counters), FACTS))
    assert "THIS DOES NOT ADD UP" in shown
    assert "pending is -7" in shown
    assert "data          out/*.parquet" in shown
    stats = summary_dict(finished(counters), FACTS)
    accounting = stats["accounting"]
    assert isinstance(accounting, dict)
    assert accounting["is_right"] is False
    assert "pending is -7" in accounting["problem"]


def test_an_item_that_nobody_holds_is_found_in_the_summary_too() -> None:
    counters = counted()
    counters.admitted += 1
    facts = RunFacts(data="out/*.parquet", held=0)
    assert "pending is 1 but the engine holds 0" in " ".join(text_of(summary_lines(finished(counters), facts)).split())


def test_failures_of_earlier_runs_whose_kind_is_not_known_are_still_counted() -> None:
    counters = Counters(Earlier(failed=8))
    shown = text_of(summary_lines(Snapshot(1.0, counters), RunFacts(data="d", retry_command="penstock retry out")))
    assert "  and 8 in earlier runs" in shown
    assert "try again     penstock retry out\n" in shown


@given(width=st.integers(70, 140), answers=st.integers(0, 120), scale=st.integers(1, 10**12))
def test_lines_keep_to_the_width_except_those_to_be_copied(width: int, answers: int, scale: int) -> None:
    counters = counted(answers)
    counters.bytes_body *= scale
    counters.retries *= scale
    long_path = "/a" * 80
    facts = RunFacts(data=long_path, read_with=long_path, resume_command=long_path, stop_reason="interrupted")
    lines = summary_lines(finished(counters), facts, width=width)
    copied = [line for line in lines if any(long_path in text for text, _ in line)]
    assert len(copied) == 3
    assert all(width_of(line) <= width for line in lines if line not in copied)


def test_no_password_reaches_the_summary_or_the_stats() -> None:
    shown = text_of(summary_lines(finished(), FACTS)) + json.dumps(summary_dict(finished(), FACTS))
    assert "secret" not in shown
    assert "https://a.example/page/" in shown


def test_stats_are_json_and_hold_the_same_numbers() -> None:
    stats = json.loads(json.dumps(summary_dict(finished(), FACTS)))
    items = stats["items"]
    assert items["admitted"] == items["written"] + items["failed"] + items["skipped"] + items["pending"] == 1503
    assert items["from_earlier_runs"] == 500
    assert stats["accounting"] == {"is_right": True, "problem": ""}
    assert stats["items_per_s"] == pytest.approx(1003 / 4.0), "this process's items only"
    assert stats["ttfb_s"]["n"] == 1000
    assert stats["ttfb_s"]["p95"]["value"] == pytest.approx(0.950, rel=0.01)
    assert stats["ttfb_s"]["p95"]["is_n_enough"] is True
    assert stats["failures"] == {"dns": 15, "http_5xx": 2, "process": 1}
    assert stats["hosts"]["https://a.example:443"]["answers"] == 1000
    assert stats["format"] == 1


def test_a_run_that_took_no_time_divides_by_nothing() -> None:
    snapshot = finished()
    snapshot.elapsed_s = 0.0
    assert summary_dict(snapshot, FACTS)["items_per_s"] == 0.0
    assert "0 items/s" in text_of(summary_lines(snapshot, FACTS))


class _Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_written_to_a_file_the_summary_has_no_escapes() -> None:
    stream = io.StringIO()
    write_lines(summary_lines(finished(), FACTS), stream, {})
    assert stream.getvalue() == GOLDEN


def test_on_a_terminal_it_is_coloured_and_never_cut() -> None:
    facts = RunFacts(data="d", resume_command="penstock fetch " + "a" * 300, stop_reason="interrupted")
    for extra, is_coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        stream = _Terminal()
        write_lines(summary_lines(finished(), facts), stream, {"TERM": "xterm", "COLUMNS": "60"} | extra)
        assert "a" * 300 in stream.getvalue()
        assert ("\x1b[33mStopped" in stream.getvalue()) == is_coloured
