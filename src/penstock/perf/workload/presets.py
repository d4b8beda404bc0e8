"""The workloads that come with Penstock: each starts the embedded origin, names its URLs, and stops it at the end.

Everything is on this machine and repeatable: the origin's answers depend on the URL alone. The rule: a preset asks of
all alternatives exactly the same work; the amount of CPU work is measured once, here, and is written in the URLs.
"""

from __future__ import annotations

import difflib
import importlib.util
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from penstock.errors import ConfigError
from penstock.perf.workload.model import Workload
from penstock.perf.workload.work import PARSE, REPETITIONS

_CALIBRATION_PAGES = 9
_PROCESSES = 4


@dataclass(frozen=True)
class Preset:
    """A workload that needs no server. `target`: path and query on the origin, `{k}` is the item's number.

    `cpu_s` of CPU time are spent on each answer; 0: none, the output is the default record. The other fields as in
    `Workload`; `processes` 0: as many as this process may use cores.
    """

    name: str
    about: str
    target: str
    items: int
    concurrency: int
    run_s: float = 0.4
    cpu_s: float = 0.0
    processes: int = _PROCESSES
    is_tls: bool = False


_ALL = (
    Preset(
        "io-20ms",
        "1 KiB answers after 20 ms: almost all of an item is waiting",
        "/page/{k}?bytes=1K&latency=0.02",
        items=128,
        concurrency=32,
    ),
    Preset(
        "io-200ms",
        "1 KiB answers after 200 ms: only the number in flight counts",
        "/page/{k}?bytes=1K&latency=0.2",
        items=64,
        concurrency=64,
        run_s=0.6,
    ),
    Preset(
        "cpu-5ms",
        "2 KiB pages at once, 5 ms of parsing in Python each: the cores are the limit",
        "/page/{k}?bytes=2K",
        items=64,
        concurrency=8,
        cpu_s=0.005,
        processes=0,
    ),
    Preset(
        "mixed",
        "2 KiB pages after 20 ms, 2 ms of parsing in Python each: first waiting, then one core, is the limit",
        "/page/{k}?bytes=2K&latency=0.02",
        items=128,
        concurrency=32,
        cpu_s=0.002,
    ),
    Preset(
        "small",
        "1 KiB answers at once: what a request costs the client",
        "/small/{k}",
        items=256,
        concurrency=32,
    ),
    Preset(
        "large",
        "4 MiB answers at once: copying; the origin, not the client, may be the limit",
        "/large/{k}?bytes=4M",
        items=64,
        concurrency=8,
    ),
    Preset(
        "tls",
        "HTTPS with a new connection for each 1 KiB answer: handshakes, which cost the origin as much as the client",
        "/page/{k}?bytes=1K&connection=close",
        items=64,
        concurrency=16,
        is_tls=True,
    ),
)
PRESETS: Mapping[str, Preset] = MappingProxyType({preset.name: preset for preset in _ALL})
"""By name, in the order of `all`."""


def find_presets(name: str) -> tuple[Preset, ...]:
    """The preset of that name, or each of them for `all`. Raises ConfigError for another name."""
    if name == "all":
        return _ALL
    preset = PRESETS.get(name)
    if preset is None:
        near = difflib.get_close_matches(name, PRESETS, n=1)
        raise ConfigError(
            f"preset: expected all, {', '.join(PRESETS)}, got {name!r}",
            hint=f"did you mean {near[0]}?" if near else "--preset all compares on each of them",
        )
    return (preset,)


@contextmanager
def preset_workload(name: str) -> Iterator[Workload]:
    """Start the origin (about 0.3 s; 0.3 s more for CPU work to be measured), give the workload, stop the origin.

    Raises ConfigError for a name that is not one preset's, and for `tls` without the trustme library.
    """
    from penstock.perf.origin.process import OriginProcess

    if name == "all":
        raise ConfigError("preset: expected one preset, got 'all'", hint="go through find_presets('all')")
    (preset,) = find_presets(name)
    if preset.is_tls:
        _require_trustme(name)
    target, about = preset.target, preset.about
    if preset.cpu_s:
        repetitions = _calibrate(preset)
        target += f"&{REPETITIONS}={repetitions}"
        about += f" ({repetitions} repetitions here)"
    with OriginProcess(is_tls=preset.is_tls, is_logging=False) as origin:
        yield Workload(
            name=preset.name,
            about=about,
            items=tuple(origin.url + target.format(k=k) for k in range(preset.items)),
            concurrency=preset.concurrency,
            processes=preset.processes or cores(),
            process=PARSE if preset.cpu_s else None,
            run_s=preset.run_s,
            ca_file=str(origin.ca_path) if preset.is_tls else None,
        )


def cores() -> int:
    """Cores that this process may use, from 2 to 8: workers of the pool for CPU work."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2
    return min(8, max(2, count))


def _calibrate(preset: Preset) -> int:
    from penstock.perf.origin.content import Content
    from penstock.perf.workload.burn import calibrate

    content = Content()
    pages = [content.page(number, 2048).decode() for number in range(_CALIBRATION_PAGES)]
    return calibrate(preset.cpu_s, pages)


def _require_trustme(name: str) -> None:
    if importlib.util.find_spec("trustme") is None:
        raise ConfigError(
            f"preset {name}: expected the trustme library, which makes the origin's certificate, got none installed",
            hint="pip install 'penstock[perf]'",
        )
