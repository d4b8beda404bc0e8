"""Slots and token buckets: never more than allowed, first in first out, nothing lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.perf.origin.limits import Bucket, Slots


def test_waiting_is_first_in_first_out_and_bounded() -> None:
    slots = Slots(1, 2)
    served: list[str] = []
    waiting = {name: (lambda name=name: served.append(name)) for name in "bc"}
    assert slots.acquire(lambda: None) is True
    assert [slots.acquire(callback) for callback in waiting.values()] == [None, None]
    assert slots.acquire(lambda: None) is False
    slots.release()
    slots.release()
    assert served == ["b", "c"]
    assert slots.held == 1
    slots.release()
    assert (slots.held, slots.waiting) == (0, 0)


@given(st.integers(1, 4), st.integers(0, 4), st.lists(st.sampled_from(["come", "go", "leave"]), max_size=80))
def test_slots_never_hold_more_than_allowed_and_never_idle_while_some_wait(
    slots_max: int, queue_max: int, actions: list[str]
) -> None:
    slots = Slots(slots_max, queue_max)
    holding: list[object] = []
    waiting: list[object] = []

    class Client:
        def granted(self) -> None:
            assert waiting.pop(0) is self
            holding.append(self)

    for action in actions:
        if action == "come":
            client = Client()
            answer = slots.acquire(client.granted)
            if answer is True:
                holding.append(client)
            elif answer is None:
                waiting.append(client)
            else:
                assert len(waiting) == queue_max
        elif action == "go" and holding:
            holding.pop(0)
            slots.release()
        elif action == "leave" and waiting:
            client = waiting.pop()
            assert isinstance(client, Client)
            slots.leave(client.granted)
        assert slots.held == len(holding) <= slots_max
        assert slots.waiting == len(waiting) <= queue_max
        assert not waiting or len(holding) == slots_max


@given(
    st.floats(0.1, 1000),
    st.floats(1, 50),
    st.lists(st.floats(0, 5), min_size=1, max_size=100),
)
def test_a_bucket_gives_no_more_than_rate_and_burst(rate_per_s: float, burst: float, gaps: list[float]) -> None:
    bucket = Bucket(rate_per_s, burst, 100.0)
    now_s, taken = 100.0, 0
    for gap in gaps:
        now_s += gap
        taken += bucket.take(now_s) == 0.0
        assert taken <= burst + (now_s - 100.0) * rate_per_s + 1e-6


@given(st.floats(0.1, 1000), st.floats(1, 50))
def test_after_the_wait_it_named_the_bucket_gives(rate_per_s: float, burst: float) -> None:
    bucket = Bucket(rate_per_s, burst, 0.0)
    now_s = 0.0
    for _ in range(100):
        wait_s = bucket.take(now_s)
        if wait_s:
            now_s += wait_s + 1e-6
            assert bucket.take(now_s) == 0.0
