from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.policy.concurrency import FixedLimiter, Limiter, Sample


@given(limit=st.integers(1, 10_000), samples=st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=20))
def test_a_fixed_limit_never_moves(limit: int, samples: list[tuple[float, bool]]) -> None:
    limiter: Limiter = FixedLimiter(limit)
    for now_s, (ttfb_s, was_pushed_back) in enumerate(samples):
        limiter.observe(Sample(ttfb_s, limit, was_pushed_back), float(now_s))
        assert limiter.limit() == limit


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_below_one_is_refused(limit: int) -> None:
    with pytest.raises(ConfigError, match=f"at least 1, got {limit}"):
        FixedLimiter(limit)
