"""Events delivered a second, beside a bare aiohttp client that posts the same bytes with the same concurrency.

    python -m bench.delivery [--events 5000] [--rounds 3] [--postgres]

In turns, to the same receiver. The daemon finds its events waiting in the store: from the first that arrives to the
last it signs each, sends it and writes down what came of it. The client does none of that. With `--postgres` its store
is a PostgreSQL, started for it on the same two cores.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from shutil import rmtree

import aiohttp

from bench.office import Oa, at_work, carry_over, receiving
from bench.processes import middle, started
from bench.stored import fill
from dispatch.settings import TargetSettings
from tests.dovecot import Dovecot, running_dovecot
from tests.postgres import Server, running_postgres

CONCURRENCY: int = TargetSettings.model_fields["concurrency"].default
USER = "nobody-writes"


def ceiling(oa: Oa, events: int, body: Path) -> float:
    oa.forget()
    with started("bench.delivery", "--post", oa.url, str(events), str(body)):
        oa.wait_for(events)
    return events / (oa.last - oa.first)


def daemon(folder: Path, dovecot: Dovecot, oa: Oa, events: int, server: Server | None) -> float:
    oa.forget()
    rmtree(folder, ignore_errors=True)
    fill(folder / "data", events, waiting=True)
    database = "sqlite"
    if server is not None:
        database = server.database()
        carry_over(folder, database)
    with at_work(folder, dovecot, USER, oa, database=database):
        oa.wait_for(events)
    return events / (oa.last - oa.first)


async def post(url: str, events: int, body: bytes) -> None:
    """What the daemon's worker asks of its client, without the daemon: as many headers and bytes, nothing signed."""
    waiting = iter(range(events))
    signature = f"v1,{base64.b64encode(bytes(32)).decode()}"
    connector = aiohttp.TCPConnector(limit=CONCURRENCY)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:

        async def send() -> None:
            for number in waiting:
                headers = {
                    "content-type": "application/json; charset=utf-8",
                    "x-number": f"evt_{number:026}",
                    "x-timestamp": "1700000000",
                    "x-signature": signature,
                }
                async with session.post(f"{url}/webhook", data=body, headers=headers) as answer:
                    await answer.read()

        for _ in range(CONCURRENCY):
            group.create_task(send())


def main() -> None:
    if sys.argv[1:2] == ["--post"]:
        asyncio.run(post(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]).read_bytes()))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL instead of SQLite")
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's temporary folder)")
    options = parser.parse_args()
    with ExitStack() as stack:
        dovecot, oa = stack.enter_context(running_dovecot()), stack.enter_context(receiving())
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        server = stack.enter_context(running_postgres(careful=True)) if options.postgres else None
        body = place / "event.json"
        body.write_text(json.dumps({"type": "case.created", "data": "字" * 1060}, ensure_ascii=False))
        turns = [
            (ceiling(oa, options.events, body), daemon(place / "office", dovecot, oa, options.events, server))
            for _ in range(options.rounds)
        ]
    bare, ours = middle([turn[0] for turn in turns]), middle([turn[1] for turn in turns])
    print(f"{options.events} events, {CONCURRENCY} at once, middle of {options.rounds} rounds")
    print(f"{'bare aiohttp client, posts/s':58}{bare:8,.0f}")
    name = f"daemon on {'PostgreSQL' if server else 'SQLite'}, events delivered/s"
    print(f"{name:58}{ours:8,.0f}")
    print(f"{'  ratio to the client':58}{ours / bare:8.2f}")


if __name__ == "__main__":
    main()
