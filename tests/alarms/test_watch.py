"""An alarm is told once, again while it lasts, and when it is over; whoever looks, and however often."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError
from sqlalchemy import delete, event, insert, select, update

from ingest.alarms import looking
from ingest.alarms.conditions import Condition
from ingest.alarms.keeper import AlarmKeeper
from ingest.alarms.looking import Places
from ingest.alarms.settings import AlarmSettings
from ingest.alarms.watch import Speaker, compare, drop, standing, what_is
from ingest.alarms.words import FOLDER
from ingest.almanac import Almanac
from ingest.catalogue import LANGUAGES, load_words
from ingest.parts import answer_due
from normalize.calendar import WorkCalendar
from store import ledger
from store.schema import cases, channel, delivery, link, raw, target
from store.schema import ledger as ledger_rows
from tests.console.test_words import LANES
from tests.ingest.config_files import MAILBOX, SEALING, TARGETS, loaded
from tests.ingest.desk import Desk, open_desk, reading
from tests.ingest.test_cases import ACCUSATION
from tests.patience import PATIENCE
from tests.place import Place
from tests.postgres import address_of_both, running_pair

NOW = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SPEAKER = Speaker(load_words(FOLDER, "zh"), "信桥", ZoneInfo("Asia/Shanghai"))
MAIL = {"kind": "mail", "host": "127.0.0.1", "tls": "none", "sender": "a@b.example", "to": ["c@b.example"]}
SETTINGS = AlarmSettings.model_validate({"sinks": {"duty": MAIL, "chief": MAIL}})
DOWN = Condition("door_down:hotline", "door_down", {"name": "hotline", "error": "HTTP 502"})


@pytest.fixture
def desk(place: Place) -> Iterator[Desk]:
    with open_desk(place) as opened:
        yield opened


def look(desk: Desk, found: Sequence[Condition], now: datetime = NOW) -> list[tuple[str, str]]:
    changed: list[tuple[str, str]] = desk.write(lambda conn: compare(conn, found, SETTINGS, SPEAKER, now))
    return changed


def in_line(desk: Desk, sink: str = "duty") -> list[dict[str, str]]:
    wanted = select(ledger_rows.c.payload).where(ledger_rows.c.lane == f"tell:{sink}").order_by(ledger_rows.c.id)
    return [one["message"] for one in desk.store.read_now(lambda conn: conn.execute(wanted).scalars().all())]


def told(desk: Desk) -> None:
    """All that was in line has been told."""
    desk.write(lambda conn: conn.execute(delete(ledger_rows).where(ledger_rows.c.lane.startswith("tell:"))))


def test_an_alarm_is_told_once_to_everybody(desk: Desk) -> None:
    assert look(desk, [DOWN]) == [("raised", DOWN.key)]
    assert look(desk, [DOWN], NOW + HOUR) == []

    assert (
        in_line(desk)
        == in_line(desk, "chief")
        == [
            {
                "kind": "door_down",
                "state": "raised",
                "title": "【信桥】渠道 hotline 不可用：HTTP 502",
                "text": "渠道 hotline 不可用：HTTP 502",
                "since": "2026-03-04 10:00",
            }
        ]
    )


@pytest.mark.parametrize(
    ("lane", "chinese", "english"),
    [
        ("push:oa", "投送 oa 的步骤已等候 61 分钟", "steps of delivery to oa have been waiting for 61 minutes"),
        ("read:letter", "读取信件扫描 的步骤已等候 61 分钟", "steps of reading scans have been waiting for 61 minutes"),
    ],
)
def test_steps_that_wait_are_called_by_what_they_do(lane: str, chinese: str, english: str) -> None:
    facts = {"lane": lane, "minutes": 61}

    assert what_is(load_words(FOLDER, "zh"), "waiting", facts) == chinese
    assert what_is(load_words(FOLDER, "en"), "waiting", facts) == english


@pytest.mark.parametrize("lane", LANES)
def test_every_step_that_may_wait_has_a_name(lane: str) -> None:
    assert [f"lane.{lane}" in load_words(FOLDER, language).entries for language in LANGUAGES] == [True, True]


def test_what_lasts_is_told_again_and_then_that_it_is_over(desk: Desk) -> None:
    look(desk, [DOWN])
    told(desk)

    for hours in range(1, 10):
        look(desk, [DOWN], NOW + hours * HOUR)
        told_now = in_line(desk)
        if told_now:
            assert (hours % 4, told_now[0]["state"]) == (0, "still")
            assert "自 2026-03-04 10:00" in told_now[0]["text"]
        told(desk)
    assert look(desk, [], NOW + 10 * HOUR) == [("over", DOWN.key)]
    assert [one["state"] for one in in_line(desk)] == ["over"]
    assert look(desk, [DOWN], NOW + 11 * HOUR) == [("raised", DOWN.key)]


def test_who_cannot_be_reached_is_not_told_the_same_ten_times(desk: Desk) -> None:
    for hours in range(0, 48, 4):
        look(desk, [DOWN], NOW + hours * HOUR)

    assert [one["state"] for one in in_line(desk)] == ["raised"]


def test_alarms_are_told_apart(desk: Desk) -> None:
    other = Condition("door_down:letters", "door_down", {"name": "letters", "error": "x"})
    look(desk, [DOWN])

    assert look(desk, [DOWN, other], NOW + HOUR) == [("raised", other.key)]
    assert look(desk, [other], NOW + HOUR) == [("over", DOWN.key)]


def keeper(desk: Desk, now: datetime, **settings: Any) -> AlarmKeeper:
    found = AlarmSettings.model_validate({"sinks": {"duty": MAIL}, "calendar": "P0D", **settings})
    places = Places(frozenset({"sunshine"}), frozenset({"oa"}), frozenset(found.sinks), (), ())
    return AlarmKeeper(desk.store, found, places, SPEAKER, Almanac(WorkCalendar()), lambda: now)


async def test_a_look_at_the_rows_finds_what_is_amiss(desk: Desk) -> None:
    desk.take_in(reading(), key="1")
    for change in (
        update(raw).values(state="quarantined"),
        update(delivery).values(state="unknown"),
        update(channel).values(state="refused", error="login refused"),
        insert(target).values(name="oa", state="open", since=desk.now),
        delete(link),
    ):
        desk.write(lambda conn, change=change: conn.execute(change))
    now = desk.now + 2 * HOUR

    await keeper(desk, now).look()

    assert sorted(one["kind"] for one in in_line(desk)) == [
        "deliveries", "door_refused", "history_cut", "quarantine", "waiting", "waiting"
    ]  # fmt: skip


@pytest.mark.postgres
async def test_a_database_that_waits_for_its_standby_no_more_is_told_of(tmp_path: Path) -> None:
    with running_pair() as pair:
        primary = pair[0]
        with open_desk(Place(tmp_path, address_of_both(pair, primary.migrated()))) as desk:
            watching = keeper(desk, NOW)
            await watching.look()
            before = desk.store.read_now(standing)
            primary.say("ALTER SYSTEM RESET synchronous_standby_names")
            primary.say("SELECT pg_reload_conf()")
            async with asyncio.timeout(PATIENCE):
                while not desk.store.read_now(standing):  # connections that were there hear of it a little later
                    await watching.look()
            after = [one.kind for one in desk.store.read_now(standing)]

    assert (before, after) == ([], ["standby"])


async def test_the_folder_of_backups_is_looked_at(desk: Desk, tmp_path: Path) -> None:
    watching = keeper(desk, NOW, nothing_new=0, waiting="P9D")

    async def told(folder: Path) -> str:
        watching.places = Places(frozenset(), frozenset(), frozenset(), (), (), folder)
        await watching.look()
        return ", ".join(one.kind for one in desk.store.read_now(standing))

    assert await told(tmp_path / "none") == "backup_none"
    assert await told(tmp_path) == "backup_none"
    (tmp_path / "2026-03-02T0230.tar").touch()  # as new as the machine's clock, far after NOW
    assert await told(tmp_path) == ""
    watching.machine = "one of several"  # another makes them
    assert await told(tmp_path / "none") == ""


async def test_a_share_that_hangs_is_named_and_keeps_no_thread_that_others_wait_for(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    usage = shutil.disk_usage

    def hang(folder: Path) -> object:
        if folder.name == "share":
            released.wait()
        return usage(tmp_path)

    monkeypatch.setattr(shutil, "disk_usage", hang)
    monkeypatch.setattr(looking, "LONGEST", timedelta(milliseconds=50))
    watching = keeper(desk, NOW, nothing_new=0, waiting="P9D", disk_free=90)
    before = threading.active_count()
    for folders in ((tmp_path,), *[(tmp_path, tmp_path / "share")] * 9):
        watching.places = Places(frozenset(), frozenset(), frozenset(), folders, ())
        await watching.look()
    hanging = {one.kind: one.facts for one in desk.store.read_now(standing)}
    threads = threading.active_count() - before
    released.set()
    while "hanging" in {one.kind for one in desk.store.read_now(standing)}:
        await watching.look()

    assert hanging["hanging"] == {"place": str(tmp_path / "share")}
    assert threads <= 2


async def test_a_door_that_keeps_office_hours_is_not_missed_at_night_and_on_sundays(desk: Desk, tmp_path: Path) -> None:
    door = f'channels:\n  sunshine: {MAILBOX[:-1]}, cron: "*/5 8-18 * * mon-fri", jitter: 0s}}\n'
    config = loaded(tmp_path, SEALING + TARGETS + door)
    friday = datetime(2026, 3, 6, 18, 55, tzinfo=SPEAKER.zone)
    desk.take_in(reading(), key="1")
    desk.write(lambda conn: conn.execute(update(channel).values(state="open", last_success_at=friday)))

    async def missed(now: str) -> bool:
        watching = keeper(desk, datetime.fromisoformat(now).replace(tzinfo=SPEAKER.zone))
        watching.answer_by = lambda name, last: answer_due(config.channels[name].settings, config, last)
        await watching.look()
        return "door_silent" in {one.kind for one in desk.store.read_now(standing)}

    nights = [await missed(now) for now in ("2026-03-07 03:00", "2026-03-08 12:00", "2026-03-09 08:01")]
    assert (nights, await missed("2026-03-09 09:00")) == ([False] * 3, True)


async def test_alarms_of_a_door_a_target_and_a_sink_end_when_they_leave_the_configuration(desk: Desk) -> None:
    desk.take_in(reading(), key="1")
    lanes = ("fetch:sunshine", "settle:sunshine", "push:oa", "tell:duty", "read")
    for lane in lanes:
        desk.write(lambda conn, lane=lane: ledger.enqueue(conn, lane, {}, now=desk.now))
    watching = keeper(desk, desk.now + 2 * HOUR)
    await watching.look()
    before = waiting_lanes(desk)

    watching.places = Places(frozenset(), frozenset(), frozenset(), (), ())
    watching.settings = AlarmSettings(calendar=timedelta(0))
    await watching.look()

    assert set(lanes) <= before
    assert waiting_lanes(desk) == {"read"}  # somebody should still work that one
    assert in_line(desk) == []


def waiting_lanes(desk: Desk) -> set[str]:
    return {str(one.facts["lane"]) for one in desk.store.read_now(standing) if one.kind == "waiting"}


async def test_without_a_sink_alarms_stand_and_end_all_the_same(desk: Desk) -> None:
    desk.take_in(reading(), key="1")
    desk.write(lambda conn: conn.execute(update(channel).values(state="refused", error="login refused")))
    await keeper(desk, NOW, sinks={}, nothing_new=0, waiting="P9D").look()
    before = [one.kind for one in desk.store.read_now(standing)]

    desk.write(lambda conn: conn.execute(update(channel).values(state="open", error=None, last_success_at=NOW)))
    await keeper(desk, NOW, sinks={}, nothing_new=0, waiting="P9D").look()

    assert (before, desk.store.read_now(standing), in_line(desk)) == (["door_refused"], [], [])


async def test_the_summary_comes_once_on_a_working_morning(desk: Desk) -> None:
    secret = "举报桃溪小学校长"
    desk.take_in(reading("x:1"), key="1")
    desk.take_in(reading("x:2", title=secret, **ACCUSATION), key="2")
    digest = {"at": "08:10", "sinks": ["duty"]}
    morning = datetime(2026, 3, 3, 0, 10, tzinfo=UTC)

    for now in (morning - HOUR, morning, morning + HOUR):
        await keeper(desk, now, digest=digest).look()
    found = [one for one in in_line(desk) if one["kind"] == "digest"]
    await keeper(desk, datetime(2026, 3, 7, 2, 0, tzinfo=UTC), digest=digest).look()  # a Saturday
    await keeper(desk, datetime(2026, 3, 9, 2, 0, tzinfo=UTC), digest=digest).look()

    assert len(found) == 1
    assert found[0]["title"] == "【信桥】2026-03-03 信访件简报"
    assert "自 2026-03-02 08:10 以来新收：2 件" in found[0]["text"]
    assert secret not in str(in_line(desk))
    assert len([one for one in in_line(desk) if one["kind"] == "digest"]) == 2


def test_what_is_dropped_lets_go_what_waits_behind_it(desk: Desk) -> None:
    for now in (NOW, NOW + HOUR):
        desk.write(lambda conn, now=now: ledger.enqueue(conn, "tell:gone", {}, key="disk", now=now))
    desk.write(lambda conn: drop(conn, ["tell:gone"], NOW))

    assert desk.store.read_now(ledger.counts)["tell:gone"] == {"ready": 1}


async def test_two_hosts_tell_one_summary_and_neither_counts_while_others_would_write(desk: Desk) -> None:
    desk.take_in(reading("x:1"), key="1")
    morning = datetime(2026, 3, 3, 0, 10, tzinfo=UTC)
    written: list[str] = []
    event.listen(desk.store._database.writing, "before_cursor_execute", lambda *told: written.append(told[2]))
    hosts = [keeper(desk, morning, digest={"at": "08:10", "sinks": ["duty"]}) for _ in range(2)]
    await asyncio.gather(*(host.look() for host in hosts))

    assert len([one for one in in_line(desk) if one["kind"] == "digest"]) == 1
    assert written
    assert not [one for one in written if "FROM cases" in one or "FROM delivery" in one]


async def test_what_came_over_a_weekend_is_in_one_summary(desk: Desk) -> None:
    digest = {"at": "08:10", "sinks": ["duty"]}
    friday = datetime(2026, 3, 6, 8, 10, tzinfo=SPEAKER.zone)
    arrivals = [friday - HOUR, friday, friday + 10 * HOUR, friday + 30 * HOUR]  # the last on Saturday

    def take_in(moments: Sequence[datetime]) -> None:
        for moment in moments:
            name = f"{moment:%d%H}"
            (case_id,) = desk.take_in(reading(f"x:{name}"), key=name)
            came = update(cases).where(cases.c.case_id == case_id).values(ingested_at=moment, updated_at=moment)
            desk.write(lambda conn, came=came: conn.execute(came))

    take_in(arrivals[:1])
    await keeper(desk, friday, digest=digest).look()
    take_in(arrivals[1:])
    for days in (1, 2, 3, 4):
        await keeper(desk, friday + timedelta(days=days), digest=digest).look()

    said = [one["text"].partition("\n")[0] for one in in_line(desk) if one["kind"] == "digest"]
    assert said == [
        "自 2026-03-05 08:10 以来新收：1 件",
        "自 2026-03-06 08:10 以来新收：3 件",
        "自 2026-03-09 08:10 以来新收：0 件",
    ]


def test_both_languages_have_words_for_every_alarm() -> None:
    chinese, english = (load_words(FOLDER, language).entries for language in LANGUAGES)

    assert chinese.keys() == {key for key in english if not key.endswith("_one")}


@pytest.mark.parametrize(
    ("kind", "facts", "said"),
    [
        (
            "deliveries",
            {"name": "oa", "count": 1},
            "target oa: 1 delivery waits for a person (rejected, or of unknown fate)",
        ),
        ("quarantine", {"count": 1}, "quarantine: 1 matter could not be read and waits for a person"),
        ("quarantine", {"count": 11}, "quarantine: 11 matters could not be read and wait for a person"),
        ("door_silent", {"name": "box", "hours": 1}, "door box has not answered for 1 hour"),
    ],
)
def test_one_of_a_thing_is_told_of_as_one(kind: str, facts: dict[str, Any], said: str) -> None:
    assert what_is(load_words(FOLDER, "en"), kind, facts) == said


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sinks": {"duty": {**MAIL, "host": "smtp.example", "password": "x"}}}, "in the clear"),
        ({"sinks": {"duty": {**MAIL, "to": ["nobody"]}}}, "no mail address"),
        ({"digest": {"sinks": ["duty"]}}, "is no sink"),
        ({"sinks": {"robot": {"kind": "webhook", "url": "qyapi"}}}, "begins with http"),
    ],
)
def test_a_sink_that_cannot_work_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        AlarmSettings.model_validate(wrong)


def test_the_summary_s_time_is_a_time_of_day() -> None:
    found = AlarmSettings.model_validate({"sinks": {"d": MAIL}, "digest": {"at": "07:45", "sinks": ["d"]}})

    assert found.digest is not None
    assert found.digest.at == time(7, 45)


def test_one_machines_own_trouble_is_not_over_because_another_has_none(desk: Desk) -> None:
    refused = Condition("configuration", "configuration", {"error": "config.yaml:3:14: log.level"})

    def seen_by(machine: str, found: Sequence[Condition], now: datetime) -> list[tuple[str, str]]:
        seen = [one.on(machine) for one in found]
        changed: list[tuple[str, str]] = desk.write(lambda conn: compare(conn, seen, SETTINGS, SPEAKER, now, machine))
        return changed

    assert seen_by("a", [refused], NOW) == [("raised", "configuration@a")]
    assert seen_by("b", [], NOW + HOUR) == []
    assert seen_by("a", [], NOW + 2 * HOUR) == [("over", "configuration@a")]

    seen_by("a", [refused], NOW + 3 * HOUR)
    assert seen_by("b", [], NOW + 10 * HOUR) == []
    assert seen_by("b", [], NOW + 12 * HOUR) == [("over", "configuration@a")]  # a is gone for good


async def test_of_two_hosts_that_see_differently_one_sees_for_both_and_is_succeeded(desk: Desk) -> None:
    desk.take_in(reading(), key="1")
    desk.write(lambda conn: conn.execute(update(channel).values(state="refused", error="login refused")))
    first, second = keeper(desk, NOW, nothing_new=0, waiting="P9D"), keeper(desk, NOW, calendar="P999D")
    first.machine, second.machine = "a", "b"
    second.places = Places(frozenset(), frozenset({"oa"}), frozenset(), (), ())

    async def standing_when(one: AlarmKeeper, now: datetime) -> list[str]:
        one.clock = lambda: now
        await one.look()
        return sorted(one.kind for one in desk.store.read_now(standing))

    assert await standing_when(first, NOW) == ["door_refused"]
    assert await standing_when(second, NOW) == ["calendar", "door_refused"]  # its own year file is short
    assert await standing_when(first, NOW + 2 * MINUTE) == ["calendar", "door_refused"]
    assert "door_refused" not in await standing_when(second, NOW + 6 * MINUTE)


async def test_what_waits_for_a_sink_that_only_another_host_knows_is_left_to_it_for_an_hour(desk: Desk) -> None:
    look(desk, [DOWN])
    watching = keeper(desk, NOW + HOUR - MINUTE, nothing_new=0, waiting="P9D")
    watching.machine = "a"
    await watching.look()
    kept = len(in_line(desk, "chief"))
    watching.clock = lambda: NOW + HOUR
    await watching.look()

    assert (kept, in_line(desk, "chief")) == (1, [])


def test_what_a_door_said_is_told_in_the_same_language(desk: Desk) -> None:
    said = "hotline: POST https://x/list: HTTP 502; expected 200"
    look(desk, [replace(DOWN, facts={"name": "hotline", "error": said})])

    assert in_line(desk)[0]["text"] == "渠道 hotline 不可用：hotline: POST https://x/list：HTTP 502；应为 200"
