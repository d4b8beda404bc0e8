"""Standard input and named pipes: rows are passed on as they come, and a second reading is refused."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sources_kit import COMPRESSIONS, compress, kinds_of, rows_of, values_of

from penstock.errors import ConfigError, SourceError
from penstock.model import BadRow, Item
from penstock.sources import SourceOptions, open_source


class Pipe:
    """A pipe whose writing end the test holds."""

    def __init__(self) -> None:
        self.read_fd, self.write_fd = os.pipe()

    def send(self, data: bytes) -> None:
        assert os.write(self.write_fd, data) == len(data)

    def end(self) -> None:
        if self.write_fd >= 0:
            os.close(self.write_fd)
            self.write_fd = -1


@contextmanager
def pipe_with(data: bytes = b"", *, is_ended: bool = False) -> Iterator[Pipe]:
    pipe = Pipe()
    try:
        if data:
            pipe.send(data)
        if is_ended:
            pipe.end()
        yield pipe
    finally:
        pipe.end()
        os.close(pipe.read_fd)


def urls_of(rows: list[Item | BadRow]) -> list[str]:
    return [row.url for row in rows]


def test_each_line_is_passed_on_before_the_next_one_is_written() -> None:
    """The writer waits for the reader: a source that waits for a full batch would block for ever here."""
    with pipe_with() as pipe:
        batches = open_source(["-"], stdin_fd=pipe.read_fd).read()
        for number in range(5):
            pipe.send(b"http://a/%d\nhttp://half" % number)
            batch = next(batches)
            assert urls_of(list(batch.items))[-1] == f"http://a/{number}"
            pipe.send(b"/\n")
            assert urls_of(list(next(batches).items)) == ["http://half/"]
        pipe.end()
        assert list(batches) == []


def test_compressed_input_is_told_by_its_first_bytes() -> None:
    for extension in COMPRESSIONS:
        with pipe_with(compress(b"http://a/\nhttp://b/", extension), is_ended=True) as pipe:
            assert urls_of(rows_of(open_source(["-"], stdin_fd=pipe.read_fd).read())) == ["http://a/", "http://b/"]


def test_first_bytes_may_come_one_by_one() -> None:
    with pipe_with() as pipe:
        data = compress(b"http://a/\n", ".gz")
        source = open_source(["-"], stdin_fd=pipe.read_fd)
        pipe.send(data[:1])
        writer = threading.Thread(target=lambda: (pipe.send(data[1:]), pipe.end()))
        writer.start()
        assert urls_of(rows_of(source.read())) == ["http://a/"]
        writer.join()


def test_a_table_from_a_pipe_needs_its_header_only_to_open() -> None:
    with pipe_with(b"url,n\n") as pipe:
        source = open_source(["-"], SourceOptions(input_format="csv"), stdin_fd=pipe.read_fd)
        assert source.columns == ("url", "n")
        pipe.send(b"http://a/,1\n")
        batches = source.read()
        assert values_of(list(next(batches).items)) == [("http://a/", "1")]
        pipe.end()
        assert list(batches) == []


def test_json_lines_from_a_pipe_take_their_columns_from_the_first_readable_row() -> None:
    with pipe_with(b'nope\n{"url": "http://a/", "n": 1}\n') as pipe:
        source = open_source(["-"], SourceOptions(input_format="jsonl"), stdin_fd=pipe.read_fd)
        assert source.columns == ("url", "n", "_extra")
        pipe.send(b'{"url": "http://b/", "z": 2}\n')
        pipe.end()
        rows = rows_of(source.read())
        assert kinds_of(rows) == ["bad_row", "", ""]
        assert values_of(rows)[1:] == [("http://a/", 1, None), ("http://b/", None, '{"z": 2}')]


def test_an_empty_pipe_has_no_rows_and_nothing_to_tell_it_by() -> None:
    for name in ("txt", "csv", "jsonl"):
        with pipe_with(is_ended=True) as pipe:
            source = open_source(["-"], SourceOptions(input_format=name), stdin_fd=pipe.read_fd)
            assert list(source.read()) == []
            assert (source.fingerprint, source.total, source.estimate_total()) == ("", None, None)


def test_a_pipe_is_read_once() -> None:
    with pipe_with(b"http://a/\n", is_ended=True) as pipe:
        source = open_source(["-"], stdin_fd=pipe.read_fd)
        assert len(rows_of(source.read())) == 1
        with pytest.raises(SourceError, match="only once"):
            list(source.read())


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["http://a/,1\n", "\n", '"http://b/\n,2",3\n', "x\n"]), max_size=30), st.integers(1, 5))
def test_a_resume_counts_the_rows_of_the_new_pipe(pieces: list[str], batch_rows: int) -> None:
    content = ("url,n\n" + "".join(pieces)).encode()
    options = SourceOptions(input_format="csv", batch_rows=batch_rows)
    with pipe_with(content, is_ended=True) as pipe:
        batches = list(open_source(["http://first/", "-"], options, stdin_fd=pipe.read_fd).read())
    rows = rows_of(batches)
    for batch in batches:
        with pipe_with(content, is_ended=True) as pipe:
            source = open_source(["http://first/", "-"], options, stdin_fd=pipe.read_fd)
            assert rows_of(source.read(batch.first_id, batch.position)) == rows[batch.first_id :]


def test_a_resume_of_a_pipe_may_use_another_batch_size() -> None:
    content = b"".join(b"http://a/%d\n" % number for number in range(20))
    with pipe_with(content, is_ended=True) as pipe:
        batches = list(open_source(["-"], SourceOptions(batch_rows=3), stdin_fd=pipe.read_fd).read())
    for batch in batches:
        with pipe_with(content, is_ended=True) as pipe:
            source = open_source(["-"], SourceOptions(batch_rows=7), stdin_fd=pipe.read_fd)
            assert rows_of(source.read(batch.first_id, batch.position)) == rows_of(batches)[batch.first_id :]


def test_a_truncated_pipe_raises_after_the_complete_rows() -> None:
    with pipe_with(compress(b"http://a/\n", ".gz") + b"\x1f\x8b", is_ended=True) as pipe:
        rows: list[Item | BadRow] = []
        with pytest.raises(SourceError, match="<stdin>: expected more input after byte 10"):
            rows.extend(row for batch in open_source(["-"], stdin_fd=pipe.read_fd).read() for row in batch.items)
        assert urls_of(rows) == ["http://a/"]


def test_a_descriptor_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(ConfigError, match="<stdin>"):
        open_source(["-"], SourceOptions(input_format="csv"), stdin_fd=99_999)


def test_a_named_pipe_is_read_like_standard_input_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "urls"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_bytes(b"http://a/\nhttp://b/\n"))
    writer.start()
    open_before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    source = open_source([str(path)])
    assert urls_of(rows_of(source.read())) == ["http://a/", "http://b/"]
    writer.join()
    open_after = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    assert len(open_after) <= len(open_before) + 1
