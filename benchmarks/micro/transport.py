"""What each layer over libcurl costs in CPU per request, interleaved: `python benchmarks/micro/transport.py`.

Layers: pycurl's own AsyncCurlMulti; our driver alone, without requests; the transport; the whole engine without a sink.
Fetches 1 KB from nginx on the other core, keep-alive, 64 at once, on uvloop.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

LAYERS = ("AsyncCurlMulti", "driver", "transport", "engine")
AT_ONCE = 64


def main() -> int:
    parser = argparse.ArgumentParser(description="CPU per request of each layer over libcurl.")
    parser.add_argument("--n", type=int, default=20_000, help="requests of one run")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--layer", choices=LAYERS, help=argparse.SUPPRESS)
    parser.add_argument("--base", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.layer:
        print(json.dumps(asyncio_run(one_layer(args.layer, args.base, args.n))))
        return 0
    from benchmarks.peers.environment import choose_cores, missing_program
    from benchmarks.peers.nginx import Nginx

    if trouble := missing_program("nginx"):
        print(f"not measured: {trouble}", file=sys.stderr)
        return 2
    cores = choose_cores()
    found: dict[str, list[float]] = {layer: [] for layer in LAYERS}
    with (
        tempfile.TemporaryDirectory() as folder,
        Nginx(Path(folder) / "nginx", core=cores.server, sizes=("1k",)) as origin,
    ):
        base = origin.url("1k", 0, is_tls=False).removesuffix("/0")
        for number in range(args.rounds):
            for layer in random.Random(number).sample(LAYERS, len(LAYERS)):
                found[layer].append(measured(layer, base, args.n, cores.client))
            print(f"round {number + 1}/{args.rounds}", file=sys.stderr)
    print(f"µs of CPU per request, n = {args.n:,}, {args.rounds} rounds, interleaved; median (least to most)")
    for layer, costs in found.items():
        print(f"{layer:15} {statistics.median(costs):6.1f}  ({min(costs):.1f} to {max(costs):.1f})")
    return 0


def measured(layer: str, base: str, n: int, core: int | None) -> float:
    pin = ["taskset", "-c", str(core)] if core is not None else []
    command = [*pin, sys.executable, __file__, "--layer", layer, "--base", base, "--n", str(n)]
    return float(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def asyncio_run(main: object) -> float:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)  # type: ignore[arg-type]


async def one_layer(layer: str, base: str, n: int) -> float:
    """Warm the connections up, then CPU µs per request."""
    run = {"AsyncCurlMulti": bare_async, "driver": bare_driver, "transport": transport, "engine": engine}[layer]
    return await run(base, n)


async def timed(fetch: object, numbers: Iterator[int], n: int) -> float:
    async def work() -> None:
        for number in numbers:
            await fetch(number)  # type: ignore[operator]

    await asyncio.gather(*(fetch(number) for number in range(AT_ONCE)))  # type: ignore[operator]
    begin_s = time.process_time()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return (time.process_time() - begin_s) / n * 1e6


async def bare_async(base: str, n: int) -> float:
    import pycurl

    multi = pycurl.AsyncCurlMulti()
    idle = [easy_handle() for _ in range(AT_ONCE)]

    async def fetch(number: int) -> None:
        curl = idle.pop()
        curl.setopt(pycurl.URL, f"{base}/{number}")
        await multi.perform(curl)
        idle.append(curl)

    cost = await timed(fetch, iter(range(n)), n)
    await multi.aclose()
    return cost


async def bare_driver(base: str, n: int) -> float:
    import pycurl

    from penstock.fetch.driver import CurlDriver

    class Transfer:
        def __init__(self) -> None:
            self.curl = easy_handle()
            self.done: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    loop = asyncio.get_running_loop()
    driver = CurlDriver(loop, connections_max=256)
    idle = [Transfer() for _ in range(AT_ONCE)]

    async def fetch(number: int) -> None:
        transfer = idle.pop()
        transfer.curl.setopt(pycurl.URL, f"{base}/{number}")
        transfer.done = loop.create_future()
        driver.start(transfer)
        await transfer.done
        idle.append(transfer)

    cost = await timed(fetch, iter(range(n)), n)
    driver.close()
    return cost


async def transport(base: str, n: int) -> float:
    from penstock.fetch.curl import CurlTransport
    from penstock.fetch.options import FetchOptions
    from penstock.model import Item, Response

    curl = CurlTransport(FetchOptions(), refusal=lambda _address: None)

    async def fetch(number: int) -> None:
        answer = await curl.fetch(Item(number, f"{base}/{number}", base, attempts=1))
        assert isinstance(answer, Response), answer

    cost = await timed(fetch, iter(range(n)), n)
    await curl.aclose()
    return cost


async def engine(base: str, n: int) -> float:
    from penstock.engine.options import EngineOptions
    from penstock.engine.pipeline import Pipeline
    from penstock.fetch.curl import CurlTransport
    from penstock.fetch.options import FetchOptions
    from penstock.model import Ack, Outcome
    from penstock.testing import ListSource

    class Nowhere:
        def write(self, outcomes: Sequence[Outcome], checkpoint: tuple[int, str] | None = None) -> Ack:
            return Ack([outcome.item.id for outcome in outcomes], written=len(outcomes))

        def commit(self, checkpoint: tuple[int, str] | None = None) -> Ack:
            return Ack()

        def close(self) -> None: ...

    source = ListSource([f"{base}/{number}" for number in range(n)], batch_rows=1024)
    curl = CurlTransport(FetchOptions(), refusal=lambda _address: None)
    options = EngineOptions(concurrency=AT_ONCE, concurrency_per_host=AT_ONCE)
    begin_s = time.process_time()
    result = await Pipeline(source, curl, Nowhere(), options=options).run()
    cost = (time.process_time() - begin_s) / n * 1e6
    assert result.counters.written == n
    await curl.aclose()
    return cost


def easy_handle() -> object:
    import pycurl

    curl = pycurl.Curl()
    curl.setopt(pycurl.WRITEFUNCTION, lambda _chunk: None)
    curl.setopt(pycurl.BUFFERSIZE, 128 << 10)
    curl.setopt(pycurl.NOSIGNAL, 1)
    return curl


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)
    sys.exit(main())
