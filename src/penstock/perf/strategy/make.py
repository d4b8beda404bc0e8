"""From an alternative's name of a strategy to the one that runs it. Imports only the one that is asked for."""

from __future__ import annotations

from typing import assert_never

from penstock.errors import ConfigError
from penstock.perf.strategy.model import StrategyRunner
from penstock.perf.workload.model import Alternative, Workload


def make_strategy(alternative: Alternative, workload: Workload) -> StrategyRunner:
    """The strategy, not started. Raises ConfigError for a workload without items."""
    if not workload.items:
        raise ConfigError(
            f"workload {workload.name}: expected at least one item, got none", hint="name URLs, or give --items"
        )
    match alternative.strategy:
        case "sync":
            from penstock.perf.strategy.sync import SyncStrategy

            return SyncStrategy(alternative, workload)
        case "threads":
            from penstock.perf.strategy.threads import ThreadsStrategy

            return ThreadsStrategy(alternative, workload)
        case "processes":
            from penstock.perf.strategy.processes import ProcessesStrategy

            return ProcessesStrategy(alternative, workload)
        case "asyncio" | "uvloop":
            from penstock.perf.strategy.aio import AsyncioStrategy

            return AsyncioStrategy(alternative, workload, is_uvloop=alternative.strategy == "uvloop")
        case "penstock":
            from penstock.perf.strategy.engine import EngineStrategy

            return EngineStrategy(alternative, workload)
        case unknown:
            assert_never(unknown)
