"""Writes down what attempts came to; all that ended while the last was written share a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

import structlog
from sqlalchemy import Connection, bindparam, insert, select, update

from dispatch import targets
from dispatch.attempts import Attempt, attempt_row
from dispatch.holdings import hold_lost
from dispatch.retry import RetrySettings
from store import ledger
from store.engine import Store
from store.ledger import Claim
from store.schema import attempt, delivery

log = structlog.get_logger()
NOTED = timedelta(seconds=10)
"""That a target goes on taking events is written so often; with every event it would be the busiest row of all."""


class State(StrEnum):
    """Of a delivery."""

    WAITING = "waiting"
    SENDING = "sending"
    """To a target that would not know it again: on its way, or was when a process died."""
    UNKNOWN = "unknown"
    """May have arrived."""
    DELIVERED = "delivered"
    REJECTED = "rejected"
    DROPPED = "dropped"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class End:
    """What becomes of a claimed delivery: it is over, waits until `due`, or (neither) is laid aside for a person."""

    claim: Claim
    delivery_id: int
    state: State
    attempt: Attempt | None = None
    detail: str | None = None
    receiver_id: str | None = None
    over: bool = False
    due: datetime | None = None
    charged: bool = True
    probe: bool = False
    """It was sent to see whether its target answers; another is the next one sent to see."""
    was: State = State.WAITING
    """In which it was claimed."""


class Health(StrEnum):
    """What an attempt says of its target."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    """It failed, which may be the event's fault."""
    TROUBLED = "troubled"
    GONE = "gone"


@dataclass(frozen=True)
class Sign:
    """Of a target's health."""

    health: Health
    started: datetime
    """When the attempt began."""
    error: str | None = None
    status: int | None = None
    wait: timedelta | None = None
    probe: bool = False
    known: bool = False
    """That this event fails, and perhaps no other, was known before."""
    chance: float = 0.0


@dataclass(frozen=True)
class _Written:
    """One who waits for his end to be on disk."""

    end: End
    sign: Sign | None
    waiter: asyncio.Future[None]


class Recorder:
    """Writes for one target; run it beside the deliveries."""

    def __init__(self, name: str, retry: RetrySettings, store: Store, clock: Callable[[], datetime]) -> None:
        self._name = name
        self._retry = retry
        self._store = store
        self._clock = clock
        self._waiting: list[_Written] = []
        self._come = asyncio.Event()
        self._noted: datetime | None = None
        """When it was last written that the target takes events."""

    async def write(self, end: End, sign: Sign | None = None) -> None:
        """Return when it is on disk. Raises LeaseLost, and what the store raises."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Written(end, sign, waiter))
        self._come.set()
        await waiter

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._come.wait()
            self._come.clear()
            batch, self._waiting = self._waiting, []
            await self._write(batch)

    async def _write(self, batch: Sequence[_Written]) -> None:
        signs, now = self._news(batch), self._clock()
        unused = any(one.end.probe and one.sign is None for one in batch)
        try:
            said = await self._store.write(
                lambda conn: self._record(conn, [one.end for one in batch], signs, now, unused=unused)
            )
        except Exception as error:  # noqa: BLE001 - each who waits must hear of it
            if len(batch) > 1:  # one lost lease undoes them all: each by itself
                for one in batch:
                    await self._write([one])
            elif not batch[0].waiter.done():
                batch[0].waiter.set_exception(error)
            return
        for sign in signs:
            self._noted = now if sign.health is Health.GOOD else None
        for one in batch:
            if not one.waiter.done():
                one.waiter.set_result(None)
        for sign in said:
            _say(self._name, sign)

    def _news(self, batch: Sequence[_Written]) -> list[Sign]:
        """The signs worth writing down."""
        found = [one.sign for one in batch if one.sign is not None and one.sign.health is not Health.DOUBTFUL]
        fresh = self._noted is not None and self._clock() - self._noted < NOTED
        good = [sign for sign in found if sign.health is Health.GOOD and (sign.probe or not fresh)]
        best = sorted(good, key=lambda sign: (sign.probe, sign.started))[-1:]
        return [sign for sign in found if sign.health is not Health.GOOD] + best

    def _record(
        self, conn: Connection, ends: Sequence[End], signs: Sequence[Sign], now: datetime, *, unused: bool
    ) -> list[Sign]:
        """The whole batch in this transaction; what of the target is to be said once it is committed.

        `unused`: a probe among them asked the target nothing.
        """
        if unused:
            targets.hand_back(conn, self._name, now)
        said = [sign for sign in signs if self._note(conn, sign, now)]
        ends = [self._in_turn(conn, end) for end in ends]
        ledger.hold_steps(conn, [end.claim for end in ends])  # first, as who takes a case back does
        _note_attempts(conn, self._store, ends)
        arrived = [end for end in ends if end.state is State.DELIVERED]
        _note_arrived(conn, arrived)
        lost = _dropped_now(conn, ends)
        over = [end for end in ends if end.state is not State.DELIVERED and _end(conn, end, now)]
        hold_lost(conn, lost)
        ledger.done_many(conn, [end.claim for end in (*arrived, *over)])
        return said

    def _in_turn(self, conn: Connection, end: End) -> End:
        """With a due time that lets another event be the next probe."""
        if end.due is None or not end.probe:
            return end
        return replace(end, due=max(end.due, targets.next_probe(conn, self._name) or end.due))

    def _note(self, conn: Connection, sign: Sign, now: datetime) -> bool:
        """Write down how the target is; whether that is news."""
        match sign.health:
            case Health.GOOD:
                return targets.note_success(conn, self._name, now, started=sign.started, probe=sign.probe)
            case Health.GONE:
                return targets.note_gone(conn, self._name, sign.error or "", now, started=sign.started)
        return targets.note_trouble(
            conn, self._name, self._retry, sign.error, sign.wait,
            now=now, chance=sign.chance, probe=sign.probe, known=sign.known,
        )  # fmt: skip


def _say(name: str, sign: Sign) -> None:
    """Tell the log of a change, once."""
    match sign.health:
        case Health.GOOD:
            log.info("target answers", target=name)
        case Health.GONE:
            log.error("target says it is gone (410) and is paused until resumed", target=name)
        case _:
            log.warning("target does not take events; they wait", target=name, status=sign.status, error=sign.error)


def _note_attempts(conn: Connection, store: Store, ends: Sequence[End]) -> None:
    rows = [attempt_row(store.sealer, end.delivery_id, end.attempt) for end in ends if end.attempt is not None]
    if rows:
        conn.execute(insert(attempt), rows)


def _note_arrived(conn: Connection, ends: Sequence[End]) -> None:
    rows: list[Mapping[str, object]] = [
        {
            "of": end.delivery_id,
            "arrived_at": end.attempt.at + end.attempt.took,
            "number": end.receiver_id,
        }
        for end in ends
        if end.attempt is not None
    ]
    if rows:
        conn.execute(_ARRIVED, rows)


def _dropped_now(conn: Connection, ends: Sequence[End]) -> Sequence[str]:
    """The events of those that are about to be dropped, but for those that were taken back meanwhile."""
    dropped = [end.delivery_id for end in ends if end.state is State.DROPPED]
    if not dropped:
        return ()
    wanted = select(delivery.c.event_id).where(delivery.c.id.in_(dropped), delivery.c.state != State.DROPPED)
    return conn.execute(wanted).scalars().all()


def _end(conn: Connection, end: End, now: datetime) -> bool:
    """Write one that did not arrive; whether its step is over."""
    before = conn.execute(_STATE, {"of": end.delivery_id}).scalar_one()
    if end.attempt is not None:
        conn.execute(_COUNTED, {"of": end.delivery_id})
    if before == State.DROPPED:  # meanwhile: what follows tells the target that the case is withdrawn
        return True
    if end.was is end.state is State.UNKNOWN and before == State.WAITING:  # meanwhile a person had it sent again
        ledger.postpone(conn, end.claim, due=now, reason=None, charged=False)
        return False
    conn.execute(_MOVED, {"of": end.delivery_id, "to": end.state.value, "said": end.detail})
    if end.over:
        return True
    if end.due is not None:
        ledger.postpone(conn, end.claim, due=end.due, reason=end.detail, charged=end.charged)
    else:
        ledger.give_up(conn, end.claim, reason=end.detail or end.state.value)
    return False


_HERE = delivery.c.id == bindparam("of")
_STATE = select(delivery.c.state).where(_HERE).with_for_update(key_share=True)
"""Who sends it again by a person's word holds it too, and no step: one waits for the other."""
_COUNTED = update(delivery).where(_HERE).values(attempts=delivery.c.attempts + 1)
_MOVED = update(delivery).where(_HERE).values(state=bindparam("to"), error=bindparam("said"))
_ARRIVED = (
    update(delivery)
    .where(_HERE)
    .values(
        state=State.DELIVERED.value,
        attempts=delivery.c.attempts + 1,
        delivered_at=bindparam("arrived_at"),
        receiver_id=bindparam("number"),
        error=None,
    )
)
