"""Hosts whose configurations differ: what one of them forbids by its own copy is not lost to who may have it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Row, select

from dispatch import accord, deciding, worker
from dispatch.settings import TargetSettings
from dispatch.worker import TargetWorker
from store.schema import ledger as ledger_table
from tests.clock import utc_now
from tests.dispatch.receiver import receiving
from tests.dispatch.test_rights import settled
from tests.ingest.desk import Desk, open_desk, reading, target
from tests.ingest.test_cases import ACCUSATION
from tests.patience import PATIENCE, until
from tests.place import Place

DELIVERED = [("oa", "case.created", "full", "delivered")]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "DISPUTED", timedelta(milliseconds=50))


@asynccontextmanager
async def host(desk: Desk, name: str, **targets: TargetSettings) -> AsyncIterator[Desk]:
    """A host at work for `oa` by its own copy of the configuration, which it tells the others."""
    stopping, own = asyncio.Event(), desk.with_targets(**targets)
    say(desk, name, targets)
    one = TargetWorker("oa", targets["oa"], desk.store, utc_now, lambda *_: None, own.desk.outbox.agreed)
    task = asyncio.create_task(one.run(stopping))
    try:
        yield own
    finally:
        stopping.set()
        desk.store.wakes.ring_all()
        await asyncio.wait_for(task, PATIENCE)


def say(desk: Desk, name: str, targets: Mapping[str, TargetSettings]) -> None:
    desk.write(lambda conn: accord.announce(conn, name, targets, utc_now()))


def step(desk: Desk) -> Row[Any] | None:
    wanted = select(ledger_table).where(ledger_table.c.lane == "push:oa")
    return desk.store.read_now(lambda conn: conn.execute(wanted).one_or_none())


async def left(desk: Desk) -> None:
    """Until the delivery was left to others, twice; that counts as no attempt."""

    def was_left() -> bool:
        row = step(desk)
        assert row is not None
        assert row.attempts <= 1
        return row.fence >= 4 and "does not allow it" in row.reason

    await until(was_left)


async def test_what_a_host_with_newer_rights_published_is_sent_though_one_with_older_takes_it_up(place: Place) -> None:
    async with receiving() as oa:
        with open_desk(place, {"oa": target(oa.url, restricted=True)}) as desk:
            desk.now = utc_now() - timedelta(minutes=5)
            desk.take_in(reading(**ACCUSATION))
            say(desk, "newer", desk.desk.outbox.targets)
            async with host(desk, "older", oa=target(oa.url)):
                await left(desk)
                sent = list(oa.received)
            async with host(desk, "newer", oa=target(oa.url, restricted=True)):
                await until(lambda: settled(desk))

            assert sent == []
            assert desk.deliveries() == DELIVERED


@pytest.mark.parametrize("over", [True, False])
async def test_a_right_taken_away_drops_what_waits_once_all_hosts_know_or_never_will(
    place: Place, monkeypatch: pytest.MonkeyPatch, over: bool
) -> None:
    async with receiving() as oa:
        with open_desk(place, {"oa": target(oa.url, restricted=True)}) as desk:
            desk.now = utc_now() - timedelta(minutes=5)
            desk.take_in(reading(**ACCUSATION))
            say(desk, "other", desk.desk.outbox.targets)
            async with host(desk, "ours", oa=target(oa.url)) as own:
                await left(desk)
                if over:
                    monkeypatch.setattr(worker, "DISPUTE", timedelta(0))
                else:
                    say(desk, "other", own.desk.outbox.targets)
                await until(lambda: settled(desk))

            assert oa.received == []
            assert desk.deliveries() == [("oa", "case.created", "full", "dropped")]


async def test_a_case_that_became_restricted_is_withdrawn_whatever_others_go_by(place: Place) -> None:
    with open_desk(place, {"oa": target()}) as desk:
        desk.take_in(reading())
        say(desk, "other", {"oa": target(restricted=True)})
        desk.take_in(reading(**ACCUSATION))

        assert desk.deliveries() == [("oa", "case.created", "full", "dropped")]


async def test_a_host_with_older_rights_does_not_take_back_what_another_gave(place: Place) -> None:
    newer, older = {"oa": target(restricted=True)}, {"oa": target(), "line": target(restricted=True)}
    with open_desk(place, newer) as desk:
        desk.take_in(reading(**ACCUSATION))
        say(desk, "newer", newer)
        own = desk.with_targets(**older)
        own.take_in(reading(**{**ACCUSATION, "content": "举报：补充了材料"}))
        kept = desk.deliveries()[0]
        say(desk, "newer", older)
        own.take_in(reading(**{**ACCUSATION, "content": "举报：又补充了材料"}))

        assert kept == ("oa", "case.created", "full", "waiting")
        assert desk.deliveries()[0] == ("oa", "case.created", "full", "dropped")


def test_what_a_process_said_is_forgotten_in_time_and_no_other_setting_counts(place: Place) -> None:
    with open_desk(place) as desk:
        say(desk, "gone", {"oa": target(restricted=True)})

        def agreed(after: timedelta, **settings: Any) -> bool:
            own = {"oa": target(**settings)}
            return bool(desk.store.read_now(lambda conn: accord.agreed(conn, own, utc_now() + after)))

        assert [agreed(timedelta(0)), agreed(accord.LASTS + timedelta(minutes=1))] == [False, True]
        assert agreed(timedelta(0), restricted=True, concurrency=3)
        assert not agreed(timedelta(0), restricted=True, channels=("hotline",))
