"""Attachments that do not come at once: asked for again, given up only for what the file itself is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy import select, update

from adapters.base import Batch, ChannelRefused, ChannelUnavailable, Cursor, Fetched, Json, Unobtainable
from ingest import fetcher
from ingest.fetcher import Fetcher
from normalize.case import AttachmentRole, AttachmentState
from normalize.reading import Part, Reading
from store import ledger
from store.ledger import Claim
from store.schema import attachment, raw
from store.schema import ledger as ledger_rows
from tests.ingest.desk import Desk, open_desk, reading

PART = Part("证据.png", AttachmentRole.EVIDENCE, AttachmentState.PENDING, ref="files/1.png")
LANE = "fetch:sunshine"


@dataclass
class Host:
    """Keeps one file, and says no first as often as it is told to."""

    failures: list[Exception] = field(default_factory=list)
    asked: int = 0
    content: bytes = b"\x89PNG"

    async def poll(self, cursor: Cursor | None, start_from: datetime) -> AsyncGenerator[Batch]:
        nothing: tuple[Batch, ...] = ()
        for batch in nothing:
            yield batch

    async def settle(self, token: Json) -> None:
        return

    async def fetch(self, ref: str) -> Fetched:
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return Fetched(self.content, "image/png")

    async def probe(self) -> str:
        return "open"

    async def close(self) -> None:
        return


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as opened:
        yield opened


async def fetch(desk: Desk, host: Host, *, attempts: int | None = None) -> int:
    """Bring what is due now, or will be within two days; how many steps there were."""
    if attempts is not None:
        desk.write(lambda conn: conn.execute(ledger_rows.update().values(attempts=attempts - 1)))
    later = desk.now + timedelta(days=2)
    claims: list[Claim] = desk.write(
        lambda conn: ledger.claim(conn, LANE, now=later, lease=timedelta(minutes=5), limit=9)
    )
    await Fetcher("sunshine", host, desk.store, desk.desk, lambda: desk.now).fetch(claims)
    return len(claims)


def row(desk: Desk) -> tuple[str, str | None]:
    found = desk.store.read_now(lambda conn: conn.execute(select(attachment)).one())
    return found.state, found.reason


def waits(desk: Desk) -> timedelta:
    due: datetime | None = desk.store.read_now(lambda conn: ledger.next_due(conn, LANE))
    assert due is not None
    return due - desk.now


def read_again(desk: Desk) -> None:
    (raw_id,) = desk.store.read_now(lambda conn: conn.execute(select(raw.c.id)).scalars().all())
    desk.read(raw_id, reading(parts=(PART,)))


@pytest.mark.parametrize("trouble", [ChannelRefused("door: login refused"), ChannelUnavailable("door: down")])
async def test_trouble_at_the_door_costs_no_attachment(desk: Desk, trouble: Exception) -> None:
    (case_id,) = desk.take_in(reading(parts=(PART,)))
    host = Host([trouble])
    await fetch(desk, host)

    assert row(desk) == ("pending", str(trouble))
    assert (waits(desk) >= fetcher.REFUSED_WAIT) == isinstance(trouble, ChannelRefused)

    await fetch(desk, host)

    assert row(desk) == ("stored", None)
    assert desk.case(case_id).attachments[0].state is AttachmentState.STORED
    assert desk.events() == ["case.created", "case.updated"]


async def test_what_came_is_shown_though_the_first_attempt_at_the_other_died(desk: Desk) -> None:
    class Odd(Host):
        async def fetch(self, ref: str) -> Fetched:
            if ref == "files/2.png":
                raise ChannelUnavailable("down")
            return await super().fetch(ref)

    (case_id,) = desk.take_in(reading(parts=(PART, replace(PART, name="另一份.png", ref="files/2.png"))))
    await fetch(desk, Odd(), attempts=2)

    assert [one.state.value for one in desk.case(case_id).attachments] == ["stored", "pending"]
    assert desk.events() == ["case.created", "case.updated"]


async def test_a_file_over_which_we_fail_ourselves_hides_no_other(desk: Desk) -> None:
    class Odd(Host):
        async def fetch(self, ref: str) -> Fetched:
            if ref == "files/2.png":
                raise UnicodeError("xn--")
            return await super().fetch(ref)

    (case_id,) = desk.take_in(reading(parts=(PART, replace(PART, name="另一份.png", ref="files/2.png"))))
    await fetch(desk, Odd())
    shown = [one.state.value for one in desk.case(case_id).attachments]
    await fetch(desk, Odd(), attempts=fetcher.ATTEMPTS)

    assert shown == ["stored", "pending"]
    assert [one.state.value for one in desk.case(case_id).attachments] == ["stored", "refused"]


async def test_an_address_that_is_signed_anew_is_the_same_attachment_and_the_last_one_is_asked(desk: Desk) -> None:
    class Signed(Host):
        asked_for: ClassVar[list[str]] = []

        async def fetch(self, ref: str) -> Fetched:
            self.asked_for.append(ref)
            return await super().fetch(ref)

    def listed(signature: str, **values: Any) -> Reading:
        addresses = [f"https://oss.example/{n}.png?Expires=17{n}0000000&Signature={signature}" for n in (1, 2)]
        return reading(parts=tuple(replace(PART, name=one[20:25], ref=one) for one in addresses), **values)

    host = Signed([ChannelUnavailable("down"), ChannelUnavailable("down")])
    (case_id,) = desk.take_in(listed("a"))
    await fetch(desk, host, attempts=1)
    desk.take_in(listed("b", title="改过的标题"))
    await fetch(desk, host, attempts=2)
    desk.take_in(listed("c", title="又改过的标题"))

    assert [one.state.value for one in desk.case(case_id).attachments] == ["stored", "stored"]
    assert [ref[-1] for ref in host.asked_for] == ["a", "a", "b", "b"]
    assert desk.store.read_now(lambda conn: ledger.next_due(conn, LANE)) is None


async def test_an_attachment_that_an_earlier_version_knew_by_its_signature_is_not_asked_for_again(desk: Desk) -> None:
    signed = replace(PART, ref="https://oss.example/1.png?Expires=1700000000&Signature=a")
    (case_id,) = desk.take_in(reading(parts=(signed,)))
    host = Host()
    await fetch(desk, host)
    before = f"ref:{desk.store.sealer.lookup('attachment', signed.ref or '').hex()}"
    desk.write(lambda conn: conn.execute(update(attachment).values(key=before)))
    desk.take_in(reading(parts=(signed,), title="改过的标题"))

    assert [one.state.value for one in desk.case(case_id).attachments] == ["stored"]
    assert host.asked == 1
    assert desk.store.read_now(lambda conn: ledger.next_due(conn, LANE)) is None


async def test_a_wait_beyond_reason_is_a_day(desk: Desk) -> None:
    desk.take_in(reading(parts=(PART,)))
    await fetch(desk, Host([ChannelUnavailable("busy", timedelta(days=999_999_999))]))

    assert waits(desk) == timedelta(days=1)


async def test_a_source_that_asks_for_seconds_is_not_given_up_within_minutes(desk: Desk) -> None:
    """A platform under maintenance answers 503 with Retry-After: 1 for an hour; its files are still there after it."""
    desk.take_in(reading(parts=(PART,)))
    host = Host([ChannelUnavailable("maintenance", timedelta(seconds=1)) for _ in range(fetcher.ATTEMPTS)])
    waited = timedelta()
    while row(desk)[0] == "pending" and host.failures:
        await fetch(desk, host)
        waited += waits(desk) if host.failures else timedelta()

    assert waited > timedelta(days=20)


async def test_what_is_not_there_is_refused_at_once(desk: Desk) -> None:
    desk.take_in(reading(parts=(PART,)))
    await fetch(desk, Host([Unobtainable("HTTP 404")]))

    assert row(desk) == ("refused", "HTTP 404")
    assert desk.store.read_now(lambda conn: ledger.next_due(conn, LANE)) is None


async def test_after_a_day_it_is_asked_for_daily_and_after_a_month_given_up(desk: Desk) -> None:
    desk.take_in(reading(parts=(PART,)))
    host = Host([ChannelUnavailable("down"), ChannelUnavailable("down")])
    await fetch(desk, host, attempts=fetcher.HASTE)

    assert (row(desk)[0], waits(desk)) == ("pending", timedelta(days=1))

    await fetch(desk, host, attempts=fetcher.ATTEMPTS)

    assert row(desk)[0] == "refused"


async def test_reading_the_record_again_asks_again_for_what_was_refused(desk: Desk) -> None:
    (case_id,) = desk.take_in(reading(parts=(PART,)))
    host = Host([Unobtainable("HTTP 404")])
    await fetch(desk, host)
    events = desk.events()
    read_again(desk)
    read_again(desk)

    assert desk.case(case_id).attachments[0].state is AttachmentState.REFUSED
    assert desk.events() == events
    assert await fetch(desk, host) == 1
    assert desk.case(case_id).attachments[0].state is AttachmentState.STORED

    read_again(desk)

    assert (await fetch(desk, host), host.asked) == (0, 2)


async def test_what_was_only_linked_to_is_fetched_once_the_office_wants_it(desk: Desk) -> None:
    external = replace(PART, state=AttachmentState.EXTERNAL)
    (case_id,) = desk.take_in(reading(parts=(external,)))
    host = Host([])
    assert await fetch(desk, host) == 0
    read_again(desk)
    assert desk.case(case_id).attachments[0].state is AttachmentState.PENDING
    read_again(desk)

    assert (await fetch(desk, host), host.asked) == (1, 1)
    assert desk.case(case_id).attachments[0].state is AttachmentState.STORED
