"""The long form: `python -m tests.faults`, as `make faults` does; the table is printed and written as JSON.

    python -m tests.faults [--quota 40] [--seed SEED] [--store sqlite|postgresql] [--json FILE] [--at-once 2]
                           [--keep FOLDER]

Sessions with a few faults of each kind follow each other, each in a new town, until every kind has its quota, half of
it on each store where both have it. What a session came to is kept in a folder, and a run with the same seed goes on
where the last one was broken off. Exit status 1: something was lost, came twice, late or changed, or a quota missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import Any

from tests.faults.campaign import Outcome
from tests.faults.reckoning import Reckoning
from tests.faults.session import Result, freezes, outage, session, strikes_for
from tests.faults.strikes.blow import KILL
from tests.faults.strikes.disks import DISKS
from tests.faults.strikes.servers import OUTLIVED, SERVERS
from tests.faults.table import as_text, is_good, summary
from tests.faults.town import POSTGRESQL, SQLITE

A_SESSION = 4
"""Faults of each kind in one session."""
OUTAGES = {55_000: 900.0, 550_000: 60.0}
"""Events that wait: how many seconds they are given to arrive after the last fault."""


@dataclass(frozen=True)
class Plan:
    """One session to be held."""

    store: str
    name: str
    hold: Callable[[Path], Coroutine[Any, Any, Result]]

    @property
    def file(self) -> str:
        """Under which its result is kept."""
        return f"{self.store}-{self.name}.json".replace("/", "-").replace(" ", "-")


def main() -> int:
    options = _options()
    seed = options.seed or f"{SystemRandom().randrange(10**6)}"
    stores = [options.store] if options.store else [SQLITE, POSTGRESQL]
    print(f"seed {seed}", flush=True)
    plans = [plan for store in stores for plan in _plans(store, seed, options.quota, len(stores))]
    wanted = {store: _quotas(store, options.quota, len(stores)) for store in stores}

    def keep(results: Sequence[Result]) -> dict[str, Any]:
        found = summary(results, wanted, seed)
        if options.json:
            options.json.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", "utf-8")
        return found

    found = keep(_hold(plans, options.at_once, keep, options.keep and options.keep / seed))
    print(as_text(found))
    return 0 if is_good(found) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Strike real daemons, and count.")
    parser.add_argument("--quota", type=int, default=40, help="faults of each kind (%(default)s)")
    parser.add_argument("--seed", help="repeat what was drawn by chance before")
    parser.add_argument("--store", choices=(SQLITE, POSTGRESQL), help="only this one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep each session's result there, and hold none again"
    )
    parser.add_argument("--at-once", type=int, default=2, help="sessions at the same time (%(default)s)")
    return parser.parse_args()


def _share(quota: int, stores: int) -> int:
    return -(-quota // stores)


def _quotas(store: str, quota: int, stores: int) -> dict[str, int]:
    """How many of each kind a store's sessions must bring."""
    share = _share(quota, stores)
    own = DISKS if store == SQLITE else SERVERS
    kinds = dict.fromkeys((*strikes_for(store), *own))  # what this machine cannot do is missed, not forgotten
    found = {kind: quota if kind in own else share for kind in kinds}
    return found | {f"OA down, {events:,} waiting": share for events in OUTAGES}


def _plans(store: str, seed: str, quota: int, stores: int) -> list[Plan]:
    share = _share(quota, stores)
    plans = [
        Plan(
            store, f"outage {events}", partial(outage, store=store, seed=seed, events=events, quota=share, drain=drain)
        )
        for events, drain in OUTAGES.items()
    ]
    own = DISKS if store == SQLITE else SERVERS
    # Every strike that needs a daemon's next life begins with a kill at a random moment: more of those than are due.
    common = [kind for kind in strikes_for(store) if kind not in own and kind != KILL]
    rare = [kind for kind in strikes_for(store) if kind in own and kind != OUTLIVED]
    for number in range(-(-share // A_SESSION)):
        drawn = f"{seed}/{store}/{number}"
        plans.append(Plan(store, drawn, partial(session, store=store, seed=drawn, quota=A_SESSION, only=common)))
    for number in range(-(-quota // (2 * A_SESSION))):
        drawn = f"{seed}/{store}/own/{number}"
        plans.append(Plan(store, drawn, partial(session, store=store, seed=drawn, quota=2 * A_SESSION, only=rare)))
    if store == POSTGRESQL:
        plans.append(Plan(store, "freezes", partial(freezes, store=store, seed=seed, quota=quota)))
    return plans


def _hold(
    plans: Sequence[Plan], at_once: int, keep: Callable[[Sequence[Result]], object], folder: Path | None
) -> list[Result]:
    """In processes of their own; one that breaks off is a finding. What there is so far is kept after each."""
    results = [] if folder is None else [_read(folder / plan.file) for plan in plans if (folder / plan.file).exists()]
    left = [plan for plan in plans if folder is None or not (folder / plan.file).exists()]
    mixed = sorted(range(len(left)), key=lambda number: (number * 7919) % len(left))  # stores by turns
    with ProcessPoolExecutor(at_once, multiprocessing.get_context("spawn")) as pool:
        held = {pool.submit(_held, left[number]): left[number] for number in mixed}
        for future in as_completed(held):
            plan, (result, whole) = held[future], future.result()
            results.append(result)
            if folder is not None and whole:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / plan.file).write_text(_written(result), "utf-8")
            print(f"{len(results)} of {len(plans)} sessions: {plan.name}", *result.reckoning.findings, flush=True)
            keep(results)
    return results


def _written(result: Result) -> str:
    parts = {"store": result.store, "outcome": vars(result.outcome), "reckoning": vars(result.reckoning)}
    return json.dumps(parts, ensure_ascii=False) + "\n"


def _read(file: Path) -> Result:
    kept = json.loads(file.read_text("utf-8"))
    outcome = {**kept["outcome"], **{name: Counter(kept["outcome"][name]) for name in ("counted", "missed")}}
    return Result(kept["store"], Outcome(**outcome), Reckoning(**kept["reckoning"]))


def _held(plan: Plan) -> tuple[Result, bool]:
    """What it came to, and whether it was held to its end."""
    with tempfile.TemporaryDirectory(prefix="xq-faults-", ignore_cleanup_errors=True) as place:
        try:
            return asyncio.run(plan.hold(Path(place))), True
        except Exception:  # noqa: BLE001 - the others go on; this one is told in the table
            said = f"session {plan.name} broke off: {traceback.format_exc()}"
            print(said, file=sys.stderr, flush=True)
            return Result(plan.store, Outcome(), Reckoning(wrong=[said])), False
