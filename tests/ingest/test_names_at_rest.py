"""A scan's file name may name a person: however its way goes, the data folder and the log hold it sealed only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters.letters import LettersSettings
from ingest import inbox, listings
from ingest.config import Config
from ingest.office import open_office
from ingest.poller import Poller
from store import ledger
from tests.ingest.config_files import SEALING, TARGETS, loaded

START = datetime(2026, 3, 1, tzinfo=UTC)
PERSON = "顾晓棠"
PDF = b"%PDF-1.7\n" + b"1 0 obj\n" * 200 + b"%%EOF\n"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / PERSON).mkdir()
    for name, content in (("举报信.pdf", PDF), ("空.pdf", b""), ("大.pdf", PDF * 20)):
        (tmp_path / PERSON / f"{PERSON}{name}").write_bytes(content)
    letters = f"{{kind: letters, folder: {tmp_path}}}"
    return loaded(
        tmp_path, f"data: {{folder: {tmp_path / 'data'}}}\n{SEALING}channels: {{scans: {letters}}}\n{TARGETS}"
    )


async def test_a_scan_s_file_name_is_written_sealed_only(config: Config, tmp_path: Path) -> None:
    office = open_office(config)
    settings = LettersSettings(
        folder=tmp_path, settle_after=timedelta(0), patience=timedelta(0), max_bytes=10_000, patterns=("*.pdf",)
    )
    (tmp_path / ".archive").write_bytes(b"no folder: nothing can be moved there")
    poller = Poller("scans", settings.build("scans"), office.store, office.clock, START, lambda *_: None)
    with capture_logs() as logged:
        await poller.enrol()
        await poller.round()
        now = office.clock()
        lane = inbox.LETTER_LANE
        claims = await office.store.write(lambda conn: ledger.claim(conn, lane, now=now, lease=timedelta(9), limit=9))
        await office.reader.read_letters(claims)
    kept_aside = await office.store.read(lambda conn: [one.reason for one in listings.quarantine(conn)])
    await office.close()

    assert len(claims) == 3
    assert sorted(reason for reason in kept_aside if reason and reason.startswith("scans: ")) == [
        "scans: the file has 32300 bytes; at most 10000 are taken; it stays in the folder",
        "scans: the file is empty",
    ]
    assert [line["event"] for line in logged].count("not acknowledged at the source; tried again") == 2
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert any(path.name == "xinqiao.db" for path in files)
    for told in (PERSON.encode(), ascii(PERSON).strip("'").encode()):
        assert [path.name for path in files if told in path.read_bytes()] == []
    assert PERSON not in str(logged)
