"""The closed set of outcome words: what can be done to one answer, how a word is written, which share it gets.

Pure. What each word does to the bytes on the wire is `delivery.py`'s; which attempt gets which word is `plan.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from penstock.perf.origin.distribution import parse_number

ALWAYS = 1 << 62

FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "ok": "the answer as the path and the parameters describe it",
        "close-before": "close (FIN) instead of answering, as a stale kept-alive connection does",
        "reset-before": "reset (RST) before the first byte of the answer",
        "reset-headers": "reset after the header block",
        "reset-body": "reset inside the body, at `cut`",
        "reset-after": "reset after the last byte: the body is complete",
        "close-after": "close after a complete answer that did not announce it",
        "truncate": "close inside the body, at `cut`; Content-Length says more",
        "truncate-chunked": "chunked body, closed at `cut` without the last chunk",
        "truncate-gzip": "gzip body cut at `cut`; Content-Length agrees with what is sent",
        "length-long": "Content-Length is 100 more than the body; the connection stays open and silent",
        "length-short": "Content-Length is half of the body; the rest is sent all the same",
        "garbage": "bytes that are not HTTP where the status line belongs, then close",
        "hang": "never answer",
        "stall": "headers and the body up to `cut`, then silence",
        "drip-headers": "header block at `drip` bytes per second",
        "drip-body": "body at `drip` bytes per second",
        "infinite": "chunked body without end, at `bandwidth` (default 16M)",
        "many-headers": "10,000 extra header fields",
        "gzip-bomb": "a small gzip body that decodes to `bomb` zero bytes",
    }
)
"""Every word but the statuses 400 to 599, which are written as the number."""

_SHARE_SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class Share:
    """`word` happens to this share, in [0, 1], of attempts (`fault=`)."""

    word: str
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class FirstAttempts:
    """On this share of paths the first `attempts` attempts end as `word`; later ones are left alone (`fail=`)."""

    attempts: int
    word: str
    share: float = 1.0


def parse_word(text: str) -> str:
    """A word of `FAULTS`, or a status from 400 to 599. Raises ValueError."""
    if text in FAULTS:
        return text
    if text.isascii() and text.isdigit() and 400 <= int(text) <= 599:
        return str(int(text))
    raise ValueError(f"expected a status from 400 to 599 or one of {', '.join(FAULTS)}, got {text!r}")


def parse_shares(text: str) -> tuple[Share, ...]:
    """`503:0.02,reset-body:0.01`; the share defaults to 1; the shares add up to at most 1. Raises ValueError."""
    shares = []
    for part in text.split(","):
        word, colon, share = part.partition(":")
        shares.append(Share(parse_word(word), _parse_share(share) if colon else 1.0))
    _check_sum([share.share for share in shares], text)
    return tuple(shares)


def parse_first_attempts(text: str) -> tuple[FirstAttempts, ...]:
    """`2:503`, `always:404:0.005`, or several with shares that add up to at most 1. Raises ValueError."""
    rules = []
    for part in text.split(","):
        count, colon, rest = part.partition(":")
        if not colon:
            raise ValueError(f"expected ATTEMPTS:FAULT or ATTEMPTS:FAULT:SHARE, got {part!r}")
        word, colon, share = rest.partition(":")
        rules.append(FirstAttempts(_parse_attempts(count), parse_word(word), _parse_share(share) if colon else 1.0))
    _check_sum([rule.share for rule in rules], text)
    return tuple(rules)


def parse_sequence(text: str) -> tuple[str, ...]:
    """`503,reset-body,ok`: the word of attempt 1, 2, 3; later attempts are left alone. Raises ValueError."""
    return tuple(parse_word(part) for part in text.split(","))


def _parse_attempts(text: str) -> int:
    if text == "always":
        return ALWAYS
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 1_000_000:
        return int(text)
    raise ValueError(f"expected a number of attempts from 1 to 1000000 or `always`, got {text!r}")


def _parse_share(text: str) -> float:
    share = parse_number(text)
    if share > 1:
        raise ValueError(f"expected a share from 0 to 1, got {text!r}")
    return share


def _check_sum(shares: list[float], text: str) -> None:
    if sum(shares) > 1 + _SHARE_SLACK:
        raise ValueError(f"expected shares that add up to at most 1, got {sum(shares):g} in {text!r}")
