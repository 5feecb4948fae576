"""From readings to cases: a new case, one more receipt, or the next revision, with its events, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from sqlalchemy import Connection, insert
from ulid import ULID

from dispatch.outbox import Outbox
from ingest import attachments, inbox, readings, register
from ingest.compute import Correction, Registration, attached, changes, compute, corrected, digest, with_deadlines
from ingest.history import MACHINE, record_history
from ingest.inbox import RawRow
from ingest.readings import KeptReading, PreparedReading
from ingest.register import Entry, load_case
from normalize.calendar import WorkCalendar
from normalize.case import Case, Receipt
from normalize.clocks import ClockRules, deadlines
from normalize.reading import Disposition, Signal, SignalKind
from store.blobs import Blobs
from store.schema import correction
from store.sealing import Sealer

__all__ = ["CaseDesk", "load_case", "record_history"]

EVENT_OF = {
    SignalKind.REMINDER: "case.reminder",
    SignalKind.RETURNED: "case.returned",
    SignalKind.SUPPLEMENTED: "case.supplemented",
    SignalKind.WITHDRAWN: "case.withdrawn",
}


@dataclass(frozen=True)
class CaseDesk:
    """Keeps the register: what it does, it does within the caller's transaction."""

    sealer: Sealer
    blobs: Blobs
    outbox: Outbox
    clocks: ClockRules
    calendar: WorkCalendar
    zone: tzinfo
    public_url: str

    def accept(self, conn: Connection, row: RawRow, found: Sequence[PreparedReading], now: datetime) -> list[str]:
        """Write what a reader made of a Raw: readings, cases, events and the Raw's end; the cases touched."""
        touched = []
        for part, prepared in enumerate(found, 1):
            for blob in prepared.blobs:
                self.blobs.keep(conn, blob, now)
            reading_id = readings.keep(conn, self.sealer, row.id, part, prepared, now)
            if prepared.reading.disposition is Disposition.CASE:
                kept = readings.load(conn, self.sealer, reading_id)
                touched.append(self._accept(conn, row, part, kept, now))
        state, reason = _outcome([prepared.reading for prepared in found])
        inbox.mark(conn, row.id, state, reason, now)
        return touched

    def refresh(self, conn: Connection, case_id: str, now: datetime) -> None:
        """Compute a case anew after something beside its reading changed, such as an attachment that came."""
        entry = register.load_entry(conn, self.sealer, case_id)
        if entry.reading_id is not None:
            kept = readings.load(conn, self.sealer, entry.reading_id)
            self._renew(conn, entry, kept, (), "source", now)

    def correct(self, conn: Connection, case_id: str, one: Correction, author: str, now: datetime) -> Case:
        """Lay a clerk's correction over the case. Raises CorrectionRefused, KeyError."""
        entry = register.load_entry(conn, self.sealer, case_id)
        corrected(entry.case, one)
        sealed = self.sealer.seal(_json(one.value), f"correction:{case_id}:{one.field}")
        row = {"case_id": case_id, "field": one.field, "sealed": sealed, "author": author, "at": now}
        conn.execute(insert(correction).values(row))
        record_history(conn, case_id, "corrected", author, {"field": one.field}, now)
        if entry.reading_id is not None:
            self._renew(conn, entry, readings.load(conn, self.sealer, entry.reading_id), (), author, now)
        return load_case(conn, self.sealer, case_id)

    def _accept(self, conn: Connection, row: RawRow, part: int, kept: KeptReading, now: datetime) -> str:
        entry = register.find_by_receipt(conn, self.sealer, row.id, part) or register.find(
            conn, self.sealer, kept.identity
        )
        if entry is None:
            return self._create(conn, row, part, kept, now)
        case_id = entry.case.case_id
        arrived = register.add_receipt(conn, case_id, row.id, part)
        if arrived:
            record_history(conn, case_id, "received", MACHINE, {"channel": row.channel, "raw": row.id}, now)
        if self._supersedes(conn, kept, entry):
            attachments.register(conn, self.sealer, case_id, row.channel, kept.parts, now)
            register.point_to(conn, case_id, kept.id, kept.modified_at)
            self._renew(conn, entry, kept, kept.signals, "source", now)
        elif arrived:
            again = entry.case.model_copy(update={"receipts": self._receipts(conn, case_id)})
            register.save(conn, self.sealer, again, now)
        return case_id

    def _create(self, conn: Connection, row: RawRow, part: int, kept: KeptReading, now: datetime) -> str:
        local = now.astimezone(self.zone)
        registration = Registration(str(ULID.from_datetime(now)), register.next_number(conn, local.year), local)
        case = self._compute(conn, registration, 1, kept, first=row)
        case_id = case.case_id
        register.add(conn, self.sealer, case, kept.identity, now)
        register.point_to(conn, case_id, kept.id, kept.modified_at)
        register.add_receipt(conn, case_id, row.id, part)
        attachments.register(conn, self.sealer, case_id, row.channel, kept.parts, now)
        fresh = self._note_signals(conn, case_id, kept.signals)
        record_history(conn, case_id, "created", MACHINE, {"channel": row.channel, "raw": row.id, "revision": 1}, now)
        self.outbox.publish(conn, case, "case.created", None, now)
        for one in fresh:
            if one.kind is SignalKind.WITHDRAWN:  # the rest of what the source did, the case says itself
                record_history(conn, case_id, one.kind.value, MACHINE, {"signal": one.id}, now)
                register.withdraw(conn, case_id)
                self.outbox.publish(conn, case, EVENT_OF[one.kind], None, now)
        return case_id

    def _renew(
        self, conn: Connection, entry: Entry, kept: KeptReading, signals: Sequence[Signal], by: str, now: datetime
    ) -> None:
        """The next revision if the content changed, and an event for that or for each new thing the source did."""
        case_id = entry.case.case_id
        fresh = self._note_signals(conn, case_id, signals)
        case = self._compute(conn, entry.registration, entry.case.revision, kept)
        change = None
        if digest(case) != entry.digest:
            case = case.model_copy(update={"revision": case.revision + 1})
            change = changes(entry.case, case, by)
            register.revise(conn, self.sealer, case, by, now)
            fields = [one["field"] for one in change]
            record_history(conn, case_id, "revised", by, {"revision": case.revision, "fields": fields}, now)
        else:
            register.save(conn, self.sealer, case, now)
        for one in fresh:
            record_history(conn, case_id, one.kind.value, MACHINE, {"signal": one.id}, now)
            if one.kind is SignalKind.WITHDRAWN:
                register.withdraw(conn, case_id)
        types = [EVENT_OF[one.kind] for one in fresh] or (["case.updated"] if change else [])
        for type_ in types:
            self.outbox.publish(conn, case, type_, change, now, was_restricted=entry.case.restricted)

    def _compute(
        self,
        conn: Connection,
        registration: Registration,
        revision: int,
        kept: KeptReading,
        first: RawRow | None = None,
    ) -> Case:
        """The case as this reading, the corrections, the receipts and the calendar make it."""
        if kept.draft is None:
            raise ValueError(f"reading {kept.id}: a case's reading has a draft")
        case_id = registration.case_id
        stored = attachments.of_case(conn, case_id)
        receipts = (inbox.receipt_of(first, self.zone),) if first else self._receipts(conn, case_id)
        fixes = [] if first else register.corrections(conn, self.sealer, case_id)
        shown = attached(kept.parts, stored, case_id, self.public_url)
        case = compute(kept.draft, registration, revision, receipts, shown, fixes)
        return with_deadlines(case, deadlines(case, self.clocks, self.calendar))

    def _receipts(self, conn: Connection, case_id: str) -> tuple[Receipt, ...]:
        return tuple(register.receipts(conn, self.sealer, case_id, self.zone))

    def _supersedes(self, conn: Connection, new: KeptReading, entry: Entry) -> bool:
        """The later version at the source wins; a second arrival of the same thing elsewhere changes nothing."""
        if entry.reading_id is None or entry.reading_id == new.id:
            return True
        if new.modified_at is not None and entry.modified_at is not None and new.modified_at != entry.modified_at:
            return new.modified_at > entry.modified_at
        # Platforms write whole seconds: of two versions of one second the one that was taken in later is the later.
        current = readings.load(conn, self.sealer, entry.reading_id)
        return (new.channel, new.raw_key) == (current.channel, current.raw_key) and new.raw_id > current.raw_id

    @staticmethod
    def _note_signals(conn: Connection, case_id: str, signals: Sequence[Signal]) -> list[Signal]:
        return [one for one in signals if register.add_signal(conn, case_id, one.id, one.kind.value, one.at)]


def _outcome(found: Sequence[Any]) -> tuple[str, str | None]:
    """How the Raw ends: quarantined if any of it is, else auto if nothing became a case."""
    dispositions = [one.disposition for one in found]
    for disposition, state in ((Disposition.QUARANTINE, "quarantined"), (Disposition.CASE, "read")):
        if disposition in dispositions:
            return state, next((one.reason for one in found if one.disposition is disposition), None)
    return "auto", next((one.reason for one in found), None)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")
