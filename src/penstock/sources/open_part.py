"""Opens one path or pipe as a part: tells format and compression by the name, reads the header.

The rule: whatever is wrong is a ConfigError here, before anything has started; later only damage may turn up.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from contextlib import closing
from typing import assert_never

from penstock.errors import ConfigError, SourceError
from penstock.sources.byte_inputs import ByteInput, FileInput, PipeInput
from penstock.sources.compression import Compression
from penstock.sources.delimited import DelimitedDecoder, read_header
from penstock.sources.json_lines import JsonLinesDecoder, extra_column, sample_columns
from penstock.sources.options import InputFormat, SourceOptions
from penstock.sources.part import Part
from penstock.sources.text_part import TextPart
from penstock.sources.url_list import decode_url_list

_COMPRESSIONS: dict[str, Compression] = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}
_FORMATS: dict[str, InputFormat] = {
    ".txt": "txt",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_KNOWN = ".txt .csv .tsv .jsonl .ndjson (each also .gz .zst) or .parquet"


def open_path(path: str, options: SourceOptions) -> Part:
    """Open a file, named pipe or character device. Raises ConfigError."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        raise _unopened(path, error) from error
    if stat.S_ISDIR(mode):
        raise ConfigError(
            f"{path}: expected a file, got a directory", hint=f"name the files in it: {path.rstrip('/')}/*"
        )
    if not stat.S_ISREG(mode):
        try:
            fd = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise _unopened(path, error) from error
        return open_pipe(path, fd, options, is_owned=True)
    input_format, compression = _tell_format(path, options.input_format)
    file = FileInput(path, compression)
    if input_format == "parquet":
        return _open_table(path, compression)
    return _open_text(file, input_format, options)


def open_pipe(name: str, fd: int, options: SourceOptions, *, is_owned: bool = False) -> Part:
    """Open a stream that is read once, in `options.input_format`, by default a URL list. Raises ConfigError."""
    input_format = options.input_format or "txt"
    if input_format == "parquet":
        raise ConfigError(
            f"{name}: Parquet is read from its end and cannot come from a pipe", hint="pass the file's path"
        )
    return _open_text(PipeInput(name, fd, is_owned), input_format, options)


def _tell_format(path: str, wished: InputFormat | None) -> tuple[InputFormat, Compression]:
    """The extension decides; `wished` where it says nothing (none, unknown) or the least (`.txt`)."""
    stem, last = os.path.splitext(path.lower())
    compression = _COMPRESSIONS.get(last, "none")
    extension = last if compression == "none" else os.path.splitext(stem)[1]
    told = _FORMATS.get(extension)
    if told is not None and told != "txt":
        return told, compression
    chosen = wished or told
    if chosen is None:
        got = f"'{extension}'" if extension else "none"
        raise ConfigError(
            f"{path}: expected a file extension {_KNOWN}, got {got}",
            hint="say what it is with --input-format, or rename the file",
        )
    return chosen, compression


def _open_table(path: str, compression: Compression) -> Part:
    import pyarrow as pa

    from penstock.sources.parquet_table import open_parquet

    if compression != "none":
        raise ConfigError(
            f"{path}: Parquet is compressed inside and cannot be read through {compression}",
            hint="decompress the file first",
        )
    try:
        return open_parquet(path)
    except PermissionError as error:
        raise _unopened(path, error) from error
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(f"{path}: expected a Parquet file, got something else ({error})") from error


def _open_text(source: ByteInput, input_format: InputFormat, options: SourceOptions) -> TextPart:
    try:
        match input_format:
            case "txt":
                if source.is_seekable:
                    with closing(source.open(0)) as chunks:
                        next(chunks, None)  # whether it opens, and decompresses
                return TextPart(source, (options.url_column,), decode_url_list, is_all_text=True)
            case "csv" | "tsv":
                return _open_delimited(source, "," if input_format == "csv" else "\t")
            case "jsonl":
                return _open_json_lines(source, options)
            case "parquet":
                raise ConfigError(f"{source.name}: Parquet is no text format")
            case _:
                assert_never(input_format)
    except SourceError as error:
        raise ConfigError(str(error)) from error


def _open_delimited(source: ByteInput, delimiter: str) -> TextPart:
    try:
        with closing(_begin(source)) as chunks:
            header = read_header(chunks, delimiter)
    except ValueError as error:
        raise ConfigError(f"{source.name}: expected a header row with column names, got: {error}") from error
    if header is None:
        return TextPart(source, (), DelimitedDecoder(delimiter, 0), is_all_text=True)
    columns, offset, line = header
    return TextPart(source, columns, DelimitedDecoder(delimiter, len(columns)), True, offset, line)


def _open_json_lines(source: ByteInput, options: SourceOptions) -> TextPart:
    with closing(_begin(source)) as chunks:
        keys, is_whole = sample_columns(chunks, is_pipe=not source.is_seekable)
    columns = keys or (options.url_column,)
    if not is_whole:
        columns = (*columns, extra_column(columns))
    request_keys = {options.url_column, options.method_column, options.headers_column, options.body_column}
    decoder = JsonLinesDecoder(columns, not is_whole, frozenset(request_keys))
    return TextPart(source, columns, decoder, is_all_text=False)


def _begin(source: ByteInput) -> Generator[bytes, None, None]:
    return source.peek() if isinstance(source, PipeInput) else source.open(0)


def _unopened(path: str, error: Exception) -> ConfigError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        scheme = path.partition("://")[0]
        if "://" in path and scheme.isalnum():
            return ConfigError(f"expected a file or an http(s) URL, got a URL with the scheme '{scheme}'")
        near = _nearest_file(path)
        return ConfigError(
            f"{path}: expected a file, got nothing of that name", hint=f"did you mean {near}" if near else None
        )
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ConfigError(f"{path}: expected a readable file, got: {reason}")


def _nearest_file(path: str) -> str | None:
    from difflib import get_close_matches

    folder, name = os.path.split(path)
    try:
        names = os.listdir(folder or ".")[:10_000]
    except OSError:
        return None
    close = get_close_matches(name, names, n=1, cutoff=0.7)
    return os.path.join(folder, close[0]) if close else None
