"""From the door to the OA at one petition a second: how long a mail is under way.

    python -m bench.latency [--seconds 60]

A mail is put into a mailbox that is polled every second. Told are the times from then, and from when it was stored,
until the OA has its event. At saturation: `python -m bench.way`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import islice
from pathlib import Path

from bench.mails import endless, named
from bench.office import at_work, deposit, receiving
from bench.processes import percentile
from tests.dovecot import running_dovecot

USER = "one-a-second"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    with running_dovecot() as dovecot, receiving() as oa, tempfile.TemporaryDirectory() as place:
        deposit(dovecot, USER, [])
        with at_work(Path(place), dovecot, USER, oa, every="1s") as office:
            office.wait()
            sent: dict[str, float] = {}
            next_at = time.monotonic() + 1
            for number, mail in enumerate(islice(endless(), options.seconds)):
                time.sleep(max(next_at - time.monotonic(), 0))
                next_at += 1
                name = f"second-{number}@bench.example"
                deposit(dovecot, USER, [named(mail, name)])
                sent[name] = time.time()
            oa.wait_for(options.seconds)
            arrivals = oa.arrivals()
    print(f"{options.seconds} mails, one a second, polled every second")
    for name, waits in (
        ("stored to delivered", [one.waited for one in arrivals]),
        ("put into the mailbox to delivered", [one.at - sent[one.mail] for one in arrivals]),
    ):
        print(f"{f'{name}, p50, s':58}{percentile(waits, 0.5):8.3f}")
        print(f"{f'{name}, p99, s':58}{percentile(waits, 0.99):8.3f}")


if __name__ == "__main__":
    main()
