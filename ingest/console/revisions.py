"""What changed from one revision of a case to the next, field by field, and within a text word by word."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from typing import Any

from sqlalchemy import Connection, select

from ingest.compute import NOT_CONTENT
from ingest.fields import code_group
from store.schema import revision
from store.sealing import Sealer

LONGEST_COMPARED = 2_000
"""Comparing texts costs the product of their lengths; longer ones are shown whole, before and after."""


@dataclass(frozen=True)
class Change:
    """One field; `pieces` are (same | gone | come, text), in reading order."""

    field: str
    pieces: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Revision:
    number: int
    at: datetime
    why: str
    changes: Sequence[Change]


def revisions_of(conn: Connection, sealer: Sealer, case_id: str, *, everything: bool) -> list[Revision]:
    """A case's revisions, newest first, each with what it changed; restricted ones only if `everything` is asked for,
    and none is compared with one that is left out.
    """
    wanted = select(revision).where(revision.c.case_id == case_id).order_by(revision.c.revision)
    found: list[Revision] = []
    before: dict[str, str] | None = None
    for row in conn.execute(wanted):
        if row.restricted and not everything:
            before = None
            continue
        opened = json.loads(sealer.open(row.sealed, f"revision:{case_id}:{row.revision}"))
        after = dict(_flat("", {name: value for name, value in opened.items() if name not in NOT_CONTENT}))
        found.append(Revision(row.revision, row.at, row.why, [] if before is None else compare(before, after)))
        before = after
    return found[::-1]


def compare(before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    """The fields that differ, in the order of the case."""
    names = [*after, *(name for name in before if name not in after)]
    return [
        Change(name, pieces(before.get(name, ""), after.get(name, ""), whole=bool(code_group(name))))
        for name in names
        if before.get(name) != after.get(name)
    ]


def pieces(old: str, new: str, *, whole: bool = False) -> list[tuple[str, str]]:
    """How the new text grew out of the old one; a code is never taken apart (`whole`)."""
    if len(old) > LONGEST_COMPARED or len(new) > LONGEST_COMPARED:
        return [("gone", old), ("come", new)]
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    if whole or matcher.ratio() < 0.4:
        return [(kind, text) for kind, text in (("gone", old), ("come", new)) if text]
    found: list[tuple[str, str]] = []
    for tag, a1, a2, b1, b2 in matcher.get_opcodes():
        if tag == "equal":
            found.append(("same", old[a1:a2]))
        else:
            found += [(kind, text) for kind, text in (("gone", old[a1:a2]), ("come", new[b1:b2])) if text]
    return found


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - walks JSON
    """Leaves of a JSON value by dotted path; nulls and empty lists say nothing."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(f"{prefix}.{name}" if prefix else name, inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _flat(f"{prefix}.{index}", inner)
    elif value is not None:
        yield prefix, value if isinstance(value, str) else json.dumps(value)
