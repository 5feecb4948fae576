"""From readings to cases: once each, revised by the source, corrected by clerks, restricted for most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from sqlalchemy import Connection, select, update

from adapters.base import Json, RawKind
from dispatch.payload import Payload
from ingest import attachments, inbox
from ingest.compute import Correction, CorrectionRefused
from ingest.readings import Found, PreparedReading, keep, prepare
from normalize.case import (
    AttachmentRole,
    AttachmentState,
    ChannelKind,
    RequestType,
    RequestTypeCode,
    SourceStatus,
    Warning_,
)
from normalize.feed import read_record
from normalize.places import PlaceRules
from normalize.reading import Disposition, Part, Reading, Signal, SignalKind, Source
from store import ledger
from store.schema import cases, lookup, raw
from tests.endtoend.searching import Secret
from tests.ingest.desk import CHINA, Desk, open_desk, reading, target
from tests.normalize.test_feed_golden import MAPS
from tests.place import Place
from tests.plans import plan_of
from tests.store.written import written

MORNING = datetime(2026, 3, 2, 9, 0, tzinfo=CHINA)
ACCUSATION: dict[str, Any] = {
    "restricted": True,
    "restricted_reason": "report",
    "request_type": RequestType(code=RequestTypeCode.REPORT),
}


@pytest.fixture
def desk(place: Place) -> Iterator[Desk]:
    with open_desk(place) as opened:
        yield opened


def test_a_reading_becomes_a_numbered_case_and_an_event(desk: Desk) -> None:
    (case_id,) = desk.take_in(reading())

    case = desk.case(case_id)
    assert (case.case_no, case.revision) == ("2026-000001", 1)
    assert [one.locator for one in case.receipts] == ["sunshine/X1"]
    assert "xf.notice" in [one.rule for one in case.deadlines]
    assert desk.deliveries() == [("oa", "case.created", "full", "waiting")]
    assert desk.happenings(case_id) == ["created"]


def test_numbers_are_drawn_without_gaps(desk: Desk) -> None:
    found = [desk.case(desk.take_in(reading(f"sunshine:X{n}"), key=f"X{n}")[0]).case_no for n in range(3)]

    assert found == ["2026-000001", "2026-000002", "2026-000003"]


def test_the_same_matter_through_a_second_channel_is_one_more_receipt(desk: Desk) -> None:
    (first,) = desk.take_in(reading("sha256:m"), channel="mailbox", key="INBOX:1:1")
    (second,) = desk.take_in(reading("sha256:m", title="不同的标题"), channel="mailbox2", key="INBOX:9:4")

    assert (first, desk.count()) == (second, 1)
    case = desk.case(first)
    assert [one.channel for one in case.receipts] == ["mailbox", "mailbox2"]
    assert (case.revision, desk.events()) == (1, ["case.created"])


def test_a_matter_stays_with_the_targets_of_the_channel_through_which_it_came_first(desk: Desk) -> None:
    desk = desk.with_targets(bureau=target(channels=("bureau",)), school=target(channels=("school",)))
    (case_id,) = desk.take_in(reading(modified_at=MORNING, channel="bureau"), channel="bureau")
    later = reading(modified_at=MORNING + timedelta(hours=1), channel="school", title="改", signals=(BACK,))
    desk.take_in(later, channel="school")

    case = desk.case(case_id)
    assert (case.channel, case.title) == ("bureau", "改")
    assert [one.channel for one in case.receipts] == ["bureau", "school"]
    assert [(name, type_) for name, type_, _, _ in desk.deliveries()] == [
        ("bureau", "case.created"), ("bureau", "case.withdrawn"),
    ]  # fmt: skip


def test_a_channel_whose_kind_was_mended_gives_it_to_what_it_brought(desk: Desk) -> None:
    (case_id,) = desk.take_in(reading(modified_at=MORNING, channel_kind=ChannelKind.TABLE))
    desk.take_in(reading(modified_at=MORNING + timedelta(hours=1)))

    assert desk.case(case_id).channel_kind is ChannelKind.SUNSHINE


def test_a_changed_record_is_the_next_revision_of_the_same_case(desk: Desk) -> None:
    (case_id,) = desk.take_in(reading(modified_at=MORNING))
    desk.take_in(reading(modified_at=MORNING + timedelta(hours=1), title="补充后的标题"))

    case = desk.case(case_id)
    assert (case.revision, case.title, len(case.receipts)) == (2, "补充后的标题", 1)
    assert desk.events() == ["case.created", "case.updated"]
    body = desk.bodies()[1]
    assert body["data"]["change"] == [
        {"field": "title", "old": "关于课后延时服务收费的疑问", "new": "补充后的标题", "by": "source"}
    ]


def test_an_older_version_that_is_read_late_changes_nothing(desk: Desk) -> None:
    (case_id,) = desk.take_in(reading(modified_at=MORNING, title="新的"))
    desk.take_in(reading(modified_at=MORNING - timedelta(hours=1), title="旧的"))

    assert desk.case(case_id).title == "新的"
    assert desk.events() == ["case.created"]


def test_of_two_versions_of_one_second_the_one_taken_in_later_wins_however_they_are_read(desk: Desk) -> None:
    (case_id,) = desk.take_in(reading(modified_at=MORNING, title="一"))
    (first,) = desk.store.read_now(lambda conn: conn.execute(select(raw.c.id)).scalars().all())
    desk.take_in(reading(modified_at=MORNING, title="二"))
    desk.read(first, reading(modified_at=MORNING, title="一"))

    assert desk.case(case_id).title == "二"
    assert desk.events() == ["case.created", "case.updated"]


def test_without_times_the_later_version_of_the_same_record_wins(desk: Desk) -> None:
    (case_id,) = desk.take_in(reading(title="一"))
    desk.take_in(reading(title="二"))

    assert desk.case(case_id).title == "二"


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        (SignalKind.REMINDER, "case.reminder"),
        (SignalKind.RETURNED, "case.returned"),
        (SignalKind.SUPPLEMENTED, "case.supplemented"),
        (SignalKind.WITHDRAWN, "case.withdrawn"),
    ],
)
def test_what_the_source_did_is_told_once(desk: Desk, kind: SignalKind, type_: str) -> None:
    signal = Signal(kind, "b7", MORNING, "请尽快办理")
    desk.take_in(reading(modified_at=MORNING))
    desk.take_in(reading(modified_at=MORNING, source_fields={"step": 1}, signals=(signal,)))
    desk.take_in(reading(modified_at=MORNING, source_fields={"step": 1}, signals=(signal,)))

    assert desk.events() == ["case.created", type_]


def test_what_was_withdrawn_before_it_was_first_seen_is_created_and_withdrawn(desk: Desk) -> None:
    signals = (Signal(SignalKind.REMINDER, "b6", MORNING, None), Signal(SignalKind.WITHDRAWN, "b7", MORNING, None))
    (case_id,) = desk.take_in(reading(modified_at=MORNING, signals=signals))
    desk.take_in(reading(modified_at=MORNING, signals=signals))

    assert desk.events() == ["case.created", "case.withdrawn"]
    assert desk.store.read_now(lambda conn: conn.execute(select(cases.c.withdrawn)).scalar_one())
    assert desk.happenings(case_id)[:2] == ["created", "withdrawn"]


TAKEN_BACK, UNDER_WAY = SourceStatus(code="withdrawn", raw="已撤单"), SourceStatus(code="in_progress", raw="待处置")
BACK = Signal(SignalKind.WITHDRAWN, "X1#withdrawn", MORNING)


def is_withdrawn(desk: Desk) -> bool:
    return bool(desk.store.read_now(lambda conn: conn.execute(select(cases.c.withdrawn)).scalar_one()))


def is_looked_at_again(desk: Desk) -> bool:
    return desk.store.read_now(lambda conn: conn.execute(select(cases.c.next_reminder_at)).scalar_one()) is not None


def test_what_was_taken_back_and_given_out_again_runs_again_and_may_be_taken_back_again(desk: Desk) -> None:
    for hour, (status, signals) in enumerate([(UNDER_WAY, ()), (TAKEN_BACK, (BACK,)), (UNDER_WAY, ())]):
        at = MORNING + timedelta(hours=hour)
        (case_id,) = desk.take_in(reading(modified_at=at, source_status=status, signals=signals))

    assert desk.events() == ["case.created", "case.withdrawn", "case.returned"]
    assert desk.happenings(case_id)[-1] == "returned"
    assert not is_withdrawn(desk)
    assert is_looked_at_again(desk)

    later = MORNING + timedelta(days=1)
    desk.take_in(reading(modified_at=later, source_status=TAKEN_BACK, signals=(BACK,)))

    assert desk.events()[3:] == ["case.withdrawn"]
    assert is_withdrawn(desk)
    assert not is_looked_at_again(desk)


def test_where_no_steps_are_told_the_state_says_that_it_is_to_be_done_again(desk: Desk) -> None:
    states = ("in_progress", "returned", "returned", "in_progress", "returned")
    for hour, code in enumerate(states):
        status = SourceStatus(code=code, raw=code)
        desk.take_in(reading(modified_at=MORNING + timedelta(hours=hour), title=f"标题{hour}", source_status=status))

    assert [one.removeprefix("case.") for one in desk.events()] == [
        "created", "returned", "updated", "updated", "returned",
    ]  # fmt: skip


def test_a_state_repeats_no_step_that_says_so_itself(desk: Desk) -> None:
    again = Signal(SignalKind.RETURNED, "X1#8", MORNING)
    desk.take_in(reading(modified_at=MORNING, source_status=UNDER_WAY))
    status = SourceStatus(code="returned", raw="退回重办")
    desk.take_in(reading(modified_at=MORNING + timedelta(hours=1), source_status=status, signals=(again,)))

    assert desk.events() == ["case.created", "case.returned"]


def test_a_step_that_gives_it_out_again_ends_its_being_taken_back(desk: Desk) -> None:
    again = Signal(SignalKind.RETURNED, "X1#8", MORNING + timedelta(hours=1))
    desk.take_in(reading(modified_at=MORNING, signals=(BACK,)))
    desk.take_in(reading(modified_at=MORNING + timedelta(hours=2), signals=(BACK, again)))

    assert desk.events() == ["case.created", "case.withdrawn", "case.returned"]
    assert not is_withdrawn(desk)


def test_what_is_taken_back_stays_so_while_its_source_writes_on_about_it(desk: Desk) -> None:
    for hour in range(3):
        at = MORNING + timedelta(hours=hour)
        desk.take_in(reading(modified_at=at, title=f"标题{hour}", source_status=TAKEN_BACK, signals=(BACK,)))
    closed = SourceStatus(code="closed", raw="已归档")
    desk.take_in(reading(modified_at=MORNING + timedelta(days=1), source_status=closed))

    assert desk.events() == ["case.created", "case.withdrawn", "case.updated", "case.updated", "case.updated"]
    assert is_withdrawn(desk)


HOTLINE = Source("hotline", ChannelKind.HOTLINE, RawKind.RECORD, "x1", None, MORNING + timedelta(days=9), "hotline")


def step(number: int, action: str, day: int) -> Json:
    return {"id": str(number), "action": action, "time": f"2026-03-0{day} 10:00:00"}


TOOK_BACK, GAVE_OUT, REDO = step(7, "撤单", 3), step(8, "派单", 4), step(9, "退回重办", 4)


def order(state: str, day: int, *steps: Json) -> Reading:
    told: dict[str, Json] = {
        "roll_number": "88213", "payroll_title": "收费", "dispatch_time": "2026-03-01 09:00:00", "state": state,
        "update_time": f"2026-03-0{day} 12:00:00", "workflow": list(steps),
    }  # fmt: skip
    return read_record(told, HOTLINE, MAPS["hotline"], PlaceRules())


def told(desk: Desk, *versions: Reading) -> list[str]:
    for one in versions:
        desk.take_in(one, channel="hotline")
    return [one.removeprefix("case.") for one in desk.events()]


@pytest.mark.parametrize("again", [GAVE_OUT, REDO])
def test_what_was_taken_back_and_given_out_again_is_not_taken_back_by_being_answered(desk: Desk, again: Json) -> None:
    before = order("待处置", 2), order("已撤单", 3, TOOK_BACK), order("待处置", 4, TOOK_BACK, again)
    after = order("已处置", 5, TOOK_BACK, again), order("已办结", 6, TOOK_BACK, again)

    assert told(desk, *before, *after) == ["created", "withdrawn", "returned", "updated", "updated"]
    assert not is_withdrawn(desk)


@pytest.mark.parametrize(("again", "event"), [(GAVE_OUT, "updated"), (REDO, "returned")])
def test_a_taking_back_that_was_over_before_it_was_seen_does_not_come_to_light_by_the_answer(
    desk: Desk, again: Json, event: str
) -> None:
    before = order("待处置", 2), order("待处置", 4, TOOK_BACK, again)
    after = order("已处置", 5, TOOK_BACK, again), order("已办结", 6, TOOK_BACK, again)

    assert told(desk, *before, *after) == ["created", event, "updated", "updated"]
    assert not is_withdrawn(desk)


def test_an_order_first_seen_after_it_was_given_out_again_is_not_taken_back_by_being_answered(desk: Desk) -> None:
    steps = TOOK_BACK, REDO

    assert told(desk, order("待处置", 4, *steps), order("已处置", 5, *steps)) == ["created", "updated"]


@pytest.mark.parametrize("state", ["已撤单", "已处置"])
def test_an_order_that_was_given_out_again_may_be_taken_back_again(desk: Desk, state: str) -> None:
    before = order("待处置", 2), order("待处置", 4, TOOK_BACK, REDO)

    assert told(desk, *before, order(state, 6, TOOK_BACK, REDO, step(10, "撤单", 6)))[-1] == "withdrawn"
    assert is_withdrawn(desk)


def test_an_order_that_was_given_out_again_is_taken_back_again_by_its_state_alone(desk: Desk) -> None:
    before = order("待处置", 2), order("已撤单", 3, TOOK_BACK), order("待处置", 4, TOOK_BACK)

    assert told(desk, *before, order("已撤单", 6, TOOK_BACK)) == ["created", "withdrawn", "returned", "withdrawn"]
    assert is_withdrawn(desk)


TODAY = MORNING.replace(hour=0)


@pytest.mark.parametrize(
    ("status", "back_at", "redo_at", "told_last"),
    [
        (UNDER_WAY, MORNING, MORNING - timedelta(days=1), "withdrawn"),  # its platform has no word for it
        (UNDER_WAY, TODAY, TODAY, "withdrawn"),  # of one day: it came to light later
        (UNDER_WAY, MORNING - timedelta(days=2), MORNING - timedelta(days=1), "updated"),
        (SourceStatus(code="answered", raw="已答复"), None, None, "updated"),  # in the order told
    ],
)
def test_a_step_that_comes_to_light_after_a_return_takes_back_what_was_not_given_out_since(
    desk: Desk, status: SourceStatus, back_at: datetime | None, redo_at: datetime | None, told_last: str
) -> None:
    back, redo = Signal(SignalKind.WITHDRAWN, "X1#7", back_at), Signal(SignalKind.RETURNED, "X1#8", redo_at)
    desk.take_in(reading(source_status=UNDER_WAY))
    desk.take_in(reading(source_status=UNDER_WAY, title="一", signals=(redo,)))
    desk.take_in(reading(source_status=status, title="二", signals=(back, redo)))

    assert desk.events()[2:] == [f"case.{told_last}"]


def test_steps_listed_latest_first_are_told_in_their_order(desk: Desk) -> None:
    steps = REDO, TOOK_BACK

    assert told(desk, order("待处置", 2), order("已处置", 5, *steps)) == ["created", "withdrawn", "returned"]
    assert not is_withdrawn(desk)


@pytest.mark.parametrize("worse", [Disposition.QUARANTINE, Disposition.AUTO])
def test_a_worse_reading_does_not_take_a_case_its_words(desk: Desk, worse: Disposition) -> None:
    """A scan read well once, and not at all when it is read again: the case stands and can be corrected."""
    (case_id,) = desk.take_in(reading())
    (raw_id,) = desk.store.read_now(lambda conn: conn.execute(select(raw.c.id)).scalars().all())
    desk.read(raw_id, Reading(worse, "sunshine:X1", "no text on the page", None))

    found = desk.store.read_now(lambda conn: conn.execute(select(raw.c.state, raw.c.reason)).one())
    assert found == ("quarantined" if worse is Disposition.QUARANTINE else "auto", "no text on the page")
    fix = Correction("title", "更正后的标题")
    assert desk.write(lambda conn: desk.desk.correct(conn, case_id, [fix], "clerk1", desk.now)).title == "更正后的标题"

    desk.read(raw_id, reading(content="更好的读法"))

    assert (desk.case(case_id).content, desk.count()) == ("更好的读法", 1)


def test_a_case_read_from_what_is_now_kept_aside_is_found_without_walking_over_the_cases(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        found = [aside(desk)]
        plan = desk.write(
            lambda conn: plan_of(conn, lambda: keep(conn, desk.store.sealer, found, desk.now), "JOIN cases")
        )

    assert plan
    assert not [step for step in plan if step.startswith("SCAN")], plan


def aside(desk: Desk) -> Found:
    raw_id = desk.arrive()
    row = desk.store.read_now(lambda conn: inbox.load(conn, desk.store.sealer, raw_id))
    return Found(row, 0, PreparedReading(reading(disposition=Disposition.QUARANTINE), (), ()))


def test_a_record_kept_aside_needs_nobody_once_a_later_version_of_it_was_read(desk: Desk) -> None:
    """Half of it was filled in at the source when it was first seen."""
    nothing = Reading(Disposition.QUARANTINE, "sunshine:X1", "neither title nor words", None)
    for key in ("X1", "X2"):
        desk.take_in(nothing, key=key)
    desk.take_in(reading(), key="X1")
    desk.take_in(nothing, key="X1")

    found = desk.store.read_now(lambda conn: conn.execute(select(raw.c.key, raw.c.state).order_by(raw.c.id)).all())
    assert found == [("X1", "read"), ("X2", "quarantined"), ("X1", "read"), ("X1", "quarantined")]


@pytest.mark.parametrize("unreadable", [True, False])
def test_a_version_that_is_read_after_a_later_one_is_not_kept_aside(desk: Desk, unreadable: bool) -> None:
    """Another process took up the later one, or this one's reader died over it."""
    older, _ = desk.arrive(key="X1"), desk.take_in(reading(), key="X1")
    if unreadable:
        desk.write(lambda conn: inbox.mark(conn, [inbox.End(older, "quarantined", "not JSON")], desk.now))
    else:
        desk.read(older, Reading(Disposition.QUARANTINE, "sunshine:X1", "neither title nor words", None))

    states = desk.store.read_now(lambda conn: conn.execute(select(raw.c.state).order_by(raw.c.id)).scalars().all())
    assert list(states) == ["read", "read"]


def test_a_later_version_is_looked_for_among_those_of_the_record(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        ends = [inbox.End(desk.arrive(), "quarantined", "not JSON")]
        plan = desk.write(lambda conn: plan_of(conn, lambda: inbox.mark(conn, ends, desk.now), "EXISTS"))

    (looked,) = [step for step in plan if "newer" in step]
    assert "(channel=? AND key=?)" in looked


def test_reading_the_same_raw_again_is_silent_unless_the_case_changes(desk: Desk) -> None:
    (case_id,) = desk.take_in(reading())
    (raw_id,) = desk.store.read_now(lambda conn: conn.execute(select(raw.c.id)).scalars().all())
    desk.read(raw_id, reading())

    assert desk.events() == ["case.created"]

    desk.read(raw_id, reading(title="更好的读法", identity="another:identity"))

    assert (desk.count(), desk.case(case_id).title) == (1, "更好的读法")
    assert desk.events() == ["case.created", "case.updated"]


def test_an_assumed_time_of_receipt_stays_the_first_one(desk: Desk) -> None:
    assumed = (Warning_(code="received_at_assumed", text="来源未给出收到时间"),)
    (case_id,) = desk.take_in(reading(received_at=MORNING, warnings=assumed))
    desk.take_in(reading(received_at=MORNING + timedelta(days=3), warnings=assumed, title="改"))

    assert desk.case(case_id).received_at == MORNING


def test_what_is_no_matter_or_unreadable_opens_no_case(desk: Desk) -> None:
    desk.take_in(reading(disposition=Disposition.AUTO), key="a")
    desk.take_in(reading(disposition=Disposition.QUARANTINE), key="q")

    states = desk.store.read_now(lambda conn: conn.execute(select(raw.c.state).order_by(raw.c.id)).scalars().all())
    assert (desk.count(), list(states)) == (0, ["auto", "quarantined"])


def test_three_letters_in_a_file_are_three_cases(desk: Desk) -> None:
    found = desk.take_in(reading("sha256:f"), reading("sha256:f#2"), reading("sha256:f#3"))

    assert len(set(found)) == desk.count() == 3


def test_a_correction_is_an_overlay_that_survives_a_change_at_the_source(desk: Desk) -> None:
    (case_id,) = desk.take_in(reading(modified_at=MORNING))
    fix = Correction("petitioners.0.name", "顾晓堂")
    desk.write(lambda conn: desk.desk.correct(conn, case_id, [fix], "clerk1", desk.now))
    desk.take_in(reading(modified_at=MORNING + timedelta(hours=1), title="改过的标题"))

    case = desk.case(case_id)
    assert (case.petitioners[0].name, case.title, case.revision) == ("顾晓堂", "改过的标题", 3)
    assert desk.bodies()[1]["data"]["change"][0]["by"] == "clerk1"


def test_a_correction_that_does_not_fit_is_refused_whole(desk: Desk) -> None:
    (case_id,) = desk.take_in(reading())

    for fix in (Correction("titel", "x"), Correction("urgency", "soonish"), Correction("petitioners.7.name", "x")):
        with pytest.raises(CorrectionRefused):
            desk.write(lambda conn, fix=fix: desk.desk.correct(conn, case_id, [fix], "clerk1", desk.now))
    assert desk.happenings(case_id) == ["created"]


def test_a_correction_that_fits_no_longer_is_said_and_blocks_nothing(desk: Desk) -> None:
    (case_id,) = desk.take_in(reading(modified_at=MORNING))
    fix = Correction("petitioners.0.name", "顾晓堂")
    desk.write(lambda conn: desk.desk.correct(conn, case_id, [fix], "clerk1", desk.now))
    desk.take_in(reading(modified_at=MORNING + timedelta(hours=1), petitioners=()))

    (warning,) = desk.case(case_id).warnings
    assert warning.code == "correction_not_applied"
    assert warning.text == "更正 petitioners.0.name 已不适用：现在没有 0 这一项"


def test_a_restricted_case_is_held_until_a_target_takes_it(desk: Desk) -> None:
    desk.take_in(reading(**ACCUSATION))
    assert desk.deliveries() == []

    open_to = desk.with_targets(oa=target(), discipline=target(restricted=True))
    released = open_to.write(lambda conn: open_to.desk.outbox.release(conn, open_to.now))

    assert released.number == 1
    assert open_to.deliveries() == [("discipline", "case.created", "full", "waiting")]


def test_a_target_for_numbers_gets_nothing_else_of_a_restricted_case(desk: Desk) -> None:
    desk = desk.with_targets(stats=target(restricted="numbers"), discipline=target(restricted=True))
    desk.take_in(reading(**ACCUSATION))

    assert desk.deliveries() == [
        ("stats", "case.created", "numbers", "waiting"),
        ("discipline", "case.created", "full", "waiting"),
    ]
    numbers = desk.bodies()[0]
    assert set(numbers["data"]["case"]) == {
        "case_id", "case_no", "channel_kind", "received_at", "deadlines", "restricted"
    }  # fmt: skip
    Payload.model_validate(numbers)


def test_a_target_for_restricted_cases_only_gets_nothing_else(desk: Desk) -> None:
    desk = desk.with_targets(oa=target(), discipline=target(restricted="only"))
    desk.take_in(reading())
    desk.take_in(reading("sunshine:Y", **ACCUSATION), key="Y")

    assert [row[:2] for row in desk.deliveries()] == [("oa", "case.created"), ("discipline", "case.created")]


def test_a_case_that_becomes_restricted_is_taken_back(desk: Desk) -> None:
    """The OA got revision 1; revision 2 waits; then the case becomes an accusation."""
    (case_id,) = desk.take_in(reading(modified_at=MORNING))
    lane = "push:oa"
    (held,) = desk.write(lambda conn: ledger.claim(conn, lane, now=desk.now, lease=timedelta(minutes=1)))
    desk.write(lambda conn: ledger.done(conn, held))
    desk.write(lambda conn: conn.exec_driver_sql("UPDATE delivery SET state='delivered', attempts=1"))
    desk.take_in(reading(modified_at=MORNING + timedelta(hours=1), title="第二版"))
    desk.take_in(reading(modified_at=MORNING + timedelta(hours=2), title="举报", **ACCUSATION))

    assert desk.deliveries() == [
        ("oa", "case.created", "full", "delivered"),
        ("oa", "case.updated", "full", "dropped"),
        ("oa", "case.withdrawn", "numbers", "waiting"),
    ]
    assert desk.case(case_id).restricted


def test_a_case_nobody_got_yet_leaves_no_trace_when_it_becomes_restricted(desk: Desk) -> None:
    desk.take_in(reading(modified_at=MORNING))
    desk.take_in(reading(modified_at=MORNING + timedelta(hours=2), title="举报", **ACCUSATION))

    assert desk.deliveries() == [("oa", "case.created", "full", "dropped")]


def test_fetched_attachments_show_in_one_revision(desk: Desk) -> None:
    refs = tuple(
        Part(f"证据{n}.png", AttachmentRole.EVIDENCE, AttachmentState.PENDING, ref=f"files/{n}.png") for n in range(2)
    )
    (case_id,) = desk.take_in(reading(parts=refs))
    claims = desk.write(
        lambda conn: ledger.claim(conn, "fetch:sunshine", now=desk.now, lease=timedelta(minutes=1), limit=9)
    )
    numbers = [held.payload["attachment"] for held in claims]
    prepared = desk.store.blobs.prepare(b"\x89PNG")

    def arrived(conn: Connection, number: int) -> None:
        attachments.stored(conn, desk.store.blobs, number, prepared, "image/png", desk.now)
        if attachments.all_tried(conn, case_id):
            desk.desk.refresh(conn, case_id, desk.now)

    for number in numbers:
        desk.write(partial(arrived, number=number))

    case = desk.case(case_id)
    assert [one.state for one in case.attachments] == [AttachmentState.STORED] * 2
    assert case.attachments[0].url == f"https://xinqiao.example/files/{case_id}/{prepared.sha256}"
    assert (case.revision, desk.events()) == (2, ["case.created", "case.updated"])


def test_only_for_one_that_was_refused_it_is_looked_whether_somebody_fetches_it(tmp_path: Path) -> None:
    part = Part("证据.png", AttachmentRole.EVIDENCE, AttachmentState.PENDING, ref="files/1.png")
    with open_desk(tmp_path) as desk:
        (case_id,) = desk.take_in(reading(parts=(part,)))
        (step,) = desk.write(
            lambda conn: ledger.claim(conn, "fetch:sunshine", now=desk.now, lease=timedelta(minutes=1))
        )
        stored = prepare(reading(parts=(part,)), "", desk.store.blobs, desk.store.sealer).parts
        named = [attachments.Listed(case_id, "sunshine", stored)]

        def plan(conn: Connection) -> list[str]:
            return plan_of(conn, lambda: attachments.register(conn, desk.store.sealer, named, desk.now), "FROM ledger")

        pending = desk.write(plan)
        desk.write(lambda conn: attachments.refused(conn, step.payload["attachment"], "not there"))
        refused = desk.write(plan)

    assert pending == []
    assert any("ix_ledger_claim (lane=? AND state=?)" in found for found in refused), refused


def test_a_part_without_bytes_or_reference_is_kept_as_it_is(desk: Desk) -> None:
    link = Part("超大附件.zip", AttachmentRole.EVIDENCE, AttachmentState.EXTERNAL)
    (case_id,) = desk.take_in(reading(parts=(link,)))

    assert [one.state for one in desk.case(case_id).attachments] == [AttachmentState.EXTERNAL]


def test_petitioners_are_found_by_keyed_hash_and_lie_nowhere_in_the_open(desk: Desk) -> None:
    (case_id,) = desk.take_in(reading())
    digest = desk.store.sealer.lookup("phone", "13900000000")

    found = desk.store.read_now(
        lambda conn: conn.execute(select(lookup.c.case_id).where(lookup.c.digest == digest)).scalar_one()
    )
    assert found == case_id
    everything = list(written(desk.store))
    assert any(case_id.encode() in content for content in everything)
    secret = Secret(("顾晓棠", "13900000000", "延时服务"))
    assert [found for content in everything if (found := secret.found_in(content))] == []


def test_every_body_keeps_to_the_printed_schema(desk: Desk) -> None:
    desk.take_in(reading(modified_at=MORNING))
    desk.take_in(reading(modified_at=MORNING + timedelta(hours=1), title="第二版"))

    schema = Payload.json_schema()
    for body in desk.bodies():
        jsonschema.Draft202012Validator(schema).validate(body)


def test_a_batch_makes_each_matter_one_case_however_often_it_holds_it(desk: Desk) -> None:
    (known,) = desk.take_in(reading("sha256:known"), channel="mailbox", key="INBOX:1:1")
    arrived = [
        (desk.arrive("mailbox", f"INBOX:1:{n}"), reading(f"sha256:{identity}"))
        for n, identity in enumerate(("new", "known", "new", "other"), 2)
    ]

    touched = desk.read_together(arrived)

    assert touched[1] == known
    assert touched[0] == touched[2]
    assert len({*touched}) == desk.count() == 3
    assert [len(desk.case(case_id).receipts) for case_id in (known, touched[0], touched[3])] == [2, 2, 1]
    assert sorted(desk.case(case_id).case_no for case_id in {*touched}) == [f"2026-00000{n}" for n in (1, 2, 3)]
    assert desk.events() == ["case.created"] * 3
    assert desk.happenings(touched[0]) == ["created", "received"]


def test_a_batch_that_cannot_be_written_leaves_nothing(desk: Desk) -> None:
    arrived = [(desk.arrive("mailbox", f"INBOX:1:{n}"), reading(f"sha256:{n}")) for n in (1, 2)]
    without_a_draft = replace(arrived[1][1], draft=None)

    with pytest.raises(ValueError, match="has a draft"):
        desk.read_together([arrived[0], (arrived[1][0], without_a_draft)])

    assert (desk.count(), desk.events()) == (0, [])
    assert desk.case(desk.read_together(arrived)[0]).case_no == "2026-000001"


def test_a_case_whose_content_is_the_same_by_another_digest_is_no_new_revision(desk: Desk) -> None:
    """As after a version that takes the digest otherwise."""
    (case_id,) = desk.take_in(reading())
    desk.write(lambda conn: conn.execute(update(cases).values(digest="of an earlier version")).rowcount)
    desk.take_in(reading(modified_at=desk.now + timedelta(days=1)))

    assert desk.case(case_id).revision == 1
    assert desk.events() == ["case.created"]
