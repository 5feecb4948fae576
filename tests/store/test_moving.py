"""An embedded store goes on in PostgreSQL: with every row as it was, or not yet; whatever interrupts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, text, update

from store import ledger, moved, moving
from store.acts import StoreFailed
from store.blob_bucket import BlobBucket
from store.blob_claim import CLAIM, take_over
from store.blob_folder import BlobFolder
from store.blobs import INLINE_LIMIT, Depot
from store.engine import StoreBusy, StoreRefused, open_store
from store.migrate import TablesNewer
from store.move_source import Source
from store.move_target import State, Target, numbered
from store.row_bytes import Unstorable, encoder
from store.schema import account, attempt, data_key, history, metadata
from store.schema import ledger as steps
from store.sealing import LOOKUP, SealBroken, unwrap, wrap
from tests.object_store import ObjectStore
from tests.postgres import Server
from tests.store.filling import fill
from tests.store.keys import MASTER, NOW, OTHER_MASTER
from tests.store.shelves import Folder, Objects

pytestmark = pytest.mark.postgres
ROWS = 100
"""In every table."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder whose store has rows in every table, closed."""
    store = open_store("sqlite", tmp_path / "data", MASTER)
    store.submit(lambda conn: fill(conn, ROWS)).result(60)
    store.close()
    return tmp_path / "data"


@pytest.fixture
def address(postgres: Server) -> Iterator[str]:
    address = postgres.database()
    yield address
    postgres.drop(address)


def silent(_text: str, _last: bool) -> None:
    """Nobody is told how far it is."""


def move(folder: Path, address: str, master: bytes = MASTER) -> State:
    """What the command does; what the target was before."""
    with closing(Source(folder)) as source, closing(Target(address)) as target:
        moving.expect_movable(source, target.state(source.keys()), target.place)
        take_over(BlobFolder(folder / "blobs"), source.sealer(master), target.given_up(source.keys(), master))
        if (state := target.begin(source.keys())) is not State.COMPLETE:
            tables = moving.carry_rows(source, target, silent)
            moving.hand_over(source, target, source.sealer(master), "tests", tables)
    return state


def in_process(*arguments: object, crash_at: str = "") -> int:
    """The exit status of a move in a process of its own, which dies at a crash point."""
    command = [sys.executable, "-m", "tests.store.moving_process", *map(str, arguments)]
    ended = subprocess.run(command, env={**os.environ, "XINQIAO_CRASH_AT": crash_at}, capture_output=True, check=False)
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr.decode()
    return ended.returncode


def all_rows(database: str, folder: Path, but: tuple[str, ...] = ()) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table as the program reads them."""
    with closing(open_store(database, folder, MASTER)) as store:
        return {
            table.name: store.read_now(
                lambda conn, table=table: sorted(map(_comparable, conn.execute(select(table))))  # type: ignore[misc]
            )
            for table in metadata.sorted_tables
            if table.name not in but
        }


def _comparable(row: Any) -> tuple[Any, ...]:
    return tuple(json.dumps(value) if isinstance(value, dict) else str(value).replace("\0", "\ufffd") for value in row)


def without_entry(rows: dict[str, list[tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
    """Take out what the history says of the move itself."""
    said = [row for row in rows["history"] if "moved" in row]
    rows["history"] = [row for row in rows["history"] if row not in said]
    return said


def database_of(folder: Path) -> bytes:
    return (folder / "xinqiao.db").read_bytes()


def go_back(folder: Path) -> None:
    (folder / moved.NAME).unlink()


def test_every_row_of_every_table_is_there_as_it_was(folder: Path, address: str) -> None:
    before, on_disk = all_rows("sqlite", folder), database_of(folder)
    state = move(folder, address)

    after = all_rows(address, folder)
    (entry,) = without_entry(after)
    assert state is State.EMPTY
    assert after == before
    assert {len(rows) for name, rows in after.items() if name not in ("data_key", "link")} == {ROWS}
    assert len(after["link"]) == ROWS + 1  # the beginning
    assert str(folder) in entry[-2]  # the stamp is behind it
    assert database_of(folder) == on_disk


def test_every_column_can_be_carried() -> None:
    for table in metadata.sorted_tables:
        assert encoder(table)((None,) * len(table.columns))


def test_what_does_not_fit_is_named(folder: Path, address: str) -> None:
    with closing(open_store("sqlite", folder, MASTER)) as store:
        store.submit(lambda conn: conn.execute(update(attempt).values(milliseconds=2**40))).result(60)

    with pytest.raises(Unstorable, match="table attempt: column milliseconds of row 1: "):
        move(folder, address)


def test_numbers_go_on_where_they_were_also_behind_rows_that_are_gone(folder: Path, address: str) -> None:
    with closing(open_store("sqlite", folder, MASTER)) as store:
        store.submit(lambda conn: conn.execute(text("DELETE FROM ledger WHERE id > 50"))).result(60)
    move(folder, address)

    with closing(open_store(address, folder, MASTER)) as store:
        made = store.submit(lambda conn: ledger.enqueue(conn, "read", {}, now=NOW)).result(60)
        for table in (table for table in metadata.sorted_tables if numbered(table)):
            (column,) = table.primary_key
            given = store.read_now(lambda conn, t=table, c=column: conn.execute(select(c).order_by(c.desc())).first())  # type: ignore[misc]
            counted = store.submit(
                lambda conn, t=table, c=column: conn.execute(  # type: ignore[misc]
                    text(f"SELECT nextval(pg_get_serial_sequence('{t.name}', '{c.name}'))")
                ).scalar_one()
            ).result(60)
            assert given is None or counted > given[0], table.name
    assert made == ROWS + 1


def test_an_empty_store_can_be_moved(tmp_path: Path, address: str) -> None:
    open_store("sqlite", tmp_path / "data", MASTER).close()
    move(tmp_path / "data", address)

    with closing(open_store(address, tmp_path / "data", MASTER)) as store:
        assert store.submit(lambda conn: ledger.enqueue(conn, "read", {}, now=NOW)).result(60) == 1
        assert store.submit(lambda conn: conn.execute(insert(history).values(**_entry()))).result(60) is not None


def test_leases_are_taken_back(tmp_path: Path, address: str) -> None:
    folder = tmp_path / "data"
    with closing(open_store("sqlite", folder, MASTER)) as store:
        store.submit(lambda conn: ledger.enqueue(conn, "read", {"n": 1}, now=NOW)).result(60)
        lease = timedelta(days=20_000)
        store.submit(lambda conn: ledger.claim(conn, "read", now=NOW, lease=lease)).result(60)
    move(folder, address)

    with closing(open_store(address, folder, MASTER)) as store:
        claimed = store.submit(lambda conn: ledger.claim(conn, "read", now=store.clock(), lease=lease)).result(60)
    assert [(held.payload, held.attempts) for held in claimed] == [({"n": 1}, 2)]


def test_the_source_says_where_it_went_and_opens_no_more(folder: Path, address: str) -> None:
    move(folder, address)

    with pytest.raises(StoreRefused, match=r"was moved to postgresql\+psycopg://postgres@/xinqiao_.* goes on there"):
        open_store("sqlite", folder, MASTER)
    go_back(folder)
    open_store("sqlite", folder, MASTER).close()


def test_moving_again_does_nothing_and_says_so(folder: Path, address: str) -> None:
    move(folder, address)
    with closing(open_store(address, folder, MASTER)) as store:
        store.submit(lambda conn: ledger.enqueue(conn, "read", {}, now=NOW)).result(60)  # it goes on there
    before = all_rows(address, folder)
    state = move(folder, address)

    assert state is State.COMPLETE
    assert all_rows(address, folder) == before


@pytest.mark.crash
def test_killed_at_every_table_and_every_border_it_goes_on_and_loses_nothing(
    folder: Path, address: str, tmp_path: Path
) -> None:
    large = [os.urandom(INLINE_LIMIT + 1) for _ in range(3)]
    with closing(open_store("sqlite", folder, MASTER)) as store:
        kept = [store.blobs.prepare(content) for content in large]
        for one in kept:
            store.submit(lambda conn, one=one: store.blobs.keep(conn, one, NOW)).result(60)  # type: ignore[misc]
    before, on_disk = all_rows("sqlite", folder), database_of(folder)
    there = tmp_path / "there"
    tables = len(metadata.sorted_tables)
    points = ["move.begun", "move.batch", "move.batch:2", *(f"move.table:{number + 1}" for number in range(tables))]
    points += ["move.batch:1", "move.blob", "move.blob", "move.verified"]
    for point in points:
        died = in_process(folder, address, there / "blobs", crash_at=point)

        assert died == (0 if point == "move.batch:1" else -signal.SIGKILL), point
        if died == 0:
            break
        with pytest.raises(StoreRefused, match="has not finished filling this database"):
            open_store(address, folder, MASTER)
        assert moved.read(folder) is None
        assert database_of(folder) == on_disk
    after = all_rows(address, there)
    without_entry(after)
    assert after == before


def test_whatever_was_there_before_the_source_went_on_is_copied_anew(folder: Path, address: str) -> None:
    assert in_process(folder, address, crash_at="move.verified") == -signal.SIGKILL
    with closing(open_store("sqlite", folder, MASTER)) as store:  # the daemon was started again after all
        store.submit(lambda conn: conn.execute(update(steps).values(attempts=77))).result(60)
        store.submit(lambda conn: conn.execute(text("DELETE FROM attempt WHERE id = 3"))).result(60)
        store.submit(lambda conn: conn.execute(insert(history).values(**_entry()))).result(60)
    before = all_rows("sqlite", folder)
    state = move(folder, address)

    after = all_rows(address, folder)
    without_entry(after)
    assert state is State.BEGUN
    assert after == before


def test_a_move_begun_before_the_lookup_key_was_wrapped_anew_is_gone_on_with(folder: Path, address: str) -> None:
    assert in_process(folder, address, crash_at="move.verified") == -signal.SIGKILL
    with closing(open_store("sqlite", folder, MASTER)) as store:
        store.submit(_wrap_lookup_key).result(60)
    before = all_rows("sqlite", folder)

    assert move(folder, address) is State.BEGUN
    after = all_rows(address, folder)
    without_entry(after)
    assert after == before


def _wrap_lookup_key(conn: Connection) -> None:
    """As an upgrade does."""
    row = conn.execute(select(data_key).where(data_key.c.purpose.startswith(LOOKUP))).one()
    key = unwrap(MASTER, row.purpose, row.wrapped)
    conn.execute(update(data_key).where(data_key.c.id == row.id).values(wrapped=wrap(MASTER, row.purpose, key)))


@pytest.mark.parametrize("point", ["move.marked", "move.finished"])
def test_killed_after_the_source_was_shut_the_next_run_opens_the_target(folder: Path, address: str, point: str) -> None:
    assert in_process(folder, address, crash_at=point) == -signal.SIGKILL
    with pytest.raises(StoreRefused, match="goes on there"):
        open_store("sqlite", folder, MASTER)
    state = move(folder, address)

    assert state is (State.BEGUN if point == "move.marked" else State.COMPLETE)
    assert len(all_rows(address, folder)["history"]) == ROWS + 1


def test_a_server_that_crashes_amid_the_move_is_named_and_the_next_run_goes_on(
    folder: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "ROWS", 10)
    address, told = postgres.database(), 0

    def crash(_text: str, _last: bool) -> None:
        nonlocal told
        told += 1
        if told == 20:
            postgres.restart("immediate")

    with closing(Source(folder)) as source, closing(Target(address)) as target:
        target.begin(source.keys())
        with pytest.raises(StoreFailed, match="give the command again"):
            moving.carry_rows(source, target, crash)
    before = all_rows("sqlite", folder)
    move(folder, address)

    after = all_rows(address, folder)
    without_entry(after)
    assert after == before


def test_nothing_is_moved_while_a_process_works_on_the_folder(folder: Path, address: str) -> None:
    with closing(open_store("sqlite", folder, MASTER)), pytest.raises(StoreBusy, match="is using this data folder"):
        Source(folder)
    with closing(Source(folder)), pytest.raises(StoreBusy):
        open_store("sqlite", folder, MASTER)


def test_nothing_is_moved_to_where_a_process_works(folder: Path, address: str) -> None:
    with (
        closing(open_store(address, folder, MASTER)),
        pytest.raises(StoreRefused, match="a xinqiao process works on this database; stop it first"),
    ):
        move(folder, address)


def test_one_move_at_a_time_fills_a_database(folder: Path, address: str) -> None:
    with (
        closing(Target(address)),
        pytest.raises(StoreRefused, match="another move or restore is at work on this database"),
    ):
        Target(address)
    Target(address).close()


def test_a_database_somebody_only_looked_at_is_empty(folder: Path, address: str) -> None:
    open_store(address, folder, MASTER).close()  # makes tables and keys, and marks the depot
    before = all_rows("sqlite", folder)
    assert move(folder, address) is State.EMPTY

    after = all_rows(address, folder)
    without_entry(after)
    assert after == before


def test_what_somebody_looked_at_under_another_key_keeps_its_depot_and_nothing_is_copied(
    folder: Path, address: str
) -> None:
    open_store(address, folder, OTHER_MASTER).close()
    mark = folder / "blobs" / CLAIM

    with pytest.raises(StoreRefused, match=f"only tried and holds nothing, that {mark} is removed"):
        move(folder, address)

    with closing(Source(folder)) as source, closing(Target(address)) as target:
        assert target.state(source.keys()) is State.EMPTY
    mark.unlink()
    assert move(folder, address) is State.EMPTY


def test_the_mark_of_whoever_works_there_is_left_to_it(folder: Path, address: str) -> None:
    with closing(open_store(address, folder, MASTER)):
        before = (folder / "blobs" / CLAIM).read_bytes()
        with pytest.raises(StoreRefused, match="a xinqiao process works on this database"):
            move(folder, address)

    assert (folder / "blobs" / CLAIM).read_bytes() == before


@pytest.mark.parametrize("begun", [True, False], ids=["by a move", "by a daemon"])
def test_a_database_of_another_installation_is_left_alone(
    folder: Path, address: str, tmp_path: Path, begun: bool
) -> None:
    other = tmp_path / "other"
    with closing(open_store("sqlite" if begun else address, other, MASTER if begun else OTHER_MASTER)) as store:
        store.submit(lambda conn: conn.execute(insert(account).values(**_account()))).result(60)
    if begun:
        assert in_process(other, address, crash_at="move.verified") == -signal.SIGKILL
    expected = "the move of another installation" if begun else "another installation's data are in it"

    with pytest.raises(StoreRefused, match=expected):
        move(folder, address)


def test_an_old_state_put_back_is_not_moved_over_what_went_on(folder: Path, address: str, postgres: Server) -> None:
    move(folder, address)
    elsewhere = postgres.database()
    with pytest.raises(StoreRefused, match=r"it was moved to .* and goes on there; .* remove .*moved"):
        move(folder, elsewhere)
    go_back(folder)

    with pytest.raises(StoreRefused, match="was moved there before and may have gone on there"):
        move(folder, address)
    assert move(folder, elsewhere) is State.EMPTY


def test_a_database_of_a_later_version_is_left_alone(folder: Path, address: str) -> None:
    open_store(address, folder, MASTER).close()
    with closing(Target(address)) as target, target._transaction():
        target._conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(TablesNewer, match="migration 9999 is from a later version"):
        move(folder, address)


def test_a_source_of_an_earlier_version_is_brought_up_first(folder: Path, address: str) -> None:
    with closing(open_store("sqlite", folder, MASTER)) as store:
        store.submit(lambda conn: conn.execute(text("UPDATE alembic_version SET version_num = '0001'"))).result(60)

    with pytest.raises(StoreRefused, match=r"its tables are of migration 0001, .* `xinqiao status` brings them up"):
        Source(folder)


def test_under_another_master_key_nothing_is_carried(folder: Path) -> None:
    with closing(Source(folder)) as source, pytest.raises(SealBroken, match="does not open this store's data keys"):
        source.sealer(OTHER_MASTER)


def test_large_blobs_go_along_to_a_folder_or_a_bucket(
    tmp_path: Path, address: str, object_store: ObjectStore, postgres: Server
) -> None:
    folder, contents = _with_blobs(tmp_path)
    bucket = object_store.bucket()
    depots: list[Depot] = [BlobFolder(tmp_path / "blobs-there"), BlobBucket(bucket)]
    with closing(Source(folder)) as source:
        sealer, here = source.sealer(MASTER), BlobFolder(folder / "blobs")
        first = [moving.carry_blobs(source, sealer, here, there, silent) for there in depots]
        again = [moving.carry_blobs(source, sealer, here, there, silent) for there in depots]

    assert [(one.found, one.copied, one.missing) for one in first] == [(3, 3, ())] * 2
    assert [(one.found, one.copied) for one in again] == [(3, 0)] * 2
    assert sorted(Folder(tmp_path / "blobs-there").names()) == sorted(Objects(object_store, bucket).names())
    move(folder, address)
    with closing(open_store(address, tmp_path / "elsewhere", MASTER, bucket=bucket)) as store:
        for sha256, content in contents.items():
            assert store.read_now(lambda conn, sha=sha256: store.blobs.load(conn, sha)) == content  # type: ignore[misc]


def test_blobs_that_were_lost_before_are_named_and_hold_nothing_up(tmp_path: Path) -> None:
    folder, contents = _with_blobs(tmp_path)
    damaged, lost, _ = sorted(contents)
    shelf = Folder(folder / "blobs")
    shelf.put(f"{damaged[:2]}/{damaged[2:]}", b"damaged")
    shelf.delete(f"{lost[:2]}/{lost[2:]}")
    with closing(Source(folder)) as source:
        there = BlobFolder(tmp_path / "there")
        carried = moving.carry_blobs(source, source.sealer(MASTER), BlobFolder(folder / "blobs"), there, silent)

    assert (carried.found, carried.copied, carried.missing) == (3, 1, (damaged, lost))


def test_blobs_are_not_carried_among_those_of_another_installation(tmp_path: Path) -> None:
    folder, _ = _with_blobs(tmp_path)
    there = BlobFolder(tmp_path / "there")
    there.write(CLAIM, b"another's\n")
    with closing(Source(folder)) as source, pytest.raises(StoreRefused, match="another installation keeps its blobs"):
        moving.carry_blobs(source, source.sealer(MASTER), BlobFolder(folder / "blobs"), there, silent)


def test_however_much_there_is_it_takes_little_memory(tmp_path: Path, address: str) -> None:
    folder = tmp_path / "data"
    with closing(open_store("sqlite", folder, MASTER)) as store:
        for number in range(2000):
            one = store.blobs.prepare(number.to_bytes(4, "big") * (INLINE_LIMIT // 4))
            store.submit(lambda conn, one=one: store.blobs.keep(conn, one, NOW))  # type: ignore[misc]
    command = [sys.executable, "-m", "tests.store.moving_process", str(folder), address]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)

    assert (folder / "xinqiao.db").stat().st_size > 250 * 2**20
    assert int(ended.stdout) < 150 * 1024  # KiB


def _with_blobs(tmp_path: Path) -> tuple[Path, dict[str, bytes]]:
    """A folder whose store keeps three large blobs; their contents by hash."""
    folder = tmp_path / "data"
    contents: dict[str, bytes] = {}
    with closing(open_store("sqlite", folder, MASTER)) as store:
        for _ in range(3):
            content = os.urandom(INLINE_LIMIT + 1)
            one = store.blobs.prepare(content)
            store.submit(lambda conn, one=one: store.blobs.keep(conn, one, NOW)).result(60)  # type: ignore[misc]
            contents[one.sha256] = content
    return folder, contents


def _entry() -> dict[str, Any]:
    return {"at": NOW, "kind": "later", "actor": "tests", "detail": {}}


def _account() -> dict[str, Any]:
    return {"name": "wang", "role": "clerk", "password": "", "created_at": NOW}
