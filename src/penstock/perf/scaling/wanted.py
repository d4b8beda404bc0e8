"""What is to be tuned, from what a user named: one workload, ready to be opened, and the one way to do it.

It measures nothing, but imports the user's module and reads their list, so that mistakes are told before the first
request. The rule: a word that has no effect is refused, never ignored.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from penstock.errors import ConfigError
from penstock.perf.scaling.target import NAME, slots_workload
from penstock.perf.workload.alternatives import code_alternatives, fetch_alternatives
from penstock.perf.workload.model import Alternative, Workload

STRATEGIES = ("penstock", "asyncio", "uvloop", "threads")
"""Those that can have any number of places. `sync` has one, and a process pool as many as it has workers."""
_CLIENT_STRATEGY = {"curl": "penstock", "aiohttp": "asyncio", "httpx": "asyncio", "requests": "threads"}
_FUNCTION = re.compile(r".+\.py:[^\W\d][\w.]*|[^\W\d][\w.]*:[^\W\d][\w.]*")


@dataclass(frozen=True)
class Wanted:
    """`target`: a file of URLs, a URL, or a function of one item as `module:function` or `file.py:function`; `urls` a
    file of URLs too, which may be a function's items. None of them: `preset`, by default an origin with 16 slots.

    `strategy` None: penstock, or what the client or function needs. `limits`: fields of `Workload` to set.
    """

    target: str | None = None
    urls: str | None = None
    preset: str | None = None
    items: str | None = None
    process: str | None = None
    strategy: str | None = None
    client: str = "curl"
    limits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """`open()` gives the workload and ends what it needs (an origin) at the end of the block. `is_embedded`: its server
    is a local one of ours."""

    alternative: Alternative
    is_embedded: bool
    open: Callable[[], AbstractContextManager[Workload]]


def find_target(wanted: Wanted) -> Target:
    """Raises ConfigError for every word that cannot be carried out."""
    function = wanted.target if wanted.target is not None and _is_function(wanted.target) else None
    urls = [word for word in (wanted.target if function is None else None, wanted.urls) if word is not None]
    _check_words(wanted, function, urls)
    alternative = _of_function(function, wanted.strategy) if function is not None else _of_fetch(wanted)
    if urls:
        from penstock.perf.workload.targets import url_workload

        return _given(alternative, url_workload(urls, process=wanted.process, **wanted.limits))
    if function is not None and wanted.preset is None:
        from penstock.perf.workload.targets import code_workload

        return _given(alternative, code_workload(wanted.items, **wanted.limits))
    name = _preset(wanted.preset or NAME)
    if wanted.process is not None:
        _load_process(wanted.process)
    return Target(alternative, True, _opener(name, wanted, is_function=function is not None))


def _is_function(word: str) -> bool:
    return not os.path.exists(word) and _FUNCTION.fullmatch(word) is not None


def _check_words(wanted: Wanted, function: str | None, urls: list[str]) -> None:
    problems = []
    if wanted.strategy is not None and wanted.strategy not in STRATEGIES:
        problems.append(
            f"strategy: expected one of {', '.join(STRATEGIES)}, got {wanted.strategy!r}: only these have any number "
            "of places to tune"
        )
    if function is None and wanted.items is not None:
        problems.append("items: expected a function to give them to, got none")
    if function is not None and wanted.process is not None:
        problems.append("process: expected none with a function, which does all there is to an item")
    if function is not None and wanted.client != "curl":
        problems.append("client: expected none with a function, which brings its own")
    sources = ["URLs"] * bool(urls) + ["--preset"] * (wanted.preset is not None) + ["--items"] * bool(wanted.items)
    if len(sources) > 1 or len(urls) > 1:
        problems.append(f"expected one kind of items, got {' and '.join(sources) if len(sources) > 1 else 'two lists'}")
    if problems:
        raise ConfigError("\n".join(problems), hint="see `penstock tune --help`")


def _of_function(function: str, strategy: str | None) -> Alternative:
    found = code_alternatives([function], None if strategy is None else [strategy])
    by_strategy = {one.strategy: one for one in found}
    return next(by_strategy[known] for known in STRATEGIES if known in by_strategy)


def _of_fetch(wanted: Wanted) -> Alternative:
    if wanted.client not in _CLIENT_STRATEGY:
        raise ConfigError(f"client: expected one of {', '.join(_CLIENT_STRATEGY)}, got {wanted.client!r}")
    strategy = wanted.strategy or _CLIENT_STRATEGY[wanted.client]
    return fetch_alternatives([strategy], [wanted.client])[-1]


def _given(alternative: Alternative, workload: Workload) -> Target:
    return Target(alternative, False, lambda: nullcontext(workload))


def _preset(name: str) -> str:
    from penstock.perf.workload.presets import PRESETS

    known = [NAME, *PRESETS]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise ConfigError(
            f"preset: expected one of {', '.join(known)}, got {name!r}",
            hint=f"did you mean {near[0]}?" if near else "a file of URLs is named without --preset",
        )
    return name


def _opener(name: str, wanted: Wanted, *, is_function: bool) -> Callable[[], AbstractContextManager[Workload]]:
    @contextmanager
    def opened() -> Iterator[Workload]:
        from penstock.perf.workload.presets import preset_workload

        with slots_workload() if name == NAME else preset_workload(name) as workload:
            is_theirs = wanted.process is not None or is_function
            process = wanted.process if is_theirs else workload.process
            yield replace(workload, process=process, **wanted.limits)

    return opened


def _load_process(reference: str) -> None:
    """For its messages."""
    from penstock.perf.workload.work import output_function

    output_function(Workload("", "", (), process=reference))
