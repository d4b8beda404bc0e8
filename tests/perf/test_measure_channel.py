"""Lines over pipes, where the other side is slow, silent, gone or has left the pipe to somebody."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

from penstock.perf.measure.channel import Channel


class Pipes:
    """`theirs_in` and `theirs_out` are the other side's ends."""

    def __init__(self) -> None:
        self.reader, self.theirs_out = os.pipe()
        self.theirs_in, self.writer = os.pipe()
        self.is_over = False
        self.channel = Channel(self.reader, self.writer, lambda: self.is_over)

    def close(self) -> None:
        for descriptor in (self.reader, self.theirs_out, self.theirs_in, self.writer):
            with os.fdopen(descriptor, "rb", closefd=True):
                pass


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    made = Pipes()
    yield made
    made.close()


def test_lines_that_arrive_in_pieces_are_told_one_by_one(pipes: Pipes) -> None:
    os.write(pipes.theirs_out, b'{"a": 1}\n{"b"')
    assert pipes.channel.receive(time.monotonic() + 20) == {"a": 1}
    os.write(pipes.theirs_out, b': "\xc3\xa9"}\n')
    assert pipes.channel.receive(time.monotonic() + 20) == {"b": "é"}


def test_a_silent_side_is_not_waited_for_past_the_deadline(pipes: Pipes) -> None:
    with pytest.raises(TimeoutError):
        pipes.channel.receive(time.monotonic())


def test_a_side_that_does_not_read_is_not_waited_for_past_the_deadline(pipes: Pipes) -> None:
    with pytest.raises(TimeoutError):
        pipes.channel.send({"items": "x" * 1_000_000}, time.monotonic() + 0.05)


def test_a_line_longer_than_the_pipe_goes_through_a_reader_in_small_steps(pipes: Pipes) -> None:
    received = bytearray()

    def read() -> None:
        while not received.endswith(b"\n"):
            received.extend(os.read(pipes.theirs_in, 4096))

    reader = threading.Thread(target=read)
    reader.start()
    pipes.channel.send({"items": "x" * 300_000}, time.monotonic() + 60)
    reader.join()
    assert len(received) == 300_000 + len(b'{"items":""}\n')


def test_a_pipe_that_somebody_else_still_holds_ends_when_its_process_has(pipes: Pipes) -> None:
    pipes.is_over = True
    with pytest.raises(EOFError):
        pipes.channel.receive(time.monotonic() + 60)


def test_what_a_process_wrote_before_its_end_is_still_told(pipes: Pipes) -> None:
    pipes.is_over = True
    os.write(pipes.theirs_out, b'{"last": "word"}\n')
    assert pipes.channel.receive(time.monotonic() + 60) == {"last": "word"}


def test_a_side_that_is_gone_is_an_end_of_file_for_both() -> None:
    reader, theirs_out = os.pipe()
    theirs_in, writer = os.pipe()
    os.close(theirs_out)
    os.close(theirs_in)
    channel = Channel(reader, writer, lambda: False)
    try:
        with pytest.raises(EOFError):
            channel.receive(time.monotonic() + 60)
        with pytest.raises(EOFError):
            channel.send({}, time.monotonic() + 60)
    finally:
        os.close(reader)
        os.close(writer)
