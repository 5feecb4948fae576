"""`xinqiao quarantine`: what could not be read."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from ingest.cli import WrongUsage
from ingest.command_replay import moment
from ingest.commands import changes_of, installation, perform
from ingest.operations import Answer
from ingest.sayings.speech import Speech, padded


def quarantine(arguments: argparse.Namespace) -> int:
    _must_make_sense(arguments)
    config = installation(arguments.config)
    zone = config.service.zone
    answer = perform(config, f"quarantine-{arguments.action}", _asked(arguments, zone))
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        print("\n".join(_lines(arguments.action, answer, Speech(config.service.language), zone)))
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


def _lines(action: str, answer: Answer, said: Speech, zone: ZoneInfo) -> Iterator[str]:
    if action == "list":
        for one in answer["items"]:
            at = f"{datetime.fromisoformat(one['fetched_at']).astimezone(zone):%Y-%m-%d %H:%M}"
            kind = padded(said.code("kind", one["kind"]), 8)
            yield f"{one['raw_id']:>8}  {at}  {one['channel']:20} {kind} {one['reason'] or ''}"
        if not answer["items"]:
            yield said("nothing")
        if answer["before"]:
            yield said("quarantine.more", before=answer["before"])
    elif action == "register":
        reason = answer["restricted"]
        restricted = said("quarantine.restricted", reason=said.code("restricted_reason", reason)) if reason else ""
        left = said("quarantine.left") if answer["left"] else ""
        facts = {"number": answer["raw"], "case": answer["case_no"]}
        yield said("quarantine.registered", **facts, restricted=restricted, left=left)
    else:
        yield said("quarantine.now", number=answer["raw"], state=said.code("item_state", answer["state"]))
