"""Fits a run to the open files that the system allows: raises the soft limit, then lowers the concurrency if it must.

A run that opens more sockets than it may fails items that are not to blame; one with fewer at once only takes longer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from penstock.engine.options import EngineOptions
from penstock.errors import ConfigError

_OWN = 40  # ledger, lock, input, shards, pipes of the loop and of worker processes


def connections_kept(concurrency: int) -> int:
    """How many connections, busy and idle, libcurl may keep open for this many attempts at once."""
    return max(256, 2 * concurrency)


@dataclass(frozen=True, slots=True)
class DescriptorFit:
    """Options to run with, connections to keep open at most, and a note for the user ("" if nothing changed)."""

    options: EngineOptions
    connections_max: int
    note: str = ""


def fit_descriptors(options: EngineOptions) -> DescriptorFit:
    """Raise the limit, then fit. Raises ConfigError when not even one connection has room."""
    wanted = connections_kept(options.concurrency)
    allowed = _raise_limit(wanted + options.concurrency + _OWN)
    if allowed is None:
        return DescriptorFit(options, wanted)
    room = allowed - _OWN
    if room < 1:
        raise ConfigError(
            f"open files: expected a limit of at least {_OWN + 1}, got {allowed}", hint="raise it: ulimit -n 4096"
        )
    if room >= options.concurrency:
        return DescriptorFit(options, max(options.concurrency, min(wanted, room - options.concurrency)))
    fitted = replace(options, concurrency=room, concurrency_per_host=min(options.concurrency_per_host, room))
    note = (
        f"concurrency lowered from {options.concurrency} to {room}: only {allowed} open files are allowed (ulimit -n)"
    )
    return DescriptorFit(fitted, room, note)


def _raise_limit(wanted: int) -> int | None:
    """Raise the soft limit as far as it is wanted and may be; returns it. None where there is no such limit."""
    try:
        import resource
    except ImportError:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return None
    if soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
        except (OSError, ValueError):
            pass  # macOS has a second limit of its own: what there is has to do
    return soft
