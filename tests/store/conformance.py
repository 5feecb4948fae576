"""What every ledger promises, whatever the engine: a test class needs only an `engine` fixture with empty tables."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import datetime, timedelta
from threading import Barrier
from typing import TypeVar

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import Connection, Engine, insert, select, update

from store import ledger
from store.ledger import Claim, LeaseLost
from store.schema import history
from store.schema import ledger as rows
from tests.store.effort import come_to_rest, effort
from tests.store.ledger_model import LEASE, NOW, LedgerMachine

T = TypeVar("T")
ANY_ORDER = settings(max_examples=25, stateful_step_count=40, deadline=None)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def enqueue(engine: Engine, name: str, *, key: str | None = None, due: datetime = NOW, lane: str = "read") -> int:
    with engine.begin() as conn:
        return ledger.enqueue(conn, lane, {"name": name}, now=NOW, key=key, due=due)


def claim(engine: Engine, *, now: datetime = NOW, limit: int = 10, lane: str = "read") -> list[Claim]:
    with engine.begin() as conn:
        return ledger.claim(conn, lane, now=now, lease=LEASE, limit=limit)


def claim_one(engine: Engine, *, now: datetime = NOW) -> Claim:
    (held,) = claim(engine, now=now)
    return held


def act(engine: Engine, function: Callable[[Connection], T]) -> T:
    with engine.begin() as conn:
        return function(conn)


def done(engine: Engine, held: Claim) -> None:
    act(engine, lambda conn: ledger.done(conn, held))


def release_all(engine: Engine) -> int:
    return act(engine, lambda conn: ledger.release_all(conn, now=NOW))


def names(claims: list[Claim]) -> list[str]:
    return [held.payload["name"] for held in claims]


def states(engine: Engine) -> dict[str, str]:
    with engine.begin() as conn:
        return {row.payload["name"]: row.state for row in conn.execute(select(rows).order_by(rows.c.id))}


class Claiming:
    def test_the_oldest_due_come_first_and_among_equals_the_first_added(self, engine: Engine) -> None:
        enqueue(engine, "late", due=NOW)
        enqueue(engine, "early", due=NOW - 2 * SECOND)
        enqueue(engine, "middle", due=NOW - SECOND)
        enqueue(engine, "late too", due=NOW)

        assert names(claim(engine)) == ["early", "middle", "late", "late too"]

    def test_the_limit_takes_the_oldest(self, engine: Engine) -> None:
        for number in range(5):
            enqueue(engine, str(number), due=NOW - number * SECOND)

        assert names(claim(engine, limit=2)) == ["4", "3"]
        assert names(claim(engine, limit=2)) == ["2", "1"]

    def test_a_row_is_claimed_on_its_due_moment_and_not_before(self, engine: Engine) -> None:
        enqueue(engine, "tomorrow", due=NOW + timedelta(days=1))

        assert claim(engine, now=NOW + timedelta(days=1) - timedelta(microseconds=1)) == []
        assert names(claim(engine, now=NOW + timedelta(days=1))) == ["tomorrow"]

    def test_a_lane_does_not_see_another_ones_rows(self, engine: Engine) -> None:
        enqueue(engine, "a", lane="push:oa")

        assert claim(engine, lane="read") == []
        assert names(claim(engine, lane="push:oa")) == ["a"]

    def test_a_claim_tells_what_was_enqueued(self, engine: Engine) -> None:
        payload = {"字": "信桥", "nested": [1, None, {"a": True}]}
        number = act(engine, lambda conn: ledger.enqueue(conn, "read", payload, now=NOW, key="k"))

        assert claim_one(engine, now=NOW + SECOND) == Claim(number, "read", "k", payload, 1, 1, NOW)

    def test_a_claimed_row_is_hidden_until_its_lease_runs_out(self, engine: Engine) -> None:
        enqueue(engine, "a")
        first = claim_one(engine)

        assert claim(engine, now=NOW + LEASE - SECOND) == []
        second = claim_one(engine, now=NOW + LEASE)
        assert (first.attempts, second.attempts) == (1, 2)
        assert second.fence > first.fence

    def test_a_claim_that_was_not_committed_was_none(self, engine: Engine) -> None:
        enqueue(engine, "a")
        with engine.connect() as conn:
            conn.begin()
            assert names(ledger.claim(conn, "read", now=NOW, lease=LEASE)) == ["a"]
            conn.rollback()

        assert claim_one(engine).attempts == 1

    def test_workers_claiming_at_once_never_share_a_row(self, engine: Engine) -> None:
        for number in range(60):
            enqueue(engine, str(number))
        start = Barrier(3)

        def work() -> list[str]:
            start.wait(timeout=30)
            taken: list[str] = []
            while got := claim(engine, limit=3):
                taken += names(got)
            return taken

        with ThreadPoolExecutor(3) as pool:
            taken = [name for worker in [pool.submit(work) for _ in range(3)] for name in worker.result()]

        assert sorted(taken) == sorted(str(number) for number in range(60))


class Fencing:
    @pytest.mark.parametrize(
        "late",
        [
            ledger.done,
            lambda conn, held: ledger.extend(conn, held, now=NOW, lease=LEASE),
            lambda conn, held: ledger.postpone(conn, held, due=NOW, reason="slow"),
            lambda conn, held: ledger.give_up(conn, held, reason="slow"),
        ],
        ids=["done", "extend", "postpone", "give_up"],
    )
    def test_a_late_worker_is_refused_with_all_it_did(
        self, engine: Engine, late: Callable[[Connection, Claim], None]
    ) -> None:
        enqueue(engine, "a")
        with engine.connect() as slow, engine.connect() as quick:
            with slow.begin():
                (lost,) = ledger.claim(slow, "read", now=NOW, lease=LEASE)
            with quick.begin():
                (kept,) = ledger.claim(quick, "read", now=NOW + LEASE, lease=LEASE)

            def end_late() -> None:
                with slow.begin():
                    slow.execute(insert(history).values(at=NOW, kind="read", actor="slow", detail={}))
                    ledger.enqueue(slow, "push", {"name": "result of the slow one"}, now=NOW)
                    late(slow, lost)

            with pytest.raises(LeaseLost, match=f"read step {lost.id}"):
                end_late()

        assert act(engine, lambda conn: conn.execute(select(history.c.id)).all()) == []
        assert states(engine) == {"a": "ready"}
        done(engine, kept)
        assert states(engine) == {}

    def test_a_worker_late_for_its_lease_but_first_to_end_is_in_time(self, engine: Engine) -> None:
        enqueue(engine, "a")
        held = claim_one(engine)

        done(engine, held)

        assert claim(engine, now=NOW + 2 * LEASE) == []

    @pytest.mark.parametrize("ending", ["done", "postpone", "give_up"])
    def test_a_step_ends_once(self, engine: Engine, ending: str) -> None:
        enqueue(engine, "a")
        held = claim_one(engine)
        endings: dict[str, Callable[[Connection], None]] = {
            "done": lambda conn: ledger.done(conn, held),
            "postpone": lambda conn: ledger.postpone(conn, held, due=NOW, reason=None),
            "give_up": lambda conn: ledger.give_up(conn, held, reason="broken"),
        }
        act(engine, endings[ending])

        for again in endings.values():
            with pytest.raises(LeaseLost):
                act(engine, again)

    def test_many_end_at_once_and_each_lets_its_successor_go(self, engine: Engine) -> None:
        for name in ("a", "b", "c", "d"):
            enqueue(engine, name, key=f"case {name in 'ab'}")
        enqueue(engine, "e")
        held = claim(engine)
        act(engine, lambda conn: ledger.done_many(conn, held))

        assert names(held) == ["a", "c", "e"]
        assert states(engine) == {"b": "ready", "d": "ready"}
        act(engine, lambda conn: ledger.done_many(conn, []))

    def test_many_end_all_or_none(self, engine: Engine) -> None:
        for name in "abc":
            enqueue(engine, name)
        held = claim(engine)
        (again, *_) = claim(engine, now=NOW + LEASE, limit=1)

        with pytest.raises(LeaseLost, match=f"read step {again.id}"):
            act(engine, lambda conn: ledger.done_many(conn, held))
        assert states(engine) == {"a": "ready", "b": "ready", "c": "ready"}

    def test_revived_it_is_out_of_the_old_workers_hands(self, engine: Engine) -> None:
        number = enqueue(engine, "a")
        held = claim_one(engine)
        act(engine, lambda conn: ledger.give_up(conn, held, reason="broken"))
        act(engine, lambda conn: ledger.revive(conn, number, now=NOW))

        with pytest.raises(LeaseLost):
            done(engine, held)

    def test_discarded_it_is_out_of_the_workers_hands(self, engine: Engine) -> None:
        number = enqueue(engine, "a")
        held = claim_one(engine)
        act(engine, lambda conn: ledger.discard(conn, [number]))
        enqueue(engine, "b")

        with pytest.raises(LeaseLost):
            done(engine, held)
        assert states(engine) == {"b": "ready"}

    def test_extending_holds_on_from_now(self, engine: Engine) -> None:
        enqueue(engine, "a")
        held = claim_one(engine)
        act(engine, lambda conn: ledger.extend(conn, held, now=NOW + LEASE - SECOND, lease=LEASE))

        assert claim(engine, now=NOW + 2 * LEASE - 2 * SECOND) == []
        done(engine, held)
        assert states(engine) == {}


class Ending:
    def test_postponed_and_charged_it_comes_back_with_its_attempt(self, engine: Engine) -> None:
        enqueue(engine, "a")
        held = claim_one(engine)
        act(engine, lambda conn: ledger.postpone(conn, held, due=NOW + SECOND, reason="HTTP 503"))

        assert claim(engine) == []
        assert claim_one(engine, now=NOW + SECOND).attempts == 2
        assert act(engine, lambda conn: conn.execute(select(rows.c.reason)).scalar_one()) == "HTTP 503"

    def test_postponed_uncharged_the_attempt_does_not_count(self, engine: Engine) -> None:
        enqueue(engine, "a")
        for _ in range(3):
            held = claim_one(engine)
            assert held.attempts == 1
            act(engine, lambda conn, held=held: ledger.postpone(conn, held, due=NOW, reason=None, charged=False))  # type: ignore[misc]

    def test_a_given_up_step_is_nobodys_until_revived_with_its_attempts_forgiven(self, engine: Engine) -> None:
        number = enqueue(engine, "a")
        act(engine, lambda conn: ledger.give_up(conn, ledger.claim(conn, "read", now=NOW, lease=LEASE)[0], reason="no"))

        assert claim(engine, now=NOW + 365 * LEASE) == []
        assert act(engine, lambda conn: ledger.revive(conn, number, now=NOW + LEASE))
        assert claim(engine, now=NOW) == []
        assert claim_one(engine, now=NOW + LEASE).attempts == 1

    @pytest.mark.parametrize("case", ["ready", "held", "blocked", "gone", "unknown"])
    def test_only_a_given_up_step_is_revived(self, engine: Engine, case: str) -> None:
        first, second = enqueue(engine, "a", key="k"), enqueue(engine, "b", key="k")
        if case in ("held", "gone"):
            held = claim_one(engine)
            if case == "gone":
                done(engine, held)
        number = {"blocked": second, "unknown": 4711}.get(case, first)
        before = states(engine)

        assert not act(engine, lambda conn: ledger.revive(conn, number, now=NOW))
        assert states(engine) == before

    def test_a_step_that_waits_for_its_time_is_hastened(self, engine: Engine) -> None:
        enqueue(engine, "a")
        held = claim_one(engine)
        act(engine, lambda conn: ledger.postpone(conn, held, due=NOW + timedelta(hours=1), reason="later"))

        assert act(engine, lambda conn: ledger.hasten(conn, held.id, now=NOW)) is True
        assert claim_one(engine).attempts == 2

    def test_a_step_that_is_blocked_is_hastened_and_then_goes_in_its_turn(self, engine: Engine) -> None:
        first, second = (enqueue(engine, name, key="k", due=NOW + hours * HOUR) for hours, name in ((1, "a"), (2, "b")))
        assert (
            act(engine, lambda conn: [ledger.hasten(conn, number, now=NOW) for number in (second, first)]) == [True] * 2
        )

        for name in "ab":
            (held,) = claim(engine)
            assert names([held]) == [name]
            done(engine, held)

    @pytest.mark.parametrize("case", ["due", "under way", "given up"])
    def test_only_a_step_that_waits_for_its_time_is_hastened(self, engine: Engine, case: str) -> None:
        number = enqueue(engine, "a", key="case")
        if case in ("under way", "given up"):
            held = claim_one(engine)
        if case == "given up":
            act(engine, lambda conn: ledger.give_up(conn, held, reason="broken"))
        before = states(engine)

        assert act(engine, lambda conn: ledger.hasten(conn, number, now=NOW)) is False
        assert states(engine) == before

    @pytest.mark.parametrize("untried", [False, True])
    def test_the_steps_of_a_key_go_one_after_the_other_once_they_are_hastened(
        self, engine: Engine, untried: bool
    ) -> None:
        for hours, name in enumerate("abc", 1):
            enqueue(engine, name, key="k", due=NOW + hours * HOUR)
        enqueue(engine, "another's", key="l", due=NOW + HOUR)
        act(engine, lambda conn: ledger.hasten_all(conn, "read", ["k"], now=NOW, untried=untried))

        gone = []
        while claims := claim(engine):
            gone += names(claims)
            done(engine, claims[0])
        assert gone == ["a", "b", "c"]

    @pytest.mark.parametrize("charged", [True, False])
    @pytest.mark.parametrize("untried", [False, True])
    def test_what_somebody_has_tried_waits_for_its_time_if_only_what_nobody_has_tried_is_hastened(
        self, engine: Engine, charged: bool, untried: bool
    ) -> None:
        """Charged or not: its receiver may still be at work on it."""
        enqueue(engine, "tried", key="k")
        held = claim_one(engine)
        act(engine, lambda conn: ledger.postpone(conn, held, due=NOW + HOUR, reason="HTTP 503", charged=charged))
        act(engine, lambda conn: ledger.hasten_all(conn, "read", ["k"], now=NOW, untried=untried))

        assert names(claim(engine)) == ([] if untried else ["tried"])

    def test_what_is_revived_has_never_been_tried(self, engine: Engine) -> None:
        enqueue(engine, "a", key="k")
        held = claim_one(engine)
        act(engine, lambda conn: ledger.give_up(conn, held, reason="broken"))
        act(engine, lambda conn: ledger.revive(conn, held.id, now=NOW + HOUR))
        act(engine, lambda conn: ledger.hasten_all(conn, "read", ["k"], now=NOW, untried=True))

        assert claim_one(engine).attempts == 1

    def test_ids_are_never_used_again(self, engine: Engine) -> None:
        first = enqueue(engine, "a")
        done(engine, claim_one(engine))

        assert enqueue(engine, "b") > first

    def test_a_result_and_its_next_step_stand_or_fall_together(self, engine: Engine) -> None:
        enqueue(engine, "a")
        held = claim_one(engine)

        with suppress(ZeroDivisionError), engine.begin() as conn:
            ledger.done(conn, held)
            ledger.enqueue(conn, "read", {"name": "next"}, now=NOW)
            _ = 1 // 0

        assert states(engine) == {"a": "ready"}
        done(engine, held)


class Order:
    def test_of_one_key_one_is_ready_and_the_rest_wait(self, engine: Engine) -> None:
        for name in "abc":
            enqueue(engine, name, key="case 1")
        enqueue(engine, "d", key="case 2")
        enqueue(engine, "e")

        assert states(engine) == {"a": "ready", "b": "blocked", "c": "blocked", "d": "ready", "e": "ready"}
        assert names(claim(engine)) == ["a", "d", "e"]

    def test_done_promotes_exactly_the_successor(self, engine: Engine) -> None:
        for name in "abc":
            enqueue(engine, name, key="case 1")
        enqueue(engine, "other", key="case 2")
        enqueue(engine, "other too", key="case 2")
        (held, _) = claim(engine)
        done(engine, held)

        assert states(engine) == {"b": "ready", "c": "blocked", "other": "ready", "other too": "blocked"}
        assert names(claim(engine)) == ["b"]

    def test_the_same_key_in_another_lane_is_another_key(self, engine: Engine) -> None:
        enqueue(engine, "a", key="case 1", lane="push:oa")
        enqueue(engine, "b", key="case 1", lane="push:archive")

        assert states(engine) == {"a": "ready", "b": "ready"}

    def test_keys_and_lanes_are_not_confused_by_their_spelling(self, engine: Engine) -> None:
        enqueue(engine, "a", key="b:c", lane="a")
        enqueue(engine, "b", key="c", lane="a:b")
        enqueue(engine, "c", key="", lane="a")
        enqueue(engine, "d", key="", lane="a")

        assert states(engine) == {"a": "ready", "b": "ready", "c": "ready", "d": "blocked"}

    def test_added_after_the_predecessor_ended_it_waits_for_nobody(self, engine: Engine) -> None:
        enqueue(engine, "a", key="k")
        done(engine, claim_one(engine))
        enqueue(engine, "b", key="k")

        assert states(engine) == {"b": "ready"}

    def test_added_in_the_transaction_that_ends_its_predecessor_it_waits_for_nobody(self, engine: Engine) -> None:
        enqueue(engine, "a", key="k")
        held = claim_one(engine)
        with engine.begin() as conn:
            ledger.done(conn, held)
            ledger.enqueue(conn, "read", {"name": "b"}, now=NOW, key="k")

        assert states(engine) == {"b": "ready"}

    def test_added_just_before_its_predecessor_ends_in_one_transaction_it_is_promoted(self, engine: Engine) -> None:
        enqueue(engine, "a", key="k")
        held = claim_one(engine)
        with engine.begin() as conn:
            ledger.enqueue(conn, "read", {"name": "b"}, now=NOW, key="k")
            ledger.done(conn, held)

        assert states(engine) == {"b": "ready"}

    def test_behind_a_waiting_successor_one_waits_too(self, engine: Engine) -> None:
        enqueue(engine, "a", key="k")
        enqueue(engine, "b", key="k")
        done(engine, claim_one(engine))
        enqueue(engine, "c", key="k")

        assert states(engine) == {"b": "ready", "c": "blocked"}

    @pytest.mark.parametrize("late_by", [SECOND, LEASE * 10])
    def test_a_postponed_step_holds_its_key(self, engine: Engine, late_by: timedelta) -> None:
        enqueue(engine, "a", key="k")
        enqueue(engine, "b", key="k")
        act(
            engine,
            lambda conn: ledger.postpone(
                conn, ledger.claim(conn, "read", now=NOW, lease=LEASE)[0], due=NOW + late_by, reason="later"
            ),
        )

        assert claim(engine) == []
        assert names(claim(engine, now=NOW + late_by)) == ["a"]

    def test_a_step_whose_worker_died_comes_back_before_its_successor(self, engine: Engine) -> None:
        enqueue(engine, "a", key="k")
        enqueue(engine, "b", key="k")
        claim_one(engine)

        assert names(claim(engine, now=NOW + LEASE)) == ["a"]

    def test_behind_a_given_up_step_everything_waits_until_it_is_revived(self, engine: Engine) -> None:
        number = enqueue(engine, "a", key="k")
        enqueue(engine, "b", key="k")
        act(engine, lambda conn: ledger.give_up(conn, ledger.claim(conn, "read", now=NOW, lease=LEASE)[0], reason="no"))
        enqueue(engine, "c", key="k")

        assert states(engine) == {"a": "dead", "b": "blocked", "c": "blocked"}
        assert act(engine, lambda conn: ledger.open_strays(conn, now=NOW)) == 0
        act(engine, lambda conn: ledger.revive(conn, number, now=NOW))
        done(engine, claim_one(engine))
        assert states(engine) == {"b": "ready", "c": "blocked"}

    def test_a_discarded_step_lets_its_successor_go(self, engine: Engine) -> None:
        number = enqueue(engine, "a", key="k")
        enqueue(engine, "b", key="k")
        enqueue(engine, "c", key="k")
        act(engine, lambda conn: ledger.give_up(conn, ledger.claim(conn, "read", now=NOW, lease=LEASE)[0], reason="no"))
        act(engine, lambda conn: ledger.discard(conn, [number]))

        assert states(engine) == {"b": "ready", "c": "blocked"}

    def test_discarded_from_the_middle_the_head_keeps_the_key(self, engine: Engine) -> None:
        enqueue(engine, "a", key="k")
        number = enqueue(engine, "b", key="k")
        enqueue(engine, "c", key="k")
        act(engine, lambda conn: ledger.discard(conn, [number]))

        assert states(engine) == {"a": "ready", "c": "blocked"}
        done(engine, claim_one(engine))
        assert names(claim(engine)) == ["c"]

    def test_any_number_is_discarded_at_once(self, engine: Engine) -> None:
        numbers = act(
            engine,
            lambda conn: [
                ledger.enqueue(conn, "read", {"name": str(n)}, now=NOW, key=str(n // 3)) for n in range(1500)
            ],
        )
        act(engine, lambda conn: ledger.discard(conn, [*numbers[:-1], 10**9]))

        assert states(engine) == {"1499": "ready"}

    def test_a_successor_meant_for_later_stays_for_later(self, engine: Engine) -> None:
        enqueue(engine, "a", key="k")
        enqueue(engine, "b", key="k", due=NOW + LEASE)
        done(engine, claim_one(engine))

        assert claim(engine, now=NOW + LEASE - SECOND) == []
        assert names(claim(engine, now=NOW + LEASE)) == ["b"]

    def test_adding_to_a_new_key_from_many_sides_makes_one_head(self, engine: Engine) -> None:
        start = Barrier(4)

        def add(worker: int) -> None:
            start.wait(timeout=30)
            for turn in range(10):
                enqueue(engine, f"{worker} {turn}", key=f"case {turn}")

        with ThreadPoolExecutor(4) as pool:
            for added in [pool.submit(add, worker) for worker in range(4)]:
                added.result()

        assert len(claim(engine, limit=100)) == 10
        counted = act(engine, ledger.counts)
        assert counted == {"read": {"ready": 10, "blocked": 30}}

    def test_adding_while_the_predecessor_ends_leaves_no_stray(self, engine: Engine) -> None:
        start = Barrier(2)
        enqueue(engine, "first", key="k")

        def add() -> None:
            start.wait(timeout=30)
            for number in range(30):
                enqueue(engine, str(number), key="k")

        def work() -> list[str]:
            start.wait(timeout=30)
            seen: list[str] = []
            while len(seen) < 31:
                for held in claim(engine):
                    done(engine, held)
                    seen += names([held])
            return seen

        with ThreadPoolExecutor(2) as pool:
            adding, working = pool.submit(add), pool.submit(work)
            adding.result()

            assert working.result(timeout=60) == ["first", *(str(number) for number in range(30))]


class CarryingOver:
    """What waits in a lane that nobody serves any more goes into another."""

    def test_older_steps_go_before_what_waits_there_of_their_key(self, engine: Engine) -> None:
        numbers = [enqueue(engine, name, key="k", lane="push") for name in "ab"]
        enqueue(engine, "c", key="k")
        act(engine, lambda conn: ledger.carry_over(conn, numbers, "push", "read", "k", now=NOW))

        assert states(engine) == {"a": "ready", "b": "blocked", "c": "blocked"}
        for name in "abc":
            held = claim_one(engine)
            assert names([held]) == [name]
            done(engine, held)

    def test_what_stays_behind_goes_on(self, engine: Engine) -> None:
        number = enqueue(engine, "a", key="k", lane="push")
        enqueue(engine, "b", key="k", lane="push")
        act(engine, lambda conn: ledger.carry_over(conn, [number], "push", "read", "k", now=NOW))

        assert states(engine) == {"a": "ready", "b": "ready"}

    def test_whoever_was_late_for_the_lease_of_what_is_put_behind_has_lost_it(self, engine: Engine) -> None:
        number = enqueue(engine, "a", key="k", lane="push")
        enqueue(engine, "b", key="k")
        late = claim_one(engine)
        act(engine, lambda conn: ledger.carry_over(conn, [number], "push", "read", "k", now=NOW + LEASE))

        with pytest.raises(LeaseLost):
            act(engine, lambda conn: ledger.done_many(conn, [late]))
        assert states(engine) == {"a": "ready", "b": "blocked"}


class Meeting:
    """Two transactions of one key at once; the second starts while the first is open, and may wait for it or not."""

    def test_two_adding_make_one_head(self, engine: Engine) -> None:
        _meet(
            engine,
            lambda conn: ledger.enqueue(conn, "read", {"name": "a"}, now=NOW, key="k"),
            lambda conn: ledger.enqueue(conn, "read", {"name": "b"}, now=NOW, key="k"),
        )

        assert states(engine) == {"a": "ready", "b": "blocked"}

    def test_one_ending_the_other_adding_leave_no_stray(self, engine: Engine) -> None:
        enqueue(engine, "a", key="k")
        held = claim_one(engine)
        _meet(
            engine,
            lambda conn: ledger.done(conn, held),
            lambda conn: ledger.enqueue(conn, "read", {"name": "b"}, now=NOW, key="k"),
        )

        assert states(engine) == {"b": "ready"}

    def test_one_adding_the_other_ending_leave_no_stray(self, engine: Engine) -> None:
        enqueue(engine, "a", key="k")
        held = claim_one(engine)
        _meet(
            engine,
            lambda conn: ledger.enqueue(conn, "read", {"name": "b"}, now=NOW, key="k"),
            lambda conn: ledger.done(conn, held),
        )

        assert states(engine) == {"b": "ready"}

    def test_two_adding_many_make_one_head_a_key(self, engine: Engine) -> None:
        _meet(engine, _adding("a", "k", "l", None), _adding("b", "l", "k", "m"))

        assert states(engine) == {
            "a to k": "ready", "a to l": "ready", "a": "ready",
            "b to l": "blocked", "b to k": "blocked", "b to m": "ready",
        }  # fmt: skip

    def test_one_ending_many_the_other_adding_many_leave_no_stray(self, engine: Engine) -> None:
        act(engine, _adding("a", "k", "l"))
        held = claim(engine)
        _meet(engine, lambda conn: ledger.done_many(conn, held), _adding("b", "l", "k"))

        assert states(engine) == {"b to l": "ready", "b to k": "ready"}

    def test_one_adding_many_the_other_ending_many_leave_no_stray(self, engine: Engine) -> None:
        act(engine, _adding("a", "k", "l"))
        held = claim(engine)
        _meet(engine, _adding("b", "l", "k"), lambda conn: ledger.done_many(conn, held))

        assert states(engine) == {"b to l": "ready", "b to k": "ready"}

    def test_one_carrying_over_the_other_adding_many_make_one_head(self, engine: Engine) -> None:
        number = enqueue(engine, "a", key="k", lane="push")

        def carry_over(conn: Connection) -> None:
            for lane in ("push", "read"):
                ledger.of_key(conn, lane, "k")
            ledger.carry_over(conn, [number], "push", "read", "k", now=NOW)

        _meet(engine, carry_over, _adding("b", "k"))

        assert states(engine) == {"a": "ready", "b to k": "blocked"}

    def test_one_ending_the_other_reviving_leave_no_stray(self, engine: Engine) -> None:
        held, given_up = _one_before_a_given_up_one(engine)
        _meet(engine, lambda conn: ledger.done(conn, held), lambda conn: ledger.revive(conn, given_up, now=NOW))

        assert states(engine) == {"b": "ready"}

    def test_one_reviving_the_other_ending_leave_no_stray(self, engine: Engine) -> None:
        held, given_up = _one_before_a_given_up_one(engine)
        _meet(engine, lambda conn: ledger.revive(conn, given_up, now=NOW), lambda conn: ledger.done(conn, held))

        assert states(engine) == {"b": "ready"}

    def test_two_claiming_take_different_rows(self, engine: Engine) -> None:
        for name in "abcd":
            enqueue(engine, name)
        first: list[Claim] = []
        second: list[Claim] = []
        _meet(
            engine,
            lambda conn: first.extend(ledger.claim(conn, "read", now=NOW, lease=LEASE, limit=2)),
            lambda conn: second.extend(ledger.claim(conn, "read", now=NOW, lease=LEASE, limit=2)),
        )

        assert (names(first), names(second)) == (["a", "b"], ["c", "d"])


def _adding(name: str, *keys: str | None) -> Callable[[Connection], None]:
    """One step for each key."""
    steps = [(key, {"name": name if key is None else f"{name} to {key}"}) for key in keys]
    return lambda conn: ledger.enqueue_many(conn, "read", steps, now=NOW)


def _one_before_a_given_up_one(engine: Engine) -> tuple[Claim, int]:
    """Carried over from another lane."""
    number = enqueue(engine, "a", key="k", lane="push")
    given_up = enqueue(engine, "b", key="k")
    act(engine, lambda conn: ledger.give_up(conn, ledger.claim(conn, "read", now=NOW, lease=LEASE)[0], reason="no"))
    act(engine, lambda conn: ledger.carry_over(conn, [number], "push", "read", "k", now=NOW))
    return claim_one(engine), given_up


def _meet(engine: Engine, first: Callable[[Connection], object], second: Callable[[Connection], object]) -> None:
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as conn:
            first(conn)
            other = pool.submit(act, engine, second)
            wait([other], timeout=0.3)
        other.result(timeout=60)


class Releasing:
    """What the only process of a store does at its start."""

    def test_every_claimed_step_is_due_at_once_with_its_attempt_counted(self, engine: Engine) -> None:
        for number in range(3):
            enqueue(engine, str(number), lane=f"lane {number}")
            claim(engine, lane=f"lane {number}")

        assert release_all(engine) == 3
        assert [claim(engine, lane=f"lane {number}")[0].attempts for number in range(3)] == [2, 2, 2]

    def test_what_waits_for_its_time_goes_on_waiting(self, engine: Engine) -> None:
        enqueue(engine, "tomorrow", due=NOW + timedelta(days=1))
        enqueue(engine, "postponed")
        held = claim_one(engine)
        act(engine, lambda conn: ledger.postpone(conn, held, due=NOW + SECOND, reason="later"))

        assert release_all(engine) == 0
        assert claim(engine) == []

    def test_neither_the_given_up_nor_the_blocked_are_touched(self, engine: Engine) -> None:
        enqueue(engine, "given up", key="case")
        enqueue(engine, "behind", key="case")
        held = claim_one(engine)
        act(engine, lambda conn: ledger.give_up(conn, held, reason="broken"))

        assert release_all(engine) == 0
        assert states(engine) == {"given up": ledger.DEAD, "behind": ledger.BLOCKED}

    def test_a_worker_that_lives_after_all_is_refused(self, engine: Engine) -> None:
        enqueue(engine, "a")
        held = claim_one(engine)
        release_all(engine)

        with pytest.raises(LeaseLost):
            done(engine, held)

    def test_a_step_under_way_at_too_many_deaths_waits_for_its_lease(self, engine: Engine) -> None:
        enqueue(engine, "deadly")
        claim(engine)
        for _ in range(ledger.SUSPECT - 1):
            assert release_all(engine) == 1
            claim(engine)

        assert release_all(engine) == 0
        assert claim(engine, now=NOW + LEASE)[0].attempts == ledger.SUSPECT + 1

    def test_nothing_claimed_nothing_to_release(self, engine: Engine) -> None:
        enqueue(engine, "a")
        done(engine, claim_one(engine))
        enqueue(engine, "b")

        assert release_all(engine) == 0


class Sweeping:
    def test_strays_are_opened_one_a_key(self, engine: Engine) -> None:
        for name in "ab":
            enqueue(engine, name, key="stray")
            enqueue(engine, f"{name} in order", key="in order")
        with engine.begin() as conn:
            conn.execute(update(rows).where(rows.c.key == "stray").values(state=ledger.BLOCKED))

        assert act(engine, lambda conn: ledger.open_strays(conn, now=NOW)) == 1
        assert names(claim(engine)) == ["a", "a in order"]
        assert act(engine, lambda conn: ledger.open_strays(conn, now=NOW)) == 0

    @pytest.mark.parametrize(("due", "opened"), [(-LEASE, NOW + SECOND), (LEASE, NOW + LEASE)])
    def test_a_stray_is_due_at_once_unless_meant_for_later(
        self, engine: Engine, due: timedelta, opened: datetime
    ) -> None:
        enqueue(engine, "a", key="k", due=NOW + due)
        with engine.begin() as conn:
            conn.execute(update(rows).values(state=ledger.BLOCKED))
            ledger.open_strays(conn, now=NOW + SECOND)

        assert act(engine, lambda conn: ledger.next_due(conn, "read")) == opened

    def test_a_healthy_ledger_has_no_strays(self, engine: Engine) -> None:
        for name in "abc":
            enqueue(engine, name, key="k")
        claim_one(engine)

        assert act(engine, lambda conn: ledger.open_strays(conn, now=NOW)) == 0


class Looking:
    def test_next_due_is_the_earliest_ready_or_held_row_of_the_lane(self, engine: Engine) -> None:
        def next_due() -> datetime | None:
            return act(engine, lambda conn: ledger.next_due(conn, "read"))

        assert next_due() is None
        enqueue(engine, "other lane", lane="push", due=NOW - LEASE)
        assert next_due() is None
        enqueue(engine, "a", key="k", due=NOW + SECOND)
        enqueue(engine, "blocked", key="k", due=NOW - LEASE)
        assert next_due() == NOW + SECOND
        held = claim_one(engine, now=NOW + SECOND)
        assert next_due() == NOW + SECOND + LEASE
        act(engine, lambda conn: ledger.give_up(conn, held, reason="no"))
        assert next_due() is None

    def test_counts_tell_rows_by_lane_and_state(self, engine: Engine) -> None:
        assert act(engine, ledger.counts) == {}
        for name in "abc":
            enqueue(engine, name, key="k")
        enqueue(engine, "d", lane="push")
        act(engine, lambda conn: ledger.give_up(conn, ledger.claim(conn, "read", now=NOW, lease=LEASE)[0], reason="no"))

        assert act(engine, ledger.counts) == {"read": {"dead": 1, "blocked": 2}, "push": {"ready": 1}}


class Resting:
    """What waits costs nothing meanwhile: a step's way is as short as in an empty ledger."""

    def test_however_many_wait_they_are_not_looked_at(self, engine: Engine) -> None:
        come_to_rest(engine)
        with engine.connect() as conn:
            alone = [effort(conn, _all_ways) for _ in range(20)][-1]  # by then PostgreSQL keeps its plans
            with conn.begin():
                conn.execute(insert(rows), [_waiting(number) for number in range(9000)])

            assert effort(conn, _all_ways) < 2 * alone


def _waiting(number: int) -> dict[str, object]:
    """By threes: one whose turn it is, one postponed, and one blocked behind that."""
    row = {"lane": "read", "key": f"case {number // 3}", "state": ledger.READY, "due": NOW, "payload": {}}
    row |= {"created_at": NOW}
    match number % 3:
        case 0:
            return row | {"lane": "push", "key": None}
        case 1:
            return row | {"due": NOW + timedelta(days=1)}
        case _:
            return row | {"state": ledger.BLOCKED}


def _all_ways(conn: Connection) -> None:
    """Every way a step can go, but for what is done once at a start and once a minute."""
    for key in ("a", "b", None):
        ledger.enqueue(conn, "read", {}, now=NOW, key=key)
    ledger.enqueue_many(conn, "read", [("a", {}), ("b", {}), (None, {})], now=NOW)
    first, second, third, fourth = ledger.claim(conn, "read", now=NOW, lease=LEASE, limit=10)
    ledger.done(conn, first)
    ledger.done_many(conn, [second, third])
    ledger.postpone(conn, fourth, due=NOW + LEASE, reason=None)
    ledger.hasten(conn, fourth.id, now=NOW)
    held, other, again = ledger.claim(conn, "read", now=NOW, lease=LEASE, limit=10)
    ledger.extend(conn, held, now=NOW, lease=LEASE)
    ledger.renew(conn, [held], until=NOW + LEASE)
    for untried in (False, True):
        ledger.hasten_all(conn, "read", ["a", "b"], now=NOW, untried=untried)
    ledger.hold(conn, "read", "b")
    ledger.hold_steps(conn, [held])
    assert ledger.ours(conn, [held]) == {held.id}
    ledger.give_up(conn, other, reason="no")
    ledger.revive(conn, other.id, now=NOW)
    ledger.discard(conn, [held.id, other.id, again.id])
    for _ in range(4):
        ledger.enqueue(conn, "push", {}, now=NOW - SECOND)
    ledger.done_many(conn, ledger.claim(conn, "push", now=NOW, lease=LEASE, limit=4))
    gone = ledger.enqueue(conn, "gone", {}, now=NOW, key="a")
    for lane in ("gone", "push"):
        ledger.of_key(conn, lane, "a")
    ledger.carry_over(conn, [gone], "gone", "push", "a", now=NOW)
    ledger.discard(conn, [gone])
    assert ledger.next_due(conn, "read") != NOW


class InAnyOrder:
    def test_whatever_happens_in_whatever_order_the_ledger_is_as_its_model(self, engine: Engine) -> None:
        class Machine(LedgerMachine):
            def __init__(self) -> None:
                super().__init__(engine)

        run_state_machine_as_test(Machine, settings=ANY_ORDER)


class LedgerConformance(
    Claiming, Fencing, Ending, Order, CarryingOver, Meeting, Releasing, Sweeping, Looking, Resting, InAnyOrder
):
    """All of it."""
