"""The driver's one timer: libcurl is called when the deadline it last asked for has come, not before, and not twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pycurl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.fetch.driver import CurlDriver
from penstock.testing import run_virtual


class FakeMulti:
    """Keeps the callbacks that are set, and notes when it is told that time has passed."""

    def __init__(self) -> None:
        self.callbacks: dict[int, Any] = {}
        self.calls_s: list[float] = []
        self.is_closed = False

    def setopt(self, option: int, value: Any) -> None:
        self.callbacks[option] = value

    def socket_action(self, descriptor: int, mask: int) -> None:
        assert (descriptor, mask) == (pycurl.SOCKET_TIMEOUT, 0)
        assert not self.is_closed
        self.calls_s.append(asyncio.get_running_loop().time())

    def info_read(self) -> tuple[int, list[Any], list[Any]]:
        return 0, [], []

    def close(self) -> None:
        self.is_closed = True


Ask = Callable[[int], None]


def calls_after(script: list[tuple[float, int]], *, closes_at_s: float | None = None) -> list[float]:
    """Let libcurl ask for `timeout_ms` after each pause of so many seconds; when it was then called, in seconds."""
    multi = FakeMulti()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pycurl, "CurlMulti", lambda: multi)
            driver = CurlDriver(loop, connections_max=1)
        if closes_at_s is not None:
            loop.call_at(closes_at_s, driver.close)
        for pause_s, timeout_ms in script:
            await asyncio.sleep(pause_s)
            multi.callbacks[pycurl.M_TIMERFUNCTION](timeout_ms)
        await asyncio.sleep(3600)
        driver.close()

    run_virtual(main(), timeout_s=10_000)
    return multi.calls_s


def test_called_once_at_the_deadline() -> None:
    assert calls_after([(0, 250)]) == pytest.approx([0.25])


def test_an_earlier_deadline_replaces_a_later_one() -> None:
    assert calls_after([(0, 10_000), (1, 500)]) == pytest.approx([1.5])


def test_a_later_deadline_replaces_an_earlier_one() -> None:
    """The loop timer is left where it is and re-arms itself; libcurl must not be called when it fires."""
    assert calls_after([(0, 500), (0.1, 10_000)]) == pytest.approx([10.1])


def test_no_deadline_is_no_call() -> None:
    assert calls_after([(0, 500), (0.1, -1)]) == []


def test_at_once_is_once() -> None:
    assert calls_after([(1, 0)]) == [1.0]


def test_nothing_is_called_after_closing() -> None:
    assert calls_after([(0, 500)], closes_at_s=0.3) == []


@given(st.lists(st.tuples(st.integers(1, 3000), st.one_of(st.just(-1), st.integers(2, 5000))), max_size=12))
def test_of_any_sequence_the_last_word_counts(script: list[tuple[int, int]]) -> None:
    """A model in whole milliseconds: a deadline is met unless another one was asked for before it."""
    now_ms, deadline_ms, expected = 0, None, []
    for pause_ms, timeout_ms in script:
        now_ms += pause_ms
        if deadline_ms is not None and deadline_ms < now_ms - 1:
            expected.append(deadline_ms)
        elif deadline_ms is not None and deadline_ms <= now_ms + 1:
            return  # at the same moment: either order is right
        deadline_ms = now_ms + timeout_ms if timeout_ms >= 0 else None
    if deadline_ms is not None:
        expected.append(deadline_ms)
    calls_ms = [call_s * 1000 for call_s in calls_after([(pause / 1000, timeout) for pause, timeout in script])]
    assert calls_ms == pytest.approx(expected, abs=1.01)
