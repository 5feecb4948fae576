"""The reading stage: what is wrong with one Raw is that Raw's trouble alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from adapters.base import Batch, Raw, RawKind
from ingest import channels, inbox
from ingest.reader import Door, Reader
from ingest.workers import WorkerPool
from normalize.case import ChannelKind
from normalize.rules import Rules
from store import ledger
from store.ledger import Claim
from store.schema import raw
from tests.ingest.desk import Desk, open_desk


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


async def test_one_whose_bytes_are_damaged_is_kept_aside_and_the_others_are_read(desk: Desk) -> None:
    claims = arrive(desk, mail("one"), mail("two", 50_000), mail("three"))
    (file,) = [path for path in (desk.store.folder / "blobs").rglob("*") if path.is_file()]
    file.unlink()
    doors = {"mailbox": Door(ChannelKind.MAILBOX)}
    async with WorkerPool("normalize.ocr") as scans:
        await Reader(desk.store, desk.desk, doors, Rules(), scans, lambda: desk.now).read_batch(claims)

    rows = desk.store.read_now(lambda conn: conn.execute(select(raw.c.state, raw.c.reason).order_by(raw.c.id)).all())
    assert [row.state for row in rows] == ["read", "quarantined", "read"]
    assert "is missing" in rows[1].reason
    assert desk.store.read_now(ledger.counts).get(inbox.READ_LANE) is None
