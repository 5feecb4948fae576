"""`xinqiao status`: at a glance, whether every door is open and nothing is stuck."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TypeAlias

from ingest.commands import load_config, perform
from ingest.operations import Answer

When: TypeAlias = Callable[[str], str]


def status(arguments: argparse.Namespace) -> int:
    """Print the state; 1 when something needs a person."""
    answer = perform(arguments.config, "status", {})
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        zone = load_config(arguments.config).service.zone
        print("\n".join(_lines(answer, lambda text: f"{datetime.fromisoformat(text).astimezone(zone):%m-%d %H:%M}")))
    return 1 if needs_a_person(answer) else 0


def needs_a_person(answer: Answer) -> bool:
    """A door refused or paused, a target paused, an event rejected or of unknown fate, a step given up, a quarantine, a
    late case, no place for large originals.
    """
    return bool(
        any(door["state"] in ("refused", "paused") for door in answer["doors"])
        or any(target["state"] == "paused" or target["rejected"] or target["unknown"] for target in answer["targets"])
        or answer["quarantined"]
        or answer["stages"]["held"]
        or answer["deadlines"]["overdue"]
        or any(states.get("dead") for states in answer["stages"]["ledger"].values())
        or answer["blobs"]["error"]
    )


def _lines(answer: Answer, when: When) -> Iterator[str]:
    yield "doors"
    for door in answer["doors"]:
        seen = f"last success {when(door['last_success_at'])}" if door["last_success_at"] else "no success yet"
        trouble = f"; {door['failures']} failures: {door['error']}" if door["error"] else ""
        if door["paused_by"]:
            trouble = f"; by {door['paused_by']}: {door['error']}"
        yield f"  {door['name']:20} {door['state']:12} since {when(door['since'])}, {seen}{trouble}"
    yield "stages"
    yield "  taken in: " + _counted(answer["stages"]["raws"])
    for lane, states in answer["stages"]["ledger"].items():
        yield f"  waiting in {lane}: {_counted(states)}"
    yield f"  cases: {answer['stages']['cases']}, to be reviewed: {answer['stages']['needs_review']}"
    if answer["stages"]["held"]:
        yield f"  held: {answer['stages']['held']} events of restricted cases that no target takes"
    if answer["oldest"]:
        first = answer["oldest"][0]
        yield f"  oldest waiting: {first['lane']} since {when(first['since'])}, {first['attempts']} attempts"
    yield "targets"
    for target in answer["targets"]:
        counts = _counted({name: target[name] for name in ("waiting", "unknown", "delivered", "rejected")})
        by = f"by {target['paused_by']}: " if target["paused_by"] else ""
        trouble = f"; {by}{target['error']}" if target["error"] else ""
        yield f"  {target['name']:20} {target['state']:12} since {when(target['since'])}, {counts}{trouble}"
    shown = len(answer["quarantine"])
    newest = f", the newest {shown}" if shown < answer["quarantined"] else ""
    yield f"quarantine: {answer['quarantined']}{newest}"
    for one in answer["quarantine"]:
        yield f"  {one['channel']} {one['raw_id']}, {when(one['fetched_at'])}: {one['reason']}"
    if answer["blobs"]["error"]:
        yield f"large originals cannot be kept: {answer['blobs']['place']}: {answer['blobs']['error']}"
    yield f"deadlines: {answer['deadlines']['overdue']} overdue, {answer['deadlines']['soon']} soon"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "nothing"
