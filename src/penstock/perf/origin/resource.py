"""What stands at a path: the normal answer, before any fault. Pure: a request and a plan in, a `Resource` out.

| path | answer |
|---|---|
| `/` | an HTML index of this table |
| `/page/N` | HTML page N with title, links and text |
| `/bytes/N` | N bytes that do not compress |
| `/json/N` | JSON object N |
| `/items?page=P&per_page=M&total=T` | JSON page P (from 1) of T items, `next` and a Link header |
| `/redirect/N` | N redirects (`status`, default 302), then `/page/0` |
| `/redirect-loop` | a redirect to itself |
| `/redirect-to?url=URL` | a redirect to any URL, host or scheme |
| `/echo` | the request as JSON |
| `/robots.txt`, `/favicon.ico` | 404 |
| anything else | text, 1024 bytes or `bytes` |
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import parse_qs, urlencode

from penstock.perf.origin.content import Content

HTML = "text/html; charset=utf-8"
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
BINARY = "application/octet-stream"
BYTES_MAX = 256 * 1024**2


@dataclass(slots=True)
class Request:
    """One request as it was read. `target` is `path` with its `query`; text is latin-1, so nothing is lost.

    `host` is the Host field without its port, in lower case, or the local address where there is none. `connection_id`
    and `number` (from 1, in its connection) are what the log calls it by. `body_bytes` is the size of the body as it
    was sent, also where `body` was not kept.
    """

    method: str
    target: str
    path: str
    query: str
    host: str
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    is_keep_alive: bool = True
    is_http_10: bool = False
    connection_id: int = 0
    number: int = 1
    body_bytes: int = 0


@dataclass(slots=True)
class Resource:
    """A normal answer: `status` here gives way to the script's; `headers` are the fields beside the usual ones."""

    body: bytes
    content_type: str = TEXT
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


def find_resource(content: Content, request: Request, body_bytes: int | None, status: int | None) -> Resource:
    """The resource at the request's path. `body_bytes` and `status` are the script's wishes, None where it has none.

    A path whose number or query makes no sense is answered 400 or 404 with a text that says so.
    """
    path = request.path
    name, slash, rest = path[1:].partition("/")
    if slash and (numbered := _NUMBERED.get(name)) is not None:
        if not (rest.isascii() and rest.isdigit() and len(rest) <= 18):
            return Resource(f"expected a number after /{name}/, got {rest!r}\n".encode(), status=404)
        return numbered(content, request, int(rest), body_bytes, status)
    if (fixed := _FIXED.get(path)) is not None:
        return fixed(content, request, status)
    return Resource(content.text(path, 1024 if body_bytes is None else body_bytes))


def _page(content: Content, _request: Request, number: int, size: int | None, _status: int | None) -> Resource:
    return Resource(content.page(number, size), HTML)


def _bytes(content: Content, request: Request, number: int, _size: int | None, _status: int | None) -> Resource:
    if number > BYTES_MAX:
        return Resource(f"expected at most {BYTES_MAX} bytes, got {number}\n".encode(), status=400)
    return Resource(content.binary(request.path, number), BINARY)


def _json(content: Content, _request: Request, number: int, size: int | None, _status: int | None) -> Resource:
    return Resource(content.document(number, size), JSON)


def _redirect(_content: Content, request: Request, number: int, _size: int | None, status: int | None) -> Resource:
    if number == 0:
        return _redirect_to("/page/0", None)
    target = "/page/0" if number == 1 else f"/redirect/{number - 1}"
    if number > 1 and request.query:
        target += f"?{request.query}"
    return _redirect_to(target, status)


def _redirect_loop(_content: Content, request: Request, status: int | None) -> Resource:
    return _redirect_to(request.target, status)


def _redirect_to_url(_content: Content, request: Request, status: int | None) -> Resource:
    url = parse_qs(request.query).get("url", [""])[0]
    if not url or not url.isprintable():
        return Resource(b"expected /redirect-to?url=URL\n", status=400)
    return _redirect_to(url, status)


def _redirect_to(location: str, status: int | None) -> Resource:
    code = status if status is not None and 300 <= status < 400 else 302
    return Resource(f"moved to {location}\n".encode(), status=code, headers=(("Location", location),))


def _items(content: Content, request: Request, _status: int | None) -> Resource:
    wanted = {"page": 1, "per_page": 10, "total": 100}
    query = parse_qs(request.query)
    for name in wanted:
        text = query.get(name, [str(wanted[name])])[0]
        if not (text.isascii() and text.isdigit() and len(text) <= 9) or (name != "total" and int(text) < 1):
            return Resource(f"{name}: expected a whole number, got {text!r}\n".encode(), JSON, status=400)
        wanted[name] = int(text)
    page, per_page, total = wanted["page"], min(wanted["per_page"], 1000), wanted["total"]
    first = (page - 1) * per_page
    items = [content.item(number) for number in range(first, min(first + per_page, total))]
    others = {name: values[0] for name, values in query.items() if name not in wanted}

    def link(to: int) -> str:
        return "/items?" + urlencode({"page": to, "per_page": per_page, "total": total, **others})

    last = max(1, -(-total // per_page))
    following = link(page + 1) if page < last else None
    links = [f'<{link(1)}>; rel="first"', f'<{link(last)}>; rel="last"']
    if following is not None:
        links.insert(0, f'<{following}>; rel="next"')
    document = {"items": items, "page": page, "per_page": per_page, "total": total, "next": following}
    return Resource(json.dumps(document).encode(), JSON, headers=(("Link", ", ".join(links)),))


def _echo(_content: Content, request: Request, _status: int | None) -> Resource:
    document = {
        "method": request.method,
        "target": request.target,
        "host": request.host,
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.headers],
        "body": request.body.decode("utf-8", "replace"),
        "body_base64": base64.b64encode(request.body).decode("ascii"),
        "body_bytes": len(request.body),
        "connection_id": request.connection_id,
        "request_id": request.number,
    }
    return Resource(json.dumps(document).encode(), JSON)


def _index(_content: Content, _request: Request, _status: int | None) -> Resource:
    rows = "".join(f"<li><code>{path}</code></li>\n" for path in [*(f"/{name}/N" for name in _NUMBERED), *_FIXED])
    body = f"<!DOCTYPE html>\n<title>Penstock origin</title>\n<h1>Penstock origin</h1>\n<ul>\n{rows}</ul>\n"
    return Resource(body.encode(), HTML)


def _missing(_content: Content, _request: Request, _status: int | None) -> Resource:
    return Resource(b"not found\n", status=404)


_NUMBERED: Mapping[str, Callable[[Content, Request, int, int | None, int | None], Resource]] = MappingProxyType(
    {"page": _page, "bytes": _bytes, "json": _json, "redirect": _redirect}
)
_FIXED: Mapping[str, Callable[[Content, Request, int | None], Resource]] = MappingProxyType(
    {
        "/": _index,
        "/items": _items,
        "/echo": _echo,
        "/redirect-loop": _redirect_loop,
        "/redirect-to": _redirect_to_url,
        "/robots.txt": _missing,
        "/favicon.ico": _missing,
    }
)
