"""How the inputs are to be read: which columns make the request, and the format where the name does not say it.

Values only; nothing is opened or checked against files here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

InputFormat: TypeAlias = Literal["txt", "csv", "tsv", "jsonl", "parquet"]
INPUT_FORMATS: tuple[InputFormat, ...] = get_args(InputFormat)


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Names of the columns that make a request, and reading limits.

    `method_column`, `headers_column` and `body_column` are used where the input has such a column; an empty name
    switches the feature off. `input_format` applies to stdin and to files whose extension does not say
    the format (none, unknown, or `.txt`). `batch_rows` is the most rows in one `Batch`, at least 1.
    """

    url_column: str = "url"
    method_column: str = "method"
    headers_column: str = "headers"
    body_column: str = "body"
    input_format: InputFormat | None = None
    batch_rows: int = 1024
