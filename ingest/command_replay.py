"""`xinqiao replay`: read again, send again, skip, say what has arrived."""

from __future__ import annotations

import argparse
import json
import math
from datetime import datetime
from zoneinfo import ZoneInfo

from ingest.cli import WrongUsage
from ingest.commands import installation, perform
from ingest.config import Config
from ingest.operations import Answer
from ingest.sayings.speech import Speech

SLOWEST = 0.001
"""One in a quarter of an hour: what is slower would have an end that no calendar knows."""


def replay(arguments: argparse.Namespace) -> int:
    config = installation(arguments.config)
    zone = config.service.zone
    asked = {
        "case": arguments.case,
        "since": moment("--since", arguments.since, zone),
        "until": moment("--until", arguments.until, zone),
        "dry_run": arguments.dry_run,
    }
    _must_make_sense(arguments, gone=isinstance(config, Config) and arguments.target not in config.targets)
    chosen = {"case": arguments.case, "target": arguments.target, "dry_run": arguments.dry_run}
    if arguments.to is not None:
        answer = perform(config, "replay-hand-over", {**chosen, "to": arguments.to})
    elif arguments.send:
        which = {"target": arguments.target, "dead": arguments.dead, "unknown": arguments.unknown}
        answer = perform(config, "replay-send", {**asked, **which, "rate": arguments.rate})
    elif arguments.skip:
        answer = perform(config, "replay-skip", chosen)
    elif arguments.arrived:
        answer = perform(config, "replay-arrived", {**chosen, "receiver_id": arguments.receiver_id})
    else:
        answer = perform(config, "replay-read", {**asked, "quarantine": arguments.quarantine, "rate": arguments.rate})
    line = json.dumps(answer, ensure_ascii=False) if arguments.json else _line(answer, Speech(config.service.language))
    print(line)
    return 0


def _must_make_sense(arguments: argparse.Namespace, *, gone: bool) -> None:
    if arguments.receiver_id is not None and not arguments.arrived:
        raise WrongUsage("replay: --receiver-id is the number of what has arrived; expected --arrived")
    _must_have_an_end(arguments)
    if arguments.to is not None or arguments.send:
        _must_say_what_is_sent(arguments)
        return
    if arguments.unknown:
        raise WrongUsage("replay: --unknown says what is sent again; expected --send")
    if arguments.skip or arguments.arrived:
        act, others = "--skip" if arguments.skip else "--arrived", arguments.since or arguments.until or arguments.dead
        whole = arguments.skip and gone  # of a target that is gone all may be skipped
        if not ((arguments.case or whole) and arguments.target) or others:
            raise WrongUsage(f"replay {act}: expected --case and --target, no other choice")
        return
    if arguments.read and not (arguments.case or arguments.since):
        raise WrongUsage("replay --read: expected --case or --since")
    if arguments.target is not None or arguments.dead:
        raise WrongUsage("replay: --target and --dead choose what is sent again; expected --send")


def _must_have_an_end(arguments: argparse.Namespace) -> None:
    rate = arguments.rate
    if rate is None or arguments.to is not None:
        return
    if arguments.skip or arguments.arrived:
        raise WrongUsage("replay: --rate says how fast is read or sent again; expected --send, --read or --quarantine")
    if not (math.isfinite(rate) and rate >= SLOWEST):
        raise WrongUsage(f"replay: expected a --rate of {SLOWEST} or more, in so many a second")


def _must_say_what_is_sent(arguments: argparse.Namespace) -> None:
    if arguments.to is not None:
        others = arguments.since or arguments.until or arguments.dead or arguments.unknown or arguments.rate is not None
        if not (arguments.send and arguments.target) or others:
            raise WrongUsage(
                "replay: --to hands over what is owed to a target that is gone; expected --send and --target"
            )
        return
    if not (arguments.case or arguments.since or arguments.dead or arguments.unknown or arguments.target):
        raise WrongUsage("replay --send: expected --case, --since, --dead, --unknown or --target")


def _line(answer: Answer, said: Speech) -> str:
    would = bool(answer["dry_run"])
    if "read_again" in answer:
        removed = said("replay.removed", count=answer["removed"]) if "removed" in answer else ""
        return said("replay.would_read" if would else "replay.read", count=answer["read_again"], removed=removed)
    if "skipped" in answer:
        return said("replay.would_skip" if would else "replay.skipped", count=len(answer["skipped"]))
    if "handed_over" in answer:
        withheld = said("replay.kept", count=answer["withheld"]) if answer["withheld"] else ""
        busy = said("replay.busy", count=answer["under_way"]) if answer["under_way"] else ""
        key = "replay.would_hand_over" if would else "replay.handed_over"
        return said(key, count=answer["handed_over"], withheld=withheld, busy=busy)
    if "arrived" in answer:
        return said("replay.would_arrive" if would else "replay.arrived", count=len(answer["arrived"]))
    withheld = said("replay.withheld", count=answer["withheld"]) if answer["withheld"] else ""
    resumed = said("replay.would_resume" if would else "replay.resumed") if answer["resumed"] else ""
    key = "replay.would_send" if would else "replay.sent"
    return said(key, count=answer["sent_again"], withheld=withheld, resumed=resumed)


def moment(option: str, written: str | None, zone: ZoneInfo) -> str | None:
    """A time as a person writes it, with its zone. Raises WrongUsage."""
    if written is None:
        return None
    try:
        moment = datetime.fromisoformat(written)
    except ValueError as error:
        raise WrongUsage(f'{option}: "{written}" is no time, expected 2026-03-01 or 2026-03-01T08:00') from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).isoformat()
