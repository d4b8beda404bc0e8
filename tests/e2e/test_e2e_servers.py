"""nginx, Python's http.server and httpbin, fetched by the command; what it wrote is compared with what they serve."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nginx_server import running_nginx

pytestmark = pytest.mark.slow


def fill(folder: Path) -> dict[str, bytes]:
    """Files of many sizes and kinds below `folder`; their content by path."""
    rng = random.Random(5)
    folder.mkdir(exist_ok=True)
    bodies: dict[str, bytes] = {"empty.txt": b"", "one.txt": b"1", "umlaut é.html": "<title>ü</title>".encode()}
    for number in range(40):
        suffix = ("bin", "txt", "html", "json")[number % 4]
        size = rng.choice((10, 1000, 20_000, 131_072, 400_000))
        text = b"lorem ipsum dolor " * (size // 18 + 1)
        bodies[f"{number}.{suffix}"] = rng.randbytes(size) if suffix == "bin" else text[:size]
    for name, body in bodies.items():
        (folder / name).write_bytes(body)
    return bodies


def check_bodies(rows: list[dict[str, Any]], bodies: dict[str, bytes]) -> None:
    assert {row["name"] for row in rows} == set(bodies)
    for row in rows:
        body = bodies[row["name"]]
        assert row["body"] == body, row["name"]
        assert row["content_length"] == len(body)
        assert row["content_digest"] == hashlib.sha256(body).hexdigest()
        assert row["fetch_status"] == 200


def listing(url: str, bodies: dict[str, bytes], *more: str) -> str:
    lines = [f'"{name}",{url}/{name.replace(" ", "%20").replace("é", "%C3%A9")}' for name in bodies]
    return "\n".join(["name,url", *lines, *more]) + "\n"


@pytest.mark.parametrize("server", ["", "gzip on; gzip_types *; gzip_min_length 1;"])
def test_nginx_plain_and_compressed(
    penstock: Any, require_server: Callable[[str], str], tmp_path: Path, server: str
) -> None:
    bodies = fill(tmp_path / "www")
    with running_nginx(require_server("nginx"), tmp_path, server=server) as nginx:
        penstock.write("list.csv", listing(nginx.url, bodies, f"gone,{nginx.url}/gone"))
        done = penstock("fetch", "list.csv", "-o", "out", "-j", "8", exit_code=1)
    check_bodies(penstock.rows(), bodies)
    assert f"admitted {len(bodies) + 1} = written {len(bodies)} + failed 1 + skipped 0 + pending 0" in done.stderr
    (letter,) = penstock.letters()
    assert (letter["name"], letter["penstock"]["kind"], letter["penstock"]["http_status"]) == ("gone", "http_4xx", 404)


def test_pythons_http_server(penstock: Any, http_server: str, tmp_path: Path) -> None:
    """HTTP/1.0: every answer ends with its connection."""
    bodies = fill(tmp_path / "www")
    penstock.write("list.csv", listing(http_server, bodies))
    penstock("fetch", "list.csv", "-o", "out", "-j", "8", "--format", "parquet")
    check_bodies(penstock.rows(), bodies)


HTTPBIN = {
    "/gzip": "gzipped",
    "/deflate": "deflated",
    "/brotli": "brotli",
    "/redirect/3": "url",
    "/absolute-redirect/2": "url",
    "/relative-redirect/2": "url",
    "/redirect-to?url=/get&status_code=307": "url",
    "/delay/0.2": "url",
    "/basic-auth/ada/secret": "authenticated",
    "/cookies": "cookies",
    "/json": "slideshow",
    "/anything/x?a=1&a=2": "args",
}


def test_httpbin_answers(penstock: Any, httpbin: str, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ada password secret\n")
    other = {
        "/stream/5": lambda body: [json.loads(line)["id"] for line in body.splitlines()] == [0, 1, 2, 3, 4],
        "/stream-bytes/70000?seed=1&chunk_size=1000": lambda body: len(body) == 70_000,
        "/bytes/1234?seed=2": lambda body: len(body) == 1234,
        "/drip?numbytes=5&duration=0.2&delay=0": lambda body: body == b"*****",
        "/encoding/utf8": lambda body: "∮ E⋅da".encode() in body,
        "/status/204": lambda body: body == b"",
        "/image/png": lambda body: body.startswith(b"\x89PNG"),
    }
    paths = [*HTTPBIN, *other]
    penstock.write("list.txt", "\n".join(httpbin + path for path in paths) + "\n")
    penstock("fetch", "list.txt", "-o", "out", "--netrc", "netrc", "--cookie", "theme=dark", "-H", "X-Test: yes")
    rows = {row["url"].removeprefix(httpbin): row for row in penstock.rows()}
    assert set(rows) == set(paths)
    for path, key in HTTPBIN.items():
        assert json.loads(rows[path]["body"])[key], path
    for path, holds in other.items():
        assert holds(rows[path]["body"]), path
    assert rows["/redirect/3"]["final_url"] == httpbin + "/get"
    assert json.loads(rows["/cookies"]["body"])["cookies"] == {"theme": "dark"}
    assert json.loads(rows["/delay/0.2"]["body"])["headers"]["X-Test"] == "yes"
    assert json.loads(rows["/anything/x?a=1&a=2"]["body"])["args"] == {"a": ["1", "2"]}
    assert rows["/delay/0.2"]["ttfb_s"] >= 0.15
    assert rows["/image/png"]["content_mime_type"] == "image/png"
    assert rows["/status/204"]["fetch_status"] == 204


def test_httpbin_refusals_are_dead_letters(penstock: Any, httpbin: str) -> None:
    kinds = {
        "/status/404": "http_4xx",
        "/status/418": "http_4xx",
        "/status/429": "http_429",
        "/status/500": "http_5xx",
        "/status/304": "http_3xx",
        "/basic-auth/ada/secret": "http_4xx",
        "/redirect/12": "redirects",
        "/bytes/2000": "too_large",
        "/redirect-to?url=ftp://127.0.0.1/": "redirects",
    }
    penstock.write("list.txt", "\n".join(httpbin + path for path in kinds) + "\n")
    penstock("fetch", "list.txt", "-o", "out", "--retries", "0", "--max-filesize", "1999", exit_code=1)
    letters = {letter["url"].removeprefix(httpbin): letter["penstock"] for letter in penstock.letters()}
    assert {path: letter["kind"] for path, letter in letters.items()} == kinds
    assert {letter["attempts"] for letter in letters.values()} == {1}


def test_methods_headers_and_bodies_from_columns(penstock: Any, httpbin: str) -> None:
    rows = [
        {"url": f"{httpbin}/anything", "method": "POST", "headers": {"X-Row": "1"}, "body": "name=ada"},
        {"url": f"{httpbin}/anything", "method": "PUT", "headers": {"Content-Type": "text/plain"}, "body": "plain ü"},
        {"url": f"{httpbin}/anything", "method": "DELETE"},
        {"url": f"{httpbin}/anything"},
    ]
    penstock.write("list.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    penstock("fetch", "list.jsonl", "-o", "out")
    seen = [json.loads(row["body"]) for row in penstock.rows()]
    assert [each["method"] for each in seen] == ["POST", "PUT", "DELETE", "GET"]
    assert seen[0]["form"] == {"name": "ada"}
    assert seen[0]["headers"]["X-Row"] == "1"
    assert (seen[1]["data"], seen[1]["headers"]["Content-Type"]) == ("plain ü", "text/plain")
    assert "X-Row" not in seen[3]["headers"]


def test_jsonl_holds_text_as_text_and_bytes_as_base64(penstock: Any, httpbin: str) -> None:
    penstock.write("list.txt", f"{httpbin}/encoding/utf8\n{httpbin}/image/png\n")
    penstock("fetch", "list.txt", "-o", "out", "--format", "jsonl")
    lines = [json.loads(line) for line in (penstock.folder / "out/00000.jsonl").read_text().splitlines()]
    text, image = sorted(lines, key=lambda line: line["item_id"])
    assert "∮ E⋅da" in text["body"]
    assert image["body"] is None
    assert hashlib.sha256(base64.b64decode(image["body_base64"])).hexdigest() == image["content_digest"]
