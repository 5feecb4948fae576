"""An hour at twenty petitions a second: whether the daemon grows.

    python -m bench.soak [--minutes 60] [--rate 20] [--warm 10]

Every half minute memory and file descriptors of the daemon are noted. Told at the end: their growth from the end of
warming up on, as the straight line through the notes has it; an hour's promise is less than 5 % and none.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import linear_regression

from bench.mails import endless
from bench.office import Office, at_work, deposit, receiving
from bench.processes import middle, percentile
from tests.dovecot import running_dovecot

USER = "soak"
NOTE = 30.0


@dataclass(frozen=True)
class Note:
    """What was seen at a time (seconds)."""

    at: float
    rss: float
    alone: float
    """Of the daemon without the processes it starts, which come and go."""
    descriptors: int
    delivered: int

    @classmethod
    def of(cls, at: float, office: Office, delivered: int) -> Note:
        process = office.process
        return cls(at, process.rss, process.rss_alone, process.descriptors_alone, delivered)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=int, default=20, help="mails a second")
    parser.add_argument("--warm", type=float, default=10, help="minutes before growth counts")
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's temporary folder)")
    options = parser.parse_args()
    with running_dovecot() as dovecot, receiving() as oa, tempfile.TemporaryDirectory(dir=options.folder) as place:
        deposit(dovecot, USER, [])
        made, sent, notes = endless(), 0, list[Note]()
        with at_work(Path(place), dovecot, USER, oa, every="1s") as office:
            office.wait()
            began = time.monotonic()
            while (passed := time.monotonic() - began) < options.minutes * 60:
                owed = int(passed * options.rate) - sent
                deposit(dovecot, USER, islice(made, owed))
                sent += owed
                if passed >= NOTE * (len(notes) + 1):
                    notes.append(Note.of(passed, office, oa.seen))
                    print(notes[-1], flush=True)
                time.sleep(max(began + passed + 1 - time.monotonic(), 0))
            oa.wait_for(sent)
            waits = [one.waited for one in oa.arrivals()]
            used = office.process.processor / sent * 1000
    tell(sent, notes, [note for note in notes if note.at >= options.warm * 60], waits, used)


def tell(sent: int, notes: list[Note], warm: list[Note], waits: list[float], used: float) -> None:
    print(f"{sent} mails in {notes[-1].at / 60:.0f} minutes, all delivered")
    hours = [note.at / 3600 for note in warm]
    level = middle([note.alone for note in warm])
    slope = linear_regression(hours, [note.alone for note in warm]).slope if len(warm) > 1 else 0.0
    print(f"{'daemon, RSS when warm, MB':58}{level:8.1f}")
    print(f"{'  growth an hour, %':58}{slope / level * 100:8.1f}")
    print(f"{'with its reading process, highest RSS, MB':58}{max(note.rss for note in notes):8.1f}")
    fewest, most = min(note.descriptors for note in warm), max(note.descriptors for note in warm)
    print(f"{'file descriptors of the daemon, fewest and most':58}{fewest:8}{most:8}")
    print(f"{'processor time a mail, ms':58}{used:8.2f}")
    print(f"{'stored to delivered, p50, s':58}{percentile(waits, 0.5):8.3f}")
    print(f"{'stored to delivered, p99, s':58}{percentile(waits, 0.99):8.3f}")


if __name__ == "__main__":
    main()
