"""Correcting a case's fields, and taking corrections back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ingest import register
from ingest.compute import Correction, CorrectionRefused
from ingest.correcting import RESTRICTION, Read, closing, known_names, pens_of, read_changes, restricted_by
from ingest.fields import ALIASES, PERSONAL
from ingest.office import Office
from ingest.operations.terms import Answer, OperationRefused, case_id_of
from ingest.register import Entry, Standing
from normalize.case import Case


@dataclass(frozen=True)
class _Seen:
    """A case as it was when the corrections were thought out."""

    entry: Entry
    standing: Sequence[Standing]

    @property
    def case(self) -> Case:
        return self.entry.case


async def correct(office: Office, arguments: Mapping[str, Any], actor: str) -> Answer:
    """Correct fields of a case: `changes` has for each what a person writes into it (`ingest.written`).

    With `revision`, only if that is still the last. What makes it a matter the accused must not see closes it.
    """
    seen = await office.store.read(lambda conn: _look(conn, office, arguments))
    read = read_changes(*pens_of(office.config), seen.case, arguments["changes"])
    refuse_unfit(read)
    if not read.corrections:
        raise OperationRefused(f"case {seen.case.case_no}: everything stands so already", code="unchanged")
    return await _change(office, seen, read.corrections, (), actor)


async def uncorrect(office: Office, arguments: Mapping[str, Any], actor: str) -> Answer:
    """Take the last correction of a field back: by its `field`, or its number in `correction`."""
    seen = await office.store.read(lambda conn: _look(conn, office, arguments))
    last = _last_of(seen.standing, arguments)
    if last is None:
        asked = arguments.get("field") or f"number {arguments.get('correction')}"
        raise OperationRefused(f"case {seen.case.case_no}: {asked} has no correction to undo", code="moved")
    undone = [last]
    if last.field in RESTRICTION:
        undone = [one for one in seen.standing if one.field in RESTRICTION and one.at == last.at]
    return await _change(office, seen, (), undone, actor)


def refuse_unfit(read: Read) -> None:
    """Raises OperationRefused, which says all that does not fit."""
    if read.unknown:
        raise OperationRefused(f"{', '.join(read.unknown)}: no such field; there are {known_names()}", code="fields")
    if read.refused:
        said = "; ".join(str(one) for one in read.refused.values())
        problems = {name: one.code for name, one in read.refused.items()}
        raise OperationRefused(said, code="fields", problems=problems)


async def _change(
    office: Office, seen: _Seen, corrections: Sequence[Correction], undone: Sequence[Standing], actor: str
) -> Answer:
    store, desk, case_id = office.store, office.desk, seen.case.case_id
    taken = {one.id for one in undone}
    fixes = [*(one for one in seen.standing if one.id not in taken), *corrections]
    after = await store.read(lambda conn: desk.would_be(conn, seen.entry, fixes))
    decided = any(one.field == "restricted" for one in fixes)
    reason = None
    if not any(one.field == "restricted" for one in corrections):
        rules = office.config.rules
        reason = await asyncio.to_thread(restricted_by, seen.case, after, rules, decided=decided)
    made = [*corrections, *(closing(reason) if reason else ())]

    def write(conn: Connection) -> Case:
        if register.load_entry(conn, store.sealer, case_id).case.revision != seen.case.revision:
            raise _changed(seen.case)
        return desk.correct(conn, case_id, made, actor, office.clock(), undone=undone)

    try:
        case = await store.write(write)
    except CorrectionRefused as error:
        raise OperationRefused(f"case {seen.case.case_no}: {error}", code="fields") from error
    return {
        "case_id": case_id,
        "case_no": case.case_no,
        "revision": case.revision,
        "changed": [one.field for one in (*corrections, *undone)],
        "restricted": reason,
    }


def _look(conn: Connection, office: Office, arguments: Mapping[str, Any]) -> _Seen:
    case_id = case_id_of(conn, arguments["case"])
    sealer = office.store.sealer
    entry = register.see_entry(conn, sealer, case_id)
    revision = arguments.get("revision")
    if revision is not None and entry.case.revision != int(revision):
        raise _changed(entry.case)
    return _Seen(entry, register.corrections(conn, sealer, case_id))


def _changed(case: Case) -> OperationRefused:
    return OperationRefused(
        f"case {case.case_no}: has changed meanwhile; look at it as it is now, then ask again", code="changed"
    )


def _last_of(standing: Sequence[Standing], arguments: Mapping[str, Any]) -> Standing | None:
    """The last correction of the field, if it is the one that is meant."""
    if arguments.get("correction") is not None:
        meant = next((one for one in standing if one.id == int(arguments["correction"])), None)
        if meant is None:
            return None
        last = [one for one in standing if one.field == meant.field][-1]
        return last if last.id == meant.id else None
    name = arguments["field"]
    name = f"petitioners.0.{name}" if name in PERSONAL else ALIASES.get(name, name)
    return next((one for one in reversed(standing) if one.field == name), None)
