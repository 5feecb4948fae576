"""`xinqiao correct`: fields of a case put right."""

from __future__ import annotations

import argparse
import json

from ingest.cli import WrongUsage
from ingest.commands import changes_of, perform
from ingest.operations import Answer


def correct(arguments: argparse.Namespace) -> int:
    asked = {"case": arguments.case, "revision": arguments.revision}
    if bool(arguments.changes) == bool(arguments.undo):
        raise WrongUsage("correct: expected FIELD=VALUE, or --undo FIELD")
    if arguments.undo:
        answer = perform(arguments.config, "uncorrect", {**asked, "field": arguments.undo})
    else:
        answer = perform(arguments.config, "correct", {**asked, "changes": changes_of("correct", arguments.changes)})
    print(json.dumps(answer, ensure_ascii=False) if arguments.json else _said(answer))
    return 0


def _said(answer: Answer) -> str:
    closed = f"; it is restricted now: {answer['restricted']}" if answer["restricted"] else ""
    return f"{answer['case_no']}: revision {answer['revision']}, changed {', '.join(answer['changed'])}{closed}"
