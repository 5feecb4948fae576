"""The whole way of 2,000 mails (Dovecot, daemon, receiver) beside a script that does the same job.

    python -m bench.way [--mails 2000] [--rounds 3] [--stored 1,100000] [--postgres] [--watch]

In turns, each time another mailbox, the same for both, and the same receiver; the middle round of each counts, and the
ratio more than the rates. `--stored`: with so many cases in the store before; each number is a daemon of its own.
`--postgres`: and one on an empty PostgreSQL, which shares the processors. `--watch`: one more round in asyncio's debug
mode, which tells what held the event loop for more than 50 ms. The mails are made from `$XINQIAO_DATA/mail/trec06c`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from shutil import rmtree

from bench.mails import ROOT, endless
from bench.office import Oa, at_work, deposit, receiving
from bench.processes import middle, percentile
from bench.stored import fill
from tests.dovecot import PASSWORD, Dovecot, running_dovecot
from tests.postgres import running_postgres


@dataclass(frozen=True)
class Round:
    """What one round of the daemon showed."""

    rate: float
    processor: float
    """Milliseconds a mail."""
    peak: float
    """Megabytes of RSS, the highest of each process added up; what they share counts for each."""
    pss: float
    """Megabytes when all is delivered; what they share counts once."""
    transactions: float
    """A mail."""
    waits: list[float]
    held: int = 0


class Town:
    """Mailboxes, each with mails of its own."""

    def __init__(self, dovecot: Dovecot, oa: Oa, mails: int) -> None:
        self.dovecot, self.oa, self.mails = dovecot, oa, mails
        self._made = endless()
        self._users = count(1)

    def mailbox(self) -> str:
        user = f"way-{next(self._users)}"
        deposit(self.dovecot, user, islice(self._made, self.mails))
        return user

    def script(self, user: str) -> float:
        """Mails a second."""
        self.oa.forget()
        place = ["127.0.0.1", str(self.dovecot.port), user, PASSWORD, f"{self.oa.url}/webhook"]
        command = [sys.executable, "bench/script.py", *place]
        said = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True).stdout
        if self.oa.seen != self.mails:
            raise RuntimeError(f"the script delivered {self.oa.seen} of {self.mails} mails")
        return self.mails / (self.oa.last - float(said))

    def daemon(self, folder: Path, user: str, database: str = "sqlite", **environment: str) -> Round:
        self.oa.forget()
        with at_work(
            folder, self.dovecot, user, self.oa, channel=user, database=database, environment=environment
        ) as office:
            office.wait()
            before = office.process.processor
            self.oa.wait_for(self.mails)
            return Round(
                rate=self.mails / (self.oa.last - office.began),
                processor=(office.process.processor - before) / self.mails * 1000,
                peak=office.process.peak_rss,
                pss=office.process.pss,
                transactions=office.metric("xinqiao_store_transactions_total") / self.mails,
                waits=[one.waited for one in self.oa.arrivals()],
                held=office.log.read_text("utf-8").count("Executing <"),
            )


def folders(place: Path, stored: list[int]) -> Iterator[Path]:
    for number in stored:
        folder = place / f"stored-{number}"
        if number > 1:
            fill(folder / "data", number)
        yield folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stored", default="1", help="cases in the store before, such as 1,100000,1000000")
    parser.add_argument("--postgres", action="store_true", help="a daemon on PostgreSQL as well")
    parser.add_argument("--watch", action="store_true", help="a round in asyncio's debug mode")
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's temporary folder)")
    options = parser.parse_args()
    stored = [int(number) for number in options.stored.split(",")]
    with ExitStack() as stack:
        dovecot, oa = stack.enter_context(running_dovecot()), stack.enter_context(receiving())
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        server = stack.enter_context(running_postgres(careful=True)) if options.postgres else None
        town = Town(dovecot, oa, options.mails)
        offices = dict(zip(stored, folders(place, stored), strict=True))
        script: list[float] = []
        rounds: dict[str, list[Round]] = {}
        for _ in range(options.rounds):
            user = town.mailbox()
            script.append(town.script(user))
            for number, folder in offices.items():
                name = f"{number:,} case{'s' if number > 1 else ''} stored before"
                made = town.daemon(fresh(folder) if number <= 1 else folder, user)
                rounds.setdefault(name, []).append(made)
            if server is not None:
                made = town.daemon(fresh(place / "postgresql"), user, server.database())
                rounds.setdefault("on PostgreSQL, nothing stored before", []).append(made)
        held = watched(town, place) if options.watch else 0
    tell(options.mails, script, rounds)
    if options.watch:
        print(f"{'event loop held for more than 50 ms':58}{held:8} times")


def watched(town: Town, place: Path) -> int:
    """How often the event loop was held, by asyncio's own account."""
    return town.daemon(place / "watched", town.mailbox(), PYTHONASYNCIODEBUG="1").held


def fresh(folder: Path) -> Path:
    rmtree(folder, ignore_errors=True)
    return folder


def tell(mails: int, script: list[float], rounds: dict[str, list[Round]]) -> None:
    reference = middle(script)
    print(f"{mails} mails, {os.cpu_count()} processors, middle of {len(script)} rounds (lowest to highest)")
    print(f"{'script, mails/s':58}{reference:8,.0f}  ({min(script):,.0f} to {max(script):,.0f})")
    for where, those in rounds.items():
        rates = [one.rate for one in those]
        print(f"{f'daemon, mails/s, {where}':58}{middle(rates):8,.0f}  ({min(rates):,.0f} to {max(rates):,.0f})")
        print(f"{'  ratio to the script':58}{middle(rates) / reference:8.2f}")
    every = [one for those in rounds.values() for one in those]
    waits = [wait for one in every for wait in one.waits]
    print(f"{'processor time a mail, daemon and its processes, ms':58}{middle([one.processor for one in every]):8.2f}")
    print(f"{'transactions a mail':58}{middle([one.transactions for one in every]):8.2f}")
    print(f"{'peak RSS, MB, what its processes share counted for each':58}{max(one.peak for one in every):8.0f}")
    print(f"{'  at the end, counted once (PSS)':58}{max(one.pss for one in every):8.0f}")
    print(f"{'stored to delivered at saturation, p50, s':58}{percentile(waits, 0.5):8.2f}")
    print(f"{'stored to delivered at saturation, p99, s':58}{percentile(waits, 0.99):8.2f}")


if __name__ == "__main__":
    main()
