"""Reading a Retry-After header (RFC 9110 §10.2.3): a number of seconds, or a date.

Parses only; what is done with the wish is `retry.decide`'s business. The rule: junk is None, never an exception.
"""

from __future__ import annotations

import datetime
import re

_SECONDS = re.compile(r"\d+(?:\.\d*)?", re.ASCII)
# The three forms of RFC 9110 §5.6.7. Not strptime: month names would depend on the locale.
_DATES = tuple(
    re.compile(pattern, re.ASCII | re.IGNORECASE)
    for pattern in (
        r"[a-z]{3}, (?P<day>\d\d) (?P<month>[a-z]{3}) (?P<year>\d{4}) (?P<clock>\d\d:\d\d:\d\d) (?:GMT|UTC)",
        r"[a-z]{6,9}, (?P<day>\d\d)-(?P<month>[a-z]{3})-(?P<year>\d\d) (?P<clock>\d\d:\d\d:\d\d) (?:GMT|UTC)",
        r"[a-z]{3} (?P<month>[a-z]{3}) (?P<day>[ \d]\d) (?P<clock>\d\d:\d\d:\d\d) (?P<year>\d{4})",
    )
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def parse_retry_after(value: str, now_epoch_s: float) -> float | None:
    """Seconds to wait from `now_epoch_s` (Unix time), uncapped, ≥ 0; None if the value is neither seconds nor a date.

    A date in the past is 0. Fractions of a second are accepted, although the RFC has none, because servers send them.
    """
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    for pattern in _DATES:
        if match := pattern.fullmatch(value):
            date_epoch_s = _epoch_s(match, now_epoch_s)
            return None if date_epoch_s is None else max(0.0, date_epoch_s - now_epoch_s)
    return None


def _epoch_s(match: re.Match[str], now_epoch_s: float) -> float | None:
    month = match["month"].lower()
    if month not in _MONTHS:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:
        # RFC 9110 §5.6.7: over 50 years ahead means the most recent past year with these digits.
        this_year = int(1970 + now_epoch_s // 31_556_952)
        year += this_year - this_year % 100
        if year > this_year + 50:
            year -= 100
    hour, minute, second = (int(part) for part in match["clock"].split(":"))
    if second == 60:
        second = 59  # a leap second
    try:
        date = datetime.datetime(
            year, _MONTHS.index(month) + 1, int(match["day"]), hour, minute, second, tzinfo=datetime.UTC
        )
    except ValueError:
        return None
    return date.timestamp()
