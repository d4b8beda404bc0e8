"""What is to be compared, from what a user named: workloads, each with its alternatives, ready to be opened in turn.

It measures nothing, but imports the user's modules and reads their lists, so that mistakes are told before the first
minute of measuring. The rule: a word that has no effect is refused, never ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from penstock.errors import ConfigError
from penstock.perf.workload.alternatives import code_alternatives, fetch_alternatives
from penstock.perf.workload.model import Alternative, Workload

DEFAULT_PRESET = "io-20ms"


@dataclass(frozen=True)
class Wanted:
    """`functions` of one item, as references or as objects; without any, URLs are fetched. Items come from `presets`,
    `urls` (a file, or URLs) or `items` (a number, a file or texts). `process`: what makes an output of a response.
    `strategies`, `clients`: empty for the usual ones. `limits`: fields of `Workload` to set.
    """

    functions: tuple[str | Callable[..., object], ...] = ()
    presets: tuple[str, ...] = ()
    urls: str | Sequence[str] | None = None
    items: int | str | Sequence[str] | None = None
    process: str | None = None
    strategies: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """One workload to compare: `open()` gives it, and ends what it needs (an origin) at the end of the block."""

    name: str
    alternatives: tuple[Alternative, ...]
    open: Callable[[], AbstractContextManager[Workload]]


def limits_of(**given: float | None) -> dict[str, Any]:
    """The `limits` of a `Wanted`: those that were given."""
    return {name: value for name, value in given.items() if value is not None}


def targets(wanted: Wanted) -> tuple[Target, ...]:
    """In the order they were named, presets first; the default preset when nothing was. Raises ConfigError."""
    _check_words(wanted)
    if wanted.functions:
        alternatives = code_alternatives(wanted.functions, wanted.strategies or None)
    else:
        alternatives = fetch_alternatives(wanted.strategies, wanted.clients)
    if len(alternatives) < 2:
        raise ConfigError(
            f"expected at least two alternatives to compare, got {alternatives[0].name}",
            hint="name another strategy, client or function; the same strategy twice compares it with itself",
        )
    found = [*_presets(wanted, alternatives), *_given(wanted, alternatives)]
    if not found:
        found = _presets(replace(wanted, presets=(DEFAULT_PRESET,)), alternatives)
    return tuple(found)


def _check_words(wanted: Wanted) -> None:
    problems = []
    if wanted.functions:
        if wanted.clients:
            problems.append("client: expected none with functions to compare, which bring their own")
        if wanted.process is not None:
            problems.append("process: expected none with functions to compare, which do all there is to an item")
    elif wanted.items is not None:
        problems.append("items: expected functions to give them to, got none")
    if wanted.items is not None and (wanted.urls is not None or wanted.presets):
        problems.append("items: expected one kind of items, got a preset or URLs as well")
    if problems:
        raise ConfigError("\n".join(problems), hint="see `penstock compare --help`")


def _presets(wanted: Wanted, alternatives: tuple[Alternative, ...]) -> list[Target]:
    from penstock.perf.workload.presets import find_presets
    from penstock.perf.workload.targets import code_workload

    if not wanted.presets:
        return []

    code_workload(1, **wanted.limits)  # for its messages: limits out of range
    names = dict.fromkeys(preset.name for word in wanted.presets for preset in find_presets(word))
    if wanted.process is not None:
        _load_process(wanted.process)
    return [Target(name, alternatives, _preset_opener(name, wanted)) for name in names]


def _preset_opener(name: str, wanted: Wanted) -> Callable[[], AbstractContextManager[Workload]]:
    @contextmanager
    def opened() -> Iterator[Workload]:
        from penstock.perf.workload.presets import preset_workload

        with preset_workload(name) as workload:
            is_theirs = wanted.process is not None or wanted.functions
            process = wanted.process if is_theirs else workload.process
            yield replace(workload, process=process, **wanted.limits)

    return opened


def _given(wanted: Wanted, alternatives: tuple[Alternative, ...]) -> list[Target]:
    """The user's own URLs or items."""
    from penstock.perf.workload.targets import code_workload, url_workload

    if wanted.urls is not None:
        workload = url_workload(wanted.urls, process=wanted.process, **wanted.limits)
    elif wanted.functions and not wanted.presets:
        workload = code_workload(wanted.items, **wanted.limits)
    else:
        return []
    return [Target(workload.name, alternatives, lambda: nullcontext(workload))]


def _load_process(reference: str) -> None:
    """For its messages."""
    from penstock.perf.workload.work import output_function

    output_function(Workload("", "", (), process=reference))
