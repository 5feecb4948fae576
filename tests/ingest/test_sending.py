"""Sending again and skipping, as a person asks for it."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from dispatch import targets
from dispatch.outbox import Outbox
from dispatch.settings import RateSettings, TargetSettings
from ingest.cli import main
from ingest.office import Office, open_office
from ingest.operations import OperationRefused, perform, sending
from store import ledger
from store.schema import delivery, event, history
from store.schema import ledger as steps
from tests.ingest.config_files import ENGLISH, ENVIRONMENT, MAILBOX, SEALING, TARGETS, loaded, write
from tests.ingest.desk import CHINA, Desk, open_desk, reading, target
from tests.ingest.test_cases import ACCUSATION


def text(folder: Path) -> str:
    return f"data: {{folder: {folder / 'data'}}}\n{SEALING}channels: {{box: {MAILBOX}}}\n{TARGETS}{ENGLISH}"


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    opened = open_office(loaded(tmp_path, text(tmp_path)))
    yield opened
    await opened.close()


def with_targets(office: Office, **targets: TargetSettings) -> tuple[Office, Desk]:
    outbox = Outbox(targets, office.store.sealer, CHINA)
    changed = dataclasses.replace(office, desk=dataclasses.replace(office.desk, outbox=outbox))
    return changed, Desk(office.store, changed.desk)


def reject(desk: Desk) -> None:
    """Every event that waits is rejected."""
    while claims := desk.write(lambda conn: ledger.claim(conn, "push:oa", now=desk.now, lease=timedelta(0))):
        desk.write(lambda conn, held=claims[0]: ledger.give_up(conn, held, reason="HTTP 422"))
        number = claims[0].payload["delivery"]
        rejected = update(delivery).where(delivery.c.id == number).values(state="rejected")
        desk.write(lambda conn, rejected=rejected: conn.execute(rejected))


def arrive(desk: Desk) -> None:
    """Every event that waits is delivered."""
    while claims := desk.write(lambda conn: ledger.claim(conn, "push:oa", now=desk.now, lease=timedelta(0))):
        desk.write(lambda conn, held=claims[0]: ledger.done(conn, held))
        number = claims[0].payload["delivery"]
        arrived = update(delivery).where(delivery.c.id == number).values(state="delivered", delivered_at=desk.now)
        desk.write(lambda conn, arrived=arrived: conn.execute(arrived))


async def test_what_a_target_may_not_have_any_more_is_withheld_and_counted(office: Office) -> None:
    office, desk = with_targets(office, oa=target(restricted=True))
    desk.take_in(reading("x:1"), key="1")
    desk.take_in(reading("x:2", **ACCUSATION), key="2")
    reject(desk)
    office, desk = with_targets(office, oa=target())
    asked = {"target": "oa", "dead": True}

    dry = await perform(office, "replay-send", {**asked, "dry_run": True}, "wang")
    said = await perform(office, "replay-send", asked, "wang")

    for answer in (dry, said):
        assert (answer["sent_again"], answer["withheld"]) == (1, 1)
    assert [row[3] for row in desk.deliveries()] == ["waiting", "rejected"]


async def test_what_comes_meanwhile_does_not_wait_for_its_cases_turn_among_many(office: Office) -> None:
    office, desk = with_targets(office, oa=target())
    for number in range(3):
        desk.take_in(reading(f"x:{number}"), key=str(number))
    reject(desk)
    await perform(office, "replay-send", {"target": "oa", "dead": True, "rate": 0.001}, "wang")
    desk.take_in(reading("x:2", title="催办之后"), key="2")
    wanted = select(steps.c.state, steps.c.due).where(steps.c.lane == "push:oa").order_by(steps.c.id)
    rows = desk.store.read_now(lambda conn: conn.execute(wanted).all())

    assert [row.state for row in rows] == ["ready", "ready", "ready", "blocked"]
    assert rows[1].due > rows[2].due  # its turn was to come after that one's
    assert rows[2].due <= desk.now


async def test_what_comes_meanwhile_waits_for_no_turn_of_its_case_however_many_it_has(office: Office) -> None:
    """Its later ones have a turn too, which counts from when it is theirs to go."""
    office, desk = with_targets(office, oa=target())
    for title in ("第一版", "第二版"):
        desk.take_in(reading("x:1", title=title), key="1")
    arrive(desk)
    await perform(office, "replay-send", {"since": "2026-01-01T00:00:00+00:00", "rate": 0.001}, "wang")
    desk.now = office.clock()
    assert [due > desk.now for due in dues(desk)] == [False, True]
    desk.take_in(reading("x:1", title="催办之后"), key="1")

    assert [due > desk.now for due in dues(desk)] == [False, False, False]


@pytest.mark.parametrize("named", [True, False])
async def test_what_is_sent_again_at_once_does_not_keep_a_turn_it_had_among_many(office: Office, named: bool) -> None:
    office, desk = with_targets(office, oa=target())
    for title in ("第一版", "第二版"):
        (case_id,) = desk.take_in(reading("x:1", title=title), key="1")
    arrive(desk)
    await perform(office, "replay-send", {"since": "2026-01-01T00:00:00+00:00", "rate": 0.001}, "wang")
    case = {"case": desk.case(case_id).case_no} if named else {}
    await perform(office, "replay-send", {"target": "oa", **case}, "wang")

    turn = office.clock() + timedelta(seconds=1)  # the usual rate has the second follow at once; it had a quarter hour
    assert [due > turn for due in dues(desk)] == [False, False]


async def test_many_are_sent_again_in_slices(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "SLICE", 2)
    office, desk = with_targets(office, oa=target())
    for number in range(5):
        desk.take_in(reading(f"x:{number}"), key=str(number))
    reject(desk)

    said = await perform(office, "replay-send", {"target": "oa", "dead": True}, "wang")

    assert said["sent_again"] == 5
    assert desk.store.read_now(ledger.counts)["push:oa"] == {"ready": 5}


async def test_a_rejected_event_is_skipped_by_name_and_the_next_goes(office: Office) -> None:
    office, desk = with_targets(office, oa=target())
    (case_id,) = desk.take_in(reading("x:1"), key="1")
    reject(desk)
    desk.take_in(reading("x:1", title="第二版"), key="1")
    asked: Mapping[str, Any] = {"case": desk.case(case_id).case_no, "target": "oa"}

    dry = await perform(office, "replay-skip", {**asked, "dry_run": True}, "wang")
    assert [row[3] for row in desk.deliveries()] == ["rejected", "waiting"]
    said = await perform(office, "replay-skip", asked, "wang")

    assert dry["skipped"] == said["skipped"]
    assert [row[3] for row in desk.deliveries()] == ["skipped", "waiting"]
    assert desk.store.read_now(ledger.counts)["push:oa"] == {"ready": 1}
    wanted = select(history).where(history.c.kind == "skipped")
    row = desk.store.read_now(lambda conn: conn.execute(wanted).one())
    assert (row.case_id, row.actor, row.detail["target"]) == (case_id, "wang", "oa")
    with pytest.raises(OperationRefused, match="has rejected no event"):
        await perform(office, "replay-skip", asked, "wang")


@pytest.mark.parametrize("more", [[], ["--case", "1"], ["--target", "oa"], ["--case", "1", "--target", "oa", "--dead"]])
def test_skipping_wants_a_case_and_a_target(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    path = write(tmp_path, text(tmp_path))

    assert main(["replay", "--skip", *more, "-c", str(path)]) == 2
    assert "expected --case and --target" in capsys.readouterr().err


def dues(desk: Desk) -> list[datetime]:
    """When the steps of the OA's deliveries are due, in the order of the deliveries."""
    wanted = select(steps.c.due).where(steps.c.lane == "push:oa").order_by(steps.c.payload["delivery"].as_integer())
    return list(desk.store.read_now(lambda conn: conn.execute(wanted).scalars().all()))


async def test_a_span_of_time_is_sent_again_so_many_a_second(office: Office) -> None:
    office, desk = with_targets(office, oa=target())
    office = dataclasses.replace(office, clock=lambda: desk.now)
    for number in range(6):
        desk.take_in(reading(f"x:{number}"), key=str(number))
    written = list(desk.store.read_now(lambda conn: conn.execute(select(event.c.created_at)).scalars().all()))
    reject(desk)
    desk.now += timedelta(hours=1)
    span = {"since": written[1].isoformat(), "until": written[4].isoformat()}

    said = await perform(office, "replay-send", {**span, "rate": 4}, "wang")

    assert said["sent_again"] == 3
    assert [row[3] for row in desk.deliveries()] == ["rejected", *["waiting"] * 3, *["rejected"] * 2]
    assert [due - desk.now for due in dues(desk)[1:4]] == [number * timedelta(seconds=0.25) for number in range(3)]


async def test_of_a_target_with_a_limit_of_its_own_half_is_left_to_what_comes(office: Office) -> None:
    """Unless a person says how fast; another target does not wait for it."""
    office, desk = with_targets(office, oa=target(rate=RateSettings(count=6)), other=target())
    office = dataclasses.replace(office, clock=lambda: desk.now)
    for number in range(3):
        desk.take_in(reading(f"x:{number}"), key=str(number))
    reject(desk)

    await perform(office, "replay-send", {"since": "2026-01-01T00:00:00+08:00"}, "wang")
    slow = [due - desk.now for due in dues(desk)]
    reject(desk)
    await perform(office, "replay-send", {"since": "2026-01-01T00:00:00+08:00", "rate": 4}, "wang")

    assert slow == [number * timedelta(seconds=20) for number in range(3)]
    assert [due - desk.now for due in dues(desk)] == [number * timedelta(seconds=0.25) for number in range(3)]


async def test_what_waits_and_is_due_is_left_where_it_stands(office: Office) -> None:
    """However much waits for a paused OA: it is resumed at once, and what is due goes by itself."""
    office, desk = with_targets(office, oa=target())
    office = dataclasses.replace(office, clock=lambda: desk.now)
    for number in range(3):
        desk.take_in(reading(f"x:{number}"), key=str(number))
    (failed,) = desk.write(lambda conn: ledger.claim(conn, "push:oa", now=desk.now, lease=timedelta(minutes=1)))
    later = desk.now + timedelta(hours=1)
    desk.write(lambda conn: ledger.postpone(conn, failed, due=later, reason="HTTP 500"))
    desk.write(lambda conn: targets.pause(conn, "oa", "HTTP 410", desk.now))
    before = dues(desk)

    said = await perform(office, "replay-send", {"target": "oa"}, "wang")

    assert (said["sent_again"], said["resumed"]) == (1, True)
    assert dues(desk) == [desk.now, *before[1:]]


async def test_what_was_written_by_a_clock_that_was_ahead_can_be_sent_again(office: Office) -> None:
    office, desk = with_targets(office, oa=target())
    desk.take_in(reading("x:1"), key="1")
    reject(desk)
    office = dataclasses.replace(office, clock=lambda: desk.now - timedelta(hours=8))

    said = await perform(office, "replay-send", {"target": "oa", "dead": True}, "wang")

    assert said["sent_again"] == 1


async def test_a_target_that_is_resumed_by_sending_again_is_on_record_by_itself(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, desk = with_targets(office, oa=target())
    desk.write(lambda conn: targets.pause(conn, "oa", "HTTP 410", desk.now))

    def broken(*_: object) -> None:
        raise OSError("disk is full")

    monkeypatch.setattr(sending, "_deliveries", broken)
    with pytest.raises(OSError, match="disk"):
        await perform(office, "replay-send", {"target": "oa"}, "wang")

    kinds = desk.store.read_now(lambda conn: conn.execute(select(history.c.kind)).scalars().all())
    assert "resumed" in kinds


def test_what_would_be_sent_again_resumes_nothing_yet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    path = write(tmp_path, text(tmp_path))
    with open_desk(tmp_path / "data", {"oa": target()}) as desk:
        desk.write(lambda conn: targets.pause(conn, "oa", "HTTP 410", desk.now))

    for more in (["--dry-run"], []):
        assert main(["replay", "--send", "--target", "oa", *more, "-c", str(path)]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "0 would be sent again; the target would be resumed",
        "0 sent again; the target is resumed",
    ]
