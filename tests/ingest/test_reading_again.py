"""Reading again, as a person asks for it: so many a second, behind what comes meanwhile."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from ingest.inbox import LETTER_LANE, READ_LANE
from ingest.office import Office, open_office
from ingest.operations import perform
from store import ledger
from store.ledger import Claim
from store.schema import raw
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

    async def again(self, **asked: object) -> None:
        await perform(self.office, "replay-read", asked, "wang")


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

    claims = inbox.claim()
    assert [one.payload["raw"] for one in claims] == [2, new, 3, 4]
    assert claims[3].created_at - begun == timedelta(seconds=200)  # from then on it waits


async def test_scans_are_read_again_more_slowly(inbox: Inbox) -> None:
    """Recognising one takes a second or two: else a new one would wait for all of them after all."""
    desk = inbox.desk
    desk.write(lambda conn: conn.execute(update(raw).where(raw.c.id.in_([2, 4])).values(kind="letter")))

    await inbox.again(since="2026-01-01T00:00:00+08:00")
    scans, rest = [len(inbox.claim(LETTER_LANE))], [len(inbox.claim())]
    for after in (timedelta(milliseconds=60), timedelta(seconds=1)):
        desk.now += after
        scans.append(len(inbox.claim(LETTER_LANE)))
        rest.append(len(inbox.claim()))

    assert (scans, rest) == ([1, 0, 1], [1, 3, 0])


async def test_what_is_read_again_slice_by_slice_goes_on_where_the_one_before_ended(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.operations.reading.SLICE", 2)
    began = inbox.desk.now

    await inbox.again(since="2026-01-01T00:00:00+08:00", rate=1)
    inbox.desk.now += MINUTE

    assert [(one.created_at - began).total_seconds() for one in inbox.claim()] == [0, 1, 2, 3, 4, 5]
