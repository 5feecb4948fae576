"""From readings to cases: a new case, one more receipt, or the next revision, with its events, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta, tzinfo
from typing import TypeAlias

from sqlalchemy import Connection
from ulid import ULID

from adapters.base import RawKind
from dispatch.outbox import Outbox
from ingest import attachments, inbox, readings, register, reported
from ingest.clockwork import Clockwork
from ingest.compute import (
    Correction,
    Registration,
    StoredAttachment,
    attached,
    changes,
    compute,
    corrected,
    digest,
    infected,
    is_assumed,
)
from ingest.correcting import openings, says_else
from ingest.history import MACHINE, record_each, record_history
from ingest.inbox import End, RawRow
from ingest.readings import Found, KeptReading, PreparedReading
from ingest.register import Entry, NewCase, Standing, load_case
from normalize.case import AttachmentState, Case, Draft, Receipt
from normalize.clocks import Progress
from normalize.reading import Disposition, Signal, SignalKind, in_order, is_under_way, is_withdrawn
from normalize.restrict import CALLED, TERM, UNREADABLE
from store.blobs import Blobs
from store.sealing import Sealer

__all__ = ["CaseDesk", "load_case", "record_history"]

EVENT_OF = {
    SignalKind.REMINDER: "case.reminder",
    SignalKind.RETURNED: "case.returned",
    SignalKind.SUPPLEMENTED: "case.supplemented",
    SignalKind.WITHDRAWN: "case.withdrawn",
}


RETURNED, WITHDRAWN = "returned", "withdrawn"
"""The codes of the states 退回重办 and 已撤回."""


Touched: TypeAlias = tuple[RawRow, str]


@dataclass(frozen=True)
class Read:
    """A Raw and what a reader made of it."""

    row: RawRow
    found: Sequence[PreparedReading]


@dataclass(frozen=True, eq=False)
class Arrival:
    """A matter's coming through a door: part of a Raw, read."""

    row: RawRow
    part: int
    kept: KeptReading


@dataclass
class CaseDesk:
    """Keeps the register: what it does, it does within the caller's transaction."""

    sealer: Sealer
    blobs: Blobs
    outbox: Outbox
    clockwork: Clockwork
    """In force; another comes in its place as a whole."""
    zone: tzinfo
    public_url: str
    vets: bool = False
    """Whether attachments are handed on only after a verdict."""

    def go_by(self, other: CaseDesk) -> None:
        """From now on keep it as the other would; what is being written may still be as before."""
        self.outbox, self.clockwork = other.outbox, other.clockwork
        self.zone, self.public_url, self.vets = other.zone, other.public_url, other.vets

    def accept(self, conn: Connection, read: Sequence[Read], now: datetime) -> list[Touched]:
        """Write what a reader made of Raws: readings, cases, events, the Raws' ends; each Raw with a case it touched.

        All of it or, when it raises, nothing: whoever wants to know which Raw it was gives each by itself.
        """
        self.blobs.keep_all(conn, [blob for one in read for prepared in one.found for blob in prepared.blobs], now)
        found = [Found(one.row, part, prepared) for one in read for part, prepared in enumerate(one.found, 1)]
        kept = zip(found, readings.keep(conn, self.sealer, found, now), strict=True)
        arrivals = [Arrival(one.row, one.part, has) for one, has in kept if has.disposition is Disposition.CASE]
        created = self._create(conn, self._unknown(conn, arrivals), now)
        touched = [(one.row, created.get(one) or self._arrive(conn, one, now)) for one in arrivals]
        inbox.mark(conn, [_end(one) for one in read], now)
        inbox.overtake(conn, [one.row.id for one in arrivals if one.row.kind is RawKind.RECORD], now)
        return touched

    def refresh(self, conn: Connection, case_id: str, now: datetime) -> None:
        """Compute a case anew after something beside its reading changed, such as an attachment that came."""
        entry = register.load_entry(conn, self.sealer, case_id)
        if entry.reading_id is not None:
            kept = readings.load(conn, self.sealer, entry.reading_id)
            self._renew(conn, entry, kept, "source", now)

    def correct(
        self,
        conn: Connection,
        case_id: str,
        corrections: Sequence[Correction],
        author: str,
        now: datetime,
        *,
        undone: Sequence[Standing] = (),
    ) -> Case:
        """Lay a person's corrections over the case, take some back: one revision, one event.

        Raises CorrectionRefused, KeyError.
        """
        entry = register.load_entry(conn, self.sealer, case_id)
        draft: Draft = entry.case
        for one in corrections:
            draft = corrected(draft, one)
        register.add_corrections(conn, self.sealer, case_id, corrections, author, now)
        register.undo_corrections(conn, [one.id for one in undone], author, now)
        for kind, changed in (("corrected", corrections), ("uncorrected", undone)):
            record_each(conn, kind, author, [(case_id, {"field": one.field}) for one in changed], now)
        if entry.reading_id is not None:
            self._renew(conn, entry, readings.load(conn, self.sealer, entry.reading_id), author, now)
        return load_case(conn, self.sealer, case_id)

    def would_be(self, conn: Connection, entry: Entry, corrections: Sequence[Correction]) -> Case:
        """The case as these corrections, and no others, would make it."""
        if entry.reading_id is None:
            return entry.case
        kept, case_id = readings.load(conn, self.sealer, entry.reading_id), entry.case.case_id
        stored, receipts = attachments.of_case(conn, case_id), self._receipts(conn, case_id)
        progress = reported.progress_of_case(conn, case_id)
        registration = self._registration(conn, entry, kept)
        case = self._computed(registration, entry.case.revision, kept, receipts, stored, corrections, progress)
        seen_at = entry.modified_at or entry.case.ingested_at
        return self.clockwork.dated(case, progress, before=entry.case.deadlines, seen_at=seen_at)

    def enter(
        self, conn: Connection, row: RawRow, part: int, typed: PreparedReading, author: str, now: datetime
    ) -> str:
        """Enter what a person read in a part of a Raw, as a case or as the next revision of one; its case_id.

        It stands: the program does not write over it when it reads the Raw again.
        """
        (kept,) = readings.keep(conn, self.sealer, [Found(row, part, typed)], now, typed_by=author)
        arrival = Arrival(row, part, kept)
        created = self._create(conn, self._unknown(conn, [arrival]), now)
        case_id = created.get(arrival) or self._arrive(conn, arrival, now)
        record_history(conn, case_id, "registered", author, {"raw": row.id, "part": part}, now)
        return case_id

    def _unknown(self, conn: Connection, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """The first arrivals of identities that have no case, of Raws that were not read into one."""
        if not arrivals:
            return []
        read_before = register.known_receipts(conn, [one.row.id for one in arrivals])
        known = register.known_identities(conn, [one.kept.identity for one in arrivals])
        first: dict[str, Arrival] = {}
        for one in arrivals:
            if (one.row.id, one.part) not in read_before and one.kept.identity not in known:
                first.setdefault(one.kept.identity, one)
        return list(first.values())

    def _create(self, conn: Connection, arrivals: Sequence[Arrival], now: datetime) -> dict[Arrival, str]:
        """A case for each of these, with its event."""
        if not arrivals:
            return {}
        local, clockwork = now.astimezone(self.zone), self.clockwork
        computed = []
        for one in arrivals:
            registration, receipts = (
                Registration(str(ULID.from_datetime(now)), "", local),
                (inbox.receipt_of(one.row, self.zone),),
            )
            unvetted = self._unvetted(one.kept)
            undated = self._computed(registration, 1, one.kept, receipts, unvetted, (), None)
            case = clockwork.dated(undated, None, seen_at=one.kept.modified_at or now)
            withdrawn = is_withdrawn(one.kept.signals)
            computed.append((one, case, withdrawn, clockwork.timing(case, withdrawn=withdrawn, now=now)))
        numbers = register.next_numbers(conn, local.year, len(arrivals))  # until this commits, no other draws any
        new: dict[Arrival, NewCase] = {}
        for (one, unnumbered, withdrawn, timing), number in zip(computed, numbers, strict=True):
            case, kept = unnumbered.model_copy(update={"case_no": number}), one.kept
            new[one] = NewCase(
                case, case.model_dump_json(), kept.identity, kept.id, kept.modified_at, timing, withdrawn
            )
        ids = {one: it.case.case_id for one, it in new.items()}
        register.add(conn, self.sealer, list(new.values()), now)
        register.add_receipts(conn, [(ids[one], one.row.id, one.part) for one in arrivals])
        lists = [attachments.Listed(ids[one], one.row.channel, one.kept.parts) for one in arrivals]
        attachments.register(conn, self.sealer, lists, now, vet=self.vets)
        happened = [(ids[one], {**_arrived(one.row), "revision": 1}) for one in arrivals]
        record_each(conn, "created", MACHINE, happened, now)
        self.outbox.announce(conn, [(it.case, it.written) for it in new.values()], now)
        for one, it in new.items():
            self._withdraw_if_told(conn, it.case, one.kept.signals, now)
        return ids

    def _withdraw_if_told(self, conn: Connection, case: Case, signals: Sequence[Signal], now: datetime) -> None:
        """Of what the source did with a matter new to us, the case says the rest itself."""
        self._note_signals(conn, case.case_id, signals, now)
        if is_withdrawn(signals):
            last = [one for one in signals if one.kind is SignalKind.WITHDRAWN][-1]
            record_history(conn, case.case_id, last.kind.value, MACHINE, {"signal": last.id}, now)
            self.outbox.publish(conn, case, EVENT_OF[last.kind], None, now)

    def _arrive(self, conn: Connection, one: Arrival, now: datetime) -> str:
        """One more arrival of a case there is, or another reading of one."""
        row, kept = one.row, one.kept
        entry = register.find_by_receipt(conn, self.sealer, row.id, one.part) or register.find(
            conn, self.sealer, kept.identity
        )
        if entry is None:
            raise LookupError(f"raw {row.id}: its case is gone within the transaction that found it")
        case_id = entry.case.case_id
        arrived = register.add_receipt(conn, case_id, row.id, one.part)
        if arrived:
            record_history(conn, case_id, "received", MACHINE, _arrived(row), now)
        if self._supersedes(conn, kept, entry):
            listed = attachments.Listed(case_id, row.channel, kept.parts)
            attachments.register(conn, self.sealer, [listed], now, vet=self.vets)
            register.point_to(conn, case_id, kept.id, kept.modified_at)
            self._close_again(conn, entry, kept, now)
            self._renew(conn, entry, kept, "source", now)
        elif arrived:
            again = entry.case.model_copy(update={"receipts": self._receipts(conn, case_id)})
            register.save(conn, self.sealer, again, entry.timing, now)
        return case_id

    def _close_again(self, conn: Connection, entry: Entry, kept: KeptReading, now: datetime) -> None:
        """A case that a person opened is restricted again if the source says now what it had not said then."""
        case_id, standing = entry.case.case_id, register.corrections(conn, self.sealer, entry.case.case_id)
        taken = openings(standing)
        if not taken or kept.draft is None or not kept.draft.restricted:
            return
        if entry.reading_id in (None, kept.id):  # the same words, read anew, have been written over
            news = says_else(entry.case, kept.draft, [one.field for one in standing])
        else:
            news = _brings_more(readings.load(conn, self.sealer, entry.reading_id), kept)
        if news:
            register.undo_corrections(conn, [one.id for one in taken], MACHINE, now)
            record_each(conn, "uncorrected", MACHINE, [(case_id, {"field": one.field}) for one in taken], now)

    def _renew(self, conn: Connection, entry: Entry, kept: KeptReading, by: str, now: datetime) -> None:
        """The next revision if the content changed, and an event for that or for each new thing the source did."""
        case_id = entry.case.case_id
        returned_at = register.returned_at(conn, case_id)
        noted = self._note_signals(conn, case_id, kept.signals, now)
        fresh = [one for one in noted if not self._is_past(one, entry, kept, noted, returned_at)]
        fresh = in_order([*fresh, *self._note_signals(conn, case_id, _turn(entry, kept, fresh), now)])
        withdrawn = is_withdrawn(fresh, entry.withdrawn)
        clockwork, progress = self.clockwork, reported.progress_of_case(conn, case_id)
        case = self._compute(conn, self._registration(conn, entry, kept), entry.case.revision, kept, progress)
        case = clockwork.dated(case, progress, before=entry.case.deadlines, seen_at=kept.modified_at or now)
        timing = clockwork.timing(case, withdrawn=withdrawn, now=now)
        change = changes(entry.case, case, by) if digest(case) != entry.digest else None
        if change:
            case = case.model_copy(update={"revision": case.revision + 1})
            register.revise(conn, self.sealer, case, by, timing, now)
            fields = [one["field"] for one in change]
            record_history(conn, case_id, "revised", by, {"revision": case.revision, "fields": fields}, now)
        else:
            register.save(conn, self.sealer, case, timing, now)
        for one in fresh:
            record_history(conn, case_id, one.kind.value, MACHINE, {"signal": one.id}, now)
        if withdrawn != entry.withdrawn:
            register.withdraw(conn, case_id, withdrawn=withdrawn)
        types = [EVENT_OF[one.kind] for one in fresh] or (["case.updated"] if change else [])
        for type_ in types:
            self.outbox.publish(conn, case, type_, change, now, was_restricted=entry.case.restricted)

    def _registration(self, conn: Connection, entry: Entry, kept: KeptReading) -> Registration:
        """What the register gave it; a date that a person wrote over an assumed one is not of the register."""
        registration, known = entry.registration, entry.case
        if kept.draft is not None and kept.draft.channel != known.channel:
            registration = replace(registration, channel=(known.channel, known.channel_kind))
        if kept.draft is None or not is_assumed(kept.draft):
            return registration
        told = register.received_uncorrected(conn, self.sealer, entry.case.case_id)
        return registration if told is None else replace(registration, received_at=told)

    def _compute(
        self,
        conn: Connection,
        registration: Registration,
        revision: int,
        kept: KeptReading,
        progress: Progress | None,
    ) -> Case:
        """The case as this reading, the corrections, the receipts and the reports make it, without its deadlines."""
        case_id = registration.case_id
        stored = attachments.of_case(conn, case_id)
        fixes = register.corrections(conn, self.sealer, case_id)
        receipts = self._receipts(conn, case_id)
        return self._computed(registration, revision, kept, receipts, stored, fixes, progress)

    def _computed(
        self,
        registration: Registration,
        revision: int,
        kept: KeptReading,
        receipts: Sequence[Receipt],
        stored: Mapping[str, StoredAttachment],
        fixes: Sequence[Correction],
        progress: Progress | None,
    ) -> Case:
        if kept.draft is None:
            raise ValueError(f"reading {kept.id}: a case's reading has a draft")
        shown = attached(kept.parts, stored, registration.case_id, self.public_url)
        draft = kept.draft
        if said := infected(kept.parts, stored):
            draft = draft.model_copy(update={"warnings": (*draft.warnings, *said)})
        accepted_at = progress.accepted_at if progress else None
        return compute(draft, registration, revision, receipts, shown, fixes, accepted_at)

    def _unvetted(self, kept: KeptReading) -> dict[str, StoredAttachment]:
        """What came with a reading, as long as there is no verdict on it."""
        return {
            part.key: StoredAttachment(AttachmentState.PENDING, part.sha256, part.size, part.media_type)
            for part in kept.parts
            if self.vets and attachments.waits(part)
        }

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

    def _is_past(
        self, one: Signal, entry: Entry, kept: KeptReading, noted: Sequence[Signal], returned_at: datetime | None
    ) -> bool:
        """Whether a step took the matter back before it was given out again. Such steps are not told while the matter
        is under way (`normalize.feed`): they come to light once it is answered.
        """
        if one.kind is not SignalKind.WITHDRAWN or kept.draft is None or _says_withdrawn(kept):
            return False
        under_way = is_under_way(kept.draft.source_status)
        if one.at is None:
            known = [each for each in kept.signals if each.kind is SignalKind.RETURNED and each not in noted]
            return not under_way and not is_withdrawn([each for each in kept.signals if each is one or each in known])
        day = timedelta(days=1) if _is_midnight(one.at, self.zone) else timedelta()
        if under_way:  # told all the same: its platform has no word for it
            return returned_at is not None and one.at + day <= returned_at
        went_on = is_under_way(entry.case.source_status) and not entry.withdrawn
        since = (returned_at, entry.modified_at if went_on else None)
        return any(moment is not None and one.at + day <= moment for moment in since)

    def _note_signals(self, conn: Connection, case_id: str, signals: Sequence[Signal], now: datetime) -> list[Signal]:
        """Those that are new; once known, what was noted of them stands."""
        noted = [(one, self._happened(one, now)) for one in signals]
        return [one for one, at in noted if register.add_signal(conn, case_id, one.id, one.kind.value, at)]

    def _happened(self, one: Signal, now: datetime) -> datetime:
        """What has no time of its own happened as we learn of it; so did a return of today of which only the day is
        told: what was reported this morning came before it.
        """
        if one.at is None:
            return now
        today = one.at.astimezone(self.zone).date() == now.astimezone(self.zone).date()
        by_day = one.kind is SignalKind.RETURNED and today and _is_midnight(one.at, self.zone)
        return now if by_day else one.at


def _brings_more(before: KeptReading, after: KeptReading) -> bool:
    """Whether a version of a matter says something that may accuse where the one before did not: in its words, in a
    file, by what the citizen added, by an own term wherever that stands, or in how its source calls it.
    """
    if before.draft is None or after.draft is None or says_else(before.draft, after.draft):
        return True
    reasons = (before.draft.restricted_reason, after.draft.restricted_reason)
    if reasons[1] != reasons[0] and reasons[1] in {TERM, CALLED, UNREADABLE}:  # any other shows in the words or files
        return True
    added = [{one.id for one in each.signals if one.kind is SignalKind.SUPPLEMENTED} for each in (before, after)]
    files = [{part.key for part in each.parts} for each in (before, after)]
    return bool(added[1] - added[0] or files[1] - files[0])


def _turn(entry: Entry, kept: KeptReading, fresh: Sequence[Signal]) -> tuple[Signal, ...]:
    """What only the matter's state at the source tells: that it was taken back once more, is given out again, or, where
    no steps are told, is to be done again.
    """
    kind = _turned(entry, kept, fresh)
    return () if kind is None else (Signal(kind, f"{kept.identity}#{kind.value}:{kept.raw_id}", kept.modified_at),)


def _turned(entry: Entry, kept: KeptReading, fresh: Sequence[Signal]) -> SignalKind | None:
    before, withdrawn = is_withdrawn(fresh, entry.withdrawn), is_withdrawn(kept.signals)
    if kept.draft is None or (withdrawn and before):
        return None
    if withdrawn and _says_withdrawn(kept):  # a step that was known did so long ago
        return SignalKind.WITHDRAWN
    status, old = kept.draft.source_status, entry.case.source_status
    again = status.code == RETURNED != old.code and all(one.kind is not SignalKind.RETURNED for one in kept.signals)
    given_out = before and status != old and is_under_way(status)
    return SignalKind.RETURNED if again or given_out else None


def _says_withdrawn(kept: KeptReading) -> bool:
    """Whether its state at the source, no step, says that it was taken back."""
    by_state = any(one.id == f"{kept.identity}#withdrawn" for one in kept.signals)
    return by_state or (kept.draft is not None and kept.draft.source_status.code == WITHDRAWN)


def _is_midnight(at: datetime, zone: tzinfo) -> bool:
    """As a step has it of which only the day is told."""
    return at.astimezone(zone).time() == time()


def _arrived(row: RawRow) -> dict[str, object]:
    """An arrival as the history keeps it: with the hash of what arrived, so that nobody puts something else there."""
    return {"channel": row.channel, "raw": row.id, "blob": row.sha256}


def _end(read: Read) -> End:
    """How the Raw ends: quarantined if any of it is, else auto if nothing became a case."""
    said = [prepared.reading for prepared in read.found]
    for disposition, state in ((Disposition.QUARANTINE, "quarantined"), (Disposition.CASE, "read")):
        if told := next((one for one in said if one.disposition is disposition), None):
            return End(read.row.id, state, told.reason)
    return End(read.row.id, "auto", said[0].reason if said else None)
