"""One loop per target: claim what is due, send it, write down what came of it, in order for each case."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, update

from dispatch.attempts import note_attempt
from dispatch.outbox import Outbox, lane_of
from dispatch.retry import delay
from dispatch.rights import STANDING, may_send
from dispatch.targets import PAUSED, note_answer, say, state_of
from dispatch.webhook import Answer, TargetSettings, Verdict, Webhook
from store import crashpoint, ledger
from store.engine import Store, StoreUnreachable
from store.failure import place_of
from store.ledger import Claim, LeaseLost
from store.schema import delivery
from store.sealing import SealBroken

log = structlog.get_logger()
LEASE_MARGIN = timedelta(seconds=30)
IDLE = timedelta(seconds=30)
"""How long to sleep when nothing is known to fall due: wake-ups are hints and may be lost."""


@dataclass(frozen=True)
class Parcel:
    """A claimed delivery with what is to be sent; `body` None: it may not be sent, or for `fault` cannot be."""

    claim: Claim
    delivery_id: int
    event_id: str
    type: str
    case_id: str
    created_at: datetime
    body: bytes | None
    fault: str | None


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
                failures = 0
                while not stopping.is_set():
                    try:
                        await self._round(webhook, sending)
                        failures = 0
                    except Exception as error:  # noqa: BLE001 - the target's outer loop: a full disk is no reason to end
                        failures += 1
                        if not isinstance(error, StoreUnreachable):  # which the store has said
                            log.error("target's loop failed", target=self._name, error=place_of(error))
                        await _wait(stopping, min(delay(failures, random.random(), self._settings.retry), IDLE))  # noqa: S311 - spreads load
        finally:
            await webhook.close()

    async def _round(self, webhook: Webhook, sending: asyncio.TaskGroup) -> None:
        """Take what is due and have it sent; sleep when there is nothing."""
        parcels = await self._claim()
        for parcel in parcels:
            self._under_way += 1
            sending.create_task(self._deliver(webhook, parcel))
        if not parcels:
            await self._store.wakes.wait(self._lane, await self._idle_time())

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
        row = conn.execute(STANDING.where(delivery.c.id == held.payload["delivery"])).one()
        body, fault = None, None
        if row.state != "dropped" and may_send(self._settings, row):
            try:
                body = self._outbox.body(conn, row.event_id, row.view)
            except SealBroken as error:
                fault = f"cannot be packed: {error}"
        return Parcel(held, row.id, row.event_id, row.type, row.case_id, row.created_at, body, fault)

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
                await self._store.write(lambda conn: self._end_unsent(conn, parcel))
                self._tell_unsent(parcel)
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
        note_attempt(conn, self._store.sealer, parcel.delivery_id, answer, at, took)
        here = delivery.c.id == parcel.delivery_id
        counted = update(delivery).where(here).values(attempts=delivery.c.attempts + 1, error=answer.detail)
        state = conn.execute(counted.returning(delivery.c.state)).scalar_one()
        match answer.verdict:
            case Verdict.DELIVERED:
                arrived = {"state": "delivered", "delivered_at": at + took, "receiver_id": answer.receiver_id}
                conn.execute(update(delivery).where(here).values(arrived))
                ledger.done(conn, parcel.claim)
            case _ if state == "dropped":  # meanwhile: what follows tells the target that the case is withdrawn
                ledger.done(conn, parcel.claim)
            case Verdict.REJECTED:
                conn.execute(update(delivery).where(here).values(state="rejected"))
                ledger.give_up(conn, parcel.claim, reason=answer.detail or "rejected")
            case Verdict.AGAIN | Verdict.GONE:
                self._postpone(conn, parcel.claim, answer)
        return note_answer(conn, self._name, answer, at + took)

    def _end_unsent(self, conn: Connection, parcel: Parcel) -> None:
        here = update(delivery).where(delivery.c.id == parcel.delivery_id, delivery.c.state == "waiting")
        if parcel.fault is None:
            conn.execute(here.values(state="dropped"))
            ledger.done(conn, parcel.claim)
        else:
            conn.execute(here.values(state="rejected", error=parcel.fault))
            ledger.give_up(conn, parcel.claim, reason=parcel.fault)

    def _tell_unsent(self, parcel: Parcel) -> None:
        facts = {"target": self._name, "event_id": parcel.event_id, "case_id": parcel.case_id}
        if parcel.fault is None:
            log.warning("event dropped: its target may not have it", **facts)
        else:
            log.error("event given up; its case's later events wait", **facts, error=parcel.fault)

    def _postpone(self, conn: Connection, held: Claim, answer: Answer) -> None:
        retry = self._settings.retry
        wait = delay(held.attempts, random.random(), retry) if answer.wait is None else max(answer.wait, retry.first)  # noqa: S311 - spreads load
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


async def _wait(stopping: asyncio.Event, longest: timedelta) -> None:
    try:
        async with asyncio.timeout(longest.total_seconds()):
            await stopping.wait()
    except TimeoutError:
        return
