"""`xinqiao quarantine`: what could not be read."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from ingest.cli import WrongUsage
from ingest.command_replay import moment
from ingest.commands import changes_of, load_config, perform
from ingest.operations import Answer


def quarantine(arguments: argparse.Namespace) -> int:
    _must_make_sense(arguments)
    zone = load_config(arguments.config).service.zone
    answer = perform(arguments.config, f"quarantine-{arguments.action}", _asked(arguments, zone))
    print(
        json.dumps(answer, ensure_ascii=False) if arguments.json else "\n".join(_said(arguments.action, answer, zone))
    )
    return 0


def _asked(arguments: argparse.Namespace, zone: ZoneInfo) -> Answer:
    match arguments.action:
        case "list":
            return {
                "channel": arguments.channel,
                "kind": arguments.kind,
                "since": moment("--since", arguments.since, zone),
                "until": moment("--until", arguments.until, zone),
                "before": arguments.before,
                "state": arguments.state,
            }
        case "register":
            fields = changes_of("quarantine register", arguments.fields)
            return {"raw": arguments.item, "fields": fields, "more": arguments.more}
        case "dismiss":
            return {"raw": arguments.item, "reason": arguments.reason, "note": arguments.note}
    return {"raw": arguments.item}


def _must_make_sense(arguments: argparse.Namespace) -> None:
    action = arguments.action
    if (action == "list") == (arguments.item is not None):
        expected = "no ITEM" if action == "list" else "the ITEM's number, which `xinqiao quarantine list` shows"
        raise WrongUsage(f"quarantine {action}: expected {expected}")
    if (action == "register") != bool(arguments.fields):
        expected = "FIELD=VALUE, a title at least" if action == "register" else "no FIELD=VALUE"
        raise WrongUsage(f"quarantine {action}: expected {expected}")
    if action == "dismiss" and arguments.reason is None:
        raise WrongUsage("quarantine dismiss: expected --reason")


def _said(action: str, answer: Answer, zone: ZoneInfo) -> Iterator[str]:
    if action == "list":
        for one in answer["items"]:
            at = f"{datetime.fromisoformat(one['fetched_at']).astimezone(zone):%Y-%m-%d %H:%M}"
            yield f"{one['raw_id']:>8}  {at}  {one['channel']:20} {one['kind']:8} {one['reason'] or ''}"
        if not answer["items"]:
            yield "nothing"
        if answer["before"]:
            yield f"more: --before {answer['before']}"
    elif action == "register":
        restricted = f"; it is restricted: {answer['restricted']}" if answer["restricted"] else ""
        left = "; the item stays in quarantine for what else it holds" if answer["left"] else ""
        yield f"{answer['raw']}: case {answer['case_no']}{restricted}{left}"
    else:
        yield f"{answer['raw']}: {answer['state']}"
