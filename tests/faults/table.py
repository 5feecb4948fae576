"""The one table: what was done to it, and what came of it."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tests.faults.session import Result

MUST_BE_NONE = ("lost", "doubled", "order", "changed", "forged", "wrong")
WORDS = {
    "matters": "matters in",
    "unique": "unique in the OA",
    "waiting": "events still waiting in the ledger (backlog sessions)",
    "events": "events in the OA",
    "posts": "POSTs",
    "duplicate_posts": "duplicate POSTs",
    "lost": "**lost**",
    "doubled": "**duplicates after idempotency**",
    "order": "order violations",
    "changed": "changed bodies",
    "forged": "bad signatures",
    "wrong": "cases that say something else than their source",
}


def summary(results: Sequence[Result], wanted: Mapping[str, Mapping[str, int]], seed: str) -> dict[str, Any]:
    """Everything as JSON has it; `wanted`: the quotas by store and kind."""
    stores = sorted({one.store for one in results})
    counted = {
        store: sum((one.outcome.counted for one in results if one.store == store), Counter()) for store in stores
    }
    return {
        "seed": seed,
        "machine": f"{os.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}",
        "faults": {store: dict(sorted(counted[store].items())) for store in stores},
        "quotas": {store: dict(kinds) for store, kinds in wanted.items()},
        "short": [
            f"{store}: {kind}: {counted.get(store, Counter())[kind]} of {number}"
            for store, kinds in wanted.items()
            for kind, number in kinds.items()
            if counted.get(store, Counter())[kind] < number
        ],
        "missed": {
            store: dict(sum((one.outcome.missed for one in results if one.store == store), Counter()))
            for store in stores
        },
        "totals": {store: _totals([one for one in results if one.store == store]) for store in stores},
        "recovery": {kind: _spread(seconds) for kind, seconds in sorted(_recoveries(results).items())},
        "recovery of all": _spread([one for seconds in _recoveries(results).values() for one in seconds]),
        "unrecovered": [f"{one.store}: {kind}" for one in results for kind in one.outcome.unrecovered],
        "findings": [f"{one.store}: {finding}" for one in results for finding in one.reckoning.findings],
    }


def is_good(found: Mapping[str, Any]) -> bool:
    return not (found["short"] or found["unrecovered"] or found["findings"])


def as_text(found: Mapping[str, Any]) -> str:
    """Markdown, which reads well on a terminal too."""
    stores = list(found["faults"])
    lines = [f"seed {found['seed']}; {found['machine']}", "", _row("fault", *stores, "recovery p50", "p95", "max")]
    lines.append(_row("---", *["---:"] * (len(stores) + 3)))
    kinds = sorted({kind for store in stores for kind in found["faults"][store]})
    for kind in kinds:
        spread = found["recovery"].get(kind, {})
        lines.append(_row(kind, *(found["faults"][store].get(kind, "") for store in stores), *_told(spread)))
    totals = (sum(found["faults"][store].values()) for store in stores)
    lines += [_row("**all**", *totals, *_told(found["recovery of all"])), ""]
    lines += [_row("", *stores), _row("---", *["---:"] * len(stores))]
    lines += [_row(word, *(found["totals"][store][name] for store in stores)) for name, word in WORDS.items()]
    problems = [*found["short"], *(f"no recovery: {one}" for one in found["unrecovered"]), *found["findings"]]
    return "\n".join([*lines, *([""] if problems else []), *problems])


def _row(*cells: object) -> str:
    return f"| {' | '.join(str(one) for one in cells)} |"


def _told(spread: Mapping[str, float]) -> list[str]:
    return [f"{spread[name]:.2f} s" if name in spread else "" for name in ("p50", "p95", "max")]


def _totals(results: Iterable[Result]) -> dict[str, int]:
    found: Counter[str] = Counter(dict.fromkeys(WORDS, 0))
    for one in results:
        facts = asdict(one.reckoning)
        for name in WORDS:
            found[name] += len(facts[name]) if name in MUST_BE_NONE else facts[name]
    return dict(found)


def _recoveries(results: Iterable[Result]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for one in results:
        for kind, seconds in one.outcome.recoveries.items():
            found.setdefault(kind, []).extend(seconds)
    return found


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {}
    ordered = sorted(seconds)
    places = {"p50": 0.5, "p95": 0.95, "max": 1.0}
    return {name: round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 3) for name, share in places.items()}
