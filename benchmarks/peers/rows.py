"""The rows of the table: how each peer is started for one job, what it writes, and how its output is checked.

Everybody gets the same: a list of distinct URLs, 64 at a time, HTTP/1.1 with keep-alive, certificates checked where the
peer does that by default. A new peer is one `Row` in `all_rows`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import outputs
from benchmarks.peers.environment import missing_program
from benchmarks.peers.measured import Usage
from benchmarks.peers.nginx import Origin

CONCURRENCY = 64
SCRIPTS = Path(__file__).parent / "scripts"
WRK_SECONDS = {"whole": 4, "start": 1}


@dataclass(frozen=True)
class Job:
    """One run: `records` bodies of kind `body` into `folder`, which holds `urls.txt`; `is_start` is the short run."""

    origin: Origin
    body: str
    is_tls: bool
    records: int
    folder: Path
    is_start: bool

    @property
    def urls(self) -> list[str]:
        return [self.origin.url(self.body, number, is_tls=self.is_tls) for number in range(self.records)]

    @property
    def list_file(self) -> Path:
        return self.folder / "urls.txt"

    @property
    def out(self) -> Path:
        return self.folder / "out"


Check = Callable[[Job, Usage, outputs.Expected], tuple[int, str]]


@dataclass(frozen=True)
class Row:
    """One peer. `command` may write files into the job's folder; it is not timed. `check` returns the number of records
    and the trouble. `records_most` caps n for slow peers; `unavailable` says why the row cannot run at all,
    `unavailable_over_tls` why not there.
    """

    name: str
    title: str
    writes: str
    command: Callable[[Job], list[str]]
    check: Check
    records_most: int | None = None
    unavailable: str = ""
    unavailable_over_tls: str = ""


def all_rows(python: Path, penstock: list[str], penstock_trouble: str, python_trouble: str = "") -> list[Row]:
    """Every row in the table's order. `python` is that of the peers' environment, `penstock` the words starting it.

    The troubles say why either is not there; empty when it is.
    """
    return [
        Row(
            "penstock",
            "**Penstock**",
            "Parquet, 17 columns, SHA-256, ledger",
            lambda job: _penstock(penstock, job),
            _parquet("content_digest"),
            unavailable=penstock_trouble,
        ),
        *(dataclasses.replace(row, unavailable=python_trouble) for row in _script_rows(python)),
        *_program_rows(),
    ]


def _script_rows(python: Path) -> list[Row]:
    def script(name: str, *flags: str) -> Callable[[Job], list[str]]:
        def command(job: Job) -> list[str]:
            trust = ["--cacert", str(job.origin.ca_file)] if job.is_tls else []
            output = str(job.out) if name == "fetch_daft.py" else str(job.out / "rows.parquet")
            return [str(python), str(SCRIPTS / name), str(job.list_file), output, *trust, *flags]

        return command

    rows = "Parquet, 5 columns, SHA-256"
    own = _parquet("digest")
    return [
        Row("aiohttp", "aiohttp + uvloop, semaphore", rows, script("fetch_aiohttp.py", "--shape", "semaphore"), own),
        Row("aiohttp-workers", "aiohttp + uvloop, 64 workers", rows, script("fetch_aiohttp.py"), own),
        Row("httpx", "httpx + uvloop, 64 workers", rows, script("fetch_httpx.py"), own, records_most=10_000),
        Row("requests", "requests, 64 threads", rows, script("fetch_requests.py"), own, records_most=10_000),
        Row("scrapy", "Scrapy (uvloop)", rows, script("fetch_scrapy.py"), own, records_most=10_000),
        Row(
            "daft",
            "Daft `download`",
            "Parquet, 2 columns",
            script("fetch_daft.py"),
            _parquet(None),
            unavailable_over_tls="not possible: its trusted roots are compiled in, a local CA cannot be added",
        ),
        Row("bare-parquet", "SHA-256 and Parquet alone, no HTTP", rows, _bare_parquet(python), own),
        Row("bare-multi", "bare pycurl multi loop", "nothing", script("bare_pycurl.py"), _check_counts),
        Row(
            "bare-nested",
            "bare pycurl, epoll nested in uvloop",
            "nothing",
            script("bare_nested_epoll.py"),
            _check_counts,
        ),
    ]


def _bare_parquet(python: Path) -> Callable[[Job], list[str]]:
    script = str(SCRIPTS / "bare_parquet.py")
    return lambda job: [
        str(python),
        script,
        str(job.list_file),
        str(job.out / "rows.parquet"),
        str(job.origin.bodies / job.body),
    ]


def _program_rows() -> list[Row]:
    def program(name: str, title: str, writes: str, command: Callable[[Job], list[str]], check: Check) -> Row:
        return Row(name, title, writes, command, check, unavailable=missing_program(name))

    return [
        program("curl", "`curl -Z`", "a file each", _curl, _check_files),
        program("aria2c", "aria2c", "a file each", _aria2c, _check_files),
        program("wget2", "wget2", "a file each", _wget2, _check_files),
        program("wrk", "wrk (the limit)", "nothing, one URL", _wrk, _check_wrk),
    ]


def _penstock(words: list[str], job: Job) -> list[str]:
    limits = ["-j", str(CONCURRENCY), "--max-per-host", str(CONCURRENCY), "--allow-private", "127.0.0.0/8"]
    trust = ["--cacert", str(job.origin.ca_file)] if job.is_tls else []
    return [*words, "fetch", str(job.list_file), "-o", str(job.out), *limits, *trust, "--progress", "none"]


def _curl(job: Job) -> list[str]:
    config = job.folder / "curl.config"
    config.write_text("".join(f'url = "{url}"\noutput = "{job.out}/{number}"\n' for number, url in enumerate(job.urls)))
    trust = ["--cacert", str(job.origin.ca_file)] if job.is_tls else []
    return ["curl", "-q", "-Z", "--parallel-max", str(CONCURRENCY), "-sS", "--fail", *trust, "-K", str(config)]


def _aria2c(job: Job) -> list[str]:
    listing = job.folder / "aria2.txt"
    listing.write_text("".join(f"{url}\n out={number}\n" for number, url in enumerate(job.urls)))
    quiet = ["-q", "--console-log-level=error", "--summary-interval=0", "--download-result=hide", "--no-conf"]
    lean = ["--file-allocation=none", "--auto-save-interval=0", "--deferred-input=true", "--async-dns=false"]
    trust = [f"--ca-certificate={job.origin.ca_file}"] if job.is_tls else []
    shape = [f"-j{CONCURRENCY}", "-x1", "-s1", "-d", str(job.out)]
    return ["aria2c", *quiet, *lean, *trust, *shape, "-i", str(listing)]


def _wget2(job: Job) -> list[str]:
    lean = ["--no-config", "--no-hsts", "--no-robots", "--no-ocsp", "--no-xattr", "-q"]
    trust = [f"--ca-certificate={job.origin.ca_file}"] if job.is_tls else []
    shape = [f"--max-threads={CONCURRENCY}", "--no-directories", "-P", str(job.out)]
    return ["wget2", *lean, *trust, *shape, "-i", str(job.list_file)]


def _wrk(job: Job) -> list[str]:
    seconds = WRK_SECONDS["start" if job.is_start else "whole"]
    return ["wrk", "-t1", f"-c{CONCURRENCY}", f"-d{seconds}s", job.origin.url(job.body, 0, is_tls=job.is_tls)]


def _parquet(digest_column: str | None) -> Check:
    def check(job: Job, usage: Usage, want: outputs.Expected) -> tuple[int, str]:
        return want.records, outputs.check_parquet(job.out, want, digest_column)

    return check


def _check_files(job: Job, usage: Usage, want: outputs.Expected) -> tuple[int, str]:
    return want.records, outputs.check_files(job.out, want)


def _check_counts(job: Job, usage: Usage, want: outputs.Expected) -> tuple[int, str]:
    return want.records, outputs.check_counts(usage.stdout, want)


def _check_wrk(job: Job, usage: Usage, want: outputs.Expected) -> tuple[int, str]:
    try:
        summary = outputs.parse_wrk(usage.stdout)
    except ValueError as error:
        return 0, str(error)
    return summary.requests, f"{summary.errors} requests failed" if summary.errors else ""
