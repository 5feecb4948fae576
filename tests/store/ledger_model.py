"""The ledger beside a simple model of it: whatever is done in whatever order, both must answer alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Connection, Engine, delete, select

from store import ledger
from store.ledger import Claim, LeaseLost
from store.schema import ledger as rows

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LEASE = timedelta(minutes=5)

LANES = ("read", "push:oa")
KEYED = st.sampled_from(["case 1", "case 2"])
KEYS = st.none() | KEYED
DELAYS = st.sampled_from([timedelta(0), timedelta(seconds=30), LEASE, -LEASE])


@dataclass(frozen=True)
class Step:
    id: int
    lane: str
    key: str | None
    name: str
    due: datetime
    fence: int = 0
    attempts: int = 0
    dead: bool = False
    leased: bool = False
    reason: str | None = None


class LedgerMachine(RuleBasedStateMachine):
    """Workers claim, end, are late and crash; the process starts anew; people revive, discard and hand over; time
    passes.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        self.now = NOW
        self.steps: dict[int, Step] = {}
        self.named = 0
        self.claims: list[Claim] = []
        """Every claim ever handed out: workers do not know when they have lost theirs."""

    @initialize()
    def empty(self) -> None:
        with self.engine.begin() as conn:
            conn.execute(delete(rows))

    @rule(lane=st.sampled_from(LANES), key=KEYS, delay=DELAYS)
    def enqueue(self, lane: str, key: str | None, delay: timedelta) -> None:
        due = self.now + delay
        name = self._next_name()
        with self.engine.begin() as conn:
            number = ledger.enqueue(conn, lane, {"name": name}, now=self.now, key=key, due=due)
        assert number > max(self.steps, default=0)
        self.steps[number] = Step(number, lane, key, name, due)

    @rule(lane=st.sampled_from(LANES), keys=st.lists(KEYS, max_size=4))
    def enqueue_many(self, lane: str, keys: list[str | None]) -> None:
        """Those of one key in the order given."""
        names = {self._next_name(): key for key in keys}
        with self.engine.begin() as conn:
            ledger.enqueue_many(conn, lane, [(key, {"name": name}) for name, key in names.items()], now=self.now)
            added = select(rows.c.id, rows.c.payload).where(rows.c.id > max(self.steps, default=0)).order_by(rows.c.id)
            new = {row.payload["name"]: row.id for row in conn.execute(added)}
        assert sorted(new) == sorted(names)
        for name, key in names.items():
            self.steps[new[name]] = Step(new[name], lane, key, name, self.now)
        for key in set(names.values()) - {None}:
            of_key = [new[name] for name in names if names[name] == key]
            assert of_key == sorted(of_key)

    @rule(lane=st.sampled_from(LANES), limit=st.integers(1, 4))
    def claim(self, lane: str, limit: int) -> None:
        with self.engine.begin() as conn:
            claims = ledger.claim(conn, lane, now=self.now, lease=LEASE, limit=limit)
        expected = self._claimable(lane)[:limit]
        assert [(held.id, held.key, held.payload, held.fence, held.attempts) for held in claims] == [
            (step.id, step.key, {"name": step.name}, step.fence + 1, step.attempts + 1) for step in expected
        ]
        for step in expected:
            self._set(step, due=self.now + LEASE, fence=step.fence + 1, attempts=step.attempts + 1, leased=True)
        self.claims += claims

    @rule(lane=st.sampled_from(LANES), limit=st.integers(1, 4))
    def crash_before_the_claim_is_committed(self, lane: str, limit: int) -> None:
        with self.engine.connect() as conn:
            conn.begin()
            ledger.claim(conn, lane, now=self.now, lease=LEASE, limit=limit)
            conn.rollback()

    @rule(delta=st.sampled_from([timedelta(seconds=30), LEASE]))
    def time_passes(self, delta: timedelta) -> None:
        self.now += delta

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), ending=st.sampled_from(["done", "postpone", "postpone uncharged", "give up", "extend"]))
    def a_worker_ends(self, data: st.DataObject, ending: str) -> None:
        held = data.draw(st.sampled_from(self.claims))
        step = self._still(held)
        if step is None:
            with pytest.raises(LeaseLost), self.engine.begin() as conn:
                self._end(conn, held, ending)
            return
        with self.engine.begin() as conn:
            self._end(conn, held, ending)
        match ending:
            case "done":
                del self.steps[held.id]
            case "postpone" | "postpone uncharged":
                charged = ending == "postpone"
                attempts = step.attempts if charged else step.attempts - 1
                changes = {"due": self.now + LEASE, "attempts": attempts, "reason": "later"}
                self._set(step, fence=step.fence + 1, leased=False, **changes)
            case "give up":
                self._set(step, dead=True, fence=step.fence + 1, leased=False, reason="broken")
            case "extend":
                self._set(step, due=self.now + LEASE)

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def a_worker_ends_many_at_once(self, data: st.DataObject) -> None:
        """All of them, or none if one was lost."""
        held = data.draw(st.lists(st.sampled_from(self.claims), min_size=1, max_size=5, unique_by=lambda one: one.id))
        if not all(self._still(one) for one in held):
            with pytest.raises(LeaseLost), self.engine.begin() as conn:
                ledger.done_many(conn, held)
            return
        with self.engine.begin() as conn:
            ledger.done_many(conn, held)
        for one in held:
            del self.steps[one.id]

    @rule(data=st.data(), until=DELAYS)
    def workers_renew(self, data: st.DataObject, until: timedelta) -> None:
        """What they have lost stays as it is."""
        held = data.draw(
            st.lists(st.sampled_from(self.claims), max_size=5, unique_by=_handed_out) if self.claims else st.just([])
        )
        good = [step for one in held if (step := self._still(one))]
        with self.engine.begin() as conn:
            assert ledger.ours(conn, held) == {step.id for step in good}
            ledger.renew(conn, held, until=self.now + until)
        for step in good:
            self._set(step, due=self.now + until)

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def a_worker_crashes_while_ending(self, data: st.DataObject) -> None:
        held = data.draw(st.sampled_from(self.claims))
        with self.engine.connect() as conn:
            conn.begin()
            try:
                ledger.done(conn, held)
                ledger.enqueue_many(conn, held.lane, [(held.key, {})], now=self.now)
            except LeaseLost:
                pass
            conn.rollback()

    @precondition(lambda self: self.steps)
    @rule(data=st.data())
    def revive(self, data: st.DataObject) -> None:
        step = self.steps[data.draw(st.sampled_from(sorted(self.steps)))]
        with self.engine.begin() as conn:
            assert ledger.revive(conn, step.id, now=self.now) is step.dead
        if step.dead:
            self._set(step, dead=False, due=self.now, attempts=0, fence=step.fence + 1, reason=None)

    @precondition(lambda self: self.steps)
    @rule(data=st.data())
    def hasten(self, data: st.DataObject) -> None:
        step = self.steps[data.draw(st.sampled_from(sorted(self.steps)))]
        waits = self._is_put_off(step)
        with self.engine.begin() as conn:
            assert ledger.hasten(conn, step.id, now=self.now) is waits
        if waits:
            self._set(step, due=self.now)

    @rule(lane=st.sampled_from(LANES), keys=st.lists(KEYED, max_size=3), untried=st.booleans())
    def hasten_all(self, lane: str, keys: list[str], untried: bool) -> None:
        with self.engine.begin() as conn:
            ledger.hasten_all(conn, lane, keys, now=self.now, untried=untried)
        for key in keys:
            for step in self._of_key(lane, key):
                meant = not untried or (step.attempts == 0 and step.reason is None)
                if meant and self._is_put_off(step):
                    self._set(step, due=self.now)

    @precondition(lambda self: self._keyed())
    @rule(data=st.data())
    def carry_over(self, data: st.DataObject) -> None:
        """What waits in one lane is put into the other, unless somebody is at it, or at what waits there."""
        lane, key = data.draw(st.sampled_from(self._keyed()))
        (to,) = {*LANES} - {lane}
        ours, theirs = self._of_key(lane, key), self._of_key(to, key)
        moved = data.draw(st.lists(st.sampled_from(ours), min_size=1, unique=True))
        with self.engine.begin() as conn:
            for of_lane, steps in ((lane, ours), (to, theirs)):
                found = ledger.of_key(conn, of_lane, key)
                assert found == [
                    ledger.Step(step.id, self._state(step), step.due, step.leased, {"name": step.name})
                    for step in steps
                ]
                assert [one.is_held(self.now) for one in found] == [self._is_held(step) for step in steps]
            if any(map(self._is_held, (*ours, *theirs))):
                return
            ledger.carry_over(conn, [step.id for step in moved], lane, to, key, now=self.now)
        in_turn = [step for step in theirs if self._state(step) == ledger.READY]
        for step in moved:
            changes = {"lane": to, "due": self.now, "attempts": 0, "dead": False, "leased": False}
            self._set(step, fence=step.fence + 1, reason=None, **changes)
        for step in in_turn:
            if not self._is_head(step):  # who was late for its lease has lost it
                self._set(step, fence=step.fence + 1, leased=False)

    @rule(lane=st.sampled_from(LANES), key=KEYED)
    def hold(self, lane: str, key: str) -> None:
        """It keeps others away for the length of a transaction, and changes nothing."""
        with self.engine.begin() as conn:
            ledger.hold(conn, lane, key)

    @precondition(lambda self: self.steps)
    @rule(data=st.data())
    def discard(self, data: st.DataObject) -> None:
        gone = data.draw(st.lists(st.sampled_from(sorted(self.steps)), max_size=3, unique=True))
        with self.engine.begin() as conn:
            ledger.discard(conn, gone)
        for number in gone:
            del self.steps[number]

    @rule()
    def a_new_life_begins(self) -> None:
        released = [step for step in self._all() if step.leased and step.attempts < ledger.SUSPECT]
        with self.engine.begin() as conn:
            assert ledger.release_all(conn, now=self.now) == len(released)
        for step in released:
            self._set(step, due=self.now, fence=step.fence + 1, leased=False)

    @rule()
    def sweep(self) -> None:
        with self.engine.begin() as conn:
            assert ledger.open_strays(conn, now=self.now) == 0

    @invariant()
    def nothing_is_lost_and_every_row_is_as_the_model_has_it(self) -> None:
        with self.engine.begin() as conn:
            found = conn.execute(select(rows).order_by(rows.c.id)).all()
            counted = ledger.counts(conn)
            next_due = {lane: ledger.next_due(conn, lane) for lane in LANES}
        expected = [
            (
                step.id,
                step.lane,
                step.key,
                step.name,
                self._state(step),
                step.due,
                step.fence,
                step.attempts,
                step.leased,
                step.reason,
            )
            for step in self._all()
        ]
        assert [
            (row.id, row.lane, row.key, row.payload["name"], row.state, row.due, row.fence, row.attempts, row.leased,
             row.reason)
            for row in found
        ] == expected  # fmt: skip
        for lane in LANES:
            steps = [step for step in self._all() if step.lane == lane]
            states = [self._state(step) for step in steps]
            assert counted.get(lane, {}) == {state: states.count(state) for state in set(states)}
            ready = (step.due for step in steps if self._state(step) == ledger.READY)
            assert next_due[lane] == min(ready, default=None)

    @invariant()
    def of_one_key_only_the_oldest_step_is_in_anyones_hands(self) -> None:
        held = [step for step in self._all() if step.key and any(c.fence == step.fence for c in self._claims_of(step))]

        assert held == [step for step in held if self._is_head(step)]

    def _end(self, conn: Connection, held: Claim, ending: str) -> None:
        match ending:
            case "done":
                ledger.done(conn, held)
            case "postpone" | "postpone uncharged":
                charged = ending == "postpone"
                ledger.postpone(conn, held, due=self.now + LEASE, reason="later", charged=charged)
            case "give up":
                ledger.give_up(conn, held, reason="broken")
            case "extend":
                ledger.extend(conn, held, now=self.now, lease=LEASE)

    def _set(self, step: Step, **changes: Any) -> None:
        self.steps[step.id] = replace(step, **changes)

    def _next_name(self) -> str:
        self.named += 1
        return f"step {self.named}"

    def _all(self) -> list[Step]:
        return [self.steps[number] for number in sorted(self.steps)]

    def _keyed(self) -> list[tuple[str, str]]:
        return sorted({(step.lane, step.key) for step in self._all() if step.key})

    def _of_key(self, lane: str, key: str) -> list[Step]:
        return [step for step in self._all() if (step.lane, step.key) == (lane, key)]

    def _is_held(self, step: Step) -> bool:
        return self._state(step) == ledger.READY and step.leased and step.due > self.now

    def _is_put_off(self, step: Step) -> bool:
        return not step.dead and not step.leased and step.due > self.now

    def _still(self, held: Claim) -> Step | None:
        """The step of a claim that is still good."""
        step = self.steps.get(held.id)
        return None if step is None or step.dead or step.fence != held.fence else step

    def _claims_of(self, step: Step) -> list[Claim]:
        return [held for held in self.claims if held.id == step.id]

    def _is_head(self, step: Step) -> bool:
        return step.key is None or step.id == self._of_key(step.lane, step.key)[0].id

    def _state(self, step: Step) -> str:
        if step.dead:
            return ledger.DEAD
        return ledger.READY if self._is_head(step) else ledger.BLOCKED

    def _claimable(self, lane: str) -> list[Step]:
        ready = [
            step
            for step in self._all()
            if step.lane == lane and self._state(step) == ledger.READY and step.due <= self.now
        ]
        return sorted(ready, key=lambda step: (step.due, step.id))


def _handed_out(claim: Claim) -> tuple[int, int]:
    return claim.id, claim.fence
