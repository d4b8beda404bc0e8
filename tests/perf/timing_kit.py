"""For tests of what is measured in real time: one recording may be disturbed, three in a row are not."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def one_of_three(test: Callable[..., None]) -> Callable[..., None]:
    """A recording of a second or two may be disturbed when a shared machine stands still for a while; what is wrong is
    wrong three times."""

    @functools.wraps(test)
    def tried(*args: Any, **kwargs: Any) -> None:
        for _ in range(2):
            try:
                return test(*args, **kwargs)
            except AssertionError:
                continue
        return test(*args, **kwargs)

    return tried
