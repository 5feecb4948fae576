"""The daemon with four doors and nothing to do: how soon it is ready, what it holds, what it uses.

    python -m bench.idle [--stored 100000] [--settle 90] [--minutes 2] [--postgres]

Doors are asked every 60 s as in an office; the console is open to visitors, and none comes. PostgreSQL's own use of
the processor is not counted. The platforms, the scans
and the OA are the sandbox's, the mailbox is a Dovecot's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.office import KEY, answers, carry_over
from bench.processes import Watched, started, until
from bench.stored import fill
from tests.dovecot import PASSWORD, running_dovecot
from tests.endtoend.office import configuration
from tests.endtoend.standins import Standins, standins
from tests.postgres import running_postgres

USER = "idle"


def measure(folder: Path, environment: dict[str, str], console: str, settle: float, minutes: float) -> None:
    with ready(folder, environment, console, "first start to ready: platforms asked from their beginning, s"):
        pass
    with ready(folder, environment, console, "start to ready, s") as process:
        time.sleep(settle)
        tell(process, minutes)


@contextmanager
def ready(folder: Path, environment: dict[str, str], console: str, what: str) -> Iterator[Watched]:
    began = time.monotonic()
    arguments = ("ingest", "run", "-c", str(folder / "config.yaml"))
    with started(*arguments, environment=environment, log=folder / "daemon.log") as process:
        until(lambda: answers(f"{console}/readyz"), "every door and target is ready", 60, between=0.02)
        print(f"{what:70}{time.monotonic() - began:8.2f}")
        yield process


def tell(process: Watched, minutes: float) -> None:
    print(f"{'RSS, MB, what its processes share counted for each':70}{process.rss:8.0f}")
    print(f"{'  counted once (PSS)':70}{process.pss:8.0f}")
    print(f"{'processor time a minute, ms':70}{used(process, minutes):8.0f}")
    with process.at_hand():
        print(f"{'  of it without what the host makes of memory that rests':70}{used(process, minutes):8.0f}")


def used(process: Watched, minutes: float) -> float:
    """Milliseconds of processor time a minute."""
    before = process.processor
    time.sleep(minutes * 60)
    return (process.processor - before) / minutes * 1000


def configured(folder: Path, others: Standins, mailbox: int, database: str) -> str:
    """Write the configuration of an office's intervals; the console's address."""
    oa = others.places["oa"]
    text = configuration(
        folder, sunshine=others.places["sunshine"], hotline=others.places["hotline"], mailbox=mailbox, user=USER,
        letters=others.letters, oa=oa,
    )  # fmt: skip
    text = f"database: {json.dumps(database)}\n{text.replace('every: 1s', 'every: 60s')}"
    (folder / "config.yaml").write_text(text, "utf-8")
    port = next(line.split()[1] for line in text.splitlines() if line.startswith("  port:"))
    return f"http://127.0.0.1:{port}"


async def run(place: Path, stored: int, settle: float, minutes: float, *, postgres: bool) -> None:
    folder, database = place / "office", "sqlite"
    folder.mkdir()
    await asyncio.to_thread(fill, folder / "data", stored)
    with ExitStack() as stack:
        if postgres:
            database = stack.enter_context(running_postgres(careful=True)).database()
            await asyncio.to_thread(carry_over, folder, database)
        dovecot = stack.enter_context(running_dovecot())
        with dovecot.opened(USER):
            pass
        async with standins(place / "standins", "sunshine,hotline,letters,oa") as others:
            console = configured(folder, others, dovecot.port, database)
            secrets = {**others.keys, "XINQIAO_KEY": KEY, "MAILBOX_PASSWORD": PASSWORD}
            await asyncio.to_thread(measure, folder, secrets, console, settle, minutes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stored", type=int, default=100_000, help="cases in the store")
    parser.add_argument("--settle", type=float, default=90, help="seconds before anything is measured")
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL instead of SQLite")
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        print(f"{options.stored:,} cases stored, four doors asked every 60 s, console open")
        asyncio.run(run(Path(place), options.stored, options.settle, options.minutes, postgres=options.postgres))


if __name__ == "__main__":
    main()
