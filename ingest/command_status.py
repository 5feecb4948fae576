"""`xinqiao status`: at a glance, whether every door is open and nothing is stuck."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from ingest.alarms.watch import what_is
from ingest.alarms.words import FOLDER as ALARMS
from ingest.catalogue import load_words
from ingest.commands import Refused, installation, perform
from ingest.operations import Answer
from ingest.sayings.speech import Speech, padded

When: TypeAlias = Callable[[str], str]


def status(arguments: argparse.Namespace) -> int:
    """Print the state; 1 when no daemon runs, or something needs a person."""
    config = installation(arguments.config)
    answer = perform(config, "status", {})
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        zone, said = config.service.zone, Speech(config.service.language)
        print("\n".join(_lines(answer, said, lambda at: f"{datetime.fromisoformat(at).astimezone(zone):%m-%d %H:%M}")))
    return 1 if isinstance(config, Refused) or answer["running"] is False or needs_a_person(answer) else 0


def needs_a_person(answer: Answer) -> bool:
    """A door refused or paused, a target paused, an event rejected, of unknown fate or owed to a target that left the
    configuration, a step given up, a quarantine, a late case, no place for large originals, a file that is refused.
    """
    return bool(
        any(door["state"] in ("refused", "paused") for door in answer["doors"])
        or any(
            target["state"] == "paused"
            or target["rejected"]
            or target["unknown"]
            or (target["state"] == "removed" and target["waiting"])
            for target in answer["targets"]
        )
        or answer["quarantined"]
        or answer["stages"]["held"]
        or answer["deadlines"]["overdue"]
        or any(states.get("dead") for states in answer["stages"]["ledger"].values())
        or answer["blobs"]["error"]
        or (answer["configuration"] and answer["configuration"]["refused"])
    )


def _lines(answer: Answer, said: Speech, when: When) -> Iterator[str]:
    yield from _troubles(answer, said, when)
    yield said("status.doors")
    yield from (_door(door, said, when) for door in answer["doors"])
    yield from _stages(answer, said, when)
    yield said("status.targets")
    yield from (_target(target, said, when) for target in answer["targets"])
    yield from _quarantine(answer, said, when)
    if answer["blobs"]["error"]:
        error = said.again(answer["blobs"]["error"])
        yield said("status.blobs", place=answer["blobs"]["place"], error=error)
    yield said("status.deadlines", overdue=answer["deadlines"]["overdue"], soon=answer["deadlines"]["soon"])


def _troubles(answer: Answer, said: Speech, when: When) -> Iterator[str]:
    """What a person should know before anything else."""
    if answer["running"] is False:
        yield said("status.stopped")
    running = answer["configuration"]
    if running and (refused := running["refused"]):
        yield said("status.configuration", since=when(refused["since"]), read=when(running["read_at"]))
        yield from (f"  {said.again(problem)}" for problem in refused["problems"])
    if answer["alarms"]:
        yield said("status.alarms", count=len(answer["alarms"]))
    words = load_words(ALARMS, said.language)
    for one in answer["alarms"]:
        yield said("status.alarm", since=when(one["since"]), what=what_is(words, one["kind"], one["facts"]))


def _door(door: Mapping[str, Any], said: Speech, when: When) -> str:
    last, error = door["last_success_at"], door["error"]
    seen = said("status.success", when=when(last)) if last else said("status.no_success")
    trouble = said("status.failed", count=door["failures"], error=said.again(error)) if error else ""
    if door["paused_by"]:
        trouble = said("status.paused", who=door["paused_by"], reason=error)
    return said(
        "status.door",
        name=padded(door["name"], 20),
        state=padded(said.code("door_state", door["state"]), 12),
        since=when(door["since"]) if door["since"] else "–",
        seen=seen,
        trouble=trouble,
    )


def _stages(answer: Answer, said: Speech, when: When) -> Iterator[str]:
    stages = answer["stages"]
    yield said("status.stages")
    yield said("status.taken_in", counted=said.counted("raw_state", stages["raws"]))
    for lane, states in stages["ledger"].items():
        yield said("status.waiting", lane=said.lane(lane), counted=said.counted("row_state", states))
    yield said("status.cases", count=stages["cases"], review=stages["needs_review"])
    if stages["held"]:
        yield said("status.held", count=stages["held"])
    if answer["oldest"]:
        first = answer["oldest"][0]
        lane = said.lane(first["lane"])
        yield said("status.oldest", lane=lane, since=when(first["since"]), attempts=first["attempts"])


def _target(target: Mapping[str, Any], said: Speech, when: When) -> str:
    counts = {name: target[name] for name in ("waiting", "unknown", "delivered", "rejected")}
    by, error, trouble = target["paused_by"], target["error"], ""
    if error:
        trouble = (
            said("status.paused", who=by, reason=error) if by else said("status.troubled", error=said.again(error))
        )
    return said(
        "status.target",
        name=padded(target["name"], 20),
        state=padded(said.code("target_state", target["state"]), 12),
        since=when(target["since"]) if target["since"] else "–",
        counted=said.counted("delivery_state", counts),
        trouble=trouble,
    )


def _quarantine(answer: Answer, said: Speech, when: When) -> Iterator[str]:
    count, shown = answer["quarantined"], len(answer["quarantine"])
    yield said("status.quarantine_newest" if shown < count else "status.quarantine", count=count, shown=shown)
    for one in answer["quarantine"]:
        facts = {"channel": one["channel"], "number": one["raw_id"], "reason": one["reason"]}
        yield said("status.quarantined", **facts, when=when(one["fetched_at"]))
