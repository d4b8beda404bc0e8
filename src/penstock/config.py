"""Settings as a user writes them (flag, environment, file, keyword) into the options each part of a run takes.

The one place where input is validated: it collects every mistake and raises them as one ConfigError. Opens no file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar, get_args

from penstock.engine.job import Job
from penstock.engine.options import EngineOptions
from penstock.engine.storeoptions import ShardOptions
from penstock.errors import ConfigError
from penstock.fetch.options import DEFAULT_USER_AGENT, FetchOptions
from penstock.policy.addresses import AddressPolicy
from penstock.policy.rate import parse_rate
from penstock.policy.retry import RETRY_STATUSES, RetryPolicy
from penstock.process.options import Mode, ProcessOptions
from penstock.sources.options import INPUT_FORMATS, InputFormat, SourceOptions

T = TypeVar("T")
OutputFormat = Literal["parquet", "jsonl", "jsonl.zst"]
_AUTO_CONCURRENCY = 64
_AUTO_PER_HOST = 16
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.ASCII | re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)?", re.ASCII | re.IGNORECASE)
_SIZE_UNIT = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_DURATION_UNIT_S = {None: 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


class Settings(TypedDict, total=False):
    """The names of the command line's long flags, dashes as underscores. Sizes take 64M, durations 10 or 10s or 2m."""

    url_column: str
    method_column: str
    headers_column: str
    body_column: str
    input_format: InputFormat | None
    format: OutputFormat
    concurrency: int | str
    max_per_host: int | str
    rate: str | None
    rate_per_host: str | None
    timeout: float | str
    connect_timeout: float | str
    read_timeout: float | str
    first_byte_timeout: float | str
    speed_limit: int | str
    speed_time: float | str
    retries: int
    retry_on_http_error: str | Sequence[int]
    max_filesize: int | str
    header: Sequence[str]
    user_agent: str
    proxy: str | None
    netrc: str | None
    cookie: str | None
    insecure: bool
    cacert: str | None
    max_redirs: int
    http: Literal["auto", "1.1", "2"]
    allow_private: Sequence[str]
    resolve: Sequence[str]
    process: str | Callable[..., Any] | None
    process_mode: Mode
    process_workers: int | None
    process_timeout: float | str | None
    durability: Literal["power", "process"]
    body: bool
    shard_rows: int
    shard_bytes: int | str
    shard_seconds: float | str
    memory: int | str
    window: int | None
    drain_timeout: float | str
    telemetry: bool
    probe: Literal["auto", "early", "off"]
    seed: int | None
    resume: bool
    overwrite: bool


def build_job(inputs: Sequence[str], out: str | Path, settings: Settings) -> Job:
    """The job that `settings` describe; what is not set takes the documented default.

    Raises one ConfigError that lists every setting that cannot be used: its name, what was expected, what came.
    """
    read = _Reader(settings)
    concurrency = read.count_or_auto("concurrency", _AUTO_CONCURRENCY)
    # Whoever names a concurrency means it, also for a single host; the automatic one is polite to each.
    per_host = read.count_or_auto("max_per_host", _AUTO_PER_HOST if _is_auto(settings, "concurrency") else concurrency)
    shard_rows = read.at_least("shard_rows", 8192, 1)
    memory = read.size("memory", 256 << 20)
    window = read.at_least("window", None, 1) or max(4 * concurrency, 2 * shard_rows)
    engine = read.build(
        EngineOptions,
        concurrency=concurrency,
        concurrency_per_host=per_host,
        rate=read.parsed("rate", parse_rate),
        rate_per_host=read.parsed("rate_per_host", parse_rate),
        retry=_retry(read),
        items_max=window,
        bytes_max=memory,
        batch_items=min(2048, shard_rows),
        batch_bytes=max(1, min(4 << 20, memory // 4)),
        shard_seconds_max=read.duration_s("shard_seconds", 30.0),
        drain_s=read.duration_s("drain_timeout", 25.0),
        seed=settings.get("seed"),
        telemetry=bool(settings.get("telemetry", True)),
        probe=read.one_of("probe", "auto", ("auto", "early", "off")),
    )
    job = read.build(
        Job,
        inputs=tuple(inputs),
        out=Path(out),
        source=_source(read),
        fetch=_fetch(read, memory),
        engine=engine,
        process=_process(read),
        shards=read.build(
            ShardOptions,
            rows_max=shard_rows,
            bytes_max=read.size("shard_bytes", 256 << 20),
            durability=read.one_of("durability", "power", ("power", "process")),
            format=read.one_of("format", "parquet", get_args(OutputFormat)),
            include_body=bool(settings.get("body", True)),
        ),
        addresses=read.parsed("allow_private", AddressPolicy.parse) or AddressPolicy(),
        on_existing=_on_existing(read),
    )
    read.finish()
    assert job is not None
    return job


def _source(read: _Reader) -> SourceOptions:
    settings = read.settings
    return SourceOptions(
        url_column=settings.get("url_column", "url"),
        method_column=settings.get("method_column", "method"),
        headers_column=settings.get("headers_column", "headers"),
        body_column=settings.get("body_column", "body"),
        input_format=read.one_of("input_format", None, INPUT_FORMATS),
    )


def _fetch(read: _Reader, memory: int) -> FetchOptions:
    settings = read.settings
    idle_s = read.duration_s("read_timeout", 20.0)
    body_bytes_max = read.size("max_filesize", 64 << 20)
    if body_bytes_max > memory:
        read.problem("max_filesize", f"at most --memory ({memory:,} bytes)", f"{body_bytes_max:,} bytes")
    return FetchOptions(
        connect_timeout_s=read.duration_s("connect_timeout", 10.0),
        first_byte_timeout_s=read.duration_s("first_byte_timeout", 30.0),
        idle_timeout_s=idle_s,
        total_timeout_s=read.duration_s("timeout", 120.0),
        speed_limit_bytes_per_s=read.size("speed_limit", 1024, smallest=0),
        speed_time_s=max(1, round(read.duration_s("speed_time", 30.0))),
        body_bytes_max=body_bytes_max,
        redirects_max=read.at_least("max_redirs", 10, 0) or 0,
        headers=read.headers("header"),
        user_agent=settings.get("user_agent", DEFAULT_USER_AGENT),
        proxy=settings.get("proxy"),
        netrc=settings.get("netrc"),
        cookies=settings.get("cookie"),
        insecure=settings.get("insecure", False),
        ca_file=read.existing_file("cacert"),
        resolve=read.resolve_entries("resolve"),
        http_version=read.one_of("http", "auto", ("auto", "1.1", "2")) or "auto",
    )


def _retry(read: _Reader) -> RetryPolicy | None:
    retries = read.at_least("retries", 3, 0)
    return read.build(
        RetryPolicy,
        attempts_max=1 + (retries or 0),
        retry_statuses=RETRY_STATUSES | frozenset(read.statuses("retry_on_http_error")),
    )


def _process(read: _Reader) -> ProcessOptions:
    settings = read.settings
    has_timeout = settings.get("process_timeout") is not None
    return ProcessOptions(
        function=settings.get("process"),
        mode=read.one_of("process_mode", "auto", get_args(Mode)) or "auto",
        workers=read.at_least("process_workers", None, 1),
        timeout_s=read.duration_s("process_timeout", 1.0) if has_timeout else None,
    )


def _on_existing(read: _Reader) -> Literal["auto", "resume", "overwrite"]:
    wants_resume, wants_overwrite = read.settings.get("resume"), read.settings.get("overwrite")
    if wants_resume and wants_overwrite:
        read.problem("resume, --overwrite", "at most one of them", "both")
    return "overwrite" if wants_overwrite else "resume" if wants_resume else "auto"


def _is_auto(settings: Settings, name: str) -> bool:
    return str(settings.get(name, "auto")).lower() == "auto"


class _Reader:
    """Reads settings by name and keeps a list of what is wrong with them. A bad one reads as its default."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._problems: list[str] = []
        known = set(Settings.__annotations__)
        for name in sorted(set(settings) - known):
            self._problems.append(f"{name}: no such setting; the settings are the long flags of `penstock fetch`")

    def problem(self, name: str, expected: str, got: object) -> None:
        self._problems.append(f"--{name.replace('_', '-')}: expected {expected}, got {got}")

    def finish(self) -> None:
        if self._problems:
            raise ConfigError("\n".join(self._problems), hint="see `penstock fetch --help`")

    def get(self, name: str) -> Any:
        return self.settings.get(name)

    def parsed(self, name: str, parse: Callable[[Any], T]) -> T | None:
        value = self.get(name)
        if not value:
            return None
        try:
            return parse(value)
        except ConfigError as error:
            text = str(error)
            self._problems.append(text if text.startswith("--") else f"--{name.replace('_', '-')}: {text}")
            return None

    def build(self, kind: Callable[..., T], **values: Any) -> T | None:
        if any(value is None and name in ("retry", "engine", "shards") for name, value in values.items()):
            return None  # its own problem is on the list already
        try:
            return kind(**values)
        except ConfigError as error:
            self._problems.append(str(error))
            return None

    def one_of(self, name: str, default: Any, allowed: Sequence[str]) -> Any:
        value = self.get(name)
        if value is None:
            return default
        if value not in allowed:
            self.problem(name, f"one of {', '.join(allowed)}", repr(value))
            return default
        return value

    def at_least(self, name: str, default: int | None, smallest: int) -> Any:
        value = self.get(name)
        if value is None:
            return default
        try:
            number = int(value)
            if number < smallest:
                raise ValueError
        except (TypeError, ValueError):
            self.problem(name, f"a whole number of at least {smallest}", repr(value))
            return default
        return number

    def count_or_auto(self, name: str, default: int) -> int:
        if _is_auto(self.settings, name):
            return default
        value = self.get(name)
        try:
            number = int(value)
            if not 1 <= number <= 65_536:
                raise ValueError
        except (TypeError, ValueError):
            self.problem(name, "auto or a whole number from 1 to 65536", repr(value))
            return default
        return number

    def size(self, name: str, default: int, smallest: int = 1) -> int:
        value = self.get(name)
        if value is None:
            return default
        match = _SIZE.fullmatch(str(value).strip())
        size = int(float(match[1]) * _SIZE_UNIT[match[2].lower()]) if match else -1
        if size < smallest:
            self.problem(name, f"a size of at least {smallest} byte, like 65536, 512K or 64M", repr(value))
            return default
        return size

    def duration_s(self, name: str, default: float) -> float:
        value = self.get(name)
        if value is None:
            return default
        match = _DURATION.fullmatch(str(value).strip())
        seconds = float(match[1]) * _DURATION_UNIT_S[match[2] and match[2].lower()] if match else 0.0
        if not 0 < seconds <= 86_400:
            self.problem(name, "a time over 0 and up to a day, like 10, 2.5s, 300ms or 5m", repr(value))
            return default
        return seconds

    def headers(self, name: str) -> tuple[tuple[str, str], ...]:
        pairs = []
        for line in self.get(name) or ():
            field, colon, value = line.partition(":")
            if not colon or not re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", field) or re.search(r"[\r\n\0]", value):
                self.problem(name, "'Name: value' on one line", repr(field))  # not the value: it may be a secret
            else:
                pairs.append((field, value.strip()))
        return tuple(pairs)

    def statuses(self, name: str) -> list[int]:
        value = self.get(name)
        if not value:
            return []
        words = re.split(r"[,\s]+", value.strip()) if isinstance(value, str) else value
        try:
            return [int(word) for word in words]
        except (TypeError, ValueError):
            self.problem(name, "HTTP statuses with commas between, like 403,420", repr(value))
            return []

    def existing_file(self, name: str) -> str | None:
        value = self.get(name)
        if value is not None and not Path(value).is_file():
            self.problem(name, "a file that exists", repr(value))
        return value  # type: ignore[no-any-return]  # Settings says str

    def resolve_entries(self, name: str) -> tuple[str, ...]:
        entries = tuple(self.get(name) or ())
        for entry in entries:
            if not re.fullmatch(r"[^:\s]+:\d{1,5}:(\[[0-9a-fA-F:.]+\]|[0-9a-fA-F:.]+)(,\S+)*", entry):
                self.problem(name, "HOST:PORT:ADDRESS, like example.com:443:127.0.0.1", repr(entry))
        return entries
