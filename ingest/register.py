"""The register of cases: their rows, numbers, revisions and look-up keys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, tzinfo
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, func, insert, select, update

from ingest.compute import Correction, Registration, Whom, digest
from ingest.inbox import opened, receipt_of
from normalize.case import Case, Receipt
from normalize.clocks import is_closed_at_source, next_due
from normalize.people import identity_number
from normalize.reading import SignalKind
from store.schema import case_number, cases, correction, lookup, raw, receipt, revision, signal
from store.sealing import Sealer
from store.upsert import insert_into


@dataclass(frozen=True)
class Timing:
    """When a case must be looked at, and what its dates were counted by; None: before that was noted."""

    next_reminder_at: datetime | None = None
    dated_by: str | None = None


@dataclass(frozen=True)
class Entry:
    """A case's row with the case opened."""

    case: Case
    digest: str
    reading_id: int | None
    modified_at: datetime | None
    restricted: bool
    withdrawn: bool
    timing: Timing = Timing()

    @property
    def registration(self) -> Registration:
        return Registration(self.case.case_id, self.case.case_no, self.case.ingested_at, self.case.received_at)


@dataclass(frozen=True)
class Standing(Correction):
    """A correction that nobody has undone: its number, by whom and when."""

    id: int
    author: str
    at: datetime


@dataclass(frozen=True)
class NewCase:
    """A case that is to be entered, with its JSON."""

    case: Case
    written: str
    identity: str
    reading_id: int | None = None
    modified_at: datetime | None = None
    timing: Timing = Timing()
    withdrawn: bool = False


def next_numbers(conn: Connection, year: int, count: int) -> list[str]:
    """The next numbers of the year, gap-free: they are drawn in the transaction that uses them."""
    statement = insert_into(conn, case_number).values(year=year, last=count)
    statement = statement.on_conflict_do_update(index_elements=["year"], set_={"last": case_number.c.last + count})
    last: int = conn.execute(statement.returning(case_number.c.last)).scalar_one()
    return [f"{year}-{number:06d}" for number in range(last - count + 1, last + 1)]


def known_identities(conn: Connection, identities: Sequence[str]) -> set[str]:
    """Those of them that have a case."""
    return set(conn.execute(select(cases.c.identity).where(cases.c.identity.in_(identities))).scalars())


def known_receipts(conn: Connection, raw_ids: Sequence[int]) -> set[tuple[int, int]]:
    """Of these Raws the parts that were read into a case before."""
    rows = conn.execute(select(receipt.c.raw_id, receipt.c.part).where(receipt.c.raw_id.in_(raw_ids)))
    return {(row.raw_id, row.part) for row in rows}


def find(conn: Connection, sealer: Sealer, identity: str) -> Entry | None:
    """The case of this identity, held."""
    row = conn.execute(_held(select(cases).where(cases.c.identity == identity))).one_or_none()
    return None if row is None else _entry(row, sealer)


def find_by_receipt(conn: Connection, sealer: Sealer, raw_id: int, part: int) -> Entry | None:
    """The case this Raw was read into before, whatever identity a better reader would give it now; held."""
    rows = select(cases).join(receipt, receipt.c.case_id == cases.c.case_id)
    row = conn.execute(_held(rows.where(receipt.c.raw_id == raw_id, receipt.c.part == part))).one_or_none()
    return None if row is None else _entry(row, sealer)


def load_entry(conn: Connection, sealer: Sealer, case_id: str) -> Entry:
    """The entry of a case, held. Raises KeyError."""
    return _existing(
        conn.execute(_held(select(cases).where(cases.c.case_id == case_id))).one_or_none(), case_id, sealer
    )


def load_entries(conn: Connection, sealer: Sealer, case_ids: Sequence[str]) -> list[Entry]:
    """The entries of these cases, held, in one order for whoever holds several. Raises KeyError."""
    wanted = select(cases).where(cases.c.case_id.in_(case_ids)).order_by(cases.c.case_id)
    rows = {row.case_id: row for row in conn.execute(_held(wanted))}
    return [_existing(rows.get(case_id), case_id, sealer) for case_id in sorted(case_ids)]


def is_restricted(conn: Connection, case_id: str) -> bool:
    """Raises NoResultFound."""
    return bool(conn.execute(select(cases.c.restricted).where(cases.c.case_id == case_id)).scalar_one())


def see_entry(conn: Connection, sealer: Sealer, case_id: str) -> Entry:
    """The entry of a case, which others may change. Raises KeyError."""
    return _existing(conn.execute(select(cases).where(cases.c.case_id == case_id)).one_or_none(), case_id, sealer)


def hold(conn: Connection, case_id: str) -> None:
    """Until this transaction ends no other computes the case anew; what is read after this, is as others left it."""
    conn.execute(_held(select(cases.c.case_id).where(cases.c.case_id == case_id)))


def load_case(conn: Connection, sealer: Sealer, case_id: str) -> Case:
    """The case in its latest revision. Raises KeyError."""
    return see_entry(conn, sealer, case_id).case


def add(conn: Connection, sealer: Sealer, new: Sequence[NewCase], now: datetime) -> None:
    """Enter new cases."""
    if new:
        conn.execute(insert(cases), [_new_row(one, sealer, now) for one in new])
        conn.execute(insert(revision), [_revision(one.case, one.written, "created", sealer, now) for one in new])
        _index(conn, sealer, [one.case for one in new])


def revise(conn: Connection, sealer: Sealer, case: Case, why: str, timing: Timing, now: datetime) -> None:
    """Enter the next revision of a case."""
    written = case.model_dump_json()
    _save(conn, sealer, case, written, timing, now)
    conn.execute(insert(revision), [_revision(case, written, why, sealer, now)])
    conn.execute(delete(lookup).where(lookup.c.case_id == case.case_id))
    _index(conn, sealer, [case])


def save(conn: Connection, sealer: Sealer, case: Case, timing: Timing, now: datetime) -> None:
    """Write a case over its row, without a new revision: receipts and deadlines."""
    _save(conn, sealer, case, case.model_dump_json(), timing, now)


def rewind(conn: Connection, timings: Mapping[str, Timing]) -> None:
    """Note when cases must be looked at again; nothing else of them has changed."""
    if timings:
        conn.execute(_REWIND, [{"rewound": case_id, **vars(timing)} for case_id, timing in timings.items()])


_REWIND = (
    update(cases)
    .where(cases.c.case_id == bindparam("rewound"))
    .values(next_reminder_at=bindparam("next_reminder_at"), dated_by=bindparam("dated_by"))
)


def point_to(conn: Connection, case_id: str, reading_id: int, modified_at: datetime | None) -> None:
    """Note which reading the case is computed from."""
    values = {"reading_id": reading_id, "modified_at": modified_at}
    conn.execute(update(cases).where(cases.c.case_id == case_id).values(values))


def withdraw(conn: Connection, case_id: str, *, withdrawn: bool) -> None:
    """Note whether its source has taken it back."""
    conn.execute(update(cases).where(cases.c.case_id == case_id).values(withdrawn=withdrawn))


def add_receipts(conn: Connection, rows: Sequence[tuple[str, int, int]]) -> None:
    """Note the first arrivals of new cases: case, Raw and part."""
    named = [{"case_id": case_id, "raw_id": raw_id, "part": part} for case_id, raw_id, part in rows]
    if named:
        conn.execute(insert(receipt), named)


def add_receipt(conn: Connection, case_id: str, raw_id: int, part: int) -> bool:
    """Note one arrival; False when it was noted before."""
    row = {"raw_id": raw_id, "part": part, "case_id": case_id}
    noted = insert_into(conn, receipt).values(row).on_conflict_do_nothing().returning(receipt.c.raw_id)
    return conn.execute(noted).first() is not None


def receipts(conn: Connection, sealer: Sealer, case_id: str, zone: tzinfo) -> list[Receipt]:
    """Every place the case arrived at, once each, in the order of arrival."""
    rows = conn.execute(
        select(raw).join(receipt, receipt.c.raw_id == raw.c.id).where(receipt.c.case_id == case_id).order_by(raw.c.id)
    ).all()
    found: dict[tuple[str, str], Receipt] = {}
    for row in rows:
        one = opened(row, sealer)
        found.setdefault((one.channel, one.key), receipt_of(one, zone))
    return list(found.values())


def corrections(conn: Connection, sealer: Sealer, case_id: str) -> list[Standing]:
    """The corrections that stand, oldest first."""
    here = (correction.c.case_id == case_id) & correction.c.undone_at.is_(None)
    rows = conn.execute(select(correction).where(here).order_by(correction.c.id)).all()
    return [correction_of(row, sealer) for row in rows]


def correction_of(row: Row[Any], sealer: Sealer) -> Standing:
    """A correction's row. One of a petitioner's field says beside its value whom it is of."""
    value, whom = json.loads(sealer.open(row.sealed, _sealed_as(row.case_id, row.field))), None
    if isinstance(value, dict) and value.keys() == {"value", "of"}:
        value, of = value["value"], value["of"]
        whom = Whom(of["name"], of["id_no"], tuple(of["phones"]), tuple(of["others"]))
    return Standing(row.field, value, row.id, row.author, row.at, whom=whom)


def _written(one: Correction) -> bytes:
    return json.dumps(one.value if one.whom is None else {"value": one.value, "of": asdict(one.whom)}).encode()


def add_corrections(
    conn: Connection, sealer: Sealer, case_id: str, added: Sequence[Correction], author: str, now: datetime
) -> None:
    rows = [
        {
            "case_id": case_id,
            "field": one.field,
            "sealed": sealer.seal(_written(one), _sealed_as(case_id, one.field)),
            "author": author,
            "at": now,
        }
        for one in added
    ]
    if rows:
        conn.execute(insert(correction), rows)


def undo_corrections(conn: Connection, ids: Sequence[int], by: str, now: datetime) -> None:
    """They stay written down, but count no more."""
    if ids:
        here = correction.c.id.in_(ids) & correction.c.undone_at.is_(None)
        conn.execute(update(correction).where(here).values(undone_by=by, undone_at=now))


def received_uncorrected(conn: Connection, sealer: Sealer, case_id: str) -> datetime | None:
    """When a case was received as it said before a person first corrected that; None: nobody has."""
    here = (correction.c.case_id == case_id) & (correction.c.field == "received_at")
    first = conn.execute(select(func.min(correction.c.at)).where(here)).scalar_one()
    if first is None:
        return None
    before = (revision.c.at < first) | (revision.c.revision == 1)
    rows = select(revision).where(revision.c.case_id == case_id, before).order_by(revision.c.revision.desc())
    row = conn.execute(rows.limit(1)).one()
    return Case.model_validate_json(sealer.open(row.sealed, f"revision:{case_id}:{row.revision}")).received_at


def add_signal(conn: Connection, case_id: str, id_: str, kind: str, at: datetime | None) -> bool:
    """Note something the source did; False when it was known."""
    row = {"case_id": case_id, "id": id_, "kind": kind, "at": at}
    noted = insert_into(conn, signal).values(row).on_conflict_do_nothing().returning(signal.c.id)
    return conn.execute(noted).first() is not None


def returned_at(conn: Connection, case_id: str) -> datetime | None:
    """When its source last had it done again."""
    here = (signal.c.case_id == case_id) & (signal.c.kind == SignalKind.RETURNED.value)
    last: datetime | None = conn.execute(select(func.max(signal.c.at)).where(here)).scalar_one()
    return last


def keys_of(case: Case) -> Iterator[tuple[str, str]]:
    """What a case can be found by: the petitioners' phones, identity numbers, e-mails and names."""
    for person in case.petitioners:
        yield from (("phone", phone) for phone in person.phones)
        if person.id_no:
            yield "id_no", identity_number(person.id_no).canonical
        if person.email:
            yield "email", person.email.lower()
        if person.name:
            yield "name", person.name


def _sealed_as(case_id: str, field: str) -> str:
    return f"correction:{case_id}:{field}"


def _new_row(new: NewCase, sealer: Sealer, now: datetime) -> dict[str, object]:
    return {
        "case_id": new.case.case_id,
        "identity": new.identity,
        "reading_id": new.reading_id,
        "modified_at": new.modified_at,
        "withdrawn": new.withdrawn,
        **_row(new.case, new.written, new.timing, sealer, now),
    }


def _save(conn: Connection, sealer: Sealer, case: Case, written: str, timing: Timing, now: datetime) -> None:
    row = _row(case, written, timing, sealer, now)
    conn.execute(update(cases).where(cases.c.case_id == case.case_id).values(row))


def _row(case: Case, written: str, timing: Timing, sealer: Sealer, now: datetime) -> dict[str, object]:
    return {
        "case_no": case.case_no,
        "channel": case.channel,
        "channel_kind": case.channel_kind.value,
        "source_no": case.source_no,
        "revision": case.revision,
        "digest": digest(case),
        "restricted": case.restricted,
        "restricted_reason": case.restricted_reason,
        "needs_review": case.reading.needs_review,
        "request_type": case.request_type.code.value,
        "triage": case.triage.value,
        "urgency": case.urgency.value,
        "source_status": case.source_status.code,
        "received_at": case.received_at,
        "next_due_at": None if is_closed_at_source(case) else next_due(case.deadlines),
        **vars(timing),
        "ingested_at": case.ingested_at,
        "updated_at": now,
        "sealed_title": sealer.seal(case.title.encode(), f"cases.title:{case.case_id}"),
        "sealed": sealer.seal(written.encode(), f"cases:{case.case_id}"),
    }


def _held(wanted: Select[Any]) -> Select[Any]:
    """Two processes must not compute one case at once: the second would undo the first. SQLite has one writer."""
    return wanted.with_for_update(of=cases, key_share=True)


def _existing(row: Row[Any] | None, case_id: str, sealer: Sealer) -> Entry:
    if row is None:
        raise KeyError(f"case {case_id} is not in the register")
    return _entry(row, sealer)


def _entry(row: Row[tuple[object, ...]], sealer: Sealer) -> Entry:
    case = Case.model_validate_json(sealer.open(row.sealed, f"cases:{row.case_id}"))
    timing = Timing(row.next_reminder_at, row.dated_by)
    return Entry(case, row.digest, row.reading_id, row.modified_at, row.restricted, row.withdrawn, timing)


def _revision(case: Case, written: str, why: str, sealer: Sealer, now: datetime) -> dict[str, object]:
    return {
        "case_id": case.case_id,
        "revision": case.revision,
        "at": now,
        "why": why,
        "restricted": case.restricted,
        "sealed": sealer.seal(written.encode(), f"revision:{case.case_id}:{case.revision}"),
    }


def _index(conn: Connection, sealer: Sealer, entered: Sequence[Case]) -> None:
    """Have cases found by their people; what they were found by before is gone."""
    rows = [
        {"kind": kind, "digest": sealer.lookup(kind, value), "case_id": case.case_id}
        for case in entered
        for kind, value in set(keys_of(case))
    ]
    if rows:
        conn.execute(insert(lookup), rows)
