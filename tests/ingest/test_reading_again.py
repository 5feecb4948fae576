"""Reading again, as a person asks for it: so many a second, behind what comes meanwhile."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from ingest.inbox import AGAIN, LETTER_LANE, READ_LANE
from ingest.office import Office, open_office
from ingest.operations import perform
from ingest.operations.terms import Answer
from store import ledger
from store.ledger import Claim
from store.schema import cases, raw
from store.schema import ledger as ledger_rows
from tests.ingest.config_files import loaded
from tests.ingest.desk import Desk, reading
from tests.ingest.test_sending import text

MINUTE = timedelta(minutes=1)


@dataclasses.dataclass
class Inbox:
    """Of an office, whose time is the desk's."""

    office: Office
    desk: Desk

    def claim(self, lane: str = READ_LANE, limit: int = 50) -> list[Claim]:
        now = self.desk.now
        claims: list[Claim] = self.desk.write(lambda conn: ledger.claim(conn, lane, now=now, lease=MINUTE, limit=limit))
        return claims

    def read(self, *claims: Claim) -> None:
        self.desk.write(lambda conn: ledger.done_many(conn, claims))

    async def again(self, **asked: object) -> Answer:
        return await perform(self.office, "replay-read", asked, "wang")


def dues(inbox: Inbox, lane: str) -> list[datetime]:
    wanted = select(ledger_rows.c.due).where(ledger_rows.c.lane == lane).order_by(ledger_rows.c.id)
    return list(inbox.desk.store.read_now(lambda conn: conn.execute(wanted).scalars()))


@pytest.fixture
async def inbox(tmp_path: Path) -> AsyncIterator[Inbox]:
    """Six Raws were read."""
    opened = open_office(loaded(tmp_path, text(tmp_path)))
    desk = Desk(opened.store, opened.desk)
    found = Inbox(dataclasses.replace(opened, clock=lambda: desk.now), desk)
    for number in range(6):
        desk.take_in(reading(f"x:{number}"), key=str(number))
    found.read(*found.claim())
    yield found
    await opened.close()


async def test_a_span_of_time_is_read_again_so_many_a_second_and_what_comes_meanwhile_need_not_wait_for_all(
    inbox: Inbox,
) -> None:
    desk, begun = inbox.desk, inbox.desk.now
    at = list(desk.store.read_now(lambda conn: conn.execute(select(raw.c.fetched_at).order_by(raw.c.id)).scalars()))

    await inbox.again(since=at[1].isoformat(), until=at[4].isoformat(), rate=1 / 100)
    new = desk.arrive(key="new")  # a minute later
    desk.now += 3 * MINUTE

    assert [one.payload["raw"] for one in inbox.claim()] == [new]
    assert [one.payload["raw"] for one in inbox.claim(AGAIN[READ_LANE])] == [2, 3, 4]
    assert {one.created_at for one in inbox.claim(AGAIN[READ_LANE])} <= {begun}


async def test_scans_are_read_again_more_slowly(inbox: Inbox) -> None:
    """Recognising one takes a second or two: else a new one would wait for all of them after all."""
    desk = inbox.desk
    desk.write(lambda conn: conn.execute(update(raw).where(raw.c.id.in_([2, 4])).values(kind="letter")))

    await inbox.again(since="2026-01-01T00:00:00+08:00")
    scans, rest = [len(inbox.claim(AGAIN[LETTER_LANE]))], [len(inbox.claim(AGAIN[READ_LANE]))]
    for after in (timedelta(milliseconds=60), timedelta(seconds=1)):
        desk.now += after
        scans.append(len(inbox.claim(AGAIN[LETTER_LANE])))
        rest.append(len(inbox.claim(AGAIN[READ_LANE])))

    assert (scans, rest) == ([1, 0, 1], [1, 3, 0])


async def test_what_is_read_again_slice_by_slice_goes_on_where_the_one_before_ended(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.operations.reading.SLICE", 2)
    began = inbox.desk.now

    await inbox.again(since="2026-01-01T00:00:00+08:00", rate=1)

    lane = AGAIN[READ_LANE]
    assert [(due - began).total_seconds() for due in dues(inbox, lane)] == [0, 1, 2, 3, 4, 5]


async def test_what_waits_to_be_read_again_is_read_at_once_when_its_case_is_named(inbox: Inbox) -> None:
    """Of a month that is read again by and by."""
    desk = inbox.desk
    case_no = desk.store.read_now(
        lambda conn: conn.execute(select(cases.c.case_no).order_by(cases.c.case_no)).scalars().all()
    )
    await inbox.again(since="2026-01-01T00:00:00+08:00", rate=1 / 100)

    assert (await inbox.again(case=case_no[3]))["read_again"] == 1

    assert [one.payload["raw"] for one in inbox.claim()] == [4]
    desk.now += 10 * MINUTE
    assert [one.payload["raw"] for one in inbox.claim(AGAIN[READ_LANE])] == [1, 2, 3, 5, 6]


async def test_what_is_being_read_again_is_not_read_twice_at_once(inbox: Inbox) -> None:
    case_no = inbox.desk.store.read_now(
        lambda conn: conn.execute(select(cases.c.case_no).order_by(cases.c.case_no)).scalars().first()
    )
    await inbox.again(since="2026-01-01T00:00:00+08:00")
    (held,) = inbox.claim(AGAIN[READ_LANE])

    await inbox.again(case=case_no)

    assert inbox.claim() == []
    inbox.read(held)
