"""The reading stage: what is wrong with one Raw is that Raw's trouble alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from adapters.base import Batch, Raw, RawKind
from ingest import channels, inbox, reading_room
from ingest.reader import NEW_DOOR, RACES, RETRY, Door, Reader
from ingest.reading_room import ReadingRoom, Told
from ingest.workers import WorkerMissing, WorkerPool
from normalize.case import ChannelKind
from normalize.reading_process import Asked
from normalize.rules import Rules
from store import ledger
from store.acts import TransactionLost
from store.ledger import Claim
from store.schema import raw
from tests.ingest.desk import Desk, open_desk
from tests.place import Place
from tests.postgres import Server


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as opened:
        yield opened


def mail(subject: str, size: int = 10) -> bytes:
    return f"From: a@letters.example\r\nSubject: {subject}\r\n\r\n{'words ' * size}\r\n".encode()


def arrive(desk: Desk, *mails: bytes) -> list[Claim]:
    """Mails lie in the inbox, claimed by the reader."""
    raws = tuple(Raw(RawKind.MAIL, f"INBOX:1:{n}", f"v{n}", n, f"INBOX:1:{n}") for n in range(len(mails)))
    kept = {number: desk.store.blobs.prepare(content) for number, content in enumerate(mails)}

    def write(conn: Connection) -> list[Claim]:
        channels.enrol(conn, "mailbox", desk.now, desk.now)
        batch = Batch(mails, raws, {"at": 1})
        inbox.store_batch(
            conn, "mailbox", batch, raws, kept, blobs=desk.store.blobs, sealer=desk.store.sealer, now=desk.now
        )
        return ledger.claim(conn, inbox.READ_LANE, now=desk.now, lease=timedelta(minutes=5), limit=20)

    claims: list[Claim] = desk.write(write)
    return claims


async def read(desk: Desk, claims: list[Claim], entry: str = "normalize.reading_process") -> None:
    doors = {"mailbox": Door(ChannelKind.MAILBOX)}
    async with WorkerPool("normalize.ocr") as scans, WorkerPool(entry) as readers:
        room = ReadingRoom(readers, Rules())
        await Reader(desk.store, desk.desk, doors, room, scans, lambda: desk.now).read_batch(claims)


@pytest.fixture
def shared(postgres: Server, tmp_path: Path) -> Iterator[Desk]:
    address = postgres.migrated()
    with open_desk(Place(tmp_path, address)) as opened:
        yield opened
    postgres.drop(address)


@pytest.mark.postgres
@pytest.mark.parametrize("lane", [inbox.READ_LANE, inbox.LETTER_LANE])
async def test_what_another_hosts_new_channel_brought_is_left_to_it_for_a_while(shared: Desk, lane: str) -> None:
    (held,) = arrive(shared, mail("one"))

    async def read_without_it(held: Claim) -> list[tuple[str, str | None]]:
        async with WorkerPool("normalize.ocr") as scans, WorkerPool("normalize.reading_process") as readers:
            room = ReadingRoom(readers, Rules())
            reader = Reader(shared.store, shared.desk, {}, room, scans, lambda: shared.now)
            await (reader.read_batch if lane == inbox.READ_LANE else reader.read_letters)([held])
        return states(shared)

    at_first = await read_without_it(held)
    shared.now = held.created_at + NEW_DOOR
    (again,) = shared.write(
        lambda conn: ledger.claim(conn, inbox.READ_LANE, now=shared.now, lease=timedelta(minutes=5))
    )
    in_the_end = await read_without_it(again)

    assert at_first == [("waiting", None)]
    assert again.attempts == held.attempts
    assert [state for state, _ in in_the_end] == ["quarantined"]


def states(desk: Desk) -> list[tuple[str, str | None]]:
    rows = desk.store.read_now(lambda conn: conn.execute(select(raw.c.state, raw.c.reason).order_by(raw.c.id)).all())
    return [(row.state, row.reason) for row in rows]


async def test_one_whose_bytes_are_damaged_is_kept_aside_and_the_others_are_read(desk: Desk) -> None:
    claims = arrive(desk, mail("one"), mail("two", 50_000), mail("three"))
    (file,) = [path for path in (desk.store.folder / "blobs").rglob("*") if path.is_file()]
    file.unlink()
    await read(desk, claims)

    assert [state for state, _ in states(desk)] == ["read", "quarantined", "read"]
    assert "is missing" in str(states(desk)[1][1])
    assert desk.store.read_now(ledger.counts).get(inbox.READ_LANE) is None


async def test_no_more_large_ones_are_in_memory_together_than_may_be(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    together: list[int] = []
    real = ReadingRoom.read

    def counted(room: ReadingRoom, asked: Sequence[Asked]) -> AsyncGenerator[list[Told], None]:
        together.append(len(asked))
        return real(room, asked)

    monkeypatch.setattr(ReadingRoom, "read", counted)
    monkeypatch.setattr("ingest.reader.TOGETHER", 700_000)
    claims = arrive(desk, mail("one", 50_000), mail("two"), mail("three", 50_000), mail("four", 50_000))
    await read(desk, claims)

    assert together == [1, 2, 1]  # the small one first, which no depot holds up
    assert [state for state, _ in states(desk)] == ["read"] * 4


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE raw SET sealed_meta = x'01' WHERE id = 2",
        "UPDATE blob SET sealed = x'01' WHERE sha256 = (SELECT blob FROM raw WHERE id = 2)",
    ],
)
async def test_whatever_of_it_does_not_open_it_alone_is_kept_aside(desk: Desk, damage: str) -> None:
    claims = arrive(desk, mail("one"), mail("two"), mail("three"))
    desk.write(lambda conn: conn.exec_driver_sql(damage).close())
    await read(desk, claims)

    assert [state for state, _ in states(desk)] == ["read", "quarantined", "read"]


async def test_bytes_the_disk_does_not_give_now_are_read_later_and_hold_up_nothing(desk: Desk) -> None:
    claims = arrive(desk, mail("one"), mail("two", 50_000), mail("three"))
    (file,) = [path for path in (desk.store.folder / "blobs").rglob("*") if path.is_file()]
    content = file.read_bytes()
    file.unlink()
    file.mkdir()  # reading it is an OSError, as of a failing disk
    with pytest.raises(IsADirectoryError):
        await read(desk, claims)

    assert [state for state, _ in states(desk)] == ["read", "waiting", "read"]

    file.rmdir()
    file.write_bytes(content)
    await read(desk, [claims[1]])

    assert [state for state, _ in states(desk)] == ["read", "read", "read"]


async def test_the_stores_trouble_quarantines_nothing(desk: Desk) -> None:
    """A full disk lets no case be written, then lets it."""
    claims = arrive(desk, mail("one"), mail("two"))
    loses = "CREATE TRIGGER full BEFORE INSERT ON cases BEGIN SELECT RAISE(ROLLBACK, 'disk is full'); END"
    desk.write(lambda conn: conn.exec_driver_sql(loses).close())
    with pytest.raises(TransactionLost):
        await read(desk, claims)

    assert [state for state, _ in states(desk)] == ["waiting", "waiting"]

    desk.write(lambda conn: conn.exec_driver_sql("DROP TRIGGER full").close())
    await read(desk, claims)

    assert (desk.count(), [state for state, _ in states(desk)]) == (2, ["read", "read"])


async def test_a_case_that_cannot_be_written_for_its_own_sake_is_kept_aside(desk: Desk) -> None:
    claims = [replace(held, attempts=RACES) for held in arrive(desk, mail("one"))]
    forbids = "CREATE TRIGGER no BEFORE INSERT ON cases BEGIN SELECT RAISE(ABORT, 'no'); END"
    desk.write(lambda conn: conn.exec_driver_sql(forbids).close())
    await read(desk, claims)

    assert [state for state, _ in states(desk)] == ["quarantined"]


async def test_a_scan_is_not_given_up_because_no_worker_can_be_had(desk: Desk) -> None:
    one = Raw(RawKind.LETTER, "k", "k", 0, "x")
    kept = {0: desk.store.blobs.prepare(b"%PDF-")}

    def write(conn: Connection) -> list[Claim]:
        channels.enrol(conn, "letters", desk.now, desk.now)
        inbox.store_batch(
            conn, "letters", Batch((b"%PDF-",), (one,), {}), [one], kept,
            blobs=desk.store.blobs, sealer=desk.store.sealer, now=desk.now,
        )  # fmt: skip
        return ledger.claim(conn, inbox.LETTER_LANE, now=desk.now, lease=timedelta(minutes=5))

    claims = [replace(held, attempts=9) for held in desk.write(write)]
    async with WorkerPool("tests.ingest.no_such_worker") as scans:
        doors, room = {"letters": Door(ChannelKind.LETTER)}, ReadingRoom(scans, Rules())
        reader = Reader(desk.store, desk.desk, doors, room, scans, lambda: desk.now)
        with pytest.raises(WorkerMissing):
            await reader.read_letters(claims)

    assert states(desk) == [("waiting", None)]


async def test_a_mail_that_kills_its_reader_is_tried_again_and_then_kept_aside_alone(desk: Desk) -> None:
    claims = arrive(desk, mail("one"), mail("the last mail it reads"), mail("three"))
    await read(desk, claims, "tests.ingest.odd_reader")

    assert [state for state, _ in states(desk)] == ["read", "waiting", "read"]
    waiting = desk.store.read_now(lambda conn: ledger.next_due(conn, inbox.READ_LANE))
    assert waiting == desk.now + RETRY

    claim = partial(ledger.claim, lane=inbox.READ_LANE, now=desk.now + RETRY, lease=timedelta(minutes=5))
    await read(desk, desk.write(claim), "tests.ingest.odd_reader")

    assert [state for state, _ in states(desk)] == ["read", "quarantined", "read"]
    assert "signal 11" in str(states(desk)[1][1])


async def test_a_mail_whose_attached_document_kills_its_reader_is_read_without_it(desk: Desk) -> None:
    await read(desk, arrive(desk, mail("one"), mail("the last file it opens")), "tests.ingest.odd_reader")

    assert states(desk) == [("read", None), ("read", None)]


async def test_a_reader_that_answers_too_few_is_believed_in_none(desk: Desk) -> None:
    claims = arrive(desk, mail("one"), mail("the mail over which it forgets one"), mail("three"))
    await read(desk, claims, "tests.ingest.odd_reader")

    assert [state for state, _ in states(desk)] == ["read", "waiting", "read"]


async def test_what_is_read_is_kept_while_the_reader_hangs_over_another(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that takes: else its lease would end first, and all be read again, for ever."""
    monkeypatch.setattr(reading_room, "PATIENCE", timedelta(seconds=10))
    claims = arrive(desk, mail("one"), mail("the mail it never ends with"), mail("three"))
    reading = asyncio.create_task(read(desk, claims, "tests.ingest.odd_reader"))
    async with asyncio.timeout(120):
        while states(desk)[0][0] != "read":  # noqa: ASYNC110 - as anybody else would see it
            await asyncio.sleep(0.05)
    assert [state for state, _ in states(desk)] == ["read", "waiting", "waiting"]

    await reading

    assert [state for state, _ in states(desk)] == ["read", "waiting", "read"]


async def test_without_a_reading_process_nothing_is_wrong_with_a_mail(desk: Desk) -> None:
    claims = [replace(held, attempts=9) for held in arrive(desk, mail("one"))]
    with pytest.raises(WorkerMissing):
        await read(desk, claims, "tests.ingest.no_such_worker")

    assert states(desk) == [("waiting", None)]


async def test_of_many_written_together_one_that_cannot_be_is_kept_aside_alone(desk: Desk) -> None:
    claims = [replace(held, attempts=RACES) for held in arrive(desk, mail("one"), mail("two"), mail("three"))]
    forbids = "CREATE TRIGGER no BEFORE INSERT ON receipt WHEN NEW.raw_id = 2 BEGIN SELECT RAISE(ABORT, 'no'); END"
    desk.write(lambda conn: conn.exec_driver_sql(forbids).close())
    await read(desk, claims)

    assert [state for state, _ in states(desk)] == ["read", "quarantined", "read"]
    assert desk.count() == 2
    assert desk.store.read_now(ledger.counts).get(inbox.READ_LANE) is None


async def test_of_many_written_together_one_whose_lease_is_lost_is_left_to_its_new_holder(desk: Desk) -> None:
    first, second = arrive(desk, mail("one"), mail("two"))
    later = desk.now + timedelta(hours=1)
    desk.write(lambda conn: ledger.claim(conn, inbox.READ_LANE, now=later, lease=timedelta(minutes=5), limit=1))
    await read(desk, [first, second])

    assert [state for state, _ in states(desk)] == ["waiting", "read"]
