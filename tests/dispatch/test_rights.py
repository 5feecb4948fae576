"""The right to see is asked when sending, not only when publishing."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import Connection, select, text, update

from dispatch.holdings import take_back
from dispatch.payload import Payload
from dispatch.retry import RetrySettings
from dispatch.settings import TargetSettings
from dispatch.worker import TargetWorker
from ingest.compute import Correction
from store import ledger
from store.schema import attempt, delivery, event
from store.schema import ledger as ledger_table
from store.schema import target as target_table
from tests.clock import utc_now
from tests.dispatch.receiver import receiving
from tests.endtoend.searching import Secret
from tests.ingest.desk import Desk, open_desk, reading, target
from tests.ingest.test_cases import ACCUSATION
from tests.patience import PATIENCE, until
from tests.place import Place
from tests.store.written import written

SECRET = "举报桃溪小学校长收受回扣"
QUICK = RetrySettings(first=timedelta(milliseconds=20), longest=timedelta(milliseconds=50))
ACCUSED = {**ACCUSATION, "title": SECRET}


@asynccontextmanager
async def at_work(desk: Desk, name: str, settings: TargetSettings) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    desk = desk.with_targets(**{**desk.desk.outbox.targets, name: settings})
    worker = TargetWorker(name, settings, desk.store, utc_now, lambda *_: None)
    task = asyncio.create_task(worker.run(stopping))
    try:
        yield
    finally:
        stopping.set()
        desk.store.wakes.ring_all()
        await asyncio.wait_for(task, PATIENCE)


def settled(desk: Desk, lane: str = "push:oa") -> bool:
    return lane not in desk.store.read_now(ledger.counts)


async def test_events_that_wait_are_not_sent_once_the_target_may_not_have_them(place: Place) -> None:
    """The operator takes the right away while the target is down."""
    async with receiving() as oa:
        with open_desk(place, {"oa": target(oa.url, restricted=True)}) as desk:
            desk.take_in(reading(**ACCUSED))
            async with at_work(desk, "oa", target(oa.url)):
                await until(lambda: settled(desk))

            assert oa.received == []
            assert desk.deliveries() == [("oa", "case.created", "full", "dropped")]


@pytest.mark.parametrize("settings", [{"restricted": "only"}, {"channels": ("hotline",)}])
async def test_a_right_narrowed_to_others_holds_for_what_waits(place: Place, settings: dict[str, Any]) -> None:
    async with receiving() as oa:
        with open_desk(place, {"oa": target(oa.url)}) as desk:
            desk.take_in(reading())
            async with at_work(desk, "oa", target(oa.url, **settings)):
                await until(lambda: settled(desk))

            assert oa.received == []


async def test_a_target_absent_while_a_case_became_restricted_gets_nothing_of_it_when_it_is_back(
    place: Place,
) -> None:
    async with receiving() as oa:
        with open_desk(place, {"oa": target(oa.url)}) as desk:
            desk.take_in(reading())
            away = desk.with_targets(discipline=target(restricted=True))
            away.take_in(reading(**ACCUSED))
            assert away.deliveries()[0] == ("oa", "case.created", "full", "dropped")
            async with at_work(desk, "oa", target(oa.url)):
                await until(lambda: settled(desk))

            assert oa.received == []


async def test_an_answer_that_comes_after_the_case_became_restricted_leaves_it_dropped(place: Place) -> None:
    """A refusal must neither keep the withdrawal from going nor leave the accusation to be sent again."""
    async with receiving() as oa:
        settings = target(oa.url)
        with open_desk(place, {"oa": settings}) as desk:
            async with at_work(desk, "oa", settings):
                oa.gate.clear()
                oa.replies = [lambda: web.Response(status=422)]
                await asyncio.to_thread(desk.take_in, reading())
                await oa.count(1)
                await asyncio.to_thread(desk.take_in, reading(**ACCUSED))
                oa.gate.set()
                await until(lambda: settled(desk))

            assert desk.deliveries() == [
                ("oa", "case.created", "full", "dropped"),
                ("oa", "case.withdrawn", "numbers", "delivered"),
            ]
            assert SECRET.encode() not in b"".join(one.body for one in oa.received)


@pytest.mark.parametrize("status", [422, 503])
async def test_an_answer_that_comes_while_the_case_becomes_restricted_waits_for_that(
    place: Place, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    taken_back, go_on = threading.Event(), threading.Event()

    def slowly(conn: Connection, case_id: str, names: Sequence[str], now: datetime, *, lost: bool) -> list[str]:
        try:
            return take_back(conn, case_id, names, now, lost=lost)
        finally:
            taken_back.set()
            assert go_on.wait(PATIENCE)

    async with receiving() as oa:
        settings = target(oa.url)
        with open_desk(place, {"oa": settings}) as desk:
            async with at_work(desk, "oa", settings):
                oa.gate.clear()
                oa.replies = [lambda: web.Response(status=status)]
                await asyncio.to_thread(desk.take_in, reading())
                await oa.count(1)
                monkeypatch.setattr("dispatch.outbox.take_back", slowly)
                restricting = asyncio.create_task(asyncio.to_thread(desk.take_in, reading(**ACCUSED)))
                assert await asyncio.to_thread(taken_back.wait, PATIENCE)
                oa.gate.set()
                await asyncio.sleep(0.5)  # its answer is about to be written down
                go_on.set()
                await restricting
                await until(lambda: settled(desk))

            assert desk.deliveries() == [
                ("oa", "case.created", "full", "dropped"),
                ("oa", "case.withdrawn", "numbers", "delivered"),
            ]


def test_what_a_target_may_not_have_any_more_is_not_sent_again(place: Place) -> None:
    with open_desk(place, {"oa": target(restricted=True), "gone": target()}) as desk:
        desk.take_in(reading(**ACCUSED))
        desk.take_in(reading("sunshine:Y"), key="Y")
        end(desk, "rejected")
        narrowed = desk.with_targets(oa=target())

        sent = [narrowed.write(partial(again, narrowed, number)) for number in ids(desk)]
        assert dict(zip(desk.deliveries(), sent, strict=True)) == {
            ("oa", "case.created", "full", "waiting"): True,  # of the unrestricted case
            ("oa", "case.created", "full", "rejected"): False,
            ("gone", "case.created", "full", "rejected"): False,
        }


def test_numbers_become_the_whole_when_the_right_is_given(place: Place) -> None:
    """The event was held while the target took numbers; the whole comes under a name the receiver does not know."""
    with open_desk(place, {"oa": target(restricted="numbers")}) as desk:
        desk.take_in(reading(**ACCUSED))
        end(desk, "delivered")
        raised = desk.with_targets(oa=target(restricted=True))

        assert raised.write(lambda conn: raised.desk.outbox.release(conn, raised.now)).number == 1
        assert raised.write(lambda conn: raised.desk.outbox.release(conn, raised.now)).number == 0
        assert raised.deliveries() == [
            ("oa", "case.created", "numbers", "delivered"),
            ("oa", "case.created", "full", "waiting"),
        ]
        numbers, whole = raised.bodies()
        assert numbers["data"]["case"]["case_id"] == whole["data"]["case"]["case_id"]
        assert whole["data"]["case"]["title"] == SECRET


def test_an_event_that_cannot_be_opened_does_not_keep_the_others_held(place: Place) -> None:
    with open_desk(place, {"oa": target(restricted="numbers")}) as desk:
        desk.take_in(reading(**ACCUSED))
        desk.take_in(reading("sunshine:Y", **ACCUSED), key="Y")
        desk.write(lambda conn: conn.execute(update(event).where(event.c.seq == 1).values(sealed_full=b"?")))
        raised = desk.with_targets(oa=target(restricted=True))

        assert raised.write(lambda conn: raised.desk.outbox.release(conn, raised.now)).number == 1
        assert held(raised) == [True, False, False]  # the third is the second whole, under a name of its own


@pytest.mark.parametrize(
    ("targets", "is_held"),
    [
        ({"a": target(restricted=True, types=("case.updated",))}, False),
        ({"a": target(restricted=True, enabled=False)}, True),
        ({"a": target(restricted="numbers")}, True),
        ({"a": target(restricted="only")}, False),
        ({"a": target(restricted="only", channels=("sunshine",))}, False),
        ({"a": target(restricted="only", channels=("hotline",)), "b": target()}, True),
    ],
)
def test_an_event_is_held_only_while_no_target_takes_restricted_cases(
    place: Place, targets: Mapping[str, TargetSettings], is_held: bool
) -> None:
    with open_desk(place, targets) as desk:
        desk.take_in(reading(**ACCUSED))

        assert held(desk) == [is_held]


def test_what_no_target_takes_of_its_channel_stays_held_though_others_are_released(place: Place) -> None:
    with open_desk(place) as desk:
        desk.take_in(reading(**ACCUSED))
        desk.take_in(reading("hotline:Y", channel="hotline", **ACCUSED), channel="hotline", key="Y")
        some = desk.with_targets(line=target(restricted="only", channels=("hotline",)))
        some.write(lambda conn: some.desk.outbox.release(conn, some.now))

        assert held(some) == [True, False]
        assert [row[0] for row in some.deliveries()] == ["line"]

        everything = desk.with_targets(line=target(restricted="only"))
        everything.write(lambda conn: everything.desk.outbox.release(conn, everything.now))

        assert held(everything) == [False, False]
        assert [row[0] for row in everything.deliveries()] == ["line", "line"]


def test_held_events_are_released_a_few_at_a_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatch.outbox.SLICE", 2)
    with open_desk(place) as desk:
        for key in "ABC":
            desk.take_in(reading(f"sunshine:{key}", **ACCUSED), key=key)
        raised = desk.with_targets(line=target(restricted="only"))
        counts, after = [], 0
        while True:
            done = raised.write(partial(raised.desk.outbox.release, now=raised.now, after=after))
            if done.last is None:
                break
            counts.append(done.number)
            after = done.last

        assert counts == [2, 1]
        assert len(raised.deliveries()) == 3


def test_what_is_released_keeps_to_the_targets_channels_and_types(place: Place) -> None:
    with open_desk(place) as desk:
        desk.take_in(reading(**ACCUSED))
        open_to = desk.with_targets(
            mail=target(restricted=True, channels=("director_mailbox",)),
            later=target(restricted=True, types=("case.updated",)),
            off=target(restricted=True, enabled=False),
            line=target(restricted="only"),
        )
        open_to.write(lambda conn: open_to.desk.outbox.release(conn, open_to.now))
        open_to.write(lambda conn: open_to.desk.outbox.release(conn, open_to.now))

        assert [row[0] for row in open_to.deliveries()] == ["off", "line"]  # kept for the one that is switched off


def test_a_case_no_longer_restricted_comes_as_new_without_a_word_of_what_it_was(place: Place) -> None:
    targets = {
        "oa": target(), "all": target(restricted=True), "line": target(restricted="only"),
        "stats": target(restricted="numbers"),
    }  # fmt: skip
    with open_desk(place, targets) as desk:
        (case_id,) = desk.take_in(reading(**ACCUSED))
        end(desk, "delivered")
        desk.take_in(reading(title="咨询作息时间"))

        assert desk.deliveries()[3:] == [
            ("line", "case.withdrawn", "numbers", "waiting"),
            ("all", "case.updated", "full", "waiting"),
            ("oa", "case.created", "full", "waiting"),
            ("stats", "case.created", "full", "waiting"),
        ]
        by_target = dict(zip([row[0] for row in desk.deliveries()], desk.bodies(), strict=True))
        assert SECRET in json.dumps(by_target["all"]["data"]["change"], ensure_ascii=False)
        for name in ("oa", "stats", "line"):
            assert SECRET not in json.dumps(by_target[name], ensure_ascii=False)
            Payload.model_validate(by_target[name])
        assert by_target["oa"]["data"]["change"] is None
        assert by_target["line"]["data"]["case"]["restricted"] is False

        end(desk, "delivered")
        fix = Correction("title", "咨询作息时间表")
        desk.write(lambda conn: desk.desk.correct(conn, case_id, [fix], "clerk1", desk.now))
        assert sorted(desk.deliveries()[7:]) == [
            (name, "case.updated", "full", "waiting") for name in ("all", "oa", "stats")
        ]


def test_an_accusation_that_was_held_is_not_told_any_more_once_the_case_is_open(place: Place) -> None:
    with open_desk(place) as desk:
        desk.take_in(reading(**ACCUSED))
        desk.take_in(reading(title="咨询作息时间"))

        assert desk.deliveries() == [("oa", "case.created", "full", "waiting")]
        assert held(desk) == [False, False, False]


def test_a_withdrawal_is_told_each_time_the_case_is_taken_away(place: Place) -> None:
    with open_desk(place, {"oa": target(), "line": target(restricted="only")}) as desk:
        for turn in range(2):
            desk.take_in(reading(title=f"咨询 {turn}"))
            end(desk, "delivered")
            desk.take_in(reading(**ACCUSED))
            end(desk, "delivered")
            desk.take_in(reading(**{**ACCUSED, "title": f"{SECRET} {turn}"}))
            end(desk, "delivered")

        told = [row[1] for row in desk.deliveries() if row[0] == "oa"]
        assert told == ["case.created", "case.withdrawn"] * 2


async def test_a_withdrawal_waits_for_nothing_that_is_sent_again_later(place: Place) -> None:
    """However many events of the case have their turn among many."""
    async with receiving() as oa:
        settings = target(oa.url, retry=QUICK)
        with open_desk(place, {"oa": settings}) as desk:
            for number in range(3):
                desk.take_in(reading(title=f"咨询 {number}"))
            end(desk, "delivered")
            desk.write(lambda conn: conn.execute(update(delivery).values(attempts=1)))
            desk.now = utc_now() - timedelta(minutes=2)
            for turn, number in enumerate(ids(desk), 1):
                assert desk.write(partial(again, desk, number, due=desk.now + turn * timedelta(hours=1)))
            async with at_work(desk, "oa", settings):
                await asyncio.to_thread(desk.take_in, reading(**ACCUSED))
                await until(lambda: settled(desk))

            assert [row[3] for row in desk.deliveries()] == [*["dropped"] * 3, "delivered"]
            (told,) = oa.received
            assert Payload.model_validate_json(told.body).type == "case.withdrawn"


async def test_a_late_answer_does_not_resume_a_paused_target(place: Place) -> None:
    async with receiving() as oa:
        settings = target(oa.url, retry=QUICK)
        with open_desk(place, {"oa": settings}) as desk:
            desk.take_in(reading())
            desk.take_in(reading("sunshine:Y"), key="Y")
            oa.gate.clear()
            oa.replies = [lambda: web.Response(status=410)]
            async with at_work(desk, "oa", settings):
                await oa.count(2)
                oa.gate.set()
                await until(lambda: "delivered" in [row[3] for row in desk.deliveries()])

            state = desk.store.read_now(lambda conn: conn.execute(select(target_table.c.state)).scalar_one())
            assert state == "paused"


async def test_an_event_whose_bytes_do_not_open_is_given_up_alone(place: Place) -> None:
    async with receiving() as oa:
        settings = target(oa.url)
        with open_desk(place, {"oa": settings}) as desk:
            desk.take_in(reading())
            desk.take_in(reading("sunshine:Y"), key="Y")
            desk.write(lambda conn: conn.execute(update(event).where(event.c.seq == 1).values(sealed_full=b"?")))
            async with at_work(desk, "oa", settings):
                await until(lambda: [row[3] for row in desk.deliveries()] == ["rejected", "delivered"])

            (reason,) = desk.store.read_now(
                lambda conn: conn.execute(select(ledger_table.c.reason).where(ledger_table.c.state == "dead")).scalars()
            )
            assert reason.startswith("cannot be packed: ")


async def test_a_store_that_fails_for_a_while_does_not_end_the_worker(place: Place) -> None:
    async with receiving() as oa:
        settings = target(oa.url, retry=QUICK)
        with open_desk(place, {"oa": settings}) as desk:
            desk.take_in(reading())
            desk.write(lambda conn: conn.exec_driver_sql("ALTER TABLE event RENAME TO elsewhere"))
            async with at_work(desk, "oa", settings):
                await until(lambda: _claimed(desk))
                await asyncio.to_thread(
                    desk.write, lambda conn: conn.exec_driver_sql("ALTER TABLE elsewhere RENAME TO event")
                )
                await asyncio.to_thread(desk.write, lambda conn: ledger.release_all(conn, now=utc_now()))
                await until(lambda: settled(desk))

            assert len({one.headers["webhook-id"] for one in oa.received}) == 1


async def test_an_immediate_retry_after_is_no_hot_loop(place: Place) -> None:
    async with receiving() as oa:
        settings = target(oa.url, retry=RetrySettings(first=timedelta(minutes=1)))
        with open_desk(place, {"oa": settings}) as desk:
            oa.default = lambda: web.Response(status=503, headers={"Retry-After": "0"})
            desk.take_in(reading())
            before = utc_now()
            async with at_work(desk, "oa", settings):
                await until(lambda: _reason(desk) == "HTTP 503")

            row = desk.store.read_now(
                lambda conn: conn.execute(select(ledger_table).where(ledger_table.c.lane == "push:oa")).one()
            )
            retry_at = desk.store.read_now(lambda conn: conn.execute(select(target_table.c.retry_at)).scalar_one())
            assert (row.attempts, retry_at - before >= timedelta(seconds=1)) == (0, True)


async def test_the_words_of_an_answer_lie_nowhere_in_the_open(place: Place) -> None:
    async with receiving() as oa:
        settings = target(oa.url, restricted=True)
        with open_desk(place, {"oa": settings}) as desk:
            oa.default = lambda: web.Response(status=422, text=f"unknown type in: {SECRET}")
            desk.take_in(reading(**ACCUSED))
            async with at_work(desk, "oa", settings):
                await until(lambda: desk.deliveries()[0][3] == "rejected")

            (made,) = desk.store.read_now(lambda conn: conn.execute(select(attempt)).all())
            assert (made.detail, _reason(desk)) == ("HTTP 422", "HTTP 422")
            assert made.sealed_answer is not None
            everything = list(written(desk.store))
            assert any(b"HTTP 422" in content for content in everything)
            assert [found for content in everything if (found := Secret((SECRET,)).found_in(content))] == []


def test_a_skipped_event_lets_the_later_ones_go(place: Place) -> None:
    with open_desk(place) as desk:
        (case_id,) = desk.take_in(reading())
        desk.take_in(reading(title="第二版"))
        (held_row,) = desk.write(
            lambda conn: ledger.claim(conn, "push:oa", now=desk.now, lease=timedelta(minutes=1), limit=9)
        )
        desk.write(lambda conn: ledger.give_up(conn, held_row, reason="HTTP 422"))
        desk.write(lambda conn: conn.exec_driver_sql("UPDATE delivery SET state='rejected' WHERE id=1"))

        skipped = desk.write(lambda conn: desk.desk.outbox.skip(conn, case_id, "oa"))

        assert len(skipped) == 1
        assert [row[3] for row in desk.deliveries()] == ["skipped", "waiting"]
        assert desk.store.read_now(ledger.counts)["push:oa"] == {"ready": 1}


def again(desk: Desk, number: int, conn: Any, due: datetime | None = None) -> bool:
    return desk.desk.outbox.resend(conn, number, due or desk.now)


def end(desk: Desk, state: str) -> None:
    """Whatever waits is now so, and its steps have ended."""
    desk.write(lambda conn: conn.exec_driver_sql(f"UPDATE delivery SET state='{state}' WHERE state='waiting'"))
    desk.write(lambda conn: conn.execute(text("DELETE FROM ledger WHERE lane LIKE 'push:%'")))


def ids(desk: Desk) -> list[int]:
    return list(desk.store.read_now(lambda conn: conn.execute(select(delivery.c.id).order_by(delivery.c.id)).scalars()))


def held(desk: Desk) -> list[bool]:
    return list(desk.store.read_now(lambda conn: conn.execute(select(event.c.held).order_by(event.c.seq)).scalars()))


def _claimed(desk: Desk) -> bool:
    rows = select(ledger_table.c.id).where(ledger_table.c.lane == "push:oa", ledger_table.c.attempts > 0)
    return desk.store.read_now(lambda conn: conn.execute(rows).first()) is not None


def _reason(desk: Desk) -> str | None:
    rows = select(ledger_table.c.reason).where(ledger_table.c.lane == "push:oa")
    return desk.store.read_now(lambda conn: conn.execute(rows).scalar_one_or_none())


async def test_what_one_target_loses_the_right_to_goes_to_the_one_that_gets_it(place: Place) -> None:
    """In one edit the right moves from a target with events waiting to another."""
    async with receiving() as oa, receiving() as other:
        with open_desk(place, {"oa": target(oa.url, restricted=True)}) as desk:
            desk.take_in(reading(**ACCUSED))
            desk.take_in(reading(**{**ACCUSED, "title": "第二版"}))
            async with at_work(desk, "oa", target(oa.url)):
                await until(lambda: settled(desk))
            after = desk.with_targets(oa=target(oa.url), discipline=target(other.url, restricted="only"))
            released = desk.write(lambda conn: after.desk.outbox.release(conn, desk.now))
            async with at_work(after, "discipline", target(other.url, restricted="only")):
                await until(lambda: settled(desk, "push:discipline"))

            assert released.number == 2
            assert oa.received == []
            assert [json.loads(one.body)["type"] for one in other.received] == ["case.created", "case.updated"]


def test_what_waits_for_who_lost_the_right_goes_before_what_follows(place: Place) -> None:
    """Something happens to the case before the target that lost its right has ended what waits for it."""
    with open_desk(place, {"oa": target(restricted=True)}) as desk:
        desk.take_in(reading(**ACCUSED))
        after = desk.with_targets(oa=target(), discipline=target(restricted="only"))
        after.take_in(reading(**{**ACCUSED, "title": "第二版"}))

        assert desk.deliveries() == [
            ("oa", "case.created", "full", "dropped"),
            ("discipline", "case.created", "full", "waiting"),
            ("discipline", "case.updated", "full", "waiting"),
        ]


def test_who_gets_its_right_back_gets_what_was_dropped_under_a_new_id(place: Place) -> None:
    with open_desk(place, {"oa": target(restricted=True)}) as desk:
        (case_id,) = desk.take_in(reading(**ACCUSED))
        desk.write(lambda conn: take_back(conn, case_id, ["oa"], desk.now, lost=True))
        desk.write(lambda conn: desk.desk.outbox.release(conn, desk.now))

        assert desk.deliveries() == [
            ("oa", "case.created", "full", "dropped"),
            ("oa", "case.created", "full", "waiting"),
        ]


@pytest.mark.parametrize("state", ["delivered", "waiting", "skipped"])
def test_what_others_have_is_not_held(place: Place, state: str) -> None:
    with open_desk(place, {"oa": target(restricted=True), "other": target(restricted=True)}) as desk:
        (case_id,) = desk.take_in(reading(**ACCUSED))
        desk.write(lambda conn: conn.execute(update(delivery).where(delivery.c.target == "other").values(state=state)))
        desk.write(lambda conn: take_back(conn, case_id, ["oa"], desk.now, lost=True))

        assert desk.store.read_now(lambda conn: conn.execute(select(event.c.held)).scalars().all()) == [False]
