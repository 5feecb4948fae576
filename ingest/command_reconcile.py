"""`xinqiao reconcile`: what the targets should have, beside what they say they have."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ingest.command_replay import moment
from ingest.commands import load_config, perform

SHOWN = 20
WORDS = {
    "missing": "missing there, although it took them",
    "behind": "there in an older revision than it took",
    "surplus": "there, but not (or not any more) for it",
    "waiting": "on their way, or waiting for a person",
}


def reconcile(arguments: argparse.Namespace) -> int:
    zone = load_config(arguments.config).service.zone
    asked = {"target": arguments.target, "since": moment("--since", arguments.since, zone), "send": arguments.send}
    answer = perform(arguments.config, "reconcile", asked)
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        print("\n".join(line for name, one in answer["targets"].items() for line in _lines(name, one)))
    return 1 if any(_amiss(one) for one in answer["targets"].values()) else 0


def _amiss(one: Mapping[str, Any]) -> bool:
    return any(one.get(what) for what in ("error", "missing", "behind", "surplus"))


def _lines(name: str, one: Mapping[str, Any]) -> Iterator[str]:
    if "error" in one:
        yield f"{name}: {one['error']}"
        return
    yield f"{name}: {one['agreed']} agree"
    for what, words in WORDS.items():
        if cases := one[what]:
            more = f" and {len(cases) - SHOWN} more" if len(cases) > SHOWN else ""
            yield f"  {len(cases)} {words}: {', '.join(cases[:SHOWN])}{more}"
    if "sent_again" in one:
        yield f"  {one['sent_again']} sent again"
