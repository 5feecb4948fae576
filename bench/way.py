"""The whole way of 2,000 mails (Dovecot, daemon, receiver) beside a script that does the same job.

    python -m bench.way [--mails 2000] [--rounds 3]

Both in turns on the same mailbox, into the same receiver; the middle round of each counts, and the ratio more than
the rates. The mails are made from `$XINQIAO_DATA/mail/trec06c`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.mails import ROOT, mails
from bench.office import Oa, at_work, cleared, receiving
from bench.processes import middle, percentile
from tests.dovecot import PASSWORD, Dovecot, running_dovecot

USER = "way@bench.example"
LOADED_AT_ONCE = 100


@dataclass(frozen=True)
class Round:
    """What one round of the daemon showed."""

    seconds: float
    processor: float
    peak_rss: float
    transactions: float
    waits: list[float]


def script(dovecot: Dovecot, oa: Oa, number: int) -> float:
    """Seconds that the script took."""
    oa.forget()
    command = [sys.executable, "bench/script.py", "127.0.0.1", str(dovecot.port), USER, PASSWORD, f"{oa.url}/webhook"]
    said = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True).stdout
    if oa.seen() != number:
        raise RuntimeError(f"the script delivered {oa.seen()} of {number}")
    return oa.last() - float(said)


def daemon(folder: Path, dovecot: Dovecot, oa: Oa, number: int, environment: dict[str, str] | None = None) -> Round:
    oa.forget()
    with at_work(folder, dovecot, USER, oa, environment=environment) as office:
        oa.wait_for(number)
        return Round(
            seconds=oa.last() - office.began(),
            processor=office.process.processor,
            peak_rss=office.process.peak_rss,
            transactions=0,
            waits=oa.waits(),
        )


@contextmanager
def full_mailbox(number: int) -> Iterator[Dovecot]:
    with running_dovecot() as dovecot:
        waiting = mails(number)
        with dovecot.opened(USER) as client:
            for start in range(0, number, LOADED_AT_ONCE):
                client.multiappend("INBOX", waiting[start : start + LOADED_AT_ONCE])
        yield dovecot


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's temporary folder)")
    options = parser.parse_args()
    number = options.mails
    with full_mailbox(number) as dovecot, receiving() as oa, tempfile.TemporaryDirectory(dir=options.folder) as place:
        reference, ours = [], []
        for _ in range(options.rounds):
            reference.append(number / script(dovecot, oa, number))
            ours.append(daemon(cleared(Path(place) / "office"), dovecot, oa, number))
            print(
                f"script {reference[-1]:6,.0f}/s   daemon {number / ours[-1].seconds:6,.0f}/s   "
                f"processor {ours[-1].processor / number * 1000:.2f} ms a mail  peak {ours[-1].peak_rss:.0f} MB  "
                f"p50 {percentile(ours[-1].waits, 0.5):.2f} p99 {percentile(ours[-1].waits, 0.99):.2f}",
                flush=True,
            )
    rate = middle([number / one.seconds for one in ours])
    print(rate, middle(reference), rate / middle(reference))


if __name__ == "__main__":
    main()
