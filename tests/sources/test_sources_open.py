"""What is wrong with the inputs is found before anything starts, all at once, and said with a way out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sources_kit import rows_of, values_of, write

from penstock.errors import ConfigError
from penstock.sources import SourceOptions, open_source


def refusal(*inputs: str, options: SourceOptions | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        open_source(inputs, options, stdin_fd=-1)
    return f"{caught.value}\nhint: {caught.value.hint}"


def test_all_problems_are_reported_together(tmp_path: Path) -> None:
    write(tmp_path / "urls.csv", "link,n\nhttp://a/,1\n")
    text = refusal(
        str(tmp_path / "urls.cvs"),
        str(tmp_path),
        str(tmp_path / "urls.csv"),
        write(tmp_path / "a.xyz", "x"),
        "ftp://h/x",
    )
    assert f"{tmp_path}/urls.cvs: expected a file, got nothing of that name" in text
    assert f"did you mean {tmp_path}/urls.csv" in text
    assert f"{tmp_path}: expected a file, got a directory" in text
    assert "expected a column 'url' with the URLs, got the columns: link, n" in text
    assert "--url-column 'link'" in text
    assert "got '.xyz'" in text
    assert "the scheme 'ftp'" in text


@pytest.mark.parametrize(
    ("header", "nearest"),
    [("URL,n", "URL"), ("urls,n", "urls"), ("id,page_url", "page_url"), ("id,href", "href"), ("address", "address")],
)
def test_the_column_that_was_probably_meant_is_suggested(tmp_path: Path, header: str, nearest: str) -> None:
    assert f"--url-column '{nearest}'" in refusal(write(tmp_path / "a.csv", f"{header}\n"))


def test_no_column_is_suggested_where_none_is_near(tmp_path: Path) -> None:
    assert "--url-column" not in refusal(write(tmp_path / "a.csv", "id,name\n"))


@pytest.mark.parametrize("name", ["a.txt.gz", "a.csv.gz", "a.jsonl.gz", "a.txt.zst", "a.csv.zst", "a.jsonl.zst"])
def test_a_file_that_is_not_compressed_as_named_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"http://a/\n")
    assert f"{tmp_path / name}: " in refusal(str(tmp_path / name))


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.txt", "http://a/\n")
    os.chmod(path, 0)
    if os.access(path, os.R_OK):  # root may read everything: let the system call refuse
        import builtins

        really_open = builtins.open

        def refuse(file: object, *args: object, **kwargs: object) -> object:
            if file == path:
                raise PermissionError(13, "Permission denied", path)
            return really_open(file, *args, **kwargs)  # type: ignore[call-overload] # passed through as it came

        monkeypatch.setattr(builtins, "open", refuse)
    assert "Permission denied" in refusal(path)


def test_a_name_with_a_null_byte_or_under_a_file_is_refused(tmp_path: Path) -> None:
    under = write(tmp_path / "a.txt", "") + "/b.txt"
    assert "got nothing of that name" in refusal(under)
    assert "expected a readable file" in refusal("a\0.txt")


def test_nothing_stdin_twice_and_bad_options_are_refused(tmp_path: Path) -> None:
    assert "at least one input" in refusal()
    read_end, write_end = os.pipe()
    os.close(write_end)
    with pytest.raises(ConfigError, match="once, got it again"):
        open_source(["-", "-"], stdin_fd=read_end)
    os.close(read_end)
    assert "Parquet" in refusal("-", options=SourceOptions(input_format="parquet"))
    assert "batch_rows" in refusal("http://a/", options=SourceOptions(batch_rows=0))
    assert "URL column" in refusal("http://a/", options=SourceOptions(url_column=""))


def test_the_format_can_be_given_where_the_name_does_not_say_it(tmp_path: Path) -> None:
    wished = SourceOptions(input_format="csv")
    for name in ("a", "a.dat", "a.txt", "a.dat.gz"):
        path = write(tmp_path / name, "url,n\nhttp://a/,1\n")
        assert values_of(rows_of(open_source([path], wished).read())) == [("http://a/", "1")]
    told = write(tmp_path / "a.jsonl", '{"url": "http://a/"}\n')
    assert values_of(rows_of(open_source([told], wished).read())) == [("http://a/",)]


def test_conflicting_types_name_both_files_and_the_column(tmp_path: Path) -> None:
    first, second = str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")
    pq.write_table(pa.table({"url": ["http://a/"], "n": pa.array([1], pa.int32())}), first)
    pq.write_table(pa.table({"url": ["http://b/"], "n": ["x"]}), second)
    text = refusal(first, second)
    assert f"the column 'n', got int32 in {first} and string in {second}" in text
    third = write(tmp_path / "c.csv", "url,n\nhttp://c/,1\n")
    assert f"got int32 in {first} and string in {third}" in refusal(first, third)


def test_columns_of_several_files_are_joined_in_order_of_appearance(tmp_path: Path) -> None:
    table, null_table = str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")
    pq.write_table(pa.table({"n": pa.nulls(1), "url": ["http://a/"]}), table)
    pq.write_table(pa.table({"m": [1], "n": [7], "url": pa.array(["http://b/"], pa.large_string())}), null_table)
    csv = write(tmp_path / "c.csv", "url,k\nhttp://c/,x\nbad\n")
    source = open_source([table, null_table, csv, "http://d/", "http://e/"])
    assert source.columns == ("n", "url", "m", "k")
    assert [str(field.type) for field in source.schema] == ["int64", "string", "int64", "string"]
    rows = rows_of(source.read())
    assert values_of(rows) == [
        (None, "http://a/", None, None),
        (7, "http://b/", 1, None),
        (None, "http://c/", None, "x"),
        (None, "bad", None, None),
        (None, "http://d/", None, None),
        (None, "http://e/", None, None),
    ]
    assert rows[3].url == "bad"
    assert source.total is None
    assert open_source(["http://d/", "http://e/", table]).total == 3


def test_fingerprint_follows_content_and_order_but_not_the_place(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    a = write(tmp_path / "a.txt", "http://a/\n")
    b = write(tmp_path / "b.txt", "http://b/\n")
    moved = write(tmp_path / "sub" / "z.txt", "http://a/\n")
    one = open_source([a, b]).fingerprint
    assert one
    assert open_source([moved, b]).fingerprint == one
    different = [
        open_source([b, a]),
        open_source([a]),
        open_source([a, write(tmp_path / "c.txt", "http://c/\n")]),
        open_source([a, "http://b/"]),
        open_source([a, b], SourceOptions(url_column="u")),
    ]
    assert len({one, *(source.fingerprint for source in different)}) == 6


@pytest.mark.slow
def test_opening_a_text_list_does_not_load_the_heavy_libraries(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "url\nhttp://a/\n")
    code = (
        "import sys; from penstock.sources import open_source; n = sum(1 for _ in open_source([sys.argv[1]]).read());"
        "print(n, [m for m in ('pyarrow', 'numpy', 'zstandard', 'idna', 'asyncio') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert out.stdout == "1 []\n"
