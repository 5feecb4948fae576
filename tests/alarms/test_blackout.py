"""A database that cannot be used is told of all the same: once, and when it is over."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.exc import OperationalError

from ingest.alarms import keeper as keeping
from ingest.alarms.blackout import Blackout
from ingest.alarms.keeper import AlarmKeeper
from ingest.alarms.looking import Places
from ingest.alarms.settings import AlarmSettings
from ingest.alarms.sinks import Mailer, Message, Robot, Teller
from ingest.alarms.watch import Speaker
from ingest.alarms.words import FOLDER
from ingest.almanac import Almanac
from ingest.catalogue import load_words
from normalize.calendar import WorkCalendar
from store.acts import StoreUnreachable
from tests.alarms.test_sinks import post_office, robot, sink, wecom
from tests.ingest.desk import Desk, open_desk
from tests.place import Place

NOW = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SPEAKER = Speaker(load_words(FOLDER, "en"), "Xinqiao", ZoneInfo("Asia/Shanghai"))


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Outage:
    clock: Clock = field(default_factory=Clock)

    def blackout(self, **tellers: Teller) -> Blackout:
        return Blackout(5 * MINUTE, SPEAKER, tellers, self.clock)


async def test_what_lasts_is_told_once_and_then_that_it_is_over() -> None:
    outage = Outage()
    async with robot({"errcode": 0}) as (got, url):
        blackout = outage.blackout(duty=Robot(wecom(url)))
        for _ in range(12):
            await blackout.lasts("db.example: connection refused")
            outage.clock.now += MINUTE
        await blackout.is_over()
        await blackout.is_over()

    assert [body["text"]["content"] for _, body in got] == [
        "the database cannot be used: db.example: connection refused; nothing is taken in or sent",
        "Over: the database cannot be used: db.example: connection refused; nothing is taken in or sent"
        " (since 2026-03-04 10:00)",
    ]


async def test_a_clock_that_is_set_back_meanwhile_silences_nothing() -> None:
    outage, ear = Outage(), Ear()
    blackout = outage.blackout(duty=ear)
    await blackout.lasts("x")
    outage.clock.now -= timedelta(hours=8)
    await blackout.lasts("x")
    outage.clock.now += 5 * MINUTE
    await blackout.lasts("x")

    assert ear.heard.qsize() == 1


async def test_a_moment_without_a_database_is_nobodys_business() -> None:
    outage = Outage()
    async with robot({"errcode": 0}) as (got, url):
        blackout = outage.blackout(duty=Robot(wecom(url)))
        for _ in range(10):
            await blackout.lasts("x")
            await blackout.is_over()
            outage.clock.now += MINUTE

    assert got == []


async def test_who_cannot_be_reached_is_told_when_he_can_be_and_the_others_not_again() -> None:
    outage = Outage()
    async with robot({"errcode": 0}) as (got, url), robot({"errcode": 1}) as (refusing, other):
        blackout = outage.blackout(duty=Robot(wecom(url)), chief=Robot(wecom(other)))
        await blackout.lasts("x")
        outage.clock.now += 6 * MINUTE
        await blackout.lasts("x")
        await blackout.lasts("x")
        await blackout.is_over()

    assert (len(got), len(refusing)) == (2, 2)


@dataclass
class Ear:
    """A sink that hears at once."""

    heard: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)

    async def tell(self, message: Message, now: datetime) -> None:
        self.heard.put_nowait(message)


async def test_a_sink_that_fails_for_a_reason_of_its_own_keeps_no_other_from_hearing_and_ends_no_watch() -> None:
    outage, ear = Outage(), Ear()
    with post_office() as (box, port):
        blackout = outage.blackout(chief=Mailer(sink(port)), duty=ear)
        await blackout.lasts("x")
        outage.clock.now += 6 * MINUTE
        await blackout.lasts("half a character: \udc80")  # which no mail can say

    assert (ear.heard.qsize(), len(box.mails)) == (1, 0)


@pytest.fixture
def desk(place: Place) -> Iterator[Desk]:
    with open_desk(place) as opened:
        yield opened


async def test_the_keeper_tells_of_a_database_that_is_gone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone(_act: object) -> None:
        raise StoreUnreachable("db.example: gone")

    monkeypatch.setattr(keeping, "LOOKS_AT_ONCE", timedelta(0))
    monkeypatch.setattr(keeping, "BEAT", timedelta(milliseconds=10))
    read, stopping = desk.store.read, asyncio.Event()
    monkeypatch.setattr(desk.store, "read", gone)
    ear = Ear()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        told = Blackout(timedelta(0), SPEAKER, {"duty": ear}, lambda: NOW)
        places = Places(frozenset(), frozenset(), frozenset(), (), ())
        watching = AlarmKeeper(desk.store, AlarmSettings(), places, SPEAKER, Almanac(WorkCalendar()), lambda: NOW, told)
        group.create_task(watching.run(stopping))
        first = await ear.heard.get()
        monkeypatch.setattr(desk.store, "read", read)
        second = await ear.heard.get()
        stopping.set()

    assert (first.state, second.state) == ("raised", "over")
    assert "db.example: gone" in first.text


async def test_a_full_disk_is_told_in_the_databases_own_words(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(_act: object) -> None:
        raise OperationalError("INSERT INTO alarm", {}, sqlite3.OperationalError("database or disk is full"))

    monkeypatch.setattr(keeping, "LOOKS_AT_ONCE", timedelta(0))
    monkeypatch.setattr(desk.store, "write", full)
    ear, stopping = Ear(), asyncio.Event()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        told = Blackout(timedelta(0), SPEAKER, {"duty": ear}, lambda: NOW)
        places = Places(frozenset(), frozenset(), frozenset(), (), ())
        watching = AlarmKeeper(desk.store, AlarmSettings(), places, SPEAKER, Almanac(WorkCalendar()), lambda: NOW, told)
        group.create_task(watching.run(stopping))
        message = await ear.heard.get()
        stopping.set()

    assert message.text == "the database cannot be used: database or disk is full; nothing is taken in or sent"
