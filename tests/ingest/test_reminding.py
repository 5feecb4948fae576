"""The clocks are kept: each deadline is told of at its stages, once, and its date follows the calendar."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import select, update
from structlog.testing import capture_logs

from dispatch.payload import Payload
from dispatch.settings import TargetSettings
from ingest import register
from ingest.alarms.conditions import Seen, conditions
from ingest.alarms.settings import AlarmSettings
from ingest.almanac import Almanac
from ingest.app import Daemon
from ingest.calendar_files import read_calendar
from ingest.clock_keeper import BATCH, ClockKeeper
from ingest.clockwork import Clockwork
from ingest.office import open_office
from ingest.reminding import asked, look, look_together
from normalize.calendar import WorkCalendar
from normalize.case import ChannelKind, RequestType, RequestTypeCode, SourceStatus
from normalize.clocks import ClockRules
from normalize.reading import Signal, SignalKind
from normalize.reminders import ReminderRules
from store.duties import take
from store.schema import cases, event, history, reminder
from tests.ingest.config_files import SEALING, loaded
from tests.ingest.config_files import TARGETS as MAIN_TARGETS
from tests.ingest.desk import CHINA, NOW, Desk, clockwork, open_desk, reading, target
from tests.ingest.test_cases import ACCUSATION
from tests.patience import until
from tests.place import Place

pytestmark = pytest.mark.usefixtures("arranged_to_2026")
TARGETS: dict[str, TargetSettings] = {
    "oa": target(),
    "discipline": target(restricted="only"),
    "stats": target(restricted="numbers"),
}
ROOT = Path(__file__).resolve().parents[2]
MINUTE = timedelta(minutes=1)
YEAR = "2027:\n  holidays: [2027-01-01 .. 2027-01-05]\n"


@pytest.fixture
def desk(place: Place) -> Iterator[Desk]:
    with open_desk(place, TARGETS) as opened:
        yield opened


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


def keeper(desk: Desk, now: str, name: str = "this") -> ClockKeeper:
    return ClockKeeper(desk.store, desk.desk, Almanac(desk.desk.clockwork.calendar), lambda: at(now), name)


async def kept(desk: Desk, *moments: str) -> None:
    """The keeper's round at each of these moments."""
    for now in moments:
        await keeper(desk, now).round(asyncio.Event())


def told(desk: Desk) -> list[tuple[str, str, str]]:
    """Of what there are events: type, rule and stage."""
    wanted = select(event).where(event.c.type != "case.created").order_by(event.c.seq)
    rows = desk.store.read_now(lambda conn: conn.execute(wanted).all())
    about = [json.loads(desk.store.sealer.open(row.sealed_full, f"event:{row.id}")) for row in rows]
    reminders = [(one["type"], one["data"]["deadline"]) for one in about if "deadline" in one["data"]]
    return [(type_, deadline["rule"], deadline["stage"]) for type_, deadline in reminders]


def with_clockwork(desk: Desk, found: Clockwork) -> Desk:
    return Desk(desk.store, replace(desk.desk, clockwork=found), desk.now, 500)


def row(desk: Desk, case_id: str) -> Any:
    return desk.store.read_now(lambda conn: conn.execute(select(cases).where(cases.c.case_id == case_id)).one())


def days(first: str, count: int) -> list[str]:
    """Every morning at nine."""
    return [f"{at(first) + timedelta(days=day):%Y-%m-%d} 09:00" for day in range(count)]


async def test_a_deadline_is_told_of_at_each_stage_once(desk: Desk) -> None:
    (case_id,) = desk.take_in(reading())

    for morning in days("2026-03-02", 20):
        await kept(desk, morning, morning)

    assert told(desk) == [
        ("case.due_soon", "xf.object", "workday_before"),  # Friday the 6th, before Monday the 9th
        ("case.due_soon", "xf.object", "same_day"),
        ("case.overdue", "xf.object", "overdue"),
        ("case.due_soon", "xf.notice", "half"),
        ("case.due_soon", "xf.notice", "workday_before"),
        ("case.due_soon", "xf.notice", "same_day"),
        ("case.overdue", "xf.notice", "overdue"),
    ]
    assert row(desk, case_id).next_reminder_at is None
    assert desk.case(case_id).revision == 1
    assert desk.happenings(case_id)[1:] == [type_.removeprefix("case.") for type_, _, _ in told(desk)]


async def test_the_event_carries_its_deadline_as_the_schema_says(desk: Desk) -> None:
    (case_id,) = desk.take_in(reading())
    await kept(desk, "2026-03-06 08:31")

    body, same = [one for one in desk.bodies() if one["type"] == "case.due_soon"]
    jsonschema.Draft202012Validator(Payload.json_schema()).validate(body)
    (mine,) = [one for one in body["data"]["case"]["deadlines"] if one["rule"] == "xf.object"]
    assert body["data"]["deadline"] == {**mine, "stage": "workday_before"}
    assert (body["data"]["case"]["case_id"], body["data"]["change"]) == (case_id, None)
    assert body == same


async def test_of_a_restricted_case_each_is_reminded_as_its_rights_allow(desk: Desk) -> None:
    desk.take_in(reading(**ACCUSATION))
    await kept(desk, "2026-03-06 08:31")

    reminders = [one for one in desk.deliveries() if one[1] == "case.due_soon"]
    assert reminders == [
        ("discipline", "case.due_soon", "full", "waiting"),
        ("stats", "case.due_soon", "numbers", "waiting"),
    ]
    numbers = next(one for one in desk.bodies() if "title" not in one["data"]["case"] and "deadline" in one["data"])
    Payload.model_validate(numbers)
    assert numbers["data"]["deadline"]["rule"] == "xf.object"


@pytest.mark.parametrize(
    "change",
    [
        {"signals": (Signal(SignalKind.WITHDRAWN, "w"),)},
        {"source_status": SourceStatus(code="closed", raw="已办结")},
    ],
)
async def test_nobody_is_reminded_of_what_the_source_withdrew_or_closed(desk: Desk, change: dict[str, Any]) -> None:
    (case_id,) = desk.take_in(reading(modified_at=at("2026-03-02 09:00")))
    desk.take_in(reading(modified_at=at("2026-03-03 09:00"), **change))
    await kept(desk, *days("2026-03-02", 20))

    assert told(desk) == []
    assert row(desk, case_id).next_reminder_at is None


ORDER: dict[str, Any] = {
    "channel": "hotline",
    "channel_kind": ChannelKind.HOTLINE,
    "request_type": RequestType(code=RequestTypeCode.COMPLAINT),
    "dispatched_at": at("2026-03-02 09:00"),
}


def order(state: str, changed: str, **more: Any) -> Any:
    status = SourceStatus(code=state, raw=state)
    return reading(modified_at=at(changed), source_status=status, **{**ORDER, **more})


async def test_what_is_returned_is_reminded_of_by_its_new_dates(desk: Desk) -> None:
    limit = {"source_deadline_at": at("2026-03-09 18:00")}
    for state, changed in (("new", "2026-03-02 09:00"), ("in_progress", "2026-03-02 15:00"),
                           ("answered", "2026-03-05 10:00")):  # fmt: skip
        desk.now = at(changed)
        desk.take_in(order(state, changed, **limit), channel="hotline")
    await kept(desk, *days("2026-03-06", 7))
    assert told(desk) == []

    desk.now = at("2026-03-13 09:55")
    again = Signal(SignalKind.RETURNED, "X1#7", at("2026-03-13 09:50"))
    back = order("returned", "2026-03-13 09:50", source_deadline_at=at("2026-03-20 18:00"))
    desk.take_in(replace(back, signals=(again,)), channel="hotline")
    await kept(desk, "2026-03-13 10:05", *days("2026-03-14", 10))

    assert told(desk) == [
        ("case.due_soon", "12345.complaint", "half"),
        ("case.due_soon", "source", "half"),
        ("case.due_soon", "12345.complaint", "workday_before"),
        ("case.due_soon", "source", "workday_before"),
        ("case.due_soon", "12345.complaint", "same_day"),
        ("case.due_soon", "source", "same_day"),
        ("case.overdue", "12345.complaint", "overdue"),
        ("case.overdue", "source", "overdue"),
    ]
    assert [one.ended_at for one in desk.case(row_id(desk)).deadlines if one.kind in ("sign", "object")] == [
        at("2026-03-02 15:00")
    ] * 2


def row_id(desk: Desk) -> str:
    case_id: str = desk.store.read_now(lambda conn: conn.execute(select(cases.c.case_id)).scalar_one())
    return case_id


@pytest.mark.parametrize("state", ["answered", "follow_up", "closed"])
async def test_what_its_source_says_is_settled_on_the_last_evening_is_not_overdue(desk: Desk, state: str) -> None:
    desk.take_in(order("in_progress", "2026-03-02 15:00"), channel="hotline")
    desk.now = at("2026-03-09 22:00")
    (case_id,) = desk.take_in(order(state, "2026-03-09 21:50"), channel="hotline")
    await kept(desk, *days("2026-03-10", 10))

    assert [one for one in told(desk) if one[0] == "case.overdue"] == []
    assert {one.ended_at for one in desk.case(case_id).deadlines if one.kind == "reply"} == {at("2026-03-09 21:50")}
    assert row(desk, case_id).next_due_at is None


async def test_a_case_of_before_learns_from_its_state_when_it_is_counted_anew(desk: Desk) -> None:
    (case_id,) = desk.take_in(order("answered", "2026-03-05 10:00"), channel="hotline")
    case = desk.case(case_id)
    before = case.model_copy(
        update={"deadlines": tuple(one.model_copy(update={"ended_at": None}) for one in case.deadlines)}
    )
    desk.write(lambda conn: register.save(conn, desk.store.sealer, before, register.Timing(NOW, "another"), NOW))
    await kept(desk, *days("2026-03-10", 3))

    assert told(desk) == []
    assert {one.ended_at for one in desk.case(case_id).deadlines} == {at("2026-03-05 10:00")}


async def test_who_was_away_hears_where_a_matter_stands(desk: Desk) -> None:
    desk.take_in(reading())
    await kept(desk, "2026-03-17 10:00")

    assert told(desk) == [("case.overdue", "xf.object", "overdue"), ("case.due_soon", "xf.notice", "same_day")]


async def test_what_is_long_over_when_it_is_taken_in_is_no_news(desk: Desk) -> None:
    desk.take_in(reading(received_at=at("2025-06-02 09:00")))
    await kept(desk, "2026-03-02 10:00")

    assert told(desk) == []


async def test_an_installation_that_is_brought_up_to_date_is_not_flooded(desk: Desk) -> None:
    (case_id,) = desk.take_in(reading())
    before = {"next_reminder_at": datetime.fromtimestamp(0, CHINA), "dated_by": None}  # as the migration leaves it
    desk.write(lambda conn: conn.execute(update(cases).values(before)))

    await kept(desk, "2026-03-16 10:00", "2026-03-16 10:01")
    assert told(desk) == []
    assert row(desk, case_id).next_reminder_at == at("2026-03-17 08:30")

    await kept(desk, "2026-03-17 08:31")
    assert told(desk) == [("case.due_soon", "xf.notice", "same_day")]


async def test_keepers_that_look_at_once_tell_once(desk: Desk) -> None:
    for number in range(30):
        desk.take_in(reading(f"x:{number}"), key=str(number))

    rounds = [keeper(desk, "2026-03-06 08:31", name).round(asyncio.Event()) for name in "abcd"]
    await asyncio.gather(*rounds)

    assert told(desk) == [("case.due_soon", "xf.object", "workday_before")] * 30


@pytest.mark.postgres
async def test_processes_that_look_at_the_same_cases_tell_once(postgres: Any, tmp_path: Path) -> None:
    address = postgres.migrated()
    with ExitStack() as closing:
        desks = [closing.enter_context(open_desk(Place(tmp_path, address), TARGETS)) for _ in range(2)]
        found = [desks[0].take_in(reading(f"x:{number}"), key=str(number))[0] for number in range(20)]
        now = at("2026-03-06 08:31")

        await asyncio.gather(
            *(one.store.write(partial(_looked, one, case_id, now)) for case_id in found for one in desks)
        )

        assert told(desks[0]) == [("case.due_soon", "xf.object", "workday_before")] * 20
    postgres.drop(address)


def _looked(desk: Desk, case_id: str, now: datetime, conn: Any) -> None:
    look(conn, desk.desk, case_id, now)


async def test_what_was_not_committed_is_told_the_next_time_and_what_was_is_not(desk: Desk) -> None:
    (case_id,) = desk.take_in(reading())
    now = at("2026-03-06 08:31")

    def cut(conn: Any) -> None:
        look(conn, desk.desk, case_id, now)
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        desk.write(cut)
    assert told(desk) == []

    await kept(desk, "2026-03-06 08:32", "2026-03-06 08:33")
    assert told(desk) == [("case.due_soon", "xf.object", "workday_before")]


@pytest.mark.crash
@pytest.mark.parametrize("crash_at", ["store.commit:2", "store.committed:2"])
def test_killed_at_a_commit_a_round_tells_everything_once_all_the_same(place: Place, crash_at: str) -> None:
    with open_desk(place, TARGETS) as desk:
        for number in range(BATCH + 1):  # two commits at the least
            desk.take_in(reading(f"x:{number}"), key=str(number))

    killed = _round_of_a_process(place, "2026-03-06T08:31:00+08:00", crash_at)
    ended = _round_of_a_process(place, "2026-03-06T08:35:00+08:00")  # when the duty of the dead is free

    assert (killed, ended) == (-signal.SIGKILL, 0)
    with open_desk(place, TARGETS) as desk:
        assert told(desk) == [("case.due_soon", "xf.object", "workday_before")] * (BATCH + 1)


def _round_of_a_process(place: Place, now: str, crash_at: str | None = None) -> int:
    command = [sys.executable, "-m", "tests.ingest.keeping_process", place.database, str(place.folder), now]
    environment = {**os.environ, **({"XINQIAO_CRASH_AT": crash_at} if crash_at else {})}
    return subprocess.run(command, env=environment, cwd=ROOT, check=False, timeout=120).returncode


def test_twenty_cases_take_the_statements_of_one_but_for_their_deliveries(desk: Desk) -> None:
    counted: list[int] = []
    now = at("2026-03-06 08:31")
    found = [desk.take_in(reading(f"x:{number}"), key=str(number))[0] for number in range(21)]

    def statements(case_ids: Sequence[str]) -> int:
        def act(conn: Any) -> int:
            def count(*_: object) -> None:
                counted[-1] += 1

            counted.append(0)
            sqlalchemy_event.listen(conn, "before_cursor_execute", count)
            look_together(conn, desk.desk, case_ids, now)
            sqlalchemy_event.remove(conn, "before_cursor_execute", count)
            return counted[-1]

        made: int = desk.write(act)
        return made

    one, twenty = statements(found[:1]), statements(found[1:])

    assert 0 < twenty <= one + 2 * 19  # SQLite gives each delivery its number in a statement of its own
    assert told(desk) == [("case.due_soon", "xf.object", "workday_before")] * 21


async def test_one_case_that_cannot_be_opened_silences_no_other(desk: Desk) -> None:
    broken, _ = desk.take_in(reading("x:1"), key="1")[0], desk.take_in(reading("x:2"), key="2")
    desk.write(lambda conn: conn.execute(update(cases).where(cases.c.case_id == broken).values(sealed=b"x" * 40)))
    moment = ["2026-03-06 08:31"]
    one = ClockKeeper(desk.store, desk.desk, Almanac(WorkCalendar()), lambda: at(moment[0]))

    with capture_logs() as logs:
        await one.round(asyncio.Event())
        moment[0] = "2026-03-06 08:32"
        await one.round(asyncio.Event())

    assert told(desk) == [("case.due_soon", "xf.object", "workday_before")]
    assert [line["case_id"] for line in logs if line["log_level"] == "error"] == [broken]


async def test_an_office_that_wants_no_reminders_gets_none(desk: Desk) -> None:
    quiet = with_clockwork(desk, clockwork(stages=()))
    (case_id,) = quiet.take_in(reading())
    await kept(quiet, *days("2026-03-02", 20))

    assert told(desk) == []
    assert row(desk, case_id).next_reminder_at is None


def test_a_look_reads_what_is_due_and_not_what_is_stored(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        found = [str(one.compile(compile_kwargs={"literal_binds": True})) for one in asked("m", NOW, 50, ["01X"])]
        plans = desk.store.read_now(
            lambda conn: [conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {one}").all()[0].detail for one in found]
        )

    assert [plan.partition("INDEX ")[2].partition(" ")[0] for plan in plans] == [
        "ix_cases_next_reminder_at", "ix_cases_dated_by", "ix_cases_dated_by"
    ]  # fmt: skip


async def test_the_duty_is_had_by_one_and_by_another_when_it_is_let_lie(desk: Desk) -> None:
    def has(holder: str, now: datetime) -> bool:
        found: bool = desk.write(lambda conn: take(conn, "clocks", holder, now=now, lease=3 * MINUTE))
        return found

    assert [has("a", NOW), has("b", NOW + MINUTE), has("a", NOW + 2 * MINUTE)] == [True, False, True]
    assert [has("b", NOW + 4 * MINUTE), has("b", NOW + 5 * MINUTE), has("a", NOW + 6 * MINUTE)] == [False, True, False]


@pytest.fixture
def year_file(tmp_path: Path) -> Path:
    file = tmp_path / "calendar.yaml"
    file.write_text("# nothing yet\n", "utf-8")
    return file


def written(file: Path, text: str) -> None:
    file.write_text(text, "utf-8")


@pytest.fixture
def almanac(desk: Desk, year_file: Path) -> Almanac:
    """Over the year file as it is; the desk goes by it."""
    found = Almanac(read_calendar(year_file), year_file)
    desk.desk.clockwork = replace(desk.desk.clockwork, calendar=found.calendar)
    return found


async def followed(desk: Desk, almanac: Almanac, *moments: str) -> None:
    for now in moments:
        await ClockKeeper(desk.store, desk.desk, almanac, lambda now=now: at(now), "this").round(asyncio.Event())  # type: ignore[misc]


def date_of(desk: Desk, case_id: str, rule: str = "xf.object") -> tuple[str, bool]:
    (found,) = [one for one in desk.case(case_id).deadlines if one.rule == rule]
    assert found.due_at is not None
    return f"{found.due_at:%Y-%m-%d}", found.provisional


async def test_dates_beyond_the_calendar_follow_it_when_the_year_is_known(
    desk: Desk, year_file: Path, almanac: Almanac
) -> None:
    (case_id,) = desk.take_in(reading(received_at=at("2026-12-28 09:00")))
    assert date_of(desk, case_id) == ("2027-01-04", True)
    before = row(desk, case_id)

    written(year_file, YEAR)
    await followed(desk, almanac, *["2026-12-29 09:00"] * 3)

    after = row(desk, case_id)
    assert date_of(desk, case_id) == ("2027-01-07", False)
    assert (after.revision, after.digest) == (before.revision, before.digest)
    assert desk.events() == ["case.created"]
    assert after.next_reminder_at == at("2027-01-02 08:30")  # half of it
    assert after.next_due_at == at("2027-01-07 23:59:59")
    await followed(desk, almanac, "2027-01-06 08:31")
    assert ("case.due_soon", "xf.object", "workday_before") in told(desk)


@pytest.mark.parametrize(
    "change",
    [
        {"signals": (Signal(SignalKind.WITHDRAWN, "w"),)},
        {"source_status": SourceStatus(code="closed", raw="已办结")},
    ],
)
async def test_what_is_over_is_not_counted_again(
    desk: Desk, year_file: Path, almanac: Almanac, change: dict[str, Any]
) -> None:
    (case_id,) = desk.take_in(reading(modified_at=at("2026-03-02 09:00")))
    desk.take_in(reading(modified_at=at("2026-03-03 09:00"), **change))
    mark = row(desk, case_id).dated_by

    written(year_file, YEAR)
    await followed(desk, almanac, *["2026-12-29 09:00"] * 3)

    assert row(desk, case_id).dated_by == mark


async def test_what_is_overdue_and_open_is_counted_again(desk: Desk, year_file: Path, almanac: Almanac) -> None:
    (case_id,) = desk.take_in(reading(received_at=at("2026-12-28 09:00")))
    await kept(desk, *days("2026-12-28", 30))
    assert (row(desk, case_id).next_reminder_at, date_of(desk, case_id)) == (None, ("2027-01-04", True))
    before = len(told(desk))

    written(year_file, YEAR)
    await followed(desk, almanac, *["2027-01-27 09:00"] * 3)
    await followed(desk, almanac, *days("2027-01-28", 40))

    assert date_of(desk, case_id) == ("2027-01-07", False)
    assert row(desk, case_id).dated_by == desk.desk.clockwork.mark
    assert told(desk)[before:] == [("case.overdue", "xf.object", "overdue")]  # by its true date, once


async def test_an_overdue_limit_that_is_lengthened_runs_on(desk: Desk) -> None:
    (case_id,) = desk.take_in(reading())
    await kept(desk, *days("2026-03-02", 20))
    rules = ClockRules.model_validate(
        {"rules": [{"rule": "xf.object", "kind": "object", "limit": 20, "unit": "working", "channels": ["sunshine"]}]}
    )
    office = with_clockwork(desk, Clockwork(rules, ReminderRules(), WorkCalendar()))
    await kept(office, "2026-03-22 09:00")

    assert date_of(office, case_id) == ("2026-03-30", False)
    assert row(office, case_id).next_reminder_at == at("2026-03-27 08:30")


async def test_a_bad_year_file_leaves_the_old_calendar_in_force_and_says_so(
    desk: Desk, year_file: Path, almanac: Almanac
) -> None:
    written(year_file, YEAR)
    await followed(desk, almanac, *["2026-12-28 09:00"] * 2)
    (case_id,) = desk.take_in(reading(received_at=at("2026-12-28 09:00")))

    written(year_file, "2027:\n  holidays: [2027-13-01]\n")
    with capture_logs() as logs:
        await followed(desk, almanac, *["2026-12-29 09:00"] * 4)

    assert date_of(desk, case_id) == ("2027-01-07", False)
    assert [line["log_level"] for line in logs if "calendar" in line["event"]] == ["error"]
    seen = Seen(calendar_file=almanac.said())
    (found,) = conditions(seen, AlarmSettings(calendar=timedelta(0)), almanac.calendar, at("2026-12-29 09:00"))
    assert (found.kind, "2027-13-01" in str(found.facts["error"])) == ("calendar_file", True)

    written(year_file, YEAR)
    await followed(desk, almanac, *["2026-12-29 09:00"] * 2)
    assert almanac.said() is None


async def test_a_file_that_is_just_being_written_is_not_taken(desk: Desk, year_file: Path, almanac: Almanac) -> None:
    written(year_file, YEAR)
    await followed(desk, almanac, *["2026-12-28 09:00"] * 2)
    await followed(desk, almanac, *["2026-12-29 09:00"] * 2)

    written(year_file, "")  # an editor has only begun
    await followed(desk, almanac, "2026-12-29 09:01")
    written(year_file, YEAR.replace("01-05", "01-06"))
    await followed(desk, almanac, *["2026-12-29 09:02"] * 2)

    assert sorted(almanac.calendar.years) == [2027]
    assert len(almanac.calendar.years[2027].holidays) == 6


async def test_one_more_receipt_does_not_pass_old_dates_off_as_new(desk: Desk) -> None:
    one = reading("sha256:m", received_at=at("2026-12-28 09:00"))
    (case_id,) = desk.take_in(one, channel="mailbox", key="INBOX:1:1")
    year = WorkCalendar.from_years({2027: {"holidays": ["2027-01-01..2027-01-05"]}})
    desk.desk.clockwork = replace(desk.desk.clockwork, calendar=year)

    desk.take_in(one, channel="mailbox2", key="INBOX:9:4")
    assert date_of(desk, case_id) == ("2027-01-04", True)

    await kept(desk, "2026-12-29 09:00")
    assert date_of(desk, case_id) == ("2027-01-07", False)


async def test_changed_limits_reach_the_cases_that_are_open(desk: Desk) -> None:
    (case_id,) = desk.take_in(reading())
    rules = ClockRules.model_validate(
        {"rules": [{"rule": "xf.object", "kind": "object", "limit": 8, "unit": "working", "channels": ["sunshine"]}]}
    )
    office = with_clockwork(desk, Clockwork(rules, ReminderRules(), WorkCalendar()))
    await kept(office, "2026-03-03 09:00")

    assert date_of(office, case_id) == ("2026-03-12", False)
    assert office.events() == ["case.created"]


def test_times_are_kept_of_what_was_told(desk: Desk) -> None:
    (case_id,) = desk.take_in(reading())
    desk.write(lambda conn: look(conn, desk.desk, case_id, at("2026-03-06 08:31")))

    rows: Sequence[Any] = desk.store.read_now(lambda conn: conn.execute(select(reminder)).all())
    assert [(one.case_id, one.rule, one.stage, one.due_at, one.told_at) for one in rows] == [
        (case_id, "xf.object", "workday_before", at("2026-03-09 23:59:59"), at("2026-03-06 08:31"))
    ]
    kinds = select(event.c.type, event.c.revision).order_by(event.c.seq)
    assert desk.store.read_now(lambda conn: [tuple(one) for one in conn.execute(kinds)]) == [
        ("case.created", 1),
        ("case.due_soon", 1),
    ]
    details = select(history.c.detail).where(history.c.kind == "due_soon")
    assert desk.store.read_now(lambda conn: conn.execute(details).scalar_one()) == {
        "rule": "xf.object",
        "stage": "workday_before",
        "due": "2026-03-09T23:59:59+08:00",
    }


async def test_the_keep_stage_of_the_daemon_keeps_them(tmp_path: Path) -> None:
    office = open_office(loaded(tmp_path, SEALING + MAIN_TARGETS), lambda: at("2026-03-06 08:31"))
    desk = Desk(office.store, office.desk)
    desk.take_in(reading())
    daemon = Daemon(office, frozenset({"keep"}))
    await daemon.open()

    async with asyncio.TaskGroup() as group:
        group.create_task(daemon.work())
        await until(lambda: bool(told(desk)))
        daemon.stopping.set()

    assert told(desk) == [("case.due_soon", "xf.object", "workday_before")]
    await daemon.close()


async def test_a_daemon_that_does_not_keep_the_clocks_follows_the_calendar_all_the_same(
    tmp_path: Path, year_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.app.CALENDAR", timedelta(milliseconds=20))
    office = open_office(loaded(tmp_path, f"{SEALING}calendar: {year_file}\n{MAIN_TARGETS}"))
    daemon = Daemon(office, frozenset({"dispatch"}))
    await daemon.open()

    async with asyncio.TaskGroup() as group:
        group.create_task(daemon.work())
        written(year_file, YEAR)
        await until(lambda: office.desk.clockwork.calendar.knows(date(2027, 1, 1)))
        daemon.stopping.set()

    await daemon.close()
