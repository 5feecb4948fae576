"""Attachments before a real clamd: what is harmful stays sealed, what has no verdict waits, the case goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from ingest.clamd import Clamd, ClamdUnavailable
from ingest.fetcher import Fetcher
from ingest.probing_clamd import probe_clamd
from ingest.vetting import Vetter
from normalize.case import AttachmentRole, AttachmentState
from normalize.reading import Part
from store import ledger
from store.schema import attachment, history
from tests.clamav import HARMFUL, NAME, STREAM_LIMIT, running_clamd
from tests.ingest.desk import Desk, open_desk, reading
from tests.ingest.test_fetcher import Host

pytestmark = pytest.mark.clamav


@pytest.fixture(scope="module")
def clamd() -> Iterator[Clamd]:
    with running_clamd() as socket:
        yield Clamd(socket, timedelta(seconds=60))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as opened:
        yield replace(opened, desk=replace(opened.desk, vets=True))


def part(name: str, content: bytes) -> Part:
    kind, state = AttachmentRole.EVIDENCE, AttachmentState.STORED
    return Part(name, kind, state, media_type="text/plain", content=content, size=len(content))


async def vet(desk: Desk, clamd: Clamd | None, after: timedelta = timedelta(0)) -> int:
    """Give the stage all there is; how many steps it had."""
    vetter = Vetter(clamd, desk.store, desk.desk, lambda: desk.now)
    now = desk.now + after
    claims = desk.write(lambda conn: ledger.claim(conn, "vet", now=now, lease=timedelta(minutes=5), limit=50))
    await vetter.vet(claims)
    return len(claims)


def states(desk: Desk, case_id: str) -> dict[str, tuple[str, bool]]:
    """Of each attachment as the case shows it: its state, and whether there is an address to fetch it from."""
    return {one.name: (one.state.value, one.url is not None) for one in desk.case(case_id).attachments}


async def test_an_infected_attachment_stays_sealed_and_the_case_goes_on(desk: Desk, clamd: Clamd) -> None:
    harmful = b"MZ " + HARMFUL
    (case_id,) = desk.take_in(reading(parts=(part("good.txt", b"words"), part("bad.exe", harmful))))
    before = states(desk, case_id)
    await vet(desk, clamd)
    case = desk.case(case_id)
    row = desk.store.read_now(
        lambda conn: conn.execute(select(attachment).where(attachment.c.size == len(harmful))).one()
    )

    assert before == {"good.txt": ("pending", False), "bad.exe": ("pending", False)}
    assert states(desk, case_id) == {"good.txt": ("stored", True), "bad.exe": ("refused", False)}
    assert [one.code for one in case.warnings] == ["attachment_infected"]
    assert f"{NAME}.UNOFFICIAL" in case.warnings[0].text
    assert desk.happenings(case_id) == ["created", "attachment_infected", "revised"]
    noted = select(history.c.detail).where(history.c.kind == "attachment_infected")
    assert desk.store.read_now(lambda conn: conn.execute(noted).scalar_one())["virus"] == f"{NAME}.UNOFFICIAL"
    assert desk.events() == ["case.created", "case.updated"]
    assert desk.store.read_now(lambda conn: desk.store.blobs.load(conn, row.sha256)) == harmful


async def test_one_whose_bytes_are_damaged_is_refused_and_keeps_no_other_waiting(desk: Desk, clamd: Clamd) -> None:
    (case_id,) = desk.take_in(reading(parts=(part("broken.txt", b"broken"), part("good.txt", b"words"))))
    spoil = "UPDATE blob SET sealed = x'01' WHERE sha256 = (SELECT sha256 FROM attachment WHERE size = 6)"
    desk.write(lambda conn: conn.exec_driver_sql(spoil).close())
    await vet(desk, clamd)

    assert states(desk, case_id) == {"broken.txt": ("refused", False), "good.txt": ("stored", True)}


async def test_without_clamd_attachments_wait_and_the_case_is_shown_without_them(desk: Desk, clamd: Clamd) -> None:
    away = Clamd("/run/nobody/clamd.ctl")
    (case_id,) = desk.take_in(reading(parts=(part("good.txt", b"words"),)))
    await vet(desk, away)

    assert states(desk, case_id) == {"good.txt": ("pending", False)}
    assert await vet(desk, clamd) == 0

    for hour in range(1, 40):
        assert await vet(desk, away, timedelta(hours=hour)) == 1
    assert states(desk, case_id) == {"good.txt": ("pending", False)}

    assert await vet(desk, clamd, timedelta(hours=60)) == 1
    assert states(desk, case_id) == {"good.txt": ("stored", True)}


async def test_what_waited_for_a_scanner_that_the_office_gave_up_is_handed_on(desk: Desk) -> None:
    (case_id,) = desk.take_in(reading(parts=(part("good.txt", b"words"),)))
    before = states(desk, case_id)
    await vet(desk, None)

    assert before == {"good.txt": ("pending", False)}
    assert states(desk, case_id) == {"good.txt": ("stored", True)}
    assert desk.events() == ["case.created", "case.updated"]


async def test_reading_again_asks_for_no_second_verdict_and_passes_nothing(desk: Desk, clamd: Clamd) -> None:
    found = reading(parts=(part("bad.exe", HARMFUL),))
    raw = desk.arrive()
    (case_id,) = desk.read(raw, found)
    await vet(desk, clamd)
    desk.read(raw, found)

    assert await vet(desk, clamd) == 0
    assert states(desk, case_id) == {"bad.exe": ("refused", False)}
    found_by = desk.store.read_now(lambda conn: conn.execute(select(history.c.kind)).scalars().all())
    assert list(found_by).count("attachment_infected") == 1


async def test_what_was_fetched_is_handed_on_only_after_its_verdict(desk: Desk, clamd: Clamd) -> None:
    wanted = Part("照片.png", AttachmentRole.EVIDENCE, AttachmentState.PENDING, ref="files/1.png")
    (case_id,) = desk.take_in(reading(parts=(wanted,)))
    fetcher = Fetcher("sunshine", Host(content=HARMFUL), desk.store, desk.desk, lambda: desk.now)
    lease = timedelta(minutes=5)
    await fetcher.fetch(desk.write(lambda conn: ledger.claim(conn, "fetch:sunshine", now=desk.now, lease=lease)))
    fetched = states(desk, case_id)
    await vet(desk, clamd)

    assert fetched == {"照片.png": ("pending", False)}
    assert states(desk, case_id) == {"照片.png": ("refused", False)}


async def test_what_was_found_harmful_is_not_fetched_again_when_its_record_changes(desk: Desk, clamd: Clamd) -> None:
    """Nor handed on without a verdict, should the office give up its scanner."""
    wanted = Part("照片.png", AttachmentRole.EVIDENCE, AttachmentState.PENDING, ref="files/1.png")
    (case_id,) = desk.take_in(reading(parts=(wanted,)))
    fetcher = Fetcher("sunshine", Host(content=HARMFUL), desk.store, desk.desk, lambda: desk.now)
    lease = timedelta(minutes=5)
    await fetcher.fetch(desk.write(lambda conn: ledger.claim(conn, "fetch:sunshine", now=desk.now, lease=lease)))
    await vet(desk, clamd)
    desk.take_in(reading(parts=(wanted,), title="改"))

    assert desk.write(lambda conn: ledger.claim(conn, "fetch:sunshine", now=desk.now, lease=lease)) == []
    assert states(desk, case_id) == {"照片.png": ("refused", False)}


async def test_a_scanner_that_will_not_look_at_so_much_gives_no_verdict(clamd: Clamd) -> None:
    with pytest.raises(ClamdUnavailable, match=r"StreamMaxLength|size limit exceeded"):
        await clamd.look(bytes(STREAM_LIMIT + 2**20))


async def test_what_was_packed_is_found_too(clamd: Clamd) -> None:
    assert await clamd.look(b"x" * 200_000 + HARMFUL) == f"{NAME}.UNOFFICIAL"
    assert await clamd.look(b"") is None
    assert "ClamAV" in await clamd.version()


@asynccontextmanager
async def one_that_says(answer: bytes) -> AsyncIterator[Clamd]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield Clamd(f"127.0.0.1:{port}", timedelta(seconds=5))


@pytest.mark.parametrize("answer", [b"", b"\0", b"stream: \xff FOUN", b"INSTREAM: ERROR\0", b"HTTP/1.1 200 OK\r\n"])
async def test_an_answer_that_is_no_verdict_passes_nothing(answer: bytes) -> None:
    async with one_that_says(answer) as clamd:
        with pytest.raises(ClamdUnavailable, match="expected OK or FOUND"):
            await clamd.look(b"words")


async def test_the_check_greets_it_and_doubts_signatures_that_are_not_clamavs(clamd: Clamd) -> None:
    probe = await probe_clamd(clamd.address, datetime.now(UTC))

    assert (probe.what, probe.ok) == ("clamd", True)
    assert probe.text.startswith(f"clamd at {clamd.address} answers; ClamAV ")
    assert probe.doubts == ("it has none of ClamAV's own signatures; look at freshclam",)
