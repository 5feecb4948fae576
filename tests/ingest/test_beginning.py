"""The history has a beginning: a chain that was cut off as a whole is missed, and no other is made over the rest."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, func, insert, select, text, update
from structlog.testing import capture_logs

from ingest.chaining import ChainKeeper
from ingest.history import record_history
from store import chain
from store.backup import back_up
from store.chain import ChainCut
from store.engine import open_store
from store.restore import Place as There
from store.restore import restore
from store.schema import data_key, history, link
from store.sealing import LOOKUP, SealBroken, unwrap, wrap
from store.snapshot import snapshot
from tests.ingest.desk import NOW, open_desk
from tests.ingest.test_verifying import KEY, Kept, end, findings, kept, linked, said
from tests.place import Place
from tests.postgres import Server
from tests.store.test_moving import address, move

__all__ = ["address", "kept"]  # fixtures
CUT = "what came behind entry 0: the end of the history was cut off"
GONE = "missing: the beginning of the chain"


def log_in(conn: Connection) -> None:
    record_history(conn, None, "login", "wang", {}, NOW)


def viewed_of(case_id: str) -> Any:
    return (history.c.kind == "viewed") & (history.c.case_id == case_id)


async def test_a_chain_cut_off_as_a_whole_is_missed_and_no_other_is_made(kept: Kept) -> None:
    kept.spoil(delete(link).where(link.c.place > 0), delete(history).where(viewed_of(kept.cases[1])))
    kept.desk.write(log_in)
    before = said(kept.findings())

    with pytest.raises(ChainCut):
        await linked(kept.desk.store)

    assert CUT in before
    assert CUT in said(kept.findings())


async def test_with_the_beginning_gone_too_it_is_missed_and_not_laid_again(kept: Kept) -> None:
    kept.spoil(delete(link), delete(history).where(viewed_of(kept.cases[1])))
    kept.desk.store.close()

    with open_desk(kept.place) as desk:
        desk.write(log_in)
        with pytest.raises(ChainCut):
            await linked(desk.store)

        assert desk.store.read_now(lambda conn: conn.execute(select(func.count()).select_from(link)).scalar_one()) == 0
    assert GONE in said(kept.findings())
    assert CUT in said(kept.findings())


async def test_a_history_passed_off_as_one_from_before_stamps_is_named(kept: Kept) -> None:
    kept.spoil(
        update(history).values(stamp=None),
        update(history).where(history.c.kind == "viewed").values(actor="somebody else"),
        delete(link),
    )
    kept.desk.store.close()

    with open_desk(kept.place) as desk, pytest.raises(ChainCut):
        await linked(desk.store)

    assert said(kept.findings()).count("has no stamp: somebody else wrote it") == 12
    assert GONE in said(kept.findings())


async def test_the_last_link_s_crown_makes_no_other_beginning(kept: Kept) -> None:
    last = kept.desk.store.read_now(lambda conn: conn.execute(select(link).order_by(link.c.place.desc())).first())
    assert last is not None
    kept.spoil(delete(link).where(link.c.place > 0), update(link).values(mac=last.mac, crown=last.crown))
    kept.desk.write(log_in)
    await linked(kept.desk.store)

    assert GONE in said(kept.findings())


async def test_an_end_that_was_cut_off_is_not_linked_over(kept: Kept) -> None:
    kept.desk.write(log_in)
    await linked(kept.desk.store)
    kept.desk.write(log_in)
    kept.spoil(delete(link).where(link.c.place == 2), delete(history).where(history.c.id == 13))

    with pytest.raises(ChainCut):
        await linked(kept.desk.store)

    assert said(kept.findings()) == "missing: what came behind entry 12: the end of the history was cut off"


async def test_the_daemon_says_once_that_the_history_was_cut(kept: Kept) -> None:
    kept.spoil(delete(link))
    stopping = asyncio.Event()

    def clock() -> datetime:  # asked once a round, which becomes the last
        stopping.set()
        return NOW

    keeper = ChainKeeper(kept.desk.store, clock)
    with capture_logs() as logs:
        for _ in range(2):
            stopping.clear()
            await keeper.run(stopping)

    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("history was cut", "error")]


@pytest.mark.parametrize("number", ["", ":1000"])
async def test_how_much_has_no_stamp_cannot_be_said_anew(kept: Kept, number: str) -> None:
    kept.spoil(update(data_key).where(data_key.c.purpose == "lookup:0").values(purpose=f"lookup{number}"))
    kept.desk.store.close()

    with pytest.raises(SealBroken):
        open_store(kept.place.database, kept.place.folder, KEY)


@pytest.mark.parametrize("which", [data_key.c.purpose == "lookup:0", data_key.c.id > 0])
async def test_keys_that_were_taken_out_are_not_made_again(kept: Kept, which: Any) -> None:
    kept.spoil(delete(data_key).where(which))
    kept.desk.store.close()

    with pytest.raises(SealBroken, match="taken out; restore a backup"):
        open_store(kept.place.database, kept.place.folder, KEY)


def as_of_migration_12(conn: Connection) -> None:
    """Undo what the migration to a beginning has brought."""
    row = conn.execute(select(data_key).where(data_key.c.purpose.startswith(LOOKUP))).one()
    wrapped = wrap(KEY, LOOKUP, unwrap(KEY, row.purpose, row.wrapped))
    conn.execute(update(data_key).where(data_key.c.id == row.id).values(purpose=LOOKUP, wrapped=wrapped))
    conn.execute(delete(link).where(link.c.place == 0))
    for index in ("cases_reading_id", "raw_blob", "cases_restricted", "cases_withdrawn", "cases_urgent"):  # of 0015
        conn.execute(text(f"DROP INDEX ix_{index}"))
    conn.execute(text("UPDATE alembic_version SET version_num = '0012'"))


async def test_a_store_with_links_is_brought_up_and_its_anchors_hold(kept: Kept) -> None:
    anchor = end(kept.place)
    kept.desk.write(as_of_migration_12)
    kept.desk.store.close()

    with open_desk(kept.place) as desk:
        desk.write(log_in)
        await linked(desk.store)
        clean = findings(kept.place, anchor)
        desk.write(lambda conn: conn.execute(delete(link).where(link.c.place > 0)))

    assert clean == []
    assert CUT in said(findings(kept.place))


async def test_what_was_there_before_stamps_is_linked_and_cannot_be_added_to(place: Place) -> None:
    old = [{"id": n, "at": NOW, "kind": "login", "actor": "wang", "detail": {"n": n}} for n in range(1, 2501)]
    with open_desk(place) as desk:
        desk.write(lambda conn: (chain._numbers(conn, 2500), conn.execute(insert(history), old)))
        desk.write(as_of_migration_12)
    with open_desk(place) as desk:
        desk.write(log_in)
        desk.write(log_in)
        await linked(desk.store)
        links = desk.store.read_now(lambda conn: conn.execute(select(link.c.entries)).scalars().all())
        clean = findings(place)
        desk.write(lambda conn: conn.execute(update(history).where(history.c.id == 1500).values(actor="x")))
        desk.write(lambda conn: conn.execute(update(history).where(history.c.id == 2501).values(stamp=None)))
        changed = findings(place)

    assert (sum(links), len(links)) == (2502, 4)
    assert clean == []
    assert said(changed).splitlines() == [
        "link 2 does not hold entries 1001 to 2000: it or one of them was changed",
        "entry 2501 (login, case —) has no stamp: somebody else wrote it",
    ]


@pytest.mark.postgres
async def test_moved_it_has_the_beginning_it_had(tmp_path: Path, address: str) -> None:
    here, there = Place(tmp_path), Place(tmp_path, address)
    with open_desk(here) as desk:
        desk.write(log_in)
        await linked(desk.store)
    open_store(address, tmp_path / "looked at", KEY).close()  # which made keys and a beginning of its own
    move(tmp_path, address, KEY)

    with open_desk(there) as desk:
        await linked(desk.store)
        assert findings(there) == []


async def test_restored_it_has_the_beginning_it_had(
    kept: Kept, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    there = Place(tmp_path / "restored")
    if kept.place.database != "sqlite":
        server: Server = request.getfixturevalue("postgres")
        monkeypatch.setenv("PATH", f"{server.programs}:{os.environ['PATH']}")
        there = Place(there.folder, server.database())
    with snapshot(kept.place.database, kept.place.folder) as taken:
        back_up(taken, None, tmp_path / "backup", {}, "xinqiao test", NOW, lambda _text: None)
    restore(tmp_path / "backup", There(there.folder, there.database), KEY, lambda _text: None)

    with open_desk(there) as desk:
        desk.write(log_in)
        await linked(desk.store)
        assert findings(there) == []
    if there.database != "sqlite":
        server.drop(there.database)
