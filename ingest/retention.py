"""Removes originals and attachments whose time has come, at night and a few at a time; what is known of them stays.

Never of a case that is open or not delivered, never what waits for a person; nor the identities by which a petition is
known again, the register or the history, which tells what was removed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from functools import partial

import structlog
from sqlalchemy import ColumnElement, Connection, exists, func, select, update

from ingest import readings
from ingest.history import MACHINE, record_each
from ingest.listings import REMOVAL_LANE
from ingest.steady_clock import STEADY_FOR
from store import ledger
from store.beats import beat, rest
from store.blobs import INLINE_LIMIT, Blobs, key_of
from store.engine import Store, StoreUnreachable
from store.failure import place_of
from store.ledger import Claim
from store.schema import attachment, blob, cases, delivery, event, raw, receipt
from store.sealing import SealBroken, Sealer

log = structlog.get_logger()
NIGHT = (22, 6)
"""Hours of the office's clock, from and to, at which somebody is least likely to be waiting."""
LOOKS_EVERY = timedelta(minutes=10)
BATCH, PAUSE = 50, timedelta(seconds=1)
"""So many arrivals are looked at together, and so long others have the database for themselves."""
STRIDE = 5_000
"""So many numbers are passed in one reading: most are of what was removed long ago."""
STRETCHES_AHEAD = 200
"""So far a clock that was ahead is looked past: a million arrivals."""
FAR_BACK = 24
"""So many arrivals, each twice as far from the last, are looked at to see what time it is."""
QUIET = timedelta(days=30)
"""So long nothing may have come in."""
LINGERS = timedelta(days=1)
"""A file is deleted so long after its row says that it is gone: a backup may be under way that counts on it."""
UNDELIVERED = ("waiting", "sending", "unknown", "rejected")
UNSETTLED = ("waiting", "quarantined")


@dataclass(frozen=True)
class Arrived:
    """A Raw that came long ago."""

    raw_id: int
    sha256: str
    state: str
    last_at: datetime
    """When it came or a person decided about it."""


@dataclass(frozen=True)
class Stretch:
    """What a reading of the inbox passed over."""

    due: list[int]
    """Arrivals that nobody waits for."""
    looked_at: int
    """How many lie here still."""
    last: int | None
    """The last number of what came long ago, or lies before some that did; None: there is no more of it."""


@dataclass
class Retention:
    """Removes what came and was done with so long ago."""

    store: Store
    clock: Callable[[], datetime]
    zone: tzinfo
    keeps: timedelta
    steady: Callable[[], bool]
    """Whether the clock may be trusted whatever it says; else what came in must bear it out."""
    _night: date | None = field(default=None, init=False)
    _last: int = field(default=0, init=False)
    """Everything up to this number was looked at this night."""

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            if self._is_night():
                try:
                    await self.go_through(stopping)
                except Exception as error:  # noqa: BLE001 - an outer loop: what was not removed is in the next round
                    if not isinstance(error, StoreUnreachable):  # which the store has said
                        log.error("originals cannot be removed", error=place_of(error))
            await beat(stopping, LOOKS_EVERY)

    async def go_through(self, stopping: asyncio.Event) -> int:
        """Look at what came long ago, as long as it is night: at everything once a night, then at what has come of
        age since; how many originals were removed.
        """
        store, removed, trusted = self.store, 0, None
        if not self.steady():
            trusted = await store.read(partial(borne_out, now=self.clock()))
        while not stopping.is_set() and self._is_night():
            now = self.clock()
            before, after = min(now, trusted or now) - self.keeps, self._begin(now)
            found = await store.read(partial(pass_over, before=before, after=after))
            if found.due:
                act = partial(remove_due, blobs=store.blobs, sealer=store.sealer, ids=found.due, before=before, now=now)
                removed += await store.write(act)
            if found.last is None:
                break
            self._last = found.last
            if found.looked_at:
                await rest(stopping, PAUSE)
        if removed:
            log.info("originals removed by retention", count=removed)
        return removed

    def _begin(self, now: datetime) -> int:
        """Behind which number to go on: a night begins before the first, for what was not done with until then."""
        night = (now.astimezone(self.zone) - timedelta(hours=NIGHT[1])).date()
        if night != self._night:
            self._night, self._last = night, 0
        return self._last

    async def delete(self, claims: Sequence[Claim]) -> None:
        """The files of large ones, unless their row refers to them: once removed, it never does again."""
        blobs = self.store.blobs
        hashes = [held.payload["sha256"] for held in claims]
        free = await self.store.read(lambda conn: _without_file(conn, hashes))
        for held in claims:
            if held.payload["sha256"] in free:
                await blobs.apart(partial(blobs.depot.remove, key_of(held.payload["sha256"])), at_depot=True)
            await self.store.write(lambda conn, held=held: ledger.done(conn, held))  # type: ignore[misc]

    def _is_night(self) -> bool:
        begins, ends = NIGHT
        hour = self.clock().astimezone(self.zone).hour
        return hour >= begins or hour < ends


def open_cases(conn: Connection, ids: Collection[str]) -> set[str]:
    """Those of these cases about which something is still to be done: a clock of theirs runs, and their source has
    neither closed them nor taken them back.
    """
    over = cases.c.withdrawn | (func.coalesce(cases.c.source_status, "") == "closed")
    running = cases.c.next_due_at.is_not(None) & ~over
    return set(conn.execute(select(cases.c.case_id).where(cases.c.case_id.in_(ids), running)).scalars())


def borne_out(conn: Connection, now: datetime) -> datetime | None:
    """What time it is at most, by what came in; None: nothing is known. A clock that is years ahead would remove
    everything at once, for good. What it stamps itself is believed after a while.
    """
    last = conn.execute(select(func.max(raw.c.id))).scalar_one()
    if last is None:
        return None
    at_or_before = select(raw.c.fetched_at).order_by(raw.c.id.desc()).limit(1)
    places = [last, *(last - 2**step for step in range(FAR_BACK) if 2**step < last)]
    came = [conn.execute(at_or_before.where(raw.c.id <= place)).scalar_one_or_none() for place in places]
    earlier = [at for at in came if at is not None and at < now - STEADY_FOR]
    return max(earlier) + QUIET if earlier else None


def pass_over(conn: Connection, before: datetime, *, after: int) -> Stretch:
    """Find which of the next arrivals behind a number are due; they are numbered as they came."""
    next_ones = select(raw.c.id).where(raw.c.id > after).order_by(raw.c.id).limit(STRIDE)
    ids = conn.execute(next_ones).scalars().all()
    if not ids:
        return Stretch([], 0, None)
    here = raw.c.id.between(ids[0], ids[-1])
    old = here & (raw.c.fetched_at < before)
    arrived = _arrived(conn, old, BATCH)
    due = [one.raw_id for one in _done_with(conn, arrived, before)]
    if len(arrived) == BATCH:
        return Stretch(due, BATCH, arrived[-1].raw_id)
    last = conn.execute(select(func.max(raw.c.id)).where(old)).scalar_one()
    if last is None and _lies_before_old(conn, ids[-1], before):
        last = ids[-1]  # all of it came by a clock that was ahead
    return Stretch(due, len(arrived), last)


def _lies_before_old(conn: Connection, last: int, before: datetime) -> bool:
    """Whether something behind a number came long ago; of every stretch to come one is looked at."""
    some = range(last + 1, last + 1 + STRIDE * STRETCHES_AHEAD, STRIDE)
    return bool(conn.execute(select(exists().where(raw.c.id.in_(some), raw.c.fetched_at < before))).scalar_one())


def remove_due(
    conn: Connection, blobs: Blobs, sealer: Sealer, ids: Collection[int], before: datetime, now: datetime
) -> int:
    """Of these arrivals remove what may be; how many originals and attachments were removed."""
    due = _done_with(conn, _arrived(conn, raw.c.id.in_(ids)), before)
    named = [pair for one in due for pair in _told(conn, sealer, one)]
    hashes = sorted({sha256 for _, _, sha256 in named})
    lying = set(_hold(conn, hashes))  # from here on nobody begins to use one unseen
    free = lying - _in_use(conn, lying, before)
    _remove(conn, blobs, [pair for pair in named if pair[2] in free], now)
    return len(free)


def _arrived(conn: Connection, which: ColumnElement[bool], limit: int | None = None) -> list[Arrived]:
    """Those of these arrivals whose original lies here, oldest first."""
    wanted = (
        select(raw.c.id, raw.c.blob, raw.c.state, raw.c.fetched_at, raw.c.read_at)
        .join(blob, blob.c.sha256 == raw.c.blob)
        .where(which, blob.c.removed_at.is_(None))
        .order_by(raw.c.id)
        .limit(limit)
    )
    return [
        Arrived(row.id, row.blob, row.state, max(row.fetched_at, row.read_at or row.fetched_at))
        for row in conn.execute(wanted)
    ]


def _done_with(conn: Connection, arrived: Sequence[Arrived], before: datetime) -> list[Arrived]:
    """Those that nobody waits for, whose cases are all over."""
    ids = [one.raw_id for one in arrived]
    wanted = select(receipt.c.raw_id, receipt.c.case_id).where(receipt.c.raw_id.in_(ids))
    into = conn.execute(wanted).all()
    kept = _kept_cases(conn, {row.case_id for row in into}, before)
    held = {row.raw_id for row in into if row.case_id in kept}
    return [one for one in arrived if one.state not in UNSETTLED and one.last_at < before and one.raw_id not in held]


def _kept_cases(conn: Connection, ids: Collection[str], before: datetime) -> set[str]:
    """Those that are open, not delivered, or were touched since."""
    touched = select(cases.c.case_id).where(cases.c.case_id.in_(ids), cases.c.updated_at >= before)
    waiting = select(delivery.c.case_id).where(delivery.c.case_id.in_(ids), delivery.c.state.in_(UNDELIVERED))
    held = select(event.c.case_id).where(event.c.case_id.in_(ids), event.c.held)
    found = open_cases(conn, ids)
    for wanted in (touched, waiting, held):
        found |= set(conn.execute(wanted).scalars())
    return found


def _told(conn: Connection, sealer: Sealer, one: Arrived) -> Iterable[tuple[str | None, int, str]]:
    """What came with it; nothing, where what was read of it does not open: that stays, and the others go."""
    try:
        return _belonging(conn, sealer, one)
    except (SealBroken, ValueError) as error:
        log.error("original stays: what was read of it does not open", raw=one.raw_id, error=place_of(error))
        return ()


def _belonging(conn: Connection, sealer: Sealer, one: Arrived) -> Iterable[tuple[str | None, int, str]]:
    """Case, arrival and hash of all that came with it: itself, what was read out of it, what its cases fetched."""
    ids = list(conn.execute(select(receipt.c.case_id).where(receipt.c.raw_id == one.raw_id)).scalars())
    hashes = {one.sha256}
    hashes |= {part.sha256 for kept in readings.of_raw(conn, sealer, one.raw_id) for part in kept.parts if part.sha256}
    here = attachment.c.case_id.in_(ids) & attachment.c.sha256.is_not(None)
    hashes |= set(conn.execute(select(attachment.c.sha256).where(here)).scalars())
    return [(case_id, one.raw_id, sha256) for case_id in ids or [None] for sha256 in sorted(hashes)]


def _hold(conn: Connection, hashes: Sequence[str]) -> Iterable[str]:
    """Those of them that lie here."""
    wanted = select(blob.c.sha256).where(blob.c.sha256.in_(hashes), blob.c.removed_at.is_(None))
    return conn.execute(wanted.order_by(blob.c.sha256).with_for_update()).scalars()


def _in_use(conn: Connection, hashes: Collection[str], before: datetime) -> set[str]:
    """Those that something else needs too: another arrival of the same bytes, or another case."""
    rows = conn.execute(
        select(raw.c.id, raw.c.blob, raw.c.state, raw.c.fetched_at, raw.c.read_at).where(raw.c.blob.in_(hashes))
    ).all()
    others = [Arrived(row.id, row.blob, row.state, max(row.fetched_at, row.read_at or row.fetched_at)) for row in rows]
    done = {one.raw_id for one in _done_with(conn, others, before)}
    used = {one.sha256 for one in others if one.raw_id not in done}
    attached = conn.execute(
        select(attachment.c.case_id, attachment.c.sha256).where(attachment.c.sha256.in_(hashes))
    ).all()
    kept = _kept_cases(conn, {row.case_id for row in attached}, before)
    return used | {row.sha256 for row in attached if row.case_id in kept}


def _remove(conn: Connection, blobs: Blobs, named: Sequence[tuple[str | None, int, str]], now: datetime) -> None:
    """Their rows stay, with the hash; the history tells."""
    for sha256 in sorted({sha256 for _, _, sha256 in named}):
        here = blob.c.sha256 == sha256
        large = conn.execute(select(blob.c.size > INLINE_LIMIT).where(here)).scalar_one()
        conn.execute(update(blob).where(here).values(blobs.removal(sha256, now)))
        if large:
            ledger.enqueue(conn, REMOVAL_LANE, {"sha256": sha256}, now=now, due=now + LINGERS)
    told = [(case_id, {"from": raw_id, "removed": sha256}) for case_id, raw_id, sha256 in named]
    record_each(conn, "removed", MACHINE, told, now)


def _without_file(conn: Connection, hashes: Sequence[str]) -> set[str]:
    """Those of them whose row does not refer to the depot."""
    wanted = select(blob.c.sha256).where(blob.c.sha256.in_(hashes), blob.c.sealed.is_not(None))
    return set(conn.execute(wanted).scalars())
