"""The dashboard's web application: page, assets, event stream, commands, metrics. Starlette; knows no socket.

| path             | method | token | what                                                            |
|------------------|--------|-------|-----------------------------------------------------------------|
| `/`              | GET    | no    | the page, which holds nothing of the run                        |
| `/assets/NAME`   | GET    | no    | its scripts and styles                                          |
| `/events`        | GET    | yes   | server-sent events: `history`, `update`, `blocked`, `finished`  |
| `/control`       | POST   | yes   | `{"action": …}`, see `controls`                                 |
| `/metrics`       | GET    | off loopback | Prometheus text                                          |

The rule: every request passes the gate first, and every answer carries the security headers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.perf.dashboard.controls import BODY_BYTES_MAX, Steering, read_command
from penstock.perf.dashboard.hub import CLIENTS_MAX, Hub
from penstock.perf.dashboard.security import SECURITY_HEADERS, Asked, Gate, Refusal
from penstock.perf.page.assets import CONTENT_TYPES, asset_names, asset_text

HEARTBEAT_S = 5.0
STALLED_S = 20.0
_HEADERS = [(name.encode("ascii"), value.encode("ascii")) for name, value in SECURITY_HEADERS]
_OWN = {
    "dashboard.css": CONTENT_TYPES[".css"],
    "dashboard.js": CONTENT_TYPES[".js"],
    "stream.js": CONTENT_TYPES[".js"],
}


@dataclass(frozen=True, slots=True)
class Services:
    """What the application serves. `metrics`, if there are any, makes the Prometheus text and its content type
    for an `Accept` header.

    `has_page` False: metrics only. `metrics_need_token`: ask for the token there too.
    """

    hub: Hub
    gate: Gate
    steering: Steering
    metrics: Callable[[str], Awaitable[tuple[bytes, str]]] | None = None
    has_page: bool = True
    metrics_need_token: bool = False


def create_app(services: Services) -> ASGIApp:
    """The application, its gate and headers around it."""
    routes = []
    if services.has_page:
        routes += [
            Route("/", _page, methods=["GET"]),
            Route("/assets/{name}", _asset, methods=["GET"]),
            Route("/events", _Events(services)),
            Route("/control", _control(services), methods=["POST"]),
        ]
    if services.metrics is not None:
        routes.append(Route("/metrics", _metrics(services), methods=["GET"]))
    app = Starlette(routes=routes, exception_handlers={HTTPException: _say_http_error, Exception: _say_bug})
    app.router.redirect_slashes = False
    return _Guarded(app, services.gate)


async def _page(_: Request) -> Response:
    return Response(_own_text("dashboard.html"), media_type="text/html; charset=utf-8")


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name in _OWN:
        return Response(_own_text(name), media_type=_OWN[name])
    if name not in asset_names():
        raise HTTPException(404)
    return Response(asset_text(name), media_type=CONTENT_TYPES[name[name.rindex(".") :]])


def _own_text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


class _Events:
    """The stream of one page. An ASGI application of its own, to notice a reader that is gone or does not read."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            raise HTTPException(405, headers={"Allow": "GET"})
        refusal = self._services.gate.refuse_without_token(_asked(scope))
        hub = self._services.hub
        client = None if refusal else hub.join()
        if client is None:
            await _refused(refusal or _TOO_MANY_PAGES)(scope, receive, send)
            return
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"connection", b"close")]
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            while not gone.done() and (data := await _either(client.take(HEARTBEAT_S), gone)) is not None:
                async with asyncio.timeout(STALLED_S):
                    await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            # It has not read for a while: give up its place. Raising makes the server close the connection.
            raise ConnectionAbortedError("the page does not read") from None
        finally:
            gone.cancel()
            hub.leave(client)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _either(data: Awaitable[bytes | None], gone: asyncio.Future[None]) -> bytes | None:
    """What comes first: the next data, or None because the reader is gone."""
    taking = asyncio.ensure_future(data)
    racing: set[asyncio.Future[Any]] = {taking, gone}
    try:
        await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
        return taking.result() if taking.done() else None
    finally:
        taking.cancel()


def _control(services: Services) -> Callable[[Request], Awaitable[Response]]:
    async def control(request: Request) -> Response:
        refusal = services.gate.refuse_without_token(_asked(request.scope)) or services.steering.refuse_too_many()
        if refusal:
            return _refused(refusal)
        body = await _body(request)
        if isinstance(body, Refusal):
            return _refused(body)
        command = read_command(request.headers.get("content-type", ""), body)
        answer = command if isinstance(command, Refusal) else await services.steering.carry_out(command)
        return _refused(answer) if isinstance(answer, Refusal) else JSONResponse(answer)

    return control


async def _body(request: Request) -> bytes | Refusal:
    """The body, read no further than allowed."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_BYTES_MAX:
            return Refusal(413, f"expected at most {BODY_BYTES_MAX} bytes, got more", "see docs/guides/dashboard.md")
    return body


def _metrics(services: Services) -> Callable[[Request], Awaitable[Response]]:
    async def metrics(request: Request) -> Response:
        refusal = services.gate.refuse_without_token(_asked(request.scope)) if services.metrics_need_token else None
        if refusal:
            return _refused(refusal)
        assert services.metrics is not None
        content, media_type = await services.metrics(request.headers.get("accept", ""))
        return Response(content, headers={"content-type": media_type})

    return metrics


class _Guarded:
    """Asks the gate before anything else, and puts the security headers on every answer."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *_HEADERS]}
            await send(message)

        refusal = self._gate.refuse_stranger(_asked(scope))
        app = self._app if refusal is None else _refused(refusal)
        await app(scope, receive, send_guarded)


def _asked(scope: Scope) -> Asked:
    return Asked.of(scope["method"], scope["headers"])


def _refused(refusal: Refusal) -> Response:
    # The connection is not kept: what the client has still to send is not read.
    headers = {"connection": "close"}
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    if refusal.status in (429, 503):
        headers["retry-after"] = "1"
    content = {key: value for key, value in asdict(refusal).items() if key != "status"}
    return JSONResponse(content, refusal.status, headers=headers)


async def _say_http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    refusal = Refusal(error.status_code, error.detail, "the page is at /; docs/guides/dashboard.md names the others")
    answer = _refused(refusal)
    if error.headers and "Allow" in error.headers:
        answer.headers["allow"] = error.headers["Allow"]
    return answer


async def _say_bug(_: Request, error: Exception) -> Response:
    return _refused(
        Refusal(500, f"this is a bug in Penstock: {type(error).__name__}", "the run goes on; please report it")
    )


_TOO_MANY_PAGES = Refusal(503, f"expected at most {CLIENTS_MAX} open pages, got more", "close one of them")
