"""A worker: takes an item, makes one attempt, and sees it through to an outcome or back to the frontier.

One awaited chain per item, inside a task that lives as long as the run: no task, queue or lock per item. The rule:
whatever happens to an item, exactly one of `_written`, `_skipped`, `_failed` or the frontier receives it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from time import perf_counter
from typing import assert_never

from penstock.engine.dispatch import Dispatcher
from penstock.engine.state import RunState
from penstock.fetch.transport import Transport
from penstock.model import Failed, Failure, Item, Response, Skipped, Written
from penstock.policy.budget import RetryBudget
from penstock.policy.concurrency import Sample
from penstock.policy.retry import Defer, GiveUp, Retry, RetryPolicy, decide, is_throttled
from penstock.process.options import Result, Runner


class Attempts:
    """What the workers of one run share. `work` is the body of each worker's task."""

    def __init__(
        self,
        state: RunState,
        dispatcher: Dispatcher,
        transport: Transport,
        runner: Runner,
        *,
        retry: RetryPolicy,
        budget: RetryBudget,
        rng: random.Random,
        now_s: Callable[[], float],
        is_lagging: Callable[[], bool],
        is_adaptive: bool,
    ) -> None:
        """`is_adaptive`: the limiters learn from samples. Fixed ones do not, and a sample costs 2.5 µs per item."""
        self._state = state
        self._dispatcher = dispatcher
        self._transport = transport
        self._runner = runner
        self._retry = retry
        self._budget = budget
        self._rng = rng
        self._now_s = now_s
        self._sample = Sample(None)
        self._is_lagging = is_lagging
        self._is_adaptive = is_adaptive
        self._has_function = runner.decision.mode != "none"

    async def work(self) -> None:
        """Work until the dispatcher closes."""
        dispatcher, fetch = self._dispatcher, self._transport.fetch
        while (item := dispatcher.take() or await dispatcher.wait()) is not None:
            item.attempts += 1
            try:
                result = await fetch(item)
            except BaseException:
                dispatcher.release(item.host)
                raise
            if self._is_adaptive:
                self._observe(item, result)
            dispatcher.release(item.host)
            if isinstance(result, Response):
                self._arrived(item, result)
                inline = self._runner.inline
                try:
                    if inline is None:
                        made = await self._runner.run(result)
                    elif self._has_function:
                        started_s = perf_counter()
                        made = inline(result)
                        self._state.counters.process_s += perf_counter() - started_s
                    else:
                        made = inline(result)
                except BaseException:
                    self._state.credits.body_gone(len(result.body))
                    raise
                self._processed(item, result, made)
            else:
                self._attempt_failed(item, result)

    def _observe(self, item: Item, result: Response | Failure) -> None:
        sample = self._sample
        if isinstance(result, Response):
            # A late loop stamps answers late: such a time says nothing about the server.
            sample.ttfb_s = None if self._is_lagging() else result.ttfb_s
            sample.was_pushed_back, sample.failure_kind = False, None
        else:
            sample.ttfb_s, sample.failure_kind = None, result.kind
            sample.was_pushed_back = is_throttled(result)
        self._state.frontier.observe(item.host, sample, self._now_s())

    def _arrived(self, item: Item, response: Response) -> None:
        state = self._state
        body_bytes = len(response.body)
        state.credits.body_arrived(body_bytes)
        connecting_s = (response.dns_s, response.connect_s, response.tls_s) if response.connect_s else None
        state.counters.success(item.host, body_bytes, response.ttfb_s, response.total_s, connecting_s)
        self._budget.record_success(item.host)

    def _processed(self, item: Item, response: Response, result: Result) -> None:
        state = self._state
        body_bytes = len(response.body)
        if isinstance(result, Failure):
            state.credits.body_gone(body_bytes)
            self._failed(item, result)
            return
        state.unfinished -= 1
        state.counters.ended += 1
        if result is None:
            state.credits.body_gone(body_bytes)
            state.outcomes.put(Skipped(item))
        else:
            state.counters.records += len(result)
            state.outcomes.put(Written(item, response, result), body_bytes)
        if state.unfinished == state.deferred:
            state.settle()

    def _attempt_failed(self, item: Item, failure: Failure) -> None:
        state = self._state
        state.counters.attempt_failed(item.host, failure)
        throttled = is_throttled(failure)
        allowed = self._budget.allows(item.host, is_throttled=throttled)
        decision = decide(self._retry, failure, item, budget_allows=allowed, rng=self._rng)
        now_s = self._now_s()
        if decision.pause_host_s is not None:
            state.frontier.pause_host(item.host, now_s + decision.pause_host_s)
        match decision:
            case Retry():
                self._budget.spend(item.host, is_throttled=throttled)
                state.counters.retries += 1
                state.frontier.delay(item, now_s + decision.delay_s)
                self._dispatcher.wake()
            case Defer():
                state.counters.deferred += 1
                state.deferred += 1
                state.frontier.defer(item, decision.delay_s)
                state.settle()
            case GiveUp():
                self._failed(item, failure)
            case _:
                assert_never(decision)

    def _failed(self, item: Item, failure: Failure) -> None:
        state = self._state
        state.unfinished -= 1
        state.counters.item_failed(item.id, item.url, failure)
        state.outcomes.put(Failed(item, failure))
        state.settle()
