"""What the benchmarks read from other programs, and the checks that make a wrong run an error."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks.peers import outputs
from benchmarks.peers.environment import CpuTimes, cpu_times, first_version
from benchmarks.peers.measured import Usage, hwm_bytes
from benchmarks.peers.nginx import BODY_BYTES, body_of, requests_of_status, write_bodies
from benchmarks.peers.session import Sample

WRK = """Running 1s test @ http://127.0.0.1:1/1k/0
  1 threads and 64 connections
  553429 requests in 4.00s, 678.10MB read
Requests/sec: 138306.11
"""


def test_wrk_summary_is_read() -> None:
    assert outputs.parse_wrk(WRK) == outputs.WrkSummary(553_429, 0)


def test_wrk_errors_of_every_sort_are_added_up() -> None:
    text = WRK + "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 10\n"
    assert outputs.parse_wrk(text).errors == 20


def test_text_that_is_not_from_wrk_is_refused() -> None:
    with pytest.raises(ValueError, match="wrk's summary"):
        outputs.parse_wrk("unable to connect")


def test_stub_status_gives_the_requests() -> None:
    text = "Active connections: 2 \nserver accepts handled requests\n 16 16 31070 \nReading: 0 Writing: 1 Waiting: 1 \n"
    assert requests_of_status(text) == 31_070
    with pytest.raises(ValueError, match="stub_status"):
        requests_of_status("<html>404</html>")


def test_steal_share_is_that_of_the_time_between() -> None:
    before = cpu_times("cpu  100 0 100 800 0 0 0 10 5 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
    after = cpu_times("cpu  150 0 120 1600 0 0 0 140 5 0\n")
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    assert (before.total_s * ticks_per_s, before.busy_s * ticks_per_s) == pytest.approx((1010, 200))
    assert after.steal_share_since(before) == pytest.approx(130 / 1000)
    assert before.steal_share_since(before) == 0.0


def test_what_others_used_is_the_work_that_was_not_ours() -> None:
    before = CpuTimes(total_s=100.0, busy_s=40.0, steal_s=0.0, own_s=10.0)
    after = CpuTimes(total_s=200.0, busy_s=90.0, steal_s=0.0, own_s=40.0)
    assert after.others_share_since(before) == pytest.approx(0.2)
    assert CpuTimes(200.0, 40.0, 0.0, 50.0).others_share_since(before) == 0.0


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("nginx version: nginx/1.22.1", "1.22.1"),
        ("curl 7.88.1 (x86_64-pc-linux-gnu) libcurl/7.88.1", "7.88.1"),
        ("GNU Wget2 1.99.1 - multithreaded", "1.99.1"),
        ("wrk debian/4.1.0-3+b2 [epoll]", "4.1.0"),
        ("no number here", "unknown"),
    ],
)
def test_versions_are_found_in_what_programs_print(text: str, version: str) -> None:
    assert first_version(text) == version


def test_peak_memory_is_read_from_proc_status() -> None:
    assert hwm_bytes("Name:\tpython\nVmPeak:\t  999 kB\nVmHWM:\t  61440 kB\nVmRSS:\t 100 kB\n") == 61_440 * 1024
    assert hwm_bytes("Name:\tzombie\nState:\tZ\n") == 0


def test_trouble_is_the_last_line_that_the_program_said() -> None:
    assert Usage(1.0, 1.0, 0, "", "").trouble == ""
    assert Usage(1.0, 1.0, 3, "", "first\nValueError: bad\n\n").trouble == "exit 3: ValueError: bad"
    assert Usage(1.0, 30.0, -9, "", "", is_timeout=True).trouble == "stopped after 30 s"


def test_start_up_cancels_out_of_the_marginal_cost() -> None:
    # 0.5 s start-up and 100 µs a record
    sample = Sample(1, "1k plain", "x", 20_000, 2.5, 5.5, 200, 0.52, 1.54, 0.0)
    assert sample.marginal_cpu_us == pytest.approx(100.0)
    assert sample.startup_cpu_s == pytest.approx(0.5)
    assert sample.whole_cpu_us == pytest.approx(125.0)
    assert sample.records_per_s == pytest.approx(5_000.0)


@pytest.mark.parametrize("size", sorted(BODY_BYTES))
def test_bodies_have_their_exact_size_and_differ(size: str) -> None:
    bodies = {body_of(number, BODY_BYTES[size]) for number in range(20)}
    assert {len(body) for body in bodies} == {BODY_BYTES[size]}
    assert len(bodies) == 20
    assert body_of(1_007, BODY_BYTES[size]) == body_of(7, BODY_BYTES[size])


def test_every_number_finds_a_file_by_its_last_digits(tmp_path: Path) -> None:
    write_bodies(tmp_path / "1k", 64)
    for number in (0, 7, 42, 999, 1_000, 1_007, 20_042):
        assert (tmp_path / "1k" / str(number)[-3:]).read_bytes() == body_of(number, 64)


WANT = outputs.Expected(4, 64, tuple(hashlib.sha256(body_of(n, 64)).hexdigest() for n in range(1000)))


def write_rows(folder: Path, numbers: list[int], *, digest: str | None = None, body: bytes | None = None) -> None:
    folder.mkdir(exist_ok=True)
    bodies = [body or body_of(number, 64) for number in numbers]
    table = pa.table(
        {
            "url": [f"http://127.0.0.1:1/1k/{number}" for number in numbers],
            "digest": [digest or WANT.digests[number % 1000] for number in numbers],
            "body": pa.array(bodies, pa.binary()),
        }
    )
    pq.write_table(table, folder / f"{len(list(folder.iterdir()))}.parquet")


def test_complete_parquet_in_several_files_passes(tmp_path: Path) -> None:
    write_rows(tmp_path, [2, 0])
    write_rows(tmp_path, [3, 1])
    assert outputs.check_parquet(tmp_path, WANT, "digest") == ""


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([0, 1, 2], "expected 4 records, got 3"),
        ([0, 1, 2, 2], "number 2 stands there twice"),
        ([0, 1, 2, 4], "not asked for: number 4"),
    ],
)
def test_lost_repeated_or_foreign_records_are_trouble(tmp_path: Path, numbers: list[int], words: str) -> None:
    write_rows(tmp_path, numbers)
    assert words in outputs.check_parquet(tmp_path, WANT, "digest")


def test_a_wrong_digest_or_body_is_trouble(tmp_path: Path) -> None:
    write_rows(tmp_path / "digest", [0, 1, 2, 3], digest="0" * 64)
    assert "digest of number 0 is wrong" in outputs.check_parquet(tmp_path / "digest", WANT, "digest")
    write_rows(tmp_path / "body", [0, 1, 2, 3], body=b"x" * 64)
    assert "body of number 0" in outputs.check_parquet(tmp_path / "body", WANT, None)
    assert outputs.check_parquet(tmp_path / "nothing", WANT, None) == "expected 4 records, got 0"


def test_files_are_counted_and_their_bytes_added_up(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / str(number)).write_bytes(body_of(number, 64))
    assert outputs.check_files(tmp_path, WANT) == ""
    (tmp_path / "3").write_bytes(body_of(3, 64)[:-1])
    assert "the file 3 is not" in outputs.check_files(tmp_path, WANT)
    (tmp_path / "3").unlink()
    assert outputs.check_files(tmp_path, WANT) == "expected 4 records, got 3"


def test_counts_of_a_bare_loop_are_checked() -> None:
    assert outputs.check_counts("noise\n" + json.dumps({"records": 4, "body_bytes": 256}) + "\n", WANT) == ""
    assert "expected 256 bytes" in outputs.check_counts(json.dumps({"records": 4, "body_bytes": 255}), WANT)
    assert "JSON with its counts" in outputs.check_counts("", WANT)
