"""The end of a process's standard error, however much it writes."""

from __future__ import annotations

import os

from penstock.perf.measure.tail import Tail


def test_the_last_lines_are_told_and_a_long_file_is_cut() -> None:
    tail = Tail()
    try:
        assert tail.text() == ""
        for number in range(9):
            os.write(tail.descriptor, b"line %d\n" % number)
        assert tail.text().splitlines() == [f"  line {number}" for number in range(4, 9)]
        tail.trim()
        assert tail.text().endswith("line 8")
        os.write(tail.descriptor, b"x" * (1 << 20))
        tail.trim()
        assert tail.text() == ""
        os.write(tail.descriptor, b"after\xff\n")
        assert tail.text() == "  after\N{REPLACEMENT CHARACTER}"
        assert os.fstat(tail.descriptor).st_size == 7
    finally:
        tail.close()


def test_one_endless_line_is_cut_to_its_end() -> None:
    tail = Tail()
    try:
        os.write(tail.descriptor, b"a" * 100_000 + b"end")
        assert tail.text().endswith("aend")
        assert len(tail.text()) == 2 + 400
    finally:
        tail.close()


def test_of_a_crash_its_kind_and_innermost_calls_are_told() -> None:
    tail = Tail()
    try:
        os.write(
            tail.descriptor,
            b"some talk\nFatal Python error: Segmentation fault\n\nThread 0x1 (most recent call first):\n",
        )
        os.write(tail.descriptor, b'  File "other.py", line 1 in waits\n' * 40)
        os.write(tail.descriptor, b"\nCurrent thread 0x2 (most recent call first):\n")
        os.write(tail.descriptor, b'  File "theirs.py", line 3 in f\n' + b'  File "ours.py", line 9 in run\n' * 20)
        os.write(tail.descriptor, b"\nExtension modules: some (total: 1)\n")
        assert [line.strip() for line in tail.text().splitlines()] == [
            "Fatal Python error: Segmentation fault",
            'File "theirs.py", line 3 in f',
            *['File "ours.py", line 9 in run'] * 3,
        ]
    finally:
        tail.close()
