"""What an OA reports is taken once, and moves the case's clocks: neither a revision nor an event."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from dispatch.reports import read_report
from dispatch.settings import TargetSettings
from ingest.compute import Correction
from ingest.reported import Arrived, NoSuchCase, OtherWords, OutOfOrder, Taken, of_case, take
from normalize.case import Deadline, RequestType, RequestTypeCode
from normalize.reading import Signal, SignalKind
from store.schema import cases, delivery, history, report
from tests.ingest.desk import CHINA, NOW, Desk, open_desk, reading, target
from tests.ingest.test_cases import ACCUSATION
from tests.ingest.test_reminding import days, kept, told
from tests.place import Place

TARGETS: dict[str, TargetSettings] = {
    "oa": target(),
    "discipline": target(restricted="only"),
    "stats": target(restricted="numbers"),
}
LATER = NOW + timedelta(days=400)
HELP = RequestType(code=RequestTypeCode.HELP)


@pytest.fixture
def desk(place: Place) -> Iterator[Desk]:
    with open_desk(place, TARGETS) as opened:
        yield opened


@pytest.fixture
def case_id(desk: Desk) -> str:
    return desk.take_in(reading(request_type=HELP))[0]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


def arrived(case_id: str, type_: str, moment: str, *, name: str = "", target: str = "oa", **more: Any) -> Arrived:
    said = {"case_id": case_id, "type": type_, "at": at(moment).isoformat(), **more}
    body = json.dumps(said, ensure_ascii=False).encode()
    return Arrived(target, name or f"rep_{type_}_{moment}", body, read_report(body, LATER))


def taking(desk: Desk, new: Arrived, now: datetime | None = None) -> Any:
    sealer, clockwork = desk.store.sealer, desk.desk.clockwork
    return lambda conn: take(conn, sealer, clockwork, TARGETS[new.target], new, now or desk.now)


def says(desk: Desk, case_id: str, type_: str, moment: str, **more: Any) -> Taken:
    found: Taken = desk.write(taking(desk, arrived(case_id, type_, moment, **more)))
    return found


def clocks(desk: Desk, case_id: str) -> dict[str, Deadline]:
    return {one.rule: one for one in desk.case(case_id).deadlines}


def row(desk: Desk, case_id: str) -> Any:
    return desk.store.read_now(lambda conn: conn.execute(select(cases).where(cases.c.case_id == case_id)).one())


def test_acceptance_starts_the_clock_that_waits_for_it_and_stops_those_it_ends(desk: Desk, case_id: str) -> None:
    assert clocks(desk, case_id)["xf.close"].due_at is None

    says(desk, case_id, "accepted", "2026-03-04 10:00")

    found = clocks(desk, case_id)
    assert found["xf.close"].due_at == at("2026-05-06 23:59:59")  # 60 days on is Sunday, May 3; then the holiday
    assert found["xf.close"].ended_at is None
    assert {found[rule].ended_at for rule in ("xf.notice", "xf.object")} == {at("2026-03-04 10:00")}
    case = desk.case(case_id)
    assert case.accepted_at == at("2026-03-04 10:00")
    assert (case.revision, desk.events()) == (1, ["case.created"])
    assert row(desk, case_id).next_due_at == at("2026-05-06 23:59:59")


def test_a_report_is_kept_with_its_words_and_the_history_without(desk: Desk, case_id: str) -> None:
    says(desk, case_id, "answered", "2026-03-05 10:00", public_text="已责成学校公示", by="李某", unit="财务处")

    (kept,) = desk.store.read_now(lambda conn: of_case(conn, desk.store.sealer, case_id))
    assert (kept.target, kept.report.public_text, kept.report.unit) == ("oa", "已责成学校公示", "财务处")
    raw = desk.store.read_now(lambda conn: conn.execute(select(report.c.sealed)).scalar_one())
    assert "已责成学校公示".encode() not in raw
    wanted = select(history.c.kind, history.c.actor, history.c.detail).order_by(history.c.id.desc()).limit(1)
    assert tuple(desk.store.read_now(lambda conn: conn.execute(wanted).one())) == (
        "reported",
        "target:oa",
        {"type": "answered", "at": "2026-03-05T10:00:00+08:00"},
    )


@pytest.mark.parametrize("type_", ["answered", "closed", "not_ours"])
async def test_what_is_decided_reminds_nobody(desk: Desk, case_id: str, type_: str) -> None:
    says(desk, case_id, type_, "2026-03-03 10:00")
    assert row(desk, case_id).next_reminder_at is None

    await kept(desk, *days("2026-03-02", 30))

    assert told(desk) == []
    assert row(desk, case_id).next_due_at is None
    assert {one.ended_at for one in desk.case(case_id).deadlines} == {at("2026-03-03 10:00")}


async def test_later_events_show_the_clocks_as_they_stand_now(desk: Desk, case_id: str) -> None:
    says(desk, case_id, "accepted", "2026-03-04 10:00")
    desk.take_in(reading(request_type=HELP, title="第二版"))

    (body,) = [one for one in desk.bodies() if one["type"] == "case.updated"][:1]
    shown = {one["rule"]: one for one in body["data"]["case"]["deadlines"]}
    assert shown["xf.notice"]["ended_at"] == "2026-03-04T10:00:00+08:00"
    assert shown["xf.close"]["due_at"] == "2026-05-06T23:59:59+08:00"
    assert [one["field"] for one in body["data"]["change"]] == ["title"]


def test_reading_again_after_a_report_is_no_news(desk: Desk, case_id: str) -> None:
    says(desk, case_id, "accepted", "2026-03-04 10:00")
    desk.take_in(reading(request_type=HELP))

    assert desk.events() == ["case.created"]
    assert clocks(desk, case_id)["xf.notice"].ended_at == at("2026-03-04 10:00")


def test_an_extension_moves_the_limit_once(desk: Desk, case_id: str) -> None:
    says(desk, case_id, "accepted", "2026-03-04 10:00")
    says(desk, case_id, "extended", "2026-04-20 10:00", until=at("2026-06-02 18:00").isoformat())
    desk.take_in(reading(request_type=HELP, title="第二版"))

    found = clocks(desk, case_id)["xf.close"]
    assert (found.due_at, found.extended) == (at("2026-06-02 18:00"), True)
    with pytest.raises(OutOfOrder, match="extended cannot follow now"):
        says(desk, case_id, "extended", "2026-04-21 10:00", until=at("2026-06-09 18:00").isoformat())


@pytest.mark.parametrize(
    ("until", "expected"),
    [("2026-05-06 18:00", "2026-05-06T23:59:59"), ("2025-06-02 18:00", "2026-05-06T23:59:59")],
)
def test_an_extension_that_moves_no_limit_is_refused_and_blocks_no_other(
    desk: Desk, case_id: str, until: str, expected: str
) -> None:
    says(desk, case_id, "accepted", "2026-03-04 10:00")

    with pytest.raises(OutOfOrder, match=f"until moves no limit; expected one later than {expected}"):
        says(desk, case_id, "extended", "2026-04-20 10:00", until=at(until).isoformat())
    assert desk.happenings(case_id) == ["created", "reported"]

    says(desk, case_id, "extended", "2026-04-20 10:00", until=at("2026-06-02 18:00").isoformat())
    assert clocks(desk, case_id)["xf.close"].due_at == at("2026-06-02 18:00")


def test_an_extension_before_any_limit_runs_is_refused_and_blocks_no_other(desk: Desk, case_id: str) -> None:
    limit = at("2026-06-02 18:00").isoformat()
    with pytest.raises(OutOfOrder, match="no limit runs that it could move"):
        says(desk, case_id, "extended", "2026-03-04 10:00", until=limit)

    says(desk, case_id, "accepted", "2026-03-05 10:00")
    says(desk, case_id, "extended", "2026-03-06 10:00", until=limit)
    assert clocks(desk, case_id)["xf.close"].due_at == at("2026-06-02 18:00")


def test_an_answer_that_repeats_the_extended_limit_stops_the_clock(desk: Desk, case_id: str) -> None:
    limit = at("2026-06-02 18:00").isoformat()
    says(desk, case_id, "accepted", "2026-03-04 10:00")
    says(desk, case_id, "extended", "2026-04-20 10:00", until=limit)
    says(desk, case_id, "answered", "2026-05-20 10:00", until=limit)

    assert clocks(desk, case_id)["xf.close"].ended_at == at("2026-05-20 10:00")


async def test_an_extended_limit_is_told_of_at_its_own_time(desk: Desk, case_id: str) -> None:
    says(desk, case_id, "accepted", "2026-03-04 10:00")
    says(desk, case_id, "extended", "2026-04-20 10:00", until=at("2026-06-02 18:00").isoformat())

    await kept(desk, "2026-05-06 09:00", "2026-06-02 09:00", "2026-06-02 18:01")

    assert [one[1:] for one in told(desk)][-2:] == [("xf.close", "same_day"), ("xf.close", "overdue")]


async def test_a_reopened_case_is_reminded_of_again(desk: Desk, case_id: str) -> None:
    says(desk, case_id, "accepted", "2026-03-04 10:00")
    says(desk, case_id, "closed", "2026-03-05 10:00")
    assert row(desk, case_id).next_reminder_at is None
    says(desk, case_id, "reopened", "2026-03-06 10:00")

    found = clocks(desk, case_id)
    assert (found["xf.close"].ended_at, found["xf.notice"].ended_at) == (None, at("2026-03-04 10:00"))
    assert row(desk, case_id).next_reminder_at is not None
    await kept(desk, "2026-05-06 09:00")
    assert told(desk) == [("case.due_soon", "xf.close", "same_day")]


async def test_a_case_the_source_returns_runs_again_whatever_was_reported_before(desk: Desk, case_id: str) -> None:
    says(desk, case_id, "accepted", "2026-03-03 10:00")
    says(desk, case_id, "closed", "2026-03-04 10:00")
    again = Signal(SignalKind.RETURNED, "X1#7", at("2026-03-10 09:00"))
    limit = at("2026-03-20 18:00")
    desk.take_in(reading(request_type=HELP, source_deadline_at=limit, signals=(again,)))

    assert clocks(desk, case_id)["source"].ended_at is None
    assert row(desk, case_id).next_due_at == limit
    await kept(desk, "2026-03-20 18:01")
    assert told(desk)[-1][1:] == ("source", "overdue")

    says(desk, case_id, "answered", "2026-03-21 10:00")
    says(desk, case_id, "closed", "2026-03-22 10:00")

    assert clocks(desk, case_id)["source"].ended_at == at("2026-03-21 10:00")
    assert row(desk, case_id).next_reminder_at is None


async def test_a_case_that_was_not_ours_runs_again_once_its_source_dispatches_it_again(
    desk: Desk, case_id: str
) -> None:
    says(desk, case_id, "not_ours", "2026-03-04 10:00")
    assert row(desk, case_id).next_due_at is None
    limit = at("2026-03-20 18:00")
    again = reading(request_type=HELP, source_deadline_at=limit, dispatched_at=at("2026-03-10 09:00"))
    desk.take_in(again)

    assert clocks(desk, case_id)["source"].ended_at is None
    assert row(desk, case_id).next_due_at is not None
    await kept(desk, "2026-03-20 18:01")
    assert ("source", "overdue") in [one[1:] for one in told(desk)]

    says(desk, case_id, "reopened", "2026-03-21 09:00")
    says(desk, case_id, "accepted", "2026-03-21 10:00")
    assert clocks(desk, case_id)["xf.notice"].ended_at == at("2026-03-21 10:00")
    says(desk, case_id, "not_ours", "2026-03-22 10:00")
    assert row(desk, case_id).next_due_at is None


def test_an_acceptance_the_source_or_a_clerk_tells_stops_what_waits_for_it(desk: Desk, case_id: str) -> None:
    accepted = at("2026-03-04 10:00")
    corrected = [Correction("accepted_at", accepted.isoformat())]
    desk.write(lambda conn: desk.desk.correct(conn, case_id, corrected, "clerk", desk.now))
    (other,) = desk.take_in(reading("x:2", request_type=HELP, accepted_at=accepted), key="2")

    for one in (case_id, other):
        found = clocks(desk, one)
        assert {found[rule].ended_at for rule in ("xf.notice", "xf.object")} == {accepted}
        assert found["xf.close"].ended_at is None


def test_a_return_of_which_only_the_day_is_told_comes_after_what_was_reported_that_day(
    desk: Desk, case_id: str
) -> None:
    desk.now = at("2026-03-10 15:00")
    says(desk, case_id, "answered", "2026-03-10 09:00")
    again = Signal(SignalKind.RETURNED, "X1#7", at("2026-03-10 00:00"))
    desk.take_in(reading(request_type=HELP, signals=(again,)))
    assert clocks(desk, case_id)["xf.close"].ended_at is None
    assert clocks(desk, case_id)["xf.notice"].ended_at == at("2026-03-10 09:00")

    says(desk, case_id, "answered", "2026-03-10 16:00")
    desk.now = at("2026-03-11 09:00")
    desk.take_in(reading(request_type=HELP, title="改", signals=(again,)))
    assert clocks(desk, case_id)["xf.close"].ended_at == at("2026-03-10 16:00")


@pytest.mark.parametrize("accepted", ["2026-03-04 10:00", "2026-03-11 10:00"])
def test_an_acceptance_stops_what_waits_for_it_before_a_return_and_after(
    desk: Desk, case_id: str, accepted: str
) -> None:
    again = Signal(SignalKind.RETURNED, "X1#7", at("2026-03-10 09:00"))
    desk.take_in(reading(request_type=HELP, accepted_at=at(accepted), signals=(again,)))

    assert clocks(desk, case_id)["xf.notice"].ended_at == at(accepted)


def test_the_rest_is_taken_and_stored(desk: Desk, case_id: str) -> None:
    before = clocks(desk, case_id)["xf.notice"]
    says(desk, case_id, "assigned", "2026-03-03 10:00", unit="财务处")
    assert clocks(desk, case_id)["xf.notice"] == before
    assert clocks(desk, case_id)["xf.object"].ended_at == at("2026-03-03 10:00")

    says(desk, case_id, "answered", "2026-03-04 10:00")
    says(desk, case_id, "rated", "2026-03-05 10:00", rating={"stars": 5})
    says(desk, case_id, "reviewed", "2026-03-06 10:00")

    kept = desk.store.read_now(lambda conn: of_case(conn, desk.store.sealer, case_id))
    assert [one.report.type.value for one in kept] == ["assigned", "answered", "rated", "reviewed"]


def test_the_same_report_twice_is_one_with_its_first_answer(desk: Desk, case_id: str) -> None:
    new = arrived(case_id, "accepted", "2026-03-04 10:00")

    first = desk.write(taking(desk, new, NOW))
    again = desk.write(taking(desk, new, NOW + timedelta(hours=1)))

    assert (again, again.received_at) == (first, NOW)
    assert desk.happenings(case_id) == ["created", "reported"]


async def test_the_same_report_at_the_same_moment_is_one(desk: Desk, case_id: str) -> None:
    new = arrived(case_id, "accepted", "2026-03-04 10:00")

    found = await asyncio.gather(*(desk.store.write(taking(desk, new)) for _ in range(8)))

    assert found == [found[0]] * 8
    assert desk.happenings(case_id) == ["created", "reported"]


def test_other_words_under_a_known_id_are_refused(desk: Desk, case_id: str) -> None:
    says(desk, case_id, "accepted", "2026-03-04 10:00", name="rep_1")
    (other,) = desk.take_in(reading("x:2"), key="2")

    for words in (arrived(case_id, "closed", "2026-03-05 10:00", name="rep_1"),
                  arrived(other, "accepted", "2026-03-04 10:00", name="rep_1")):  # fmt: skip
        with pytest.raises(OtherWords, match="rep_1"):
            desk.write(taking(desk, words))
    assert desk.happenings(other) == ["created"]


def test_what_cannot_follow_changes_nothing(desk: Desk, case_id: str) -> None:
    says(desk, case_id, "closed", "2026-03-04 10:00")
    before = row(desk, case_id)

    with pytest.raises(OutOfOrder, match="accepted cannot follow now; expected reopened"):
        says(desk, case_id, "accepted", "2026-03-05 10:00")

    assert row(desk, case_id) == before
    assert desk.happenings(case_id) == ["created", "reported"]


def test_only_who_has_the_case_in_full_reports_of_it(desk: Desk, case_id: str) -> None:
    (secret,) = desk.take_in(reading("x:2", **ACCUSATION), key="2")
    (elsewhere,) = desk.take_in(reading("x:3"), key="3")
    here = (delivery.c.case_id == elsewhere) & (delivery.c.target == "oa")
    desk.write(lambda conn: conn.execute(update(delivery).where(here).values(target="gone")))

    for name, one in (("oa", secret), ("stats", secret), ("discipline", case_id), ("oa", elsewhere), ("oa", "01NONE")):
        with pytest.raises(NoSuchCase, match=f"case {one}"):
            says(desk, one, "closed", "2026-03-04 10:00", target=name)
    says(desk, secret, "closed", "2026-03-04 10:00", target="discipline")
    assert desk.happenings(secret)[-1] == "reported"


def test_a_persons_correction_of_the_acceptance_stands_above_the_report(desk: Desk, case_id: str) -> None:
    corrected = [Correction("accepted_at", "2026-03-03T09:00:00+08:00")]
    desk.write(lambda conn: desk.desk.correct(conn, case_id, corrected, "clerk", desk.now))

    says(desk, case_id, "accepted", "2026-03-04 10:00")
    desk.take_in(reading(request_type=HELP, title="第二版"))

    assert desk.case(case_id).accepted_at == at("2026-03-03 09:00")
    assert clocks(desk, case_id)["xf.notice"].ended_at == at("2026-03-04 10:00")


def test_reports_of_a_case_that_was_withdrawn_are_kept_and_remind_nobody(desk: Desk, case_id: str) -> None:
    desk.write(lambda conn: conn.execute(update(cases).values(withdrawn=True, next_reminder_at=None)))
    says(desk, case_id, "accepted", "2026-03-04 10:00")

    assert row(desk, case_id).next_reminder_at is None


def test_a_report_and_a_change_at_the_source_do_not_undo_each_other(desk: Desk, case_id: str) -> None:
    arrive = [desk.arrive(key="X1") for _ in range(4)]
    acts = [partial(desk.read, raw_id, reading(request_type=HELP, title=f"第{raw_id}版")) for raw_id in arrive]
    new = arrived(case_id, "accepted", "2026-03-04 10:00")

    acts[0]()
    desk.write(taking(desk, new))
    for act in acts[1:]:
        act()

    assert clocks(desk, case_id)["xf.notice"].ended_at == at("2026-03-04 10:00")
    assert desk.case(case_id).title == f"第{arrive[-1]}版"


def test_rows_say_what_was_reported_when(desk: Desk, case_id: str) -> None:
    says(desk, case_id, "accepted", "2026-03-04 10:00", name="rep_1")

    def look(conn: Connection) -> tuple[object, ...]:
        columns = (report.c.target, report.c.webhook_id, report.c.type, report.c.at, report.c.until)
        return tuple(conn.execute(select(*columns)).one())

    assert desk.store.read_now(look) == ("oa", "rep_1", "accepted", at("2026-03-04 10:00"), None)
