"""What is amiss, by what was seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ingest.alarms.conditions import BackupsSeen, Condition, DepotSeen, DoorSeen, Seen, TargetSeen, conditions
from ingest.alarms.settings import AlarmSettings
from normalize.calendar import WorkCalendar

NOW = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)  # a Wednesday morning in China
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DOOR = DoorSeen("hotline", "open", NOW - DAY, None, NOW - MINUTE, NOW - HOUR, NOW - 30 * DAY)
TARGET = TargetSeen("oa", "open", NOW - DAY, None, 0)
SETTINGS = AlarmSettings()


def keys(seen: Seen, now: datetime = NOW, settings: AlarmSettings = SETTINGS) -> list[str]:
    return [one.key for one in conditions(seen, settings, WorkCalendar(), now)]


def test_where_all_is_well_nothing_is_amiss() -> None:
    seen = Seen(
        [DOOR], [TARGET], oldest={"read": NOW - MINUTE}, disk_free={"/data": 40.0}, certificates={"ca": NOW + 300 * DAY}
    )

    assert keys(seen) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"state": "refused", "since": NOW}, ["door_refused:hotline"]),
        ({"state": "paused", "since": NOW, "last_success_at": NOW - 40 * HOUR}, ["door_paused:hotline"]),
        ({"state": "unavailable", "since": NOW - 29 * MINUTE}, []),
        ({"state": "unavailable", "since": NOW - 30 * MINUTE}, ["door_down:hotline"]),
        ({"last_success_at": NOW - 4 * HOUR}, ["door_silent:hotline"]),
        ({"state": "new", "last_success_at": None, "begun_at": NOW - HOUR, "last_new_at": None}, []),
        (
            {"state": "new", "last_success_at": None, "begun_at": NOW - 5 * HOUR, "last_new_at": None},
            ["door_silent:hotline"],
        ),
    ],
)
def test_a_door_is_missed(change: dict[str, object], expected: list[str]) -> None:
    assert keys(Seen([replace(DOOR, **change)])) == expected  # type: ignore[arg-type]


def test_a_door_is_not_missed_before_an_answer_is_due_by_its_own_schedule() -> None:
    quiet = replace(DOOR, last_success_at=NOW - 15 * HOUR)

    assert keys(Seen([replace(quiet, answer_due=NOW)])) == []
    assert keys(Seen([replace(quiet, answer_due=NOW - MINUTE)])) == ["door_silent:hotline"]
    assert keys(Seen([replace(DOOR, last_success_at=NOW - 3 * HOUR, answer_due=NOW - 2 * HOUR)])) == []


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        ("2026-02-26T10:00:00+08:00", "2026-03-02T23:00:00+08:00", False),  # Friday, a Saturday that is worked; Monday
        ("2026-02-26T10:00:00+08:00", "2026-03-03T09:00:00+08:00", True),
        ("2026-02-13T10:00:00+08:00", "2026-02-25T09:00:00+08:00", False),  # the Spring Festival is no silence
        ("2026-02-13T10:00:00+08:00", "2026-02-27T09:00:00+08:00", True),
    ],
)
def test_a_door_without_news_is_noticed_after_working_days(last: str, now: str, expected: bool) -> None:
    moment = datetime.fromisoformat(now)
    door = replace(DOOR, last_new_at=datetime.fromisoformat(last), last_success_at=moment)

    assert ("nothing_new:hotline" in keys(Seen([door]), moment)) is expected


def test_an_office_may_not_mind_a_door_without_news() -> None:
    door = replace(DOOR, last_new_at=NOW - 20 * DAY)

    assert keys(Seen([door]), settings=AlarmSettings(nothing_new=0)) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"state": "paused"}, ["target_paused:oa"]),
        ({"state": "unavailable", "since": NOW - 14 * MINUTE}, []),
        ({"state": "unavailable", "since": NOW - 15 * MINUTE}, ["target_down:oa"]),
        ({"for_a_person": 2}, ["deliveries:oa"]),
    ],
)
def test_a_target_is_missed(change: dict[str, object], expected: list[str]) -> None:
    assert keys(Seen(targets=[replace(TARGET, **change)])) == expected  # type: ignore[arg-type]


def test_what_waits_too_long_is_noticed_unless_its_target_is_known_to_be_shut() -> None:
    oldest = {"read": NOW - 2 * HOUR, "push:oa": NOW - 2 * HOUR, "push:discipline": NOW - 59 * MINUTE}
    shut = replace(TARGET, state="unavailable", since=NOW)

    assert keys(Seen(targets=[TARGET], oldest=oldest)) == ["waiting:read", "waiting:push:oa"]
    assert keys(Seen(targets=[shut], oldest=oldest)) == ["waiting:read"]


def test_what_an_outage_left_waiting_has_an_hour_of_its_own_from_the_time_the_target_answers_again() -> None:
    oldest = {"push:oa": NOW - 20 * HOUR}

    assert keys(Seen(targets=[replace(TARGET, since=NOW - 59 * MINUTE)], oldest=oldest)) == []
    assert keys(Seen(targets=[replace(TARGET, since=NOW - HOUR)], oldest=oldest)) == ["waiting:push:oa"]


def test_what_a_paused_door_holds_back_is_no_alarm_of_its_own() -> None:
    oldest = {"fetch:hotline": NOW - HOUR, "settle:hotline": NOW - HOUR}

    assert keys(Seen([replace(DOOR, state="paused")], oldest=oldest)) == ["door_paused:hotline"]


def test_the_machine_is_watched() -> None:
    seen = Seen(
        disk_free={"/data": 9.4, "/srv": 80.0},
        certificates={"near.pem": NOW + 20 * DAY, "far.pem": NOW + 22 * DAY},
        unusable_certificates=["broken.pem"],
        quarantined=1,
        held=2,
        given_up=3,
        history_cut=True,
        standby_missed=True,
        configuration="config.yaml:3:5: …",
    )

    assert keys(seen) == [
        "quarantine", "held", "given_up", "history_cut", "standby", "configuration", "disk:/data",
        "certificate:near.pem", "certificate_unusable:broken.pem",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("newest", "expected"),
    [
        (NOW - 47 * HOUR, None),
        (NOW - 48 * HOUR, Condition("backup:/b", "backup", {"folder": "/b", "made": "2026-03-02 10:00"})),
        (None, Condition("backup:/b", "backup_none", {"folder": "/b"})),
    ],
)
def test_a_backup_that_was_not_made_is_missed(newest: datetime | None, expected: Condition | None) -> None:
    found = conditions(Seen(backups=BackupsSeen("/b", newest)), SETTINGS, WorkCalendar(), NOW)

    assert found == ([] if expected is None else [expected])


@pytest.mark.usefixtures("arranged_to_2026")
def test_the_calendar_s_end_is_seen_coming() -> None:
    autumn = datetime(2026, 11, 16, tzinfo=UTC)
    known = WorkCalendar.from_years({2027: {"holidays": [], "workdays": []}})

    assert keys(Seen(), autumn) == []
    assert keys(Seen(), autumn + 2 * DAY) == ["calendar:2027"]
    assert [one.key for one in conditions(Seen(), SETTINGS, known, autumn + 2 * DAY)] == []
    assert keys(Seen(), datetime(2027, 2, 1, tzinfo=UTC)) == ["calendar:2027"]


def test_the_facts_say_what_to_do_something_about() -> None:
    (found,) = conditions(Seen([replace(DOOR, last_success_at=NOW - 9 * HOUR)]), SETTINGS, WorkCalendar(), NOW)

    assert found == Condition("door_silent:hotline", "door_silent", {"name": "hotline", "hours": 9})


def test_the_place_of_large_originals_is_missed_after_a_while() -> None:
    def lost(ago: timedelta) -> Seen:
        return Seen(depot=DepotSeen("s3://xinqiao", NOW - ago, "connection refused"))

    assert keys(lost(4 * MINUTE)) == []
    assert keys(lost(5 * MINUTE)) == ["depot"]


def test_what_one_machine_sees_of_itself_is_that_machines() -> None:
    disk, down = Condition("disk:/data", "disk"), Condition("door_down:hotline", "door_down")

    assert (disk.on("a").key, disk.on(None).key) == ("disk:/data@a", "disk:/data")
    assert down.on("a") == down
