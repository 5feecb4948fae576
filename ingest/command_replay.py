"""`xinqiao replay`: read again, send again, skip, say what has arrived."""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from zoneinfo import ZoneInfo

from ingest.cli import WrongUsage
from ingest.commands import load_config, perform
from ingest.operations import Answer


def replay(arguments: argparse.Namespace) -> int:
    zone = load_config(arguments.config).service.zone
    asked = {
        "case": arguments.case,
        "since": moment("--since", arguments.since, zone),
        "until": moment("--until", arguments.until, zone),
        "dry_run": arguments.dry_run,
    }
    _must_make_sense(arguments)
    chosen = {"case": arguments.case, "target": arguments.target, "dry_run": arguments.dry_run}
    if arguments.send:
        which = {"target": arguments.target, "dead": arguments.dead, "unknown": arguments.unknown}
        answer = perform(arguments.config, "replay-send", {**asked, **which, "rate": arguments.rate})
    elif arguments.skip:
        answer = perform(arguments.config, "replay-skip", chosen)
    elif arguments.arrived:
        answer = perform(arguments.config, "replay-arrived", {**chosen, "receiver_id": arguments.receiver_id})
    else:
        answer = perform(arguments.config, "replay-read", {**asked, "quarantine": arguments.quarantine})
    print(json.dumps(answer, ensure_ascii=False) if arguments.json else _said(answer))
    return 0


def _must_make_sense(arguments: argparse.Namespace) -> None:
    chosen = arguments.case or arguments.since
    if arguments.receiver_id is not None and not arguments.arrived:
        raise WrongUsage("replay: --receiver-id is the number of what has arrived; expected --arrived")
    if arguments.send:
        if not (chosen or arguments.dead or arguments.unknown or arguments.target):
            raise WrongUsage("replay --send: expected --case, --since, --dead, --unknown or --target")
        if arguments.rate is not None and arguments.rate <= 0:
            raise WrongUsage("replay --send: expected a --rate above 0, in deliveries a second")
        return
    if arguments.rate is not None or arguments.unknown:
        raise WrongUsage("replay: --unknown and --rate say what is sent again; expected --send")
    if arguments.skip or arguments.arrived:
        act = "--skip" if arguments.skip else "--arrived"
        if not (arguments.case and arguments.target) or arguments.since or arguments.until or arguments.dead:
            raise WrongUsage(f"replay {act}: expected --case and --target, no other choice")
        return
    if arguments.read and not chosen:
        raise WrongUsage("replay --read: expected --case or --since")
    if arguments.target is not None or arguments.dead:
        raise WrongUsage("replay: --target and --dead choose what is sent again; expected --send")


def _said(answer: Answer) -> str:
    would = "would be " if answer["dry_run"] else ""
    if "read_again" in answer:
        removed = f"; of {answer['removed']} the original was removed by retention" if "removed" in answer else ""
        return f"{answer['read_again']} {would}read again{removed}"
    if "skipped" in answer:
        return f"{len(answer['skipped'])} {would}skipped"
    if "arrived" in answer:
        return f"{len(answer['arrived'])} {would}taken for delivered"
    withheld = (
        answer["withheld"] and f"; {answer['withheld']} withheld: their target may not have them, or has them"
    ) or ""
    resumed = "; the target is resumed" if answer["resumed"] else ""
    return f"{answer['sent_again']} {would}sent again{withheld}{resumed}"


def moment(option: str, written: str | None, zone: ZoneInfo) -> str | None:
    """A time as a person writes it, with its zone. Raises WrongUsage."""
    if written is None:
        return None
    try:
        moment = datetime.fromisoformat(written)
    except ValueError as error:
        raise WrongUsage(f'{option}: "{written}" is no time, expected 2026-03-01 or 2026-03-01T08:00') from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).isoformat()
