"""One loop per target: claim what is due, send it, write down what came of it, in order for each case."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, insert, select, update

from dispatch.outbox import Outbox, View, lane_of
from dispatch.retry import delay
from dispatch.targets import PAUSED, note_answer, say, state_of
from dispatch.webhook import Answer, TargetSettings, Verdict, Webhook
from store import crashpoint, ledger
from store.engine import Store
from store.failure import place_of
from store.ledger import Claim, LeaseLost
from store.schema import attempt, delivery, event

log = structlog.get_logger()
LEASE_MARGIN = timedelta(seconds=30)
IDLE = timedelta(seconds=30)
"""How long to sleep when nothing is known to fall due: wake-ups are hints and may be lost."""


@dataclass(frozen=True)
class Parcel:
    """A claimed delivery with what is to be sent; `body` None: it was dropped and is only to be ended."""

    claim: Claim
    delivery_id: int
    event_id: str
    type: str
    case_id: str
    created_at: datetime
    body: bytes | None


Observer = Callable[[str, Verdict, timedelta, timedelta], None]
"""Told of every attempt: target, verdict, time of the attempt, age of the event."""


class TargetWorker:
    """Delivers to one target until told to stop; a slow or dead target is its own loop's trouble only."""

    def __init__(
        self,
        name: str,
        settings: TargetSettings,
        store: Store,
        outbox: Outbox,
        clock: Callable[[], datetime],
        observe: Observer,
    ) -> None:
        self._name = name
        self._lane = lane_of(name)
        self._settings = settings
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._observe = observe
        self._under_way = 0

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then finish the deliveries under way. Cancelled, give their leases back."""
        webhook = Webhook(self._settings)
        try:
            async with asyncio.TaskGroup() as sending:
                while not stopping.is_set():
                    parcels = await self._claim()
                    for parcel in parcels:
                        self._under_way += 1
                        sending.create_task(self._deliver(webhook, parcel))
                    if not parcels:
                        await self._store.wakes.wait(self._lane, await self._idle_time())
        finally:
            await webhook.close()

    async def _claim(self) -> list[Parcel]:
        free = self._settings.concurrency - self._under_way
        if free <= 0 or not self._settings.enabled or await self._paused():
            return []
        lease = self._settings.timeout + LEASE_MARGIN
        now = self._clock()
        claims = await self._store.write(lambda conn: ledger.claim(conn, self._lane, now=now, lease=lease, limit=free))
        if claims:
            crashpoint.reach("after_claim")
        return await self._store.read(lambda conn: [self._pack(conn, held) for held in claims]) if claims else []

    def _pack(self, conn: Connection, held: Claim) -> Parcel:
        row = conn.execute(
            select(delivery, event.c.type, event.c.created_at)
            .join(event, event.c.id == delivery.c.event_id)
            .where(delivery.c.id == held.payload["delivery"])
        ).one()
        view: View = row.view
        body = None if row.state == "dropped" else self._outbox.body(conn, row.event_id, view)
        return Parcel(held, row.id, row.event_id, row.type, row.case_id, row.created_at, body)

    async def _paused(self) -> bool:
        return await self._store.read(lambda conn: state_of(conn, self._name)) == PAUSED

    async def _idle_time(self) -> timedelta:
        if self._under_way >= self._settings.concurrency or await self._paused():
            return IDLE
        due = await self._store.read(lambda conn: ledger.next_due(conn, self._lane))
        return IDLE if due is None else min(max(due - self._clock(), timedelta(0)), IDLE)

    async def _deliver(self, webhook: Webhook, parcel: Parcel) -> None:
        try:
            if parcel.body is None:
                await self._store.write(lambda conn: ledger.done(conn, parcel.claim))
                return
            started = self._clock()
            crashpoint.reach("before_post")
            answer = await webhook.post(parcel.event_id, parcel.body, started)
            crashpoint.reach("after_answer")
            took = self._clock() - started
            news = await self._store.write(lambda conn: self._record(conn, parcel, answer, started, took))
            self._tell(parcel, answer, took, news)
        except LeaseLost:
            log.warning("delivery outlived its lease", target=self._name, event_id=parcel.event_id)
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(parcel))
            raise
        except Exception as error:  # noqa: BLE001 - the target's outer loop: the lease brings the row back
            log.error("delivery failed", target=self._name, event_id=parcel.event_id, error=place_of(error))
        finally:
            self._under_way -= 1
            self._store.wakes.ring([self._lane])

    def _record(self, conn: Connection, parcel: Parcel, answer: Answer, at: datetime, took: timedelta) -> str | None:
        """Attempt, delivery, ledger row and target state in one transaction; the target's new state if it is news."""
        conn.execute(
            insert(attempt).values(
                delivery_id=parcel.delivery_id,
                at=at,
                milliseconds=took // timedelta(milliseconds=1),
                outcome=answer.verdict.value,
                status=answer.status,
                detail=answer.detail,
            )
        )
        changes: dict[str, object] = {"attempts": delivery.c.attempts + 1, "error": answer.detail}
        match answer.verdict:
            case Verdict.DELIVERED:
                changes |= {"state": "delivered", "delivered_at": at + took, "receiver_id": answer.receiver_id}
                ledger.done(conn, parcel.claim)
            case Verdict.REJECTED:
                changes |= {"state": "rejected"}
                ledger.give_up(conn, parcel.claim, reason=answer.detail or "rejected")
            case Verdict.AGAIN | Verdict.GONE:
                self._postpone(conn, parcel.claim, answer)
        conn.execute(update(delivery).where(delivery.c.id == parcel.delivery_id).values(changes))
        return note_answer(conn, self._name, answer, at + took)

    def _postpone(self, conn: Connection, held: Claim, answer: Answer) -> None:
        wait = answer.wait if answer.wait is not None else delay(held.attempts, random.random(), self._settings.retry)  # noqa: S311 - spreads load
        charged = answer.wait is None and answer.verdict is Verdict.AGAIN
        ledger.postpone(conn, held, due=self._clock() + wait, reason=answer.detail, charged=charged)

    def _tell(self, parcel: Parcel, answer: Answer, took: timedelta, news: str | None) -> None:
        self._observe(self._name, answer.verdict, took, self._clock() - parcel.created_at)
        facts = {"target": self._name, "event_id": parcel.event_id, "type": parcel.type, "case_id": parcel.case_id}
        if answer.verdict is Verdict.DELIVERED:
            log.info("event delivered", **facts, attempt=parcel.claim.attempts)
        elif answer.verdict is Verdict.REJECTED:
            log.error("event rejected; its case's later events wait", **facts, status=answer.status)
        if news is not None:
            say(self._name, news, answer)

    async def _give_back(self, parcel: Parcel) -> None:
        try:
            await self._store.write(
                lambda conn: ledger.postpone(conn, parcel.claim, due=self._clock(), reason="stopped")
            )
        except LeaseLost:
            return  # it ended, or another has it: nothing to give back
