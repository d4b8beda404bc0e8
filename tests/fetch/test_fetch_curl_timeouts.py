"""Answers that do not come, stop or drip; fetches that are cancelled. Long waits are told to `sweep`, not waited."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable

import pytest
from fetch_kit import failure, fetch, item, response, run, transport, until

from penstock.fetch.curl import CurlTransport
from penstock.model import Failure, Response
from penstock.perf.origin.content import Content
from penstock.perf.origin.process import OriginProcess

pytestmark = pytest.mark.slow


def open_descriptors() -> int:
    """How many this process has; 0 where that cannot be told."""
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0


def in_flight(origin: OriginProcess) -> int:
    hosts = origin.stats()["hosts"]
    return sum(int(host["inflight"]) for host in hosts.values())


Began = Callable[[CurlTransport], object]


def swept(
    origin: OriginProcess, path: str, began: Began, *passing_s: float, **options: float
) -> tuple[list[bool], Response | Failure]:
    """Fetch; once it has begun tell the transport that so many seconds have passed, one after another.

    Returns for each whether it was still running then, and the result.
    """

    async def main() -> tuple[list[bool], Response | Failure]:
        async with transport(**options) as curl:
            task = asyncio.create_task(curl.fetch(item(origin.url + path)))
            await until(lambda: began(curl))
            now_s = asyncio.get_running_loop().time()
            curl.sweep(now_s)
            running = []
            for seconds in passing_s:
                curl.sweep(now_s + seconds)
                for _ in range(3):
                    await asyncio.sleep(0)
                running.append(not task.done())
            return running, await task

    return run(main())


def test_no_answer_is_a_first_byte_timeout(origin: OriginProcess) -> None:
    running, result = swept(origin, "/x?fault=hang", lambda _: in_flight(origin), 29.5, 30.5)
    assert running == [True, False]
    assert failure(result).kind == "timeout_first_byte"


def test_a_server_that_thinks_is_not_too_slow(origin: OriginProcess) -> None:
    """The speed limit counted from the request once, so that no first byte could take longer than `--speed-time`."""
    running, result = swept(
        origin, "/x?fault=hang", lambda _: in_flight(origin), 31, 299, 301, first_byte_timeout_s=300
    )
    assert running == [True, True, False]
    assert failure(result).kind == "timeout_first_byte"


def test_silence_inside_a_body_is_an_idle_timeout(origin: OriginProcess) -> None:
    running, result = swept(origin, "/x?fault=stall&bytes=300K", lambda curl: curl.buffered_bytes >= 150_000, 19, 21)
    assert running == [True, False]
    assert failure(result).kind == "timeout_idle"


def test_a_length_that_is_never_reached_is_an_idle_timeout(origin: OriginProcess) -> None:
    _, result = swept(origin, "/page/1?fault=length-long", lambda curl: curl.buffered_bytes >= 5253, 21)
    assert failure(result).kind == "timeout_idle"


def test_a_drip_is_too_slow_although_it_never_idles(origin: OriginProcess) -> None:
    def began(curl: CurlTransport) -> int:
        return curl.buffered_bytes

    path = "/x?fault=drip-body&drip=100&bytes=300K"
    running, result = swept(origin, path, began, 29, 31, idle_timeout_s=3600)
    assert running == [True, False]
    assert failure(result).kind == "timeout_speed"
    running, result = swept(origin, path, began, 31, 3601, idle_timeout_s=3600, speed_limit_bytes_per_s=0)
    assert running == [True, False]
    assert failure(result).kind == "timeout_idle", "without a speed limit only silence counts"


def test_silence_after_a_redirect_waits_for_a_first_byte(origin: OriginProcess) -> None:
    running, result = swept(
        origin, "/redirect-to?url=/x?fault=hang", lambda _: in_flight(origin), 25, 31, idle_timeout_s=20
    )
    assert running == [True, False]
    assert failure(result).kind == "timeout_first_byte"


def test_the_whole_attempt_has_a_limit(origin: OriginProcess) -> None:
    assert failure(fetch(origin.url + "/x?fault=hang", total_timeout_s=0.2)).kind == "timeout_total"
    drip = failure(fetch(origin.url + "/x?fault=drip-body&bytes=300K", total_timeout_s=0.3))
    assert (drip.kind, drip.is_unsent) == ("timeout_total", False)


def test_a_connection_that_is_not_accepted_is_a_connect_timeout() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        # The kernel completes one or two connections by itself; after that it answers no more.
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            failed = failure(fetch(f"http://127.0.0.1:{port}/", connect_timeout_s=0.3))
        finally:
            for filler in fillers:
                filler.close()
    assert failed.kind == "timeout_connect"
    assert failed.is_unsent


def test_unsent_is_said_only_when_nothing_was_sent(origin: OriginProcess) -> None:
    assert failure(fetch("http://127.0.0.1:1/")).is_unsent
    for fault in ("reset-before", "close-before", "hang"):
        failed = failure(fetch(f"{origin.url}/x?fault={fault}", total_timeout_s=0.3))
        assert not failed.is_unsent, fault


def test_a_cancelled_fetch_leaves_the_transport_as_it_was(origin: OriginProcess) -> None:
    paths = ("/x?fault=hang", "/x?fault=stall&bytes=300K", "/x?fault=drip-headers", "/x?fault=infinite&bandwidth=64K")

    async def main() -> tuple[int, int]:
        async with transport() as curl:
            await asyncio.gather(*(curl.fetch(item(origin.url + "/page/1?latency=0.05")) for _ in range(8)))
            before = open_descriptors()
            for _ in range(5):
                tasks = [asyncio.create_task(curl.fetch(item(origin.url + path))) for path in paths]
                await until(lambda: in_flight(origin) == 4)
                for task in tasks:
                    task.cancel()
                results = await asyncio.gather(*tasks, return_exceptions=True)
                assert all(isinstance(result, asyncio.CancelledError) for result in results)
                await until(lambda: in_flight(origin) == 0)  # the origin sees that the connections are gone
                assert response(await curl.fetch(item(origin.url + "/page/2"))).body == Content(0).page(2)
            assert curl.buffered_bytes == 0
            return before, open_descriptors()

    before, after = run(main())
    assert after <= before


def test_a_fetch_cancelled_before_it_began_leaves_nothing(origin: OriginProcess) -> None:
    async def main() -> None:
        async with transport() as curl:
            for yields in range(6):
                task = asyncio.create_task(curl.fetch(item(origin.url + "/page/1")))
                for _ in range(yields):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            assert response(await curl.fetch(item(origin.url + "/page/2"))).body == Content(0).page(2)
            assert curl.buffered_bytes == 0

    run(main())


def test_closing_with_fetches_running_ends_without_noise(origin: OriginProcess) -> None:
    async def main() -> None:
        async with transport() as curl:
            tasks = [asyncio.create_task(curl.fetch(item(origin.url + "/x?fault=hang"))) for _ in range(3)]
            await until(lambda: in_flight(origin) == 3)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: in_flight(origin) == 0)

    run(main())


def test_buffered_bytes_count_what_running_transfers_hold(origin: OriginProcess) -> None:
    async def main() -> None:
        async with transport() as curl:
            task = asyncio.create_task(curl.fetch(item(origin.url + "/x?fault=stall&bytes=300K&encoding=gzip")))
            await until(lambda: curl.buffered_bytes > 100_000)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert curl.buffered_bytes == 0

    run(main())
