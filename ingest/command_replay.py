"""`xinqiao replay`: read again, send again, skip."""

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
        "since": _moment("--since", arguments.since, zone),
        "until": _moment("--until", arguments.until, zone),
        "dry_run": arguments.dry_run,
    }
    _must_make_sense(arguments)
    if arguments.send:
        answer = perform(arguments.config, "replay-send", {**asked, "target": arguments.target, "dead": arguments.dead})
    elif arguments.skip:
        chosen = {"case": arguments.case, "target": arguments.target, "dry_run": arguments.dry_run}
        answer = perform(arguments.config, "replay-skip", chosen)
    else:
        answer = perform(arguments.config, "replay-read", {**asked, "quarantine": arguments.quarantine})
    print(json.dumps(answer, ensure_ascii=False) if arguments.json else _said(answer))
    return 0


def _must_make_sense(arguments: argparse.Namespace) -> None:
    chosen = arguments.case or arguments.since
    if arguments.send:
        if not (chosen or arguments.dead or arguments.target):
            raise WrongUsage("replay --send: expected --case, --since, --dead or --target")
        return
    if arguments.skip:
        if not (arguments.case and arguments.target) or arguments.since or arguments.until or arguments.dead:
            raise WrongUsage("replay --skip: expected --case and --target, no other choice")
        return
    if arguments.read and not chosen:
        raise WrongUsage("replay --read: expected --case or --since")
    if arguments.target is not None or arguments.dead:
        raise WrongUsage("replay: --target and --dead choose what is sent again; expected --send")


def _said(answer: Answer) -> str:
    would = "would be " if answer["dry_run"] else ""
    if "read_again" in answer:
        return f"{answer['read_again']} {would}read again"
    if "skipped" in answer:
        return f"{len(answer['skipped'])} {would}skipped"
    withheld = f"; {answer['withheld']} withheld: their target may not have them" if answer["withheld"] else ""
    resumed = "; the target is resumed" if answer["resumed"] else ""
    return f"{answer['sent_again']} {would}sent again{withheld}{resumed}"


def _moment(option: str, written: str | None, zone: ZoneInfo) -> str | None:
    if written is None:
        return None
    try:
        moment = datetime.fromisoformat(written)
    except ValueError as error:
        raise WrongUsage(f'{option}: "{written}" is no time, expected 2026-03-01 or 2026-03-01T08:00') from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).isoformat()
