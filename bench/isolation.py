"""Whether a hanging target changes another's latency more than one that answers: interleaved rounds of both.

    python -m bench.isolation [--rounds 5] [--events 300] [--rate 100]

Events are published at a steady rate to two targets. The first answers at once; so does the second in every other
round, in the others it answers nothing until its time-out. Printed is how long an event takes to reach the first.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web

from dispatch.worker import TargetWorker
from tests.ingest.desk import open_desk, reading, target


@asynccontextmanager
async def serving(handle: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def measure(folder: Path, events: int, rate: float, *, hanging: bool) -> list[float]:
    """Seconds from an event's publication to its arrival, one by one."""
    published: dict[str, float] = {}
    arrived: dict[str, float] = {}
    all_here, over = asyncio.Event(), asyncio.Event()

    async def prompt(request: web.Request) -> web.Response:
        body = await request.text()
        case_id = body.split('"case_id": "' if '"case_id": "' in body else '"case_id":"', 1)[1].split('"', 1)[0]
        arrived[case_id] = time.perf_counter()
        if len(arrived) == events:
            all_here.set()
        return web.json_response({})

    async def other(request: web.Request) -> web.Response:
        await request.read()
        if hanging:
            await over.wait()
        return web.json_response({})

    async with serving(prompt) as url, serving(other) as second:
        settings = {"oa": target(url), "second": target(second, timeout=timedelta(seconds=5))}
        with open_desk(folder, settings) as desk:
            stopping = asyncio.Event()
            workers = [
                asyncio.create_task(
                    TargetWorker(name, one, desk.store, lambda: datetime.now(UTC), lambda *_: None).run(stopping)
                )
                for name, one in settings.items()
            ]
            for number in range(events):
                begun = time.perf_counter()
                (case_id,) = await asyncio.to_thread(desk.take_in, reading(f"x:{number}"), key=str(number))
                published[case_id] = begun
                await asyncio.sleep(max(0.0, 1 / rate - (time.perf_counter() - begun)))
            await all_here.wait()
            over.set()
            stopping.set()
            desk.store.wakes.ring_all()
            await asyncio.gather(*workers)
    return [arrived[case_id] - begun for case_id, begun in published.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=300)
    parser.add_argument("--rate", type=float, default=100)
    options = parser.parse_args()
    found: dict[bool, list[list[float]]] = {False: [], True: []}
    for _ in range(options.rounds):
        for hanging in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                found[hanging].append(asyncio.run(measure(Path(folder), options.events, options.rate, hanging=hanging)))
    print(f"{options.events} events at {options.rate:g}/s, {options.rounds} interleaved rounds; milliseconds")
    print(f"{'':28}{'p50':>8}{'p99':>8}   p50 of each round")
    for hanging, name in ((False, "beside a prompt target"), (True, "beside a hanging target")):
        times = sorted(one for each in found[hanging] for one in each)
        rounds = " ".join(f"{statistics.median(each) * 1000:.1f}" for each in found[hanging])
        print(f"{name:28}{_at(times, 0.5):8.1f}{_at(times, 0.99):8.1f}   {rounds}")
    ratio = statistics.median(statistics.median(one) for one in found[True]) / statistics.median(
        statistics.median(one) for one in found[False]
    )
    print(f"ratio of the medians {ratio:.2f}")


def _at(times: list[float], share: float) -> float:
    return times[min(int(len(times) * share), len(times) - 1)] * 1000


if __name__ == "__main__":
    main()
