"""`xinqiao reconcile`: what the targets should have, beside what they say they have."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ingest.command_replay import moment
from ingest.commands import installation, perform
from ingest.sayings.speech import Speech

SHOWN = 20
FOUND = ("missing", "behind", "unsent", "surplus", "waiting", "skipped")


def reconcile(arguments: argparse.Namespace) -> int:
    config = installation(arguments.config)
    zone = config.service.zone
    asked = {"target": arguments.target, "since": moment("--since", arguments.since, zone), "send": arguments.send}
    answer = perform(config, "reconcile", asked)
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        said = Speech(config.service.language)
        print("\n".join(line for name, one in answer["targets"].items() for line in _lines(name, one, said)))
    return 1 if any(_amiss(one) for one in answer["targets"].values()) else 0


def _amiss(one: Mapping[str, Any]) -> bool:
    return any(one.get(what) for what in ("error", "missing", "behind", "unsent", "surplus"))


def _lines(name: str, one: Mapping[str, Any], said: Speech) -> Iterator[str]:
    if "error" in one:
        yield said("titled", title=name, said=said.again(one["error"]))
        return
    yield said("reconcile.agreed", target=name, count=one["agreed"])
    for what in FOUND:
        if cases := one[what]:
            more = said("and_more", count=len(cases) - SHOWN) if len(cases) > SHOWN else ""
            named = said.listed(_named(case_id, one["case_nos"], said) for case_id in cases[:SHOWN])
            yield said(f"reconcile.{what}", count=len(cases), cases=named + more)
    if "sent_again" in one:
        yield said("reconcile.sent", count=one["sent_again"])


def _named(case_id: str, numbers: Mapping[str, str], said: Speech) -> str:
    """What is not ours has no number."""
    number = numbers.get(case_id)
    return case_id if number is None else said("reconcile.numbered", case_id=case_id, case_no=number)
