"""`xinqiao correct`: fields of a case put right."""

from __future__ import annotations

import argparse
import json

from ingest.cli import WrongUsage
from ingest.commands import changes_of, installation, perform
from ingest.operations import Answer
from ingest.sayings.speech import Speech


def correct(arguments: argparse.Namespace) -> int:
    asked = {"case": arguments.case, "revision": arguments.revision}
    if bool(arguments.changes) == bool(arguments.undo):
        raise WrongUsage("correct: expected FIELD=VALUE, or --undo FIELD")
    config = installation(arguments.config)
    if arguments.undo:
        answer = perform(config, "uncorrect", {**asked, "field": arguments.undo})
    else:
        answer = perform(config, "correct", {**asked, "changes": changes_of("correct", arguments.changes)})
    line = json.dumps(answer, ensure_ascii=False) if arguments.json else _line(answer, Speech(config.service.language))
    print(line)
    return 0


def _line(answer: Answer, said: Speech) -> str:
    reason = answer["restricted"]
    closed = said("correct.closed", reason=said.code("restricted_reason", reason)) if reason else ""
    fields = said.listed(said.code("field", name) for name in answer["changed"])
    return said("correct.done", case=answer["case_no"], revision=answer["revision"], fields=fields, closed=closed)
