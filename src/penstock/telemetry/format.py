"""Numbers, URLs and messages as people read them: 1,234 · 12.3 MB · 4.5 s · 2 m 03 s. Pure text, no colour.

Decimal units (1 MB = 1,000,000 bytes), as networks and disks count. Rule: nothing that came from outside (URL, host,
message) is shown without passing `printable`, which takes out passwords and terminal control characters.
"""

from __future__ import annotations

import re

UNKNOWN = "–"

_BYTE_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
# The authority of a URL up to its last @ (a password may hold an @ that should have been escaped).
_USERINFO = re.compile(r"(?<=://)[^\s/?#\\]*@")


def count_text(count: int) -> str:
    """`1,234`."""
    return f"{count:,}"


def share_text(part: float, whole: float) -> str:
    """`12.3 %`, rounded down so that 100.0 % means all of it; a dash when `whole` is 0."""
    return f"{int(1000 * part / whole) / 10:.1f} %" if whole else UNKNOWN


def percent_text(share: float) -> str:
    """`12 %` of a share from 0 to 1, to the nearest."""
    return f"{100 * share:.0f} %"


def bytes_text(size: float) -> str:
    """`999 B`, `1.5 kB`, `12.3 MB`, `123 MB`: three digits, decimal units."""
    for unit in _BYTE_UNITS:
        if size < 999.5 or unit == _BYTE_UNITS[-1]:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 99.95 else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("unreachable: the last unit always returns")


def rate_text(rate_per_s: float) -> str:
    """`0/s`, `0.25/s`, `9.5/s`, `1,234/s`; what is slower than one in 100 s is `<0.01/s`."""
    if 0 < rate_per_s < 0.01:
        return "<0.01/s"
    if rate_per_s >= 99.95 or rate_per_s == 0:
        return f"{rate_per_s:,.0f}/s"
    return f"{rate_per_s:.1f}/s" if rate_per_s >= 0.95 else f"{rate_per_s:.2g}/s"


def duration_text(duration_s: float | None) -> str:
    """A measured time, three digits: `850 µs`, `12.3 ms`, `4.5 s`, then as `clock_text`; None is a dash."""
    if duration_s is None:
        return UNKNOWN
    if duration_s < 0.9995e-3:
        return f"{duration_s * 1e6:.0f} µs" if duration_s > 0 else "0 s"
    if duration_s < 0.9995:
        milliseconds = duration_s * 1e3
        return f"{milliseconds:.1f} ms" if milliseconds < 99.95 else f"{milliseconds:.0f} ms"
    if duration_s < 59.95:
        return f"{duration_s:.1f} s"
    return clock_text(duration_s)


def clock_text(duration_s: float | None) -> str:
    """A time to wait or already gone, whole seconds: `4 s`, `2 m 03 s`, `3 h 07 m`, `5 d 04 h`; None is a dash."""
    if duration_s is None:
        return UNKNOWN
    seconds = round(duration_s)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} m {seconds % 60:02d} s"
    minutes = seconds // 60
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} m"
    return f"{minutes // 1440} d {minutes % 1440 // 60:02d} h"


def without_userinfo(text: str) -> str:
    """The text with `user:password@` taken out of every URL in it (never shown; RFC 9110 §4.2.4)."""
    return _USERINFO.sub("", text) if "@" in text else text


def printable(text: str, width: int | None = None) -> str:
    """One line that is safe to show: no userinfo, no control characters; cut in the middle to `width` characters.

    Control, format and unassigned characters (a URL from an untrusted list can hold terminal escapes) become `?`,
    line breaks and tabs one space.
    """
    line = " ".join(without_userinfo(text).split())
    if not line.isprintable():
        line = "".join(character if character.isprintable() else "?" for character in line)
    return line if width is None else shortened(line, width)


def shortened(text: str, width: int) -> str:
    """The text in at most `width` characters, with `…` in the middle: begin and end of a URL both tell something."""
    if len(text) <= width:
        return text
    if width < 4:
        return text[: max(0, width)]
    tail = (width - 1) // 3
    return f"{text[: width - 1 - tail]}…{text[-tail:]}"
