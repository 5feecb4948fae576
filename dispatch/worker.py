"""One loop per target: claim what is due, send it, write down what came of it, in order for each case.

A target that is down is left alone as a whole (`dispatch.targets`); when it answers again, events come one, two, four
at a time, up to its `concurrency`.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Connection, insert, update

from adapters.wire import TrustBroken
from dispatch import targets
from dispatch.answer import Answer, Verdict
from dispatch.attempts import Attempt, attempt_row
from dispatch.client import StoodStill
from dispatch.deciding import (
    attempt_of,
    cut_off,
    end_disputed,
    end_of,
    end_of_interrupted,
    end_of_lookup,
    end_too_late,
    end_unready,
    end_unsent,
    sign_of,
    sign_of_lookup,
)
from dispatch.holdings import lane_of
from dispatch.own_api import Finding, Found
from dispatch.parcel import Parcel, look_again, opened, pack
from dispatch.recording import End, Health, Recorder, Sign, State
from dispatch.retry import delay
from dispatch.sender import Sender
from dispatch.settings import TargetSettings
from dispatch.targets import Admission
from store import crashpoint, ledger
from store.beats import left, rest
from store.database_clock import uninterrupted
from store.engine import Store, StoreUnreachable
from store.failure import place_of
from store.ledger import Claim, LeaseLost
from store.schema import attempt, delivery
from store.sealing import SealBroken

log = structlog.get_logger()
LEASE_MARGIN = timedelta(seconds=30)
IDLE = timedelta(minutes=1)
"""How long to sleep when nothing is known to fall due: wake-ups are hints and may be lost."""
AHEAD = timedelta(milliseconds=250)
"""For so long a target's line lasts: who takes events quickly has more of them claimed together."""
LONGEST_LINE = 100
FRESH = timedelta(milliseconds=100)
"""So long ago a line may have been looked at; then whether its events may still be sent is looked up anew, at once for
all of it.
"""
DISPUTE = timedelta(days=1)
"""Hosts whose configurations differ for longer were meant to: what ours forbids is dropped after all."""
FORGOTTEN = timedelta(minutes=10)
"""So long after the last dispute the next is another one."""
LONG_AGO = datetime.min.replace(tzinfo=UTC)
UNWRITTEN = 64
"""So many answers may wait to be written down while the next events are sent; a crash has as many sent again."""

Observer = Callable[[str, Verdict | Found, timedelta, timedelta | None, timedelta | None], None]
"""Told of every attempt and lookup: target, what it came to, how long it took; of what was not delivered before also
the age of the event, and of one that opens a case how long ago its matter was taken in.
"""
Agreed = Callable[[Connection, datetime], bool]
"""Whether no other process goes by other rights."""


@dataclass(frozen=True)
class _Outcome:
    """What an attempt came to."""

    end: End
    news: Sign | None
    """Of the target, to be written down."""
    verdict: Verdict
    took: timedelta
    at: datetime


class TargetWorker:
    """Delivers to one target until told to stop; a slow or dead target is its own loop's trouble only."""

    def __init__(
        self,
        name: str,
        settings: TargetSettings,
        store: Store,
        clock: Callable[[], datetime],
        observe: Observer,
        agreed: Agreed = lambda _conn, _now: True,
    ) -> None:
        self._name = name
        self._lane = lane_of(name)
        self._settings = settings
        self._store = store
        self._clock = clock
        self._observe = observe
        self._agreed = agreed
        self._disputed = (LONG_AGO, LONG_AGO)
        """Since when hosts differ over what is in line, and when that was last so."""
        self._window = settings.concurrency
        """So many may be under way at once: after trouble one, and one more with every event that arrives."""
        self._queue: deque[Parcel] = deque()
        """Who waits in line."""
        self._seen_at: datetime | None = None
        """When it was last looked up whether those in line may be sent."""
        self._looking = False
        self._under_way: set[int] = set()
        """The deliveries with the receiver now."""
        self._cut: dict[int, Attempt] = {}
        """Attempts that were broken off amid the request, by their claim."""
        self._begun = 0
        """Those and the ones whose answers are not written down yet."""
        self._took: timedelta | None = None
        """A delivery to this target, of late."""
        self._more = False
        """Not all that was due could be claimed."""
        self._recorder = Recorder(name, settings.retry, store, clock)
        self._doubts = 0
        """Failures in a row."""
        self._closed_at: datetime | None = None
        """When the target was last found in trouble."""
        self._spoiled = False
        """The target failed, or keeps us waiting, or we are cut off: what still waits in line is given back."""
        self._shutting = 0
        """So many answers said so, and are not written down yet: until then the target's row would still let us on."""
        self._stopping = asyncio.Event()

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then finish the deliveries under way. Cancelled, give their leases back."""
        self._stopping = stopping
        sender = await self._hired()
        if sender is None:
            return
        try:
            async with asyncio.TaskGroup() as group:
                recording = group.create_task(self._recorder.run())
                async with asyncio.TaskGroup() as sending:
                    await self._claim_and_send(sender, sending)
                recording.cancel()
        finally:
            await asyncio.shield(self._empty_queue())
            await sender.close()

    async def _hired(self) -> Sender | None:
        """Who speaks with the receiver, as soon as its certificates can be read."""
        said = False
        while not self._stopping.is_set():
            try:
                return Sender(self._settings)
            except TrustBroken as error:
                if not said:
                    log.error("target cannot be spoken to; its events wait", target=self._name, error=str(error))
                said = True
                await rest(self._stopping, IDLE)
        return None

    async def _claim_and_send(self, sender: Sender, sending: asyncio.TaskGroup) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                await self._round(sender, sending)
                failures = 0
            except Exception as error:  # noqa: BLE001 - the target's outer loop: a full disk is no reason to end
                failures += 1
                if not isinstance(error, StoreUnreachable):  # which the store has said
                    log.error("target's loop failed", target=self._name, error=place_of(error))
                await rest(self._stopping, min(delay(failures, random.random(), self._settings.retry), IDLE))  # noqa: S311 - spreads load

    async def _round(self, sender: Sender, sending: asyncio.TaskGroup) -> None:
        """Take what is due and have it sent; sleep when there is nothing."""
        if self._spoiled:
            self._spoiled = False
            await self._empty_queue()
        room = self._room()
        admission, parcels = Admission(targets.OPEN, 0), list[Parcel]()
        if room:
            admission, parcels = await self._claim(room)
        self._more = not room or (bool(parcels) and len(parcels) == admission.limit)
        if admission.state != targets.OPEN:
            self._window = 1
        if not self._queue:
            self._seen_at = self._clock()
        self._queue.extend(parcels)
        self._pump(sender, sending)
        if not parcels:
            idle = await self._idle_time(admission)
            if not self._stopping.is_set():  # told so while the store was asked
                await self._store.wakes.wait(self._lane, idle)

    def _room(self) -> int:
        """How many to claim: when half of what a quarter of a second takes is gone, the rest is claimed together."""
        in_hand, full = len(self._queue) + len(self._under_way), self._window + self._line()
        free = 2 * in_hand <= full and self._settings.enabled and not self._shutting
        return full - in_hand if free else 0

    def _line(self) -> int:
        """How many may wait claimed: as many as are under way, of a target in full swing what it soon takes."""
        if self._took is None or self._window < self._settings.concurrency:
            return self._window
        soon = self._window * AHEAD // max(self._took, timedelta(milliseconds=1))
        return max(self._window, min(soon, LONGEST_LINE))

    def _pump(self, sender: Sender, sending: asyncio.TaskGroup) -> None:
        """Send from the line as far as the window is open."""
        while self._queue and self._has_room() and not (self._looking or self._spoiled or self._stopping.is_set()):
            parcel = self._queue[0]
            if uninterrupted() > parcel.latest - (self.longest - self._settings.timeout).total_seconds():
                self._spoiled = True  # its lease would not last for all it may ask
                break
            if self._seen_at is None or self._clock() - self._seen_at > FRESH:
                self._looking = True
                sending.create_task(self._look_again(sender, sending))
                break
            self._queue.popleft()
            self._under_way.add(parcel.delivery_id)
            self._begun += 1
            sending.create_task(self._deliver(sender, sending, parcel))

    async def _look_again(self, sender: Sender, sending: asyncio.TaskGroup) -> None:
        """Whoever in line may not be sent any more learns it; who is not ours any more leaves the line."""
        line = list(self._queue)
        try:
            shut, allowed = await self._store.read(lambda conn: self._seen(conn, line))
        except asyncio.CancelledError:
            self._spoiled = True  # nothing more is sent
            raise
        except Exception as error:  # noqa: BLE001 - the target's outer loop: nothing is sent unseen
            if not isinstance(error, StoreUnreachable):  # which the store has said
                log.error("line not looked at again", target=self._name, error=place_of(error))
            self._spoiled = True
        else:
            self._spoiled |= shut
            asked = {parcel.claim.id: parcel.claim.fence for parcel in line}
            for _ in range(len(self._queue)):
                parcel = self._queue.popleft()
                if asked.get(parcel.claim.id) != parcel.claim.fence:
                    self._queue.append(parcel)  # it came meanwhile, just packed
                elif parcel.delivery_id in allowed:
                    still = parcel.allowed and allowed[parcel.delivery_id]
                    self._queue.append(replace(parcel, allowed=still))
            self._seen_at = self._clock()
        finally:
            self._looking = False
            self._go_on(sender, sending)

    def _seen(self, conn: Connection, line: Sequence[Parcel]) -> tuple[bool, dict[int, bool]]:
        """Whether nothing of these goes out, by a person's word or what another process found; and `look_again`."""
        state = targets.state_of(conn, self._name)
        shut = state == targets.PAUSED or (state == targets.UNAVAILABLE and not all(parcel.probe for parcel in line))
        return shut, look_again(conn, line, self._settings)

    def _has_room(self) -> bool:
        return len(self._under_way) < self._window and self._begun < self._window + UNWRITTEN

    async def _claim(self, room: int) -> tuple[Admission, list[Parcel]]:
        """Cancelled while the store is slow, what it claims all the same is given back."""
        sealer, settings = self._store.sealer, self._settings
        claiming = asyncio.ensure_future(self._store.write(lambda conn: self._take(conn, room)))
        try:
            admission, claims, latest = await asyncio.shield(claiming)
            if not claims:
                return admission, []
            crashpoint.reach("after_claim")
            packed = await self._store.read(
                lambda conn: pack(conn, claims, settings, sealer, probe=admission.probe, latest=latest)
            )
        except asyncio.CancelledError:
            await asyncio.wait([claiming])
            if claiming.exception() is None:
                admission, claims, _ = claiming.result()
                await asyncio.shield(self._give_back(claims, probe=admission.probe))
            raise
        return admission, packed

    def _take(self, conn: Connection, room: int) -> tuple[Admission, list[Claim], float]:
        name, rate, latest, now = self._name, self._settings.rate, self._latest(), self._clock()
        admission = targets.admit(conn, name, rate, room=room, now=now)
        if not admission.limit:
            return admission, [], latest
        claims = ledger.claim(conn, self._lane, now=now, lease=self._lease, limit=admission.limit)
        if claims:
            targets.note_claimed(conn, name, rate, admission, len(claims), now=now, patience=self._lease)
        return admission, claims, latest

    def _latest(self) -> float:
        """When a request must have begun (`uninterrupted`) to end in good time before a lease that begins now does."""
        return uninterrupted() + (self._lease - LEASE_MARGIN / 2 - self._settings.timeout).total_seconds()

    @property
    def _lease(self) -> timedelta:
        """Long enough for all that one delivery may ask, after one that is before it in line."""
        return 2 * self.longest + LEASE_MARGIN

    @property
    def longest(self) -> timedelta:
        """What one delivery may ask takes at most so long."""
        settings = self._settings
        requests = 2 * (1 + len(settings.login.calls)) if settings.login else 1
        if settings.lookup is not None:
            requests *= 2
        return requests * settings.timeout

    async def _idle_time(self, admission: Admission) -> timedelta:
        now = self._clock()
        if admission.limit:
            due = await self._store.read(lambda conn: ledger.next_due(conn, self._lane))
        else:
            due = admission.again_at
        longest = left(IDLE)
        return longest if due is None else min(max(due - now, timedelta(0)), longest)

    async def _deliver(self, sender: Sender, sending: asyncio.TaskGroup, parcel: Parcel) -> None:
        arrived = False
        try:
            outcome = await self._attempt(sender, parcel)
            if outcome is not None:
                if self._settings.repeatable(parcel.type):  # else it keeps its slot: no more than those may be in doubt
                    self._under_way.discard(parcel.delivery_id)
                    self._go_on(sender, sending)
                await self._take_down(parcel, outcome)
                arrived = outcome.end.over and not parcel.probe
        except LeaseLost:
            log.warning("delivery outlived its lease", target=self._name, event_id=parcel.event_id)
        except asyncio.CancelledError:
            self._spoiled = True  # nothing more is sent
            await asyncio.shield(self._give_back([parcel.claim], probe=parcel.probe))
            raise
        except Exception as error:  # noqa: BLE001 - the target's outer loop: the lease brings the row back
            log.error("delivery failed", target=self._name, event_id=parcel.event_id, error=place_of(error))
        finally:
            self._under_way.discard(parcel.delivery_id)
            self._begun -= 1
            self._go_on(sender, sending, look=not arrived)

    def _go_on(self, sender: Sender, sending: asyncio.TaskGroup, *, look: bool = False) -> None:
        """Send the next, and have more claimed if there may be more; `look`: something else may be due now."""
        self._pump(sender, sending)
        if look or self._spoiled or (self._more and self._room()):
            self._store.wakes.ring([self._lane])

    async def _attempt(self, sender: Sender, parcel: Parcel) -> _Outcome | None:
        """Send it; None: it was not sent, and that is written down."""
        whole = await self._opened(parcel)
        if whole is None:
            return None
        parcel = whole
        if parcel.fault is not None or not parcel.allowed:
            await self._end_unsent(parcel)
            return None
        if not self._settings.repeatable(parcel.type):
            begun = await self._begun_to_send(sender, parcel)
            if begun is None:
                return None
            parcel = begun
        started = self._clock()
        crashpoint.reach("before_post")
        try:
            answer = await self._answer_to(parcel, sender.send(parcel, started), started)
        except StoodStill:
            await self._recorder.write(end_too_late(parcel, self._clock()))  # unless others have it
            log.warning("we stood still; event is sent anew", **self._facts(parcel))
            return None
        crashpoint.reach("after_answer")
        return self._understood(parcel, answer, started)

    async def _answer_to(self, parcel: Parcel, sent: Awaitable[Answer], started: datetime) -> Answer:
        """What came back; a mistake of ours counts as a failed attempt, or it would be sent with every lease."""
        try:
            return await sent
        except asyncio.CancelledError:
            if self._settings.repeatable(parcel.type):  # else it stands as being sent
                self._cut[parcel.claim.id] = cut_off(started, self._clock() - started)
            raise
        except StoodStill:
            raise
        except Exception as error:  # noqa: BLE001 - the target's outer loop: whatever it was, it may have arrived
            log.error("answer not understood", target=self._name, event_id=parcel.event_id, error=place_of(error))
            verdict = Verdict.AGAIN if self._settings.repeatable(parcel.type) else Verdict.UNKNOWN
            return Answer(verdict, None, f"its answer was not understood: {type(error).__name__}")

    async def _finding_of(self, parcel: Parcel, asked: Awaitable[Finding]) -> Finding:
        """Likewise what looking up came to."""
        try:
            return await asked
        except Exception as error:  # noqa: BLE001 - the target's outer loop
            log.error("answer not understood", target=self._name, event_id=parcel.event_id, error=place_of(error))
            return Finding(Found.UNSURE, f"lookup: its answer was not understood: {type(error).__name__}")

    async def _opened(self, parcel: Parcel) -> Parcel | None:
        """With its attachments, or with the fault of one; None: they cannot be had now, and it was put back."""
        if not parcel.kept:
            return parcel
        try:
            whole = await opened(parcel, self._store.blobs)
        except SealBroken as error:
            return replace(parcel, fault=f"cannot be packed: {error}")
        except OSError as error:
            said, chance = f"its attachments cannot be had now: {error}"[:200], random.random()  # noqa: S311 - spreads load
            await self._recorder.write(end_unready(parcel, said, self._settings, now=self._clock(), chance=chance))
            return None
        shut, allowed = await self._store.read(lambda conn: self._seen(conn, [parcel]))  # that took a while
        if parcel.delivery_id not in allowed:
            raise LeaseLost(f"delivery {parcel.delivery_id}: claimed by another worker meanwhile, or ended")
        if shut:
            self._spoiled = True
            await self._give_back([parcel.claim], probe=parcel.probe)
            return None
        return replace(whole, allowed=allowed[parcel.delivery_id])

    async def _begun_to_send(self, sender: Sender, parcel: Parcel) -> Parcel | None:
        """To a receiver that would not know it again: it has not arrived for sure, and that it is being sent is written
        down. None: it may have, or is not to be sent any more.
        """
        looked: Attempt | None = None
        if parcel.uncertain:
            looked = await self._looked_up(sender, parcel)
            if looked is None:
                return None
        latest = await self._store.write(lambda conn: self._begin(conn, parcel, looked))
        if latest is not None:
            return replace(parcel, latest=latest)
        await self._end_unsent(replace(parcel, allowed=False))
        return None

    async def _looked_up(self, sender: Sender, parcel: Parcel) -> Attempt | None:
        """Look a delivery up that may have arrived. If it has, or nobody can tell, that is written down: None."""
        lookup, started = self._settings.lookup, self._clock()
        if lookup is None or parcel.state != State.UNKNOWN:
            end = end_of_interrupted(parcel, self._settings, started)
            await self._recorder.write(end)
            if end.due is None:
                self._tell_unknown(parcel)
            return None
        finding = await self._finding_of(parcel, sender.find(lookup, parcel, started))
        took, chance = self._clock() - started, random.random()  # noqa: S311 - spreads load
        if finding.found is Found.ABSENT:
            self._tell(parcel, finding.found, started, took)
            return attempt_of(finding, started, took)
        sign, news = self._weighed(sign_of_lookup(parcel, finding, at=started, doubts=self._doubts, chance=chance))
        end = end_of_lookup(parcel, finding, self._settings, at=started, took=took, sign=sign, chance=chance)
        await self._write_down(end, news)
        self._tell(parcel, finding.found, started, took)
        if end.state is State.DELIVERED:
            log.info("event had arrived", **self._facts(parcel))
        elif end.due is None:
            self._tell_unknown(parcel)
        return None

    def _begin(self, conn: Connection, parcel: Parcel, looked: Attempt | None) -> float | None:
        """Note that it is being sent: a process that dies now leaves it for looking up. Until when it may be
        (`Parcel.latest`); None: it was dropped.
        """
        latest = self._latest()
        ledger.extend(conn, parcel.claim, now=self._clock(), lease=self._lease)
        if looked is not None:
            conn.execute(insert(attempt), attempt_row(self._store.sealer, parcel.delivery_id, looked))
        here = (delivery.c.id == parcel.delivery_id) & (delivery.c.state != State.DROPPED)
        begun = conn.execute(update(delivery).where(here).values(state=State.SENDING)).rowcount
        return latest if begun else None

    def _understood(self, parcel: Parcel, answer: Answer, started: datetime) -> _Outcome:
        """What an answer means for event and target; from here on the target is treated by it."""
        took, chance = self._clock() - started, random.random()  # noqa: S311 - spreads load
        sign, news = self._weighed(sign_of(parcel, answer, at=started, doubts=self._doubts, chance=chance))
        self._took = took if self._took is None else (7 * self._took + took) / 8
        end = end_of(parcel, answer, self._settings, at=started, took=took, sign=sign, chance=chance)
        return _Outcome(end, news, answer.verdict, took, started + took)

    async def _take_down(self, parcel: Parcel, outcome: _Outcome) -> None:
        """Have it written down what came of an attempt, and tell of it."""
        end = outcome.end
        await self._write_down(end, outcome.news)
        self._tell(parcel, outcome.verdict, outcome.at - outcome.took, outcome.took)
        match end.state:
            case State.DELIVERED:
                log.info("event delivered", **self._facts(parcel), attempt=parcel.claim.attempts)
            case State.REJECTED:
                log.error("event laid aside; its case's later events wait", **self._facts(parcel), error=end.detail)
            case State.UNKNOWN if end.due is None:
                self._tell_unknown(parcel)

    async def _write_down(self, end: End, news: Sign | None) -> None:
        shutting = news is not None and news.health in (Health.TROUBLED, Health.GONE)
        self._shutting += shutting
        try:
            await self._recorder.write(end, news)
        finally:
            self._shutting -= shutting

    def _tell(self, parcel: Parcel, came_to: Verdict | Found, started: datetime, took: timedelta) -> None:
        ended = started + took
        age = None if parcel.again else ended - parcel.created_at
        way = None if parcel.again or parcel.taken_in_at is None else ended - parcel.taken_in_at
        self._observe(self._name, came_to, took, age, way)

    def _weighed(self, sign: Sign | None) -> tuple[Sign | None, Sign | None]:
        """What an answer says of the target, as it counts for its event; and as news, by which the target is treated
        from here on.

        What fails that was on its way when the target was last found in trouble tells of that trouble once more: it is
        no fault of the event, and closes no target that answers again by now.
        """
        known = (Health.DOUBTFUL, Health.TROUBLED)
        if sign is not None and sign.health in known and sign.wait is None and self._was_on_its_way(sign):
            return replace(sign, health=Health.TROUBLED), None
        self._feel(sign)
        return sign, sign

    def _was_on_its_way(self, sign: Sign) -> bool:
        """Whether the attempt began before the target was last found in trouble."""
        return not sign.probe and sign.started < (self._closed_at or sign.started) <= self._clock()

    def _feel(self, sign: Sign | None) -> None:
        """Widen or close the window, by what the last answer says of the target."""
        if sign is None:
            return
        match sign.health:
            case Health.GOOD if self._was_on_its_way(sign):
                pass
            case Health.GOOD:
                self._doubts = 0
                self._window = min(self._window + 1, self._settings.concurrency)
            case Health.DOUBTFUL:
                self._doubts += 1
            case Health.TROUBLED | Health.GONE:
                self._doubts, self._window, self._closed_at = 0, 1, self._clock()
                self._spoiled = True

    async def _end_unsent(self, parcel: Parcel) -> None:
        if parcel.fault is None and await self._is_disputed(parcel):
            await self._recorder.write(end_disputed(parcel, self._clock()))  # dropped meanwhile, it ends all the same
            log.info("event left to others: our configuration does not allow it", **self._facts(parcel))
            return
        await self._recorder.write(end_unsent(parcel, self._settings, self._clock()))
        if parcel.fault is None:
            log.warning("event dropped: its target may not have it", **self._facts(parcel))
        else:
            log.error("event laid aside; its case's later events wait", **self._facts(parcel), error=parcel.fault)

    async def _is_disputed(self, parcel: Parcel) -> bool:
        """Whether others may send by their configuration what ours does not allow."""
        now = self._clock()
        if parcel.state == State.DROPPED or await self._store.read(lambda conn: self._agreed(conn, now)):
            return False
        since, last = self._disputed
        since = since if now - last < FORGOTTEN else now
        self._disputed = since, now
        return now - since < DISPUTE

    def _tell_unknown(self, parcel: Parcel) -> None:
        log.error("event may have arrived; a person must say", **self._facts(parcel))

    def _facts(self, parcel: Parcel) -> dict[str, str]:
        return {
            "target": self._name,
            "event_id": parcel.event_id,
            "type": parcel.type,
            "case_id": parcel.case_id,
        }

    async def _empty_queue(self) -> None:
        parcels = list(self._queue)
        self._queue.clear()
        await asyncio.gather(*(self._give_back([parcel.claim], probe=parcel.probe) for parcel in parcels))

    async def _give_back(self, claims: Sequence[Claim], *, probe: bool) -> None:
        """Their leases end now, uncounted: somebody else may send them, or we later.

        Where that cannot be written down the leases run out.
        """
        due = self._clock()
        await asyncio.gather(*(self._put_back(held, due, probe) for held in claims))

    async def _put_back(self, held: Claim, due: datetime, probe: bool) -> None:
        try:
            await self._store.write(lambda conn: self._released(conn, held, due, probe))
        except LeaseLost:
            pass  # it ended, or another has it: nothing to give back
        except Exception as error:  # noqa: BLE001 - a full disk here must not end the daemon
            if not isinstance(error, StoreUnreachable):  # which the store has said
                number = held.payload["delivery"]
                log.error("delivery not given back", target=self._name, delivery=number, error=place_of(error))

    def _released(self, conn: Connection, held: Claim, due: datetime, probe: bool) -> None:
        ledger.postpone(conn, held, due=due, reason="stopped", charged=False)
        if (made := self._cut.get(held.id)) is not None:
            here, counted = delivery.c.id == held.payload["delivery"], delivery.c.attempts + 1
            conn.execute(insert(attempt), attempt_row(self._store.sealer, held.payload["delivery"], made))
            conn.execute(update(delivery).where(here).values(attempts=counted))
        if probe:
            targets.hand_back(conn, self._name, due)
