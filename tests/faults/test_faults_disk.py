"""A full disk, a deleted ledger, a corrupt shard, a second run on one output: the command as a user runs it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults_kit import SETTINGS, fetch_command, run
from oracle import assert_exactly_once, dead_letters, written_rows

from penstock.perf.origin.process import OriginProcess

pytestmark = pytest.mark.slow
PENSTOCK = fetch_command(Path())[:3]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 4 MiB. Without the right to mount one, skipped; failed where servers are required."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], check=False, capture_output=True, text=True
    )
    if mounted.returncode != 0:
        if os.environ.get("PENSTOCK_REQUIRE_SERVERS") == "1":
            pytest.fail(f"cannot mount a tmpfs: {mounted.stderr}")
        pytest.skip(f"cannot mount a tmpfs: {mounted.stderr}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_stops_the_run_which_goes_on_when_there_is_room(
    small_disk: Path, tmp_path: Path, origin: OriginProcess
) -> None:
    origin.reset()
    urls = [f"{origin.url}/bytes/{40_000 + n}" for n in range(400)]  # 16 MB that do not compress
    (tmp_path / "urls.txt").write_text("\n".join(urls) + "\n")
    command = [*PENSTOCK, "fetch", str(tmp_path / "urls.txt"), "-o", str(small_disk / "out"), *SETTINGS]
    full = run(command)
    assert full.returncode == 75, full.stderr
    assert "No space left" in full.stderr
    assert "hint:" in full.stderr
    durable = written_rows(small_disk / "out")
    assert 0 < len(durable) < 400
    assert list((small_disk / "out" / "_penstock" / "tmp").iterdir()) == []
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert run(command).returncode == 0
    ids = sorted(row["item_id"] for row in written_rows(small_disk / "out"))
    assert ids == list(range(400))


def test_a_deleted_ledger_is_rebuilt_from_the_shards(tmp_path: Path, urls: list[str], origin: OriginProcess) -> None:
    assert run(fetch_command(tmp_path)).returncode == 1
    for file in (tmp_path / "out" / "_penstock").glob("ledger.sqlite*"):
        file.unlink()
    requests = len(origin.requests())
    again = run(fetch_command(tmp_path))
    assert again.returncode == 1, again.stderr
    assert len(origin.requests()) == requests, "nothing was to be fetched again"
    assert_exactly_once(tmp_path / "out", urls, origin)


def test_a_corrupt_shard_is_set_aside_and_its_items_are_fetched_again(
    tmp_path: Path, urls: list[str], origin: OriginProcess
) -> None:
    assert run(fetch_command(tmp_path)).returncode == 1
    out = tmp_path / "out"
    shard = out / "00001.parquet"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard.write_bytes(content)
    found = run([*PENSTOCK, "verify", str(out)])
    assert (found.returncode, "00001.parquet" in found.stdout) == (1, True)
    repaired = run([*PENSTOCK, "verify", str(out), "--repair"])
    assert repaired.returncode == 0, repaired.stdout
    assert [file.name for file in (out / "_penstock" / "quarantine").iterdir()] != []
    assert run(fetch_command(tmp_path)).returncode == 1
    assert_exactly_once(out, urls, origin)


def test_a_second_run_on_the_same_output_is_refused_and_harms_nothing(
    tmp_path: Path, urls: list[str], origin: OriginProcess
) -> None:
    slow = [f"{url}&latency=0.3" for url in urls]
    (tmp_path / "urls.txt").write_text("\n".join(slow) + "\n")
    first = subprocess.Popen(fetch_command(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        while not origin.stats()["requests"]:
            assert first.poll() is None
        second = run(fetch_command(tmp_path))
        assert second.returncode == 2
        assert f"process {first.pid}" in second.stderr
        _, errors = first.communicate(timeout=60)
    finally:
        first.kill()
        first.wait()
    assert first.returncode == 1, errors
    assert_exactly_once(tmp_path / "out", slow, origin)


def test_retry_moves_what_works_now_and_keeps_the_rest(tmp_path: Path, origin: OriginProcess) -> None:
    origin.reset()
    urls = [f"{origin.url}/bytes/1024?id={n}" for n in range(30)]
    urls[5] += "&fail=2:404"
    urls[9] += "&fail=always:404"
    urls[12] += "&fail=2:500"
    (tmp_path / "urls.txt").write_text("\n".join(urls) + "\n")
    assert run(fetch_command(tmp_path, "--retries", "0")).returncode == 1
    out = tmp_path / "out"
    assert sorted(letter["penstock"]["item_id"] for letter in dead_letters(out)) == [5, 9, 12]
    for _ in range(2):
        code = run([*PENSTOCK, "retry", str(out), "--allow-private", "all", "--retries", "0", "-q"]).returncode
        assert code == 1
    assert [letter["penstock"]["item_id"] for letter in dead_letters(out)] == [9]
    assert_exactly_once(out, urls, origin)
