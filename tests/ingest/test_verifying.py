"""Whoever changes, takes out, puts in or cuts off what the store keeps is told of, and where; nothing else is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, func, insert, select, text, update

from ingest import chaining
from ingest.chaining import ChainKeeper
from ingest.history import record_history
from ingest.verifying.chained import prove_history
from ingest.verifying.finding import Finding, Proof
from ingest.verifying.registered import prove_register
from ingest.verifying.sealed import SEALS, prove_originals, prove_seals
from store import chain
from store.blobs import INLINE_LIMIT, key_of
from store.engine import Store, open_store
from store.looking import Look, looked_at
from store.schema import (
    blob,
    case_number,
    cases,
    delivery,
    event,
    history,
    link,
    lookup,
    metadata,
    raw,
    receipt,
    revision,
)
from tests.ingest.desk import NOW, Desk, open_desk, reading
from tests.place import Place
from tests.postgres import Server

KEY = b"k" * 32


@dataclass
class Kept:
    """An installation of a few cases, all linked, that a test may spoil."""

    desk: Desk
    place: Place
    cases: list[str]

    def spoil(self, *acts: Any) -> None:
        """What somebody does who can write to the database but has no key."""
        self.desk.write(lambda conn: [conn.execute(act) for act in acts])

    def findings(self, anchor: tuple[int, str] | None = None) -> list[Finding]:
        return findings(self.place, anchor)


@pytest.fixture
async def kept(place: Place) -> Any:
    with open_desk(place) as desk:
        ids = [desk.take_in(reading(f"sunshine:X{n}"), key=f"X{n}")[0] for n in range(4)]
        for number in range(8):
            desk.write(lambda conn, n=number: record_history(conn, ids[n % 4], "viewed", "wang", {"n": n}, NOW))
        await linked(desk.store)
        yield Kept(desk, place, ids)


async def linked(store: Store) -> ChainKeeper:
    """Everything that was written has its link."""
    keeper = ChainKeeper(store, lambda: NOW)
    await keeper.link()  # notes how far numbers are given out; the next round links that
    while await keeper.link():
        pass
    return keeper


def findings(place: Place, anchor: tuple[int, str] | None = None) -> list[Finding]:
    with looked_at(place.database, place.folder, KEY) as look:
        proof = Proof(look, lambda *_: None)
        return [*prove_history(proof, anchor), *prove_register(proof), *prove_seals(proof), *prove_originals(proof)]


def end(place: Place) -> tuple[int, str]:
    """The anchor that is told now."""
    with looked_at(place.database, place.folder, KEY) as look:
        proof = Proof(look, lambda *_: None)
        assert list(prove_history(proof)) == []
        upto, _, mac = (proof.anchor or "").partition(":")
    return int(upto), mac


def said(found: list[Finding]) -> str:
    return "\n".join(one.what for one in found)


async def test_an_installation_at_work_is_clean(kept: Kept) -> None:
    kept.desk.take_in(reading("sunshine:X9"), key="X9")  # not linked yet

    assert kept.findings() == []


async def test_a_changed_entry_is_named(kept: Kept) -> None:
    kept.spoil(update(history).where(history.c.id == 6).values(actor="somebody else"))

    (found,) = kept.findings()
    assert found.what.startswith("entry 6 (viewed, case ")
    assert "was changed" in found.what


async def test_a_removed_entry_is_named(kept: Kept) -> None:
    kept.spoil(delete(history).where(history.c.id == 6))

    assert said(kept.findings()) == "missing: 1 entries of the history, of the numbers 6"


async def test_what_is_no_entry_at_all_is_a_finding(kept: Kept) -> None:
    kept.desk.write(lambda conn: conn.execute(text("UPDATE history SET detail = '[\"x\"]' WHERE id = 6")))
    (listed,) = kept.findings()
    kept.desk.write(lambda conn: record_history(conn, None, "login", "wang", {}, NOW))

    assert "entry 6 (viewed, case " in listed.what


@pytest.mark.parametrize("linked_up", [True, False])
async def test_a_detail_that_is_no_json_is_a_finding(tmp_path: Path, linked_up: bool) -> None:
    place = Place(tmp_path)
    with open_desk(place) as desk:
        desk.write(lambda conn: record_history(conn, None, "login", "wang", {}, NOW))
        if linked_up:
            await linked(desk.store)
        desk.write(lambda conn: conn.execute(text("UPDATE history SET detail = 'oops' WHERE id = 1")))

        assert "there is one that cannot be read" in said(findings(place))


@pytest.mark.parametrize("copied", [True, False])
async def test_an_inserted_entry_is_named(kept: Kept, copied: bool) -> None:
    row = kept.desk.store.read_now(lambda conn: conn.execute(select(history).where(history.c.id == 6)).one())
    number = kept.desk.store.read_now(lambda conn: conn.execute(select(func.max(history.c.id))).scalar_one()) + 1
    kept.spoil(insert(history).values({**row._mapping, "id": number, "stamp": row.stamp if copied else None}))

    assert f"entry {number} " in said(kept.findings())


async def test_entries_that_changed_places_are_named(kept: Kept) -> None:
    kept.spoil(
        update(history).where(history.c.id == 6).values(id=1000),
        update(history).where(history.c.id == 7).values(id=6),
        update(history).where(history.c.id == 1000).values(id=7),
    )

    assert {one.what[:7] for one in kept.findings()} == {"entry 6", "entry 7"}


async def test_a_case_taken_out_with_everything_of_it_is_missed_by_chain_and_register(kept: Kept) -> None:
    (gone,) = kept.cases[1:2]
    events = select(event.c.id).where(event.c.case_id == gone)
    kept.spoil(
        delete(delivery).where(delivery.c.event_id.in_(events)),
        *(delete(table).where(table.c.case_id == gone) for table in (event, lookup, receipt, revision, history, cases)),
    )

    found = kept.findings()
    assert "missing: 3 entries of the history, of the numbers 2, 6, 10" in said(found)
    assert "1 numbers of 2026 have no case: 2026-000002" in said(found)


async def test_the_end_cannot_be_cut_off(kept: Kept) -> None:
    before = end(kept.place)
    kept.desk.take_in(reading("sunshine:X9"), key="X9")
    await linked(kept.desk.store)
    kept.spoil(delete(history).where(history.c.id > before[0]), delete(link).where(link.c.upto > before[0]))

    assert f"what came behind entry {before[0]}: the end of the history was cut off" in said(kept.findings())


async def test_who_put_an_old_crown_back_is_betrayed_by_an_anchor_told_since(kept: Kept) -> None:
    old = kept.desk.store.read_now(lambda conn: conn.execute(select(link)).all())
    record = kept.desk.write(lambda conn: record_history(conn, None, "login", "wang", {}, NOW))
    await linked(kept.desk.store)
    anchor = end(kept.place)
    kept.spoil(
        delete(history).where(history.c.id > old[-1].upto),
        delete(link),
        insert(link).values([dict(row._mapping) for row in old]),
    )

    assert record is None
    assert kept.findings() == []  # the database is as it was then, to the last byte
    assert f"missing: entry {anchor[0]} as it was" in said(kept.findings(anchor))


async def test_a_link_taken_out_or_forged_is_named(kept: Kept) -> None:
    await linked(kept.desk.store)
    kept.desk.take_in(reading("sunshine:X9"), key="X9")
    await linked(kept.desk.store)
    kept.spoil(delete(link).where(link.c.place == 1))

    assert "missing: links 1 to 1 of the chain" in said(kept.findings())


@pytest.mark.postgres
async def test_what_a_transaction_under_way_may_still_write_is_not_linked_over(
    postgres: Server, tmp_path: Path
) -> None:
    place = Place(tmp_path, postgres.migrated())
    with open_desk(place) as desk:
        other = open_store(place.database, place.folder, KEY, now=NOW)
        engine = other._database.writing
        with engine.connect() as slow:
            slow.begin()
            chain.equip(slow, other.sealer)
            record_history(slow, None, "login", "slow", {}, NOW)  # has the lower number
            desk.write(lambda conn: record_history(conn, None, "login", "quick", {}, NOW))
            keeper = await linked(desk.store)
            before = desk.store.read_now(chain.last_link)
            slow.commit()
        while await keeper.link() or desk.store.read_now(chain.last_link).entries < 2:
            pass
        other.close()
        found = findings(place)
    postgres.drop(place.database)
    assert before == chain.BEGINNING
    assert found == []


async def test_two_processes_make_one_chain(place: Place) -> None:
    with open_desk(place) as desk:
        keepers = [ChainKeeper(desk.store, lambda: NOW) for _ in range(2)]
        for number in range(6):
            desk.write(lambda conn, n=number: record_history(conn, None, "login", f"u{n}", {}, NOW))
            for keeper in keepers:
                await keeper.link()

        await linked(desk.store)
        assert findings(place) == []
        assert desk.store.read_now(chain.last_link).upto == 6


async def test_a_gap_in_the_register_and_a_number_never_given_are_named(kept: Kept) -> None:
    kept.spoil(
        update(case_number).values(last=6),
        update(cases).where(cases.c.case_no == "2026-000004").values(case_no="2026-000009"),
    )

    told = said(kept.findings())
    assert "3 numbers of 2026 have no case: 2026-000004, 2026-000005, 2026-000006" in told
    assert "number 2026-000009 was never given" in told
    assert "its row says case_no 2026-000009, the sealed case 2026-000004" in told


async def test_a_revision_taken_out_and_an_original_exchanged_are_named(kept: Kept) -> None:
    hashes = kept.desk.store.read_now(lambda conn: conn.execute(select(raw.c.blob).order_by(raw.c.id)).scalars().all())
    kept.spoil(
        delete(revision).where(revision.c.case_id == kept.cases[0]),
        update(raw).where(raw.c.id == 2).values(blob=hashes[0]),
    )

    told = said(kept.findings())
    assert f"missing: revision 1 of case {kept.cases[0]}" in told
    assert "case 2026-000001 stands at revision 1, but not all revisions up to it are there" in told
    assert "arrival 2 refers to another original than it came with" in told


async def test_an_event_that_does_not_open_and_a_damaged_original_are_named(kept: Kept) -> None:
    wanted = select(event.c.id, event.c.sealed_full).order_by(event.c.seq).limit(1)
    event_id, sealed = kept.desk.store.read_now(lambda conn: conn.execute(wanted).one())
    sha256 = kept.desk.store.read_now(lambda conn: conn.execute(select(blob.c.sha256)).scalars().first())
    kept.spoil(
        update(event).where(event.c.id == event_id).values(sealed_full=sealed[:-1] + bytes([sealed[-1] ^ 1])),
        update(blob).where(blob.c.sha256 == sha256).values(sealed=b"not what it was, by far"),
    )

    told = said(kept.findings())
    assert f"event.sealed_full: event:{event_id}: does not open" in told
    assert f"blob:{sha256}" in told


async def test_a_large_original_that_is_gone_or_another_is_named(kept: Kept) -> None:
    store = kept.desk.store
    first, second = (store.blobs.prepare(bytes([n]) * (INLINE_LIMIT + 1)) for n in (1, 2))
    kept.desk.write(lambda conn: store.blobs.keep_all(conn, [first, second], NOW))
    folder = kept.place.folder / "blobs"
    (folder / key_of(first.sha256)).unlink()
    (folder / key_of(second.sha256)).write_bytes(b"something else that is long enough to be sealed")

    found = kept.findings()
    assert {one.kind for one in found} == {"original"}
    assert f"blob {first.sha256}: it is missing in" in said(found)
    assert f"blob:{second.sha256}" in said(found)


def test_every_sealed_column_is_opened() -> None:
    sealed = {
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.columns
        if column.name.startswith("sealed")
    }

    assert sealed - set(SEALS) == {("blob", "sealed")}  # which is opened as an original


async def test_what_is_registered_while_it_is_looked_at_is_no_finding(kept: Kept) -> None:
    arriving = iter([lambda: kept.desk.take_in(reading("sunshine:N"), key="N")])
    with looked_at(kept.place.database, kept.place.folder, KEY) as look:
        meanwhile = Meanwhile(look.engine, look.sealer, look.blobs, arriving)
        found = list(prove_register(Proof(meanwhile, lambda *_: None)))

    assert found == []
    assert next(arriving, None) is None


@dataclass(frozen=True)
class Meanwhile(Look):
    """A look during which things happen, one after each reading."""

    happenings: Iterator[Callable[[], object]]

    def read(self, act: Callable[[Connection], Any]) -> Any:
        found = super().read(act)
        for happen in islice(self.happenings, 1):
            happen()
        return found


def test_nothing_is_changed_by_looking(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with open_desk(place) as desk:
        desk.take_in(reading())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    assert findings(place) == []
    assert {
        path: path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file() and path.name[-4:] not in ("-shm", "-wal")
    } == before


async def test_what_is_written_while_the_keeper_sleeps_wakes_it_and_is_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chaining, "BEAT", timedelta(milliseconds=10))
    store, stopping = open_store("sqlite", tmp_path, KEY), asyncio.Event()
    keeper = asyncio.create_task(ChainKeeper(store, lambda: NOW).run(stopping))

    async def linked_up_to() -> int:
        return await store.read(lambda conn: chain.last_link(conn).upto)

    async with asyncio.timeout(20):
        for number in range(1, 4):
            await asyncio.sleep(0.1)  # it has nothing left to do, and sleeps for minutes
            await store.write(lambda conn, n=number: record_history(conn, None, "viewed", "wang", {"n": n}, NOW))  # type: ignore[misc]
            while await linked_up_to() < number:  # noqa: ASYNC110 - as anybody else would see it
                await asyncio.sleep(0.01)
        stopping.set()
        store.wakes.ring_waiting()
        await keeper
    store.close()
