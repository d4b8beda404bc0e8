"""One HTTP/1.1 connection: reads requests with httptools, waits and sends as `delivery` says, and logs how each ended.

It decides nothing: scripts, plans and answers are made elsewhere. No task and no future per request: an answer is a row
of steps that is walked until one has to wait. One rule: each request that began is ended exactly once, in `_end`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from typing import cast

import httptools

from penstock.errors import ConfigError
from penstock.perf.origin.delivery import Answer, Ending, choose_retry_after, make_answer, make_error_answer
from penstock.perf.origin.exchange import Exchange
from penstock.perf.origin.plan import make_plan
from penstock.perf.origin.reset import arm_reset, count_unsent_bytes
from penstock.perf.origin.resource import JSON, Request, Resource, find_resource
from penstock.perf.origin.script import Script
from penstock.perf.origin.state import OriginState, VirtualHost

REQUEST_BODY_MAX = 16 * 1024**2
_PIPELINED_MAX = 100
_CONTROL = "/_origin/"
_DELIVERY_WAIT_S_MAX = 5.0


class Connection(asyncio.Protocol):
    """`answer_s_max` bounds every answer in time, those without end included. `is_tls` is for buffer accounting only.

    It stands in `connections`, its owner's set, as long as it is open.
    """

    def __init__(
        self,
        state: OriginState,
        loop: asyncio.AbstractEventLoop,
        answer_s_max: float,
        connections: set[Connection],
        *,
        is_tls: bool = False,
    ) -> None:
        self._state = state
        self._loop = loop
        self._answer_s_max = answer_s_max
        self._connections = connections
        self._is_tls = is_tls
        self._parser = httptools.HttpRequestParser(self)
        self._current: Exchange | None = None
        self._pipelined: deque[tuple[Request, VirtualHost]] = deque()
        self._requests = 0
        self._is_paused = False
        self._is_closing = False
        self._reset_timer: asyncio.TimerHandle | None = None
        self._clear_request()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but the class
        self._connections.add(self)
        self._local = str(transport.get_extra_info("sockname")[0])
        is_accepted = self._state.accept(self._local, self._loop.time())
        self._id = self._state.connections
        if not is_accepted:
            self._reset()
            return
        # The limits make the transport write at once and report everything that the kernel did not take.
        transport.set_write_buffer_limits(high=1 if self._is_tls else 0, low=0)

    def data_received(self, data: bytes) -> None:
        if self._is_closing:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:  # an offer that is not taken: go on in HTTP/1.1
            self._parser = httptools.HttpRequestParser(self)
            if rest := data[upgrade.args[0] :]:
                self.data_received(rest)
        except httptools.HttpParserCallbackError:
            raise
        except httptools.HttpParserError as error:
            self._refuse(str(error))

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        exchange = self._current
        if exchange is not None and exchange.bytes_unsent:
            exchange.bytes_unsent = 0
            self._resume()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._state.connections_open -= 1
        self._abandon()

    def stop(self) -> None:
        """Drop the connection; a request in flight is logged as incomplete."""
        self._abandon()
        self._transport.abort()

    def _abandon(self) -> None:
        self._is_closing = True
        self._pipelined.clear()
        if self._reset_timer is not None:
            self._reset_timer.cancel()
        if self._current is not None:
            self._end(self._current, is_sent=False)

    # What the parser calls.

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))
        lowered = name.lower()
        if lowered == b"host":
            self._host_field = value
        elif lowered == b"expect" and value.lower() == b"100-continue" and self._current is None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes <= REQUEST_BODY_MAX:
            self._body.append(body)

    def on_message_complete(self) -> None:
        parser = self._parser
        target = self._url.decode("latin-1")
        if not target.startswith("/"):
            target = self._read_absolute_target(target)
        self._requests += 1
        path, _, query = target.partition("?")
        host = self._state.find_host(self._host_field, self._local)
        request = Request(
            parser.get_method().decode("ascii"),
            target,
            path,
            query,
            host.name,
            self._headers,
            b"".join(self._body) if self._body else b"",
            parser.should_keep_alive(),
            parser.get_http_version() == "1.0",
            self._id,
            self._requests,
            self._body_bytes,
        )
        self._clear_request()
        if self._current is None and not self._is_closing:
            self._begin(request, host)
        else:
            self._pipelined.append((request, host))
            if len(self._pipelined) == _PIPELINED_MAX:
                self._transport.pause_reading()

    def _clear_request(self) -> None:
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._host_field = b""
        self._body: list[bytes] = []
        self._body_bytes = 0

    def _read_absolute_target(self, target: str) -> str:
        """RFC 9112 §3.2.2: the authority of an absolute target replaces the Host field."""
        _, separator, rest = target.partition("://")
        if not separator:
            return "/" + target
        authority, slash, path = rest.partition("/")
        self._host_field = authority.rpartition("@")[2].encode("latin-1")
        return slash + path if slash else "/"

    # From a request to its end.

    def _begin(self, request: Request, host: VirtualHost) -> None:
        if request.target.startswith(_CONTROL):
            self._control(request)
            return
        state = self._state
        exchange = self._current = Exchange(request, host)
        now_s = exchange.t_ns / 1e9
        script = state.find_script(host, request.path, request.query, now_s)
        if isinstance(script, list):
            self._fail(exchange, 400, "bad-request", "; ".join(script))
            return
        if request.body_bytes > REQUEST_BODY_MAX:
            self._fail(exchange, 413, "bad-request", f"expected a body of at most {REQUEST_BODY_MAX} bytes")
            return
        exchange.script = script
        exchange.plan = plan = make_plan(script, state.seed, host.name, request.target, exchange.attempt)
        exchange.outcome = plan.outcome
        if wait_s := state.take_token(script, host, now_s):
            self._fail(exchange, 429, "rate-limited", f"the next token comes in {wait_s:.3f} s", wait_s)
            return
        if (slots := state.find_slots(script, host)) is not None:
            is_granted = slots.acquire(self._take_slot)
            if is_granted is False:
                self._fail(exchange, 503, "queue-full", f"{slots.slots_max} in service, {slots.waiting} waiting")
                return
            exchange.slots = slots
            if is_granted is None:
                exchange.waits_for_slot = True
                return
        self._serve(exchange)

    def _take_slot(self) -> None:
        """Called when a slot became free. Served on the loop's next turn: a long queue must not become recursion."""
        assert self._current is not None
        self._current.waits_for_slot = False
        self._current.timer = self._loop.call_later(0, self._serve_later)

    def _serve_later(self) -> None:
        assert self._current is not None
        self._current.timer = None
        self._serve(self._current)
        self._begin_pipelined()

    def _serve(self, exchange: Exchange) -> None:
        plan = exchange.plan
        assert plan is not None
        if plan.latency_s > 0.0:
            exchange.timer = self._loop.call_later(min(plan.latency_s, self._answer_s_max), self._answer_later)
        else:
            self._answer(exchange)

    def _answer_later(self) -> None:
        assert self._current is not None
        self._current.timer = None
        self._answer(self._current)
        self._begin_pipelined()

    def _answer(self, exchange: Exchange) -> None:
        script, plan, request = exchange.script, exchange.plan, exchange.request
        assert script is not None
        assert plan is not None
        if plan.outcome.isdigit():
            self._fail(exchange, int(plan.outcome), plan.outcome, "as the script says")
            return
        resource = find_resource(self._state.content, request, plan.body_bytes, script.status)
        date = self._state.format_date(exchange.wall_s)
        try:
            answer = make_answer(resource, script, plan.outcome, request, date)
        except ConfigError as error:
            self._fail(exchange, 400, "bad-request", str(error))
            return
        self._deliver(exchange, answer)

    def _fail(self, exchange: Exchange, status: int, outcome: str, text: str, wait_s: float = 0.0) -> None:
        exchange.outcome = outcome
        wanted = exchange.script.retry_after if exchange.script is not None else None
        retry_after = choose_retry_after(wanted, status, time.time(), wait_s)
        date = self._state.format_date(exchange.wall_s)
        self._deliver(exchange, make_error_answer(status, text, exchange.request, date, retry_after))

    def _deliver(self, exchange: Exchange, answer: Answer) -> None:
        exchange.answer = answer
        exchange.steps = iter(answer.steps)
        self._advance(exchange)
        if self._current is exchange:  # it waits for something
            exchange.deadline = self._loop.call_later(self._answer_s_max, self._transport.abort)

    def _advance(self, exchange: Exchange) -> None:
        """Walk the steps until one must wait or none is left."""
        assert exchange.steps is not None
        assert exchange.answer is not None
        for step in exchange.steps:
            if isinstance(step, bytes):
                self._transport.write(step)
                exchange.bytes_written += len(step)
                if self._transport.is_closing():  # the write failed; connection_lost follows
                    exchange.bytes_unsent = len(step)
                    return
                if self._is_paused:
                    exchange.bytes_unsent = max(1, self._transport.get_write_buffer_size())  # 0 would mean: not waiting
                    return
            else:
                exchange.timer = self._loop.call_later(step, self._advance_later)
                return
        if exchange.answer.ending is not Ending.HOLD:
            self._end(exchange, is_sent=True)

    def _advance_later(self) -> None:
        assert self._current is not None
        self._current.timer = None
        self._resume()

    def _resume(self) -> None:
        if self._current is not None:
            self._advance(self._current)
        self._begin_pipelined()

    def _end(self, exchange: Exchange, *, is_sent: bool) -> None:
        """Log the request, give back what it held, and end the connection if the answer says so."""
        self._current = None
        answer = exchange.answer
        for timer in (exchange.timer, exchange.deadline):
            if timer is not None:
                timer.cancel()
        self._state.end(exchange.host, exchange.make_entry(self._local, is_sent=is_sent))
        if exchange.slots is not None:
            if exchange.waits_for_slot:
                exchange.slots.leave(self._take_slot)
            else:
                exchange.slots.release()
        if is_sent and answer is not None and answer.ending is not Ending.KEEP:
            self._is_closing = True
            if answer.ending is Ending.RESET:
                self._reset()
            else:
                self._transport.close()

    def _begin_pipelined(self) -> None:
        if len(self._pipelined) >= _PIPELINED_MAX:
            self._transport.resume_reading()
        while self._pipelined and self._current is None and not self._is_closing:
            self._begin(*self._pipelined.popleft())

    # The ends of a connection, and the control paths.

    def _reset(self, waited_s: float = 0.0) -> None:
        """Send RST, but not before the peer's kernel has what was sent: RST discards what is still queued here."""
        self._is_closing = True
        plain_socket = self._transport.get_extra_info("socket")
        if waited_s < _DELIVERY_WAIT_S_MAX and count_unsent_bytes(plain_socket) > 0:
            delay_s = max(0.001, waited_s / 4)
            self._reset_timer = self._loop.call_later(delay_s, self._reset, waited_s + delay_s)
            return
        arm_reset(plain_socket)
        self._transport.abort()

    def _refuse(self, reason: str) -> None:
        """Answer what is not HTTP, unless a request is being answered, and close."""
        self._is_closing = True
        if self._current is None:
            body = f"400 Bad Request: {reason}\n".encode("latin-1", "replace")
            head = f"HTTP/1.1 400 Bad Request\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            self._transport.write(head.encode("ascii") + body)
        self._transport.close()

    def _control(self, request: Request) -> None:
        """`/_origin/stats`, `/_origin/flush`, `/_origin/reset`: neither counted nor logged; each answers the stats."""
        state = self._state
        action = request.path.removeprefix(_CONTROL)
        status = 200 if action in ("stats", "flush", "reset") else 404
        if state.log is not None and action in ("flush", "reset"):
            state.log.flush()
        document = state.stats()
        if action == "reset":
            state.reset(time.monotonic())
        resource = Resource(json.dumps(document).encode(), JSON, status)
        answer = make_answer(resource, Script(), "ok", request, state.format_date(time.time()))
        for step in answer.steps:
            if isinstance(step, bytes):
                self._transport.write(step)
        if answer.ending is Ending.CLOSE:
            self._is_closing = True
            self._transport.close()
