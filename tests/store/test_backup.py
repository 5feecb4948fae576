"""A backup holds one moment whole, whatever is written meanwhile; what comes back is that and nothing else."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select

from store import sqlite
from store.acts import StoreRefused
from store.backup import Manifest, back_up
from store.backup_files import SUMS, read_sums, sum_of
from store.backups import MANIFEST, newest
from store.blob_bucket import BlobBucket
from store.blob_claim import CLAIM
from store.blobs import INLINE_LIMIT, key_of
from store.engine import Store, open_store
from store.looking import looked_at
from store.migrate import TablesNewer
from store.move_target import Target
from store.restore import Place as There
from store.restore import restore
from store.restore_database import Room
from store.schema import blob, history
from store.sealing import SealBroken
from store.snapshot import DUMP, Tell, snapshot
from store.sqlite import StoreBusy
from tests.endtoend.searching import Secret
from tests.ingest.desk import desk_over, reading
from tests.object_store import ObjectStore
from tests.place import Place
from tests.postgres import Server, name_of
from tests.store.acts import kinds, note
from tests.store.keys import MASTER, NOW, OTHER_MASTER

ROOT = Path(__file__).resolve().parents[2]
MADE = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
FORMS = ("backup", "backup.tar")


@pytest.fixture(autouse=True)
def programs_of_the_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """pg_dump and pg_restore of the server's own version stand first on the PATH."""
    if "database" in request.fixturenames and request.getfixturevalue("database") != "sqlite":
        server: Server = request.getfixturevalue("postgres")
        monkeypatch.setenv("PATH", f"{server.programs}:{os.environ['PATH']}")


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    opened = open_store(place.database, place.folder / "data", MASTER)
    yield opened
    opened.close()


@pytest.fixture
def empty(place: Place, request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a restored store is kept: of the same engine, nothing in it."""
    if place.database == "sqlite":
        yield "sqlite"
        return
    server: Server = request.getfixturevalue("postgres")
    address = server.database()
    yield address
    server.drop(address)


def keep(store: Store, content: bytes) -> str:
    """What a poll does with what it brings."""
    prepared = store.blobs.prepare(content)
    store.submit(lambda conn: store.blobs.keep(conn, prepared, NOW)).result()
    return prepared.sha256


def large(word: str) -> bytes:
    return word.encode() * (INLINE_LIMIT // len(word) + 1)


def silent(_text: str) -> None:
    pass


def backup(place: Place, to: Path, tell: Tell = silent, others: dict[str, bytes] | None = None) -> Manifest:
    with snapshot(place.database, place.folder / "data") as taken:
        return back_up(taken, place.folder / "data" / "blobs", to, others or {}, "xinqiao test", MADE, tell)


def contents(database: str, folder: Path) -> dict[str, bytes]:
    """Every blob's bytes, opened, by hash."""
    store = open_store(database, folder, MASTER)
    try:
        hashes = store.read_now(lambda conn: list(conn.execute(select(blob.c.sha256)).scalars()))
        return {one: store.read_now(lambda conn, one=one: store.blobs.load(conn, one)) for one in hashes}  # type: ignore[misc]
    finally:
        store.close()


@pytest.mark.parametrize("form", FORMS)
def test_what_comes_back_is_what_was_there(place: Place, store: Store, empty: str, form: str) -> None:
    kept = {keep(store, one): one for one in (b"small", large("large"), large("larger"))}
    store.submit(note("taken in")).result()

    made = backup(place, place.folder / form, others={"config/config.yaml": b"service: {}\n"})
    brought = restore(place.folder / form, There(place.folder / "elsewhere", empty), MASTER, silent)

    assert brought == Manifest(**json.loads(json.dumps(made.__dict__)))
    assert (made.blobs, made.missing, made.rows["history"], made.rows["blob"]) == (2, [], 1, 3)
    assert contents(empty, place.folder / "elsewhere") == kept
    again = open_store(empty, place.folder / "elsewhere", MASTER)
    assert kinds(again) == ["taken in"]
    again.close()


def test_rows_first_then_blobs_so_nothing_a_row_refers_to_is_missing(place: Place, store: Store, empty: str) -> None:
    """At every word the backup says, a further large original is taken in: in it whole, or not at all."""
    before = keep(store, large("before"))
    later: list[str] = []

    def arrive(text: str) -> None:
        store.submit(note(text)).result()
        later.append(keep(store, large(f"{len(later)}{text}")))

    made = backup(place, place.folder / "backup", arrive)
    restore(place.folder / "backup", There(place.folder / "elsewhere", empty), MASTER, silent)

    found = contents(empty, place.folder / "elsewhere")
    assert len(later) >= 2
    assert made.missing == []
    assert set(found) == {before} | set(later[: len(found) - 1])
    assert len(found) < 1 + len(later), "what came after the snapshot is not in it"


def test_the_database_is_one_moment_under_constant_writing(place: Place, store: Store, empty: str) -> None:
    """Notes are written in pairs: a copy that mixed two moments would hold half a pair, or be damaged."""
    stopping, first = threading.Event(), threading.Event()

    def write() -> None:
        number = 0
        while not stopping.is_set():
            store.submit(both(f"{number}", 4000)).result()
            first.set()
            number += 1

    writing = threading.Thread(target=write)
    writing.start()
    first.wait(60)
    try:
        for number in range(2):
            backup(place, place.folder / f"backup{number}")
    finally:
        stopping.set()
        writing.join()
    restore(place.folder / "backup1", There(place.folder / "elsewhere", empty), MASTER, silent)

    again = open_store(empty, place.folder / "elsewhere", MASTER)
    found = kinds(again)
    again.close()
    assert found
    assert found == [name for number in range(len(found) // 2) for name in (f"{number} a", f"{number} b")]


def both(name: str, size: int) -> Callable[..., None]:
    def act(conn) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        note(f"{name} a", size)(conn)
        note(f"{name} b", size)(conn)

    return act


def test_sha256sum_itself_finds_the_backup_whole(place: Place, store: Store) -> None:
    keep(store, large("large"))
    backup(place, place.folder / "backup")

    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=place.folder / "backup", capture_output=True, text=True, check=False,
    )  # fmt: skip

    files = {str(one.relative_to(place.folder / "backup")) for one in files_of(place.folder / "backup")}
    assert checked.returncode == 0, checked.stderr
    assert {line.partition(": ")[0] for line in checked.stdout.splitlines()} == files - {"SHA256SUMS"}


def files_of(folder: Path) -> list[Path]:
    return sorted(one for one in folder.rglob("*") if one.is_file())


def test_no_word_of_a_citizen_and_no_sealing_key_is_in_it(place: Place, store: Store) -> None:
    (case_id,) = desk_over(store).take_in(reading())
    keep(store, "顾晓棠".encode() + large("large"))
    keep(store, "顾晓棠".encode())
    backup(place, place.folder / "backup")

    files = files_of(place.folder / "backup")
    held = [text_of_dump(path) if path.name == DUMP else path.read_bytes() for path in files]
    secret = Secret(("顾晓棠", "13900000000", "延时服务"), (MASTER,))
    assert any(case_id.encode() in content for content in held)
    assert [found for content in held if (found := secret.found_in(content))] == []
    assert [path for path in files if path.stat().st_mode & 0o077] == []


def text_of_dump(path: Path) -> bytes:
    """What PostgreSQL would bring back of it; its bytes are compressed."""
    return subprocess.run(["pg_restore", "--file=-", str(path)], capture_output=True, check=True).stdout


def test_on_the_same_disk_large_files_are_linked_and_the_database_is_not(tmp_path: Path) -> None:
    place, store = Place(tmp_path), open_store("sqlite", tmp_path / "data", MASTER)
    kept = key_of(keep(store, large("large")))
    backup(place, tmp_path / "backup")
    restore(tmp_path / "backup", There(tmp_path / "elsewhere", "sqlite"), MASTER, silent)
    store.close()

    places = [tmp_path / "data", tmp_path / "backup", tmp_path / "elsewhere"]
    assert len({(one / "blobs" / kept).stat().st_ino for one in places}) == 1
    assert len({(one / "xinqiao.db").stat().st_ino for one in places}) == 3


def test_a_file_that_is_missing_is_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    place, store = Place(tmp_path), open_store("sqlite", tmp_path / "data", MASTER)
    gone, there = keep(store, large("gone")), keep(store, large("there"))
    (tmp_path / "data" / "blobs" / key_of(gone)).unlink()
    made = backup(place, tmp_path / "backup")
    store.close()

    assert (made.missing, made.blobs) == ([gone], 1)
    assert restore(tmp_path / "backup", There(tmp_path / "elsewhere", "sqlite"), MASTER, silent).missing == [gone]
    assert (tmp_path / "elsewhere" / "blobs" / key_of(there)).exists()


@pytest.mark.parametrize("left", [None, "mount point"])
def test_no_backup_is_made_of_originals_that_lie_elsewhere(place: Place, store: Store, left: str | None) -> None:
    keep(store, large("large"))
    (place.folder / "data" / "blobs").rename(place.folder / "share")
    if left is not None:
        (place.folder / "data" / "blobs").mkdir()

    with pytest.raises(StoreRefused, match="this store's blobs are not here; is the share mounted"):
        backup(place, place.folder / "backup")
    assert not (place.folder / "backup").exists()


def test_a_share_that_goes_while_a_backup_is_made_ends_it(tmp_path: Path) -> None:
    place, store = Place(tmp_path), open_store("sqlite", tmp_path / "data", MASTER)
    keep(store, large("large"))
    blobs = tmp_path / "data" / "blobs"

    def unmount(_text: str) -> None:
        """While the database is copied."""
        if blobs.exists():
            blobs.rename(tmp_path / "share")
            blobs.mkdir()

    with pytest.raises(OSError, match="is the share still mounted"):
        backup(place, tmp_path / "backup", unmount)
    assert not (tmp_path / "backup").exists()
    store.close()


def test_a_restored_one_is_backed_up_before_it_was_ever_opened(tmp_path: Path, made: Path) -> None:
    restore(made, There(tmp_path / "new" / "data", "sqlite"), MASTER, silent)

    assert backup(Place(tmp_path / "new"), tmp_path / "again").blobs == 2


def test_another_bucket_is_not_taken_for_one_that_has_lost_all(object_store: ObjectStore, tmp_path: Path) -> None:
    here, other = object_store.bucket(), object_store.bucket("other")
    store = open_store("sqlite", tmp_path / "data", MASTER, bucket=here)
    keep(store, large("large"))
    store.close()

    with (
        pytest.raises(StoreRefused, match="are bucket and prefix right"),
        snapshot("sqlite", tmp_path / "data") as taken,
    ):
        back_up(taken, BlobBucket(other), tmp_path / "backup", {}, "xinqiao test", MADE, silent)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A backup in a folder, of an embedded store with two large blobs."""
    store = open_store("sqlite", tmp_path / "data", MASTER)
    for word in ("one", "two"):
        keep(store, large(word))
    backup(Place(tmp_path), tmp_path / "backup")
    store.close()
    return tmp_path / "backup"


def change(path: Path) -> None:
    held = bytearray(path.read_bytes())
    held[len(held) // 2] ^= 1
    path.unlink()  # the data folder's own file is the same one
    path.write_bytes(held)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda made: change(next((made / "blobs").rglob("*/*"))), "was changed"),
        (lambda made: change(made / "xinqiao.db"), "was changed"),
        (lambda made: change(made / "manifest.json"), "was changed"),
        (lambda made: next((made / "blobs").rglob("*/*")).unlink(), "is missing"),
        (lambda made: (made / "xinqiao.db").unlink(), "is missing"),
        (lambda made: (made / "config").mkdir() or (made / "config" / "more").touch(), "is not in its list"),
        (lambda made: (made / "notes.txt").touch(), "no file of a backup"),
        (lambda made: (made / "SHA256SUMS").unlink(), "is no backup"),
    ],
)
def test_a_backup_that_is_not_whole_is_refused(made: Path, harm: Callable[[Path], object], said: str) -> None:
    harm(made)

    with pytest.raises(StoreRefused, match=said):
        restore(made, There(made.parent / "elsewhere", "sqlite"), MASTER, silent)

    assert not (made.parent / "elsewhere" / "xinqiao.db").exists()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"format": 2}, "format 2; a later version has made it"),
        ({"compressed": "zstd"}, r"manifest\.json cannot be read; a later version has made it"),
        ({"files": 99}, "its manifest counts 99"),
    ],
)
def test_a_backup_whose_manifest_is_not_as_this_version_writes_it_is_refused(
    made: Path, other: dict[str, object], said: str
) -> None:
    """Whole all the same: its list has the manifest as it is."""
    manifest = json.dumps(json.loads((made / MANIFEST).read_bytes()) | other).encode()
    (made / MANIFEST).write_bytes(manifest)
    listed = read_sums(made / SUMS) | {MANIFEST: hashlib.sha256(manifest).hexdigest()}
    (made / SUMS).write_text("".join(sum_of(name, sha256) for name, sha256 in listed.items()))

    with pytest.raises(StoreRefused, match=said):
        restore(made, There(made.parent / "elsewhere", "sqlite"), MASTER, silent)

    assert not (made.parent / "elsewhere" / "xinqiao.db").exists()


def test_a_backup_cut_short_is_refused(tmp_path: Path) -> None:
    open_store("sqlite", tmp_path / "data", MASTER).close()
    backup(Place(tmp_path), tmp_path / "backup.tar")
    whole = (tmp_path / "backup.tar").read_bytes()
    (tmp_path / "backup.tar").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(StoreRefused, match="whole tar"):
        restore(tmp_path / "backup.tar", There(tmp_path / "elsewhere", "sqlite"), MASTER, silent)


@pytest.mark.parametrize("name", ["../outside", "/outside", "blobs/../../outside", "link"])
def test_a_tar_that_reaches_outside_is_refused(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        about = tarfile.TarInfo(name)
        about.type = tarfile.SYMTYPE if name == "link" else tarfile.REGTYPE
        about.linkname = "/etc"
        tar.addfile(about)

    with pytest.raises(StoreRefused, match="no file of a backup"):
        restore(tmp_path / "bad.tar", There(tmp_path / "elsewhere", "sqlite"), MASTER, silent)

    assert not (tmp_path / "outside").exists()


def test_another_key_does_not_open_it(made: Path) -> None:
    with pytest.raises(SealBroken):
        restore(made, There(made.parent / "elsewhere", "sqlite"), OTHER_MASTER, silent)

    assert not (made.parent / "elsewhere" / "xinqiao.db").exists()


def test_a_folder_that_holds_something_is_left_alone(made: Path) -> None:
    (made.parent / "elsewhere").mkdir()
    (made.parent / "elsewhere" / "letter.txt").touch()

    with pytest.raises(StoreRefused, match=r"not empty \(letter.txt"):
        restore(made, There(made.parent / "elsewhere", "sqlite"), MASTER, silent)


def test_the_newest_backup_of_a_folder_is_told_and_one_in_the_making_is_none(tmp_path: Path, made: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    assert newest(shelf) is None

    for age, name in ((3, "older"), (2, "newer.tar"), (1, ".newest.making")):
        folder = shelf / name
        if name.endswith(".tar"):
            folder.write_bytes(b"")
        else:
            shutil.copytree(made, folder / "made" if name.startswith(".") else folder)
        at = (MADE - timedelta(days=age)).timestamp()
        for file in (folder, folder / "manifest.json"):
            if file.exists():
                os.utime(file, (at, at))

    assert newest(shelf) == MADE - timedelta(days=2)


def test_a_backup_is_never_written_over(made: Path) -> None:
    with pytest.raises(StoreRefused, match="is there already"):
        backup(Place(made.parent), made)


def test_a_database_that_holds_something_is_left_alone(postgres: Server, tmp_path: Path, made: Path) -> None:
    address = postgres.migrated()
    try:
        with pytest.raises(StoreRefused, match="is not empty"):
            restore(made, There(tmp_path / "elsewhere", address), MASTER, silent)
    finally:
        postgres.drop(address)


def test_a_backup_of_a_later_version_is_refused(tmp_path: Path) -> None:
    store = open_store("sqlite", tmp_path / "data", MASTER)
    store.submit(lambda conn: conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")).result()
    backup(Place(tmp_path), tmp_path / "backup")
    store.close()

    with pytest.raises(TablesNewer):
        restore(tmp_path / "backup", There(tmp_path / "elsewhere", "sqlite"), MASTER, silent)


def test_where_there_is_no_installation_there_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="no installation"):
        backup(Place(tmp_path), tmp_path / "backup")

    assert [one.name for one in tmp_path.iterdir()] == []


def test_a_damaged_database_is_found_when_it_is_backed_up(tmp_path: Path) -> None:
    store = open_store("sqlite", tmp_path / "data", MASTER)
    for number in range(200):
        store.submit(note(f"{number}", 4000)).result()
    store.close()
    path = tmp_path / "data" / "xinqiao.db"
    held = bytearray(path.read_bytes())
    held[len(held) // 2 :] = b"\xff" * (len(held) - len(held) // 2)
    path.write_bytes(held)

    with pytest.raises(StoreRefused, match=r"damaged|malformed"):
        backup(Place(tmp_path), tmp_path / "backup")


CRASHING = """
import sys
from pathlib import Path
from tests.object_store import ObjectStore
from tests.place import Place
from tests.store.test_backup import backup
backup(Place(Path(sys.argv[1])), Path(sys.argv[1]) / "backup")
"""


def test_killed_half_way_there_is_no_backup_and_the_next_one_is_whole(tmp_path: Path) -> None:
    store = open_store("sqlite", tmp_path / "data", MASTER)
    kept = keep(store, large("large"))

    died = subprocess.run(
        [sys.executable, "-c", CRASHING, str(tmp_path)],
        cwd=ROOT, env={**os.environ, "XINQIAO_CRASH_AT": "backup.dumped"}, check=False,
    )  # fmt: skip
    left = {one.name for one in tmp_path.iterdir()}
    backup(Place(tmp_path), tmp_path / "backup")
    store.close()

    assert died.returncode == -9
    assert left == {"data", ".backup.partial"}
    assert {one.name for one in tmp_path.iterdir()} == {"data", "backup"}
    restore(tmp_path / "backup", There(tmp_path / "elsewhere", "sqlite"), MASTER, silent)
    assert set(contents("sqlite", tmp_path / "elsewhere")) == {kept}


def test_what_a_killed_backup_left_is_cleared_away_by_the_next_of_any_name(tmp_path: Path) -> None:
    open_store("sqlite", tmp_path / "data", MASTER).close()
    for name in (".2026-03-01.partial", ".2026-03-02.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / SUMS).touch()
        (tmp_path / name / "dump").write_bytes(b"half a database")
    (tmp_path / ".download.partial").mkdir()
    (tmp_path / ".download.partial" / "film").touch()
    making = os.open(tmp_path / ".2026-03-02.partial", os.O_RDONLY)
    fcntl.flock(making, fcntl.LOCK_EX)

    backup(Place(tmp_path), tmp_path / "2026-03-03")

    hidden = {one.name for one in tmp_path.iterdir() if one.name.startswith(".")}
    os.close(making)
    assert hidden == {".2026-03-02.partial", ".download.partial"}


def test_a_backup_makes_the_folder_it_is_to_lie_in(tmp_path: Path) -> None:
    open_store("sqlite", tmp_path / "data", MASTER).close()

    backup(Place(tmp_path), tmp_path / "data" / "backups" / "2026-03-02")

    assert (tmp_path / "data" / "backups").stat().st_mode & 0o777 == 0o700


def test_an_interrupted_restore_is_no_installation_and_may_be_given_again(made: Path) -> None:
    there = made.parent / "elsewhere"

    def interrupted(text: str) -> None:
        if text == "writing to disk":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(made, There(there, "sqlite"), MASTER, interrupted)
    left = {one.name for one in there.iterdir()}
    restore(made, There(there, "sqlite"), MASTER, silent)

    assert left == {"restoring", "lock"}
    assert len(contents("sqlite", there)) == 2


@pytest.mark.crash
def test_a_restore_killed_half_way_is_not_taken_for_an_empty_folder_and_may_be_given_again(made: Path) -> None:
    there = made.parent / "elsewhere"
    for point in ("restore.proved", "restore.blobs", "restore.proved"):
        assert killed(made, there, "sqlite", point) == -9
        with pytest.raises(StoreRefused, match="`xinqiao restore` has not finished here"):
            open_store("sqlite", there, MASTER)
    restore(made, There(there, "sqlite"), MASTER, silent)

    assert {one.name for one in there.iterdir()} == {"blobs", "xinqiao.db"}
    assert len(contents("sqlite", there)) == 2


def test_no_daemon_begins_on_a_folder_while_it_is_restored_nor_is_one_s_folder_restored_into(made: Path) -> None:
    there = made.parent / "elsewhere"

    def begin(_text: str) -> None:
        with pytest.raises(StoreBusy):
            open_store("sqlite", there, MASTER)

    restore(made, There(there, "sqlite"), MASTER, begin)
    (made.parent / "at_work").mkdir()
    with closing(sqlite.lock(made.parent / "at_work" / "lock")), pytest.raises(StoreBusy):
        restore(made, There(made.parent / "at_work", "sqlite"), MASTER, silent)

    assert len(contents("sqlite", there)) == 2


RESTORING = """
import sys
from pathlib import Path
from store.restore import Place, restore
from tests.store.keys import MASTER
restore(Path(sys.argv[1]), Place(Path(sys.argv[2]), sys.argv[3]), MASTER, lambda _: None)
"""


@pytest.fixture
def dumped(postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, dict[str, bytes]]:
    """A backup of a store on PostgreSQL, and what it holds."""
    monkeypatch.setenv("PATH", f"{postgres.programs}:{os.environ['PATH']}")
    place = Place(tmp_path, postgres.migrated())
    store = open_store(place.database, tmp_path / "data", MASTER)
    kept = {keep(store, one): one for one in (b"small", large("large"))}
    store.close()
    backup(place, tmp_path / "backup")
    postgres.drop(place.database)
    return tmp_path / "backup", kept


def killed(dumped: Path, there: Path, address: str, at: str) -> int:
    command = [sys.executable, "-c", RESTORING, str(dumped), str(there), address]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "XINQIAO_CRASH_AT": at}, check=False).returncode


@pytest.mark.crash
@pytest.mark.postgres
def test_a_restore_into_postgresql_killed_at_every_border_is_no_installation_and_may_be_given_again(
    dumped: tuple[Path, dict[str, bytes]], postgres: Server
) -> None:
    (made, kept), address = dumped, postgres.database()
    there = made.parent / "elsewhere"
    for point in ("restore.shut", "restore.filled", "restore.settled", "restore.filled"):
        assert killed(made, there, address, point) == -9
        with pytest.raises(StoreRefused, match="`xinqiao restore` has not finished filling this database"):
            open_store(address, there, MASTER)
    restore(made, There(there, address), MASTER, silent)

    assert contents(address, there) == kept
    postgres.drop(address)


@pytest.mark.postgres
def test_what_is_half_restored_is_neither_proved_nor_backed_up(
    dumped: tuple[Path, dict[str, bytes]], postgres: Server
) -> None:
    (made, _), address = dumped, postgres.database()
    there = made.parent / "elsewhere"
    assert killed(made, there, address, "restore.filled") == -9

    with pytest.raises(StoreRefused, match="has not finished filling"):
        look(address, there)
    with pytest.raises(StoreRefused, match="has not finished filling"):
        backup(Place(there, address), made.parent / "of_half")
    postgres.drop(address)


@pytest.mark.postgres
def test_only_a_restore_of_the_same_installation_goes_on_where_one_was_interrupted(
    dumped: tuple[Path, dict[str, bytes]], postgres: Server
) -> None:
    (made, _), address = dumped, postgres.database()
    other = Place(made.parent / "other", postgres.migrated())
    open_store(other.database, other.folder / "data", MASTER).close()
    backup(other, made.parent / "of_another")
    assert killed(made, made.parent / "elsewhere", address, "restore.filled") == -9

    with pytest.raises(StoreRefused, match="the restore of another installation was begun here"):
        restore(made.parent / "of_another", There(made.parent / "elsewhere2", address), MASTER, silent)
    with closing(Target(address)) as target, pytest.raises(StoreRefused, match="a restore was begun here"):
        target.state(set())
    restore(made, There(made.parent / "elsewhere", address), MASTER, silent)
    for database in (address, other.database):
        postgres.drop(database)


@pytest.mark.postgres
def test_two_restores_do_not_fill_one_database(dumped: tuple[Path, dict[str, bytes]], postgres: Server) -> None:
    (made, _), address = dumped, postgres.database()

    with closing(Room(address)), pytest.raises(StoreRefused, match="another move or restore is at work"):
        restore(made, There(made.parent / "elsewhere", address), MASTER, silent)
    restore(made, There(made.parent / "elsewhere", address), MASTER, silent)
    postgres.drop(address)


@pytest.mark.postgres
def test_nothing_is_restored_where_a_process_goes_on_over_tables_that_were_dropped(
    dumped: tuple[Path, dict[str, bytes]], postgres: Server
) -> None:
    (made, _), address = dumped, postgres.migrated()
    there = There(made.parent / "elsewhere", address)
    at_work = "a xinqiao process works on this database; stop it first"

    with closing(open_store(address, made.parent / "daemon", MASTER)) as store:
        store.submit(lambda conn: conn.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")).result()
        with pytest.raises(StoreRefused, match=at_work):
            restore(made, there, MASTER, silent)
    room = Room(address)
    with (
        closing(room),
        psycopg.connect(
            host=str(postgres.folder), port=postgres.port, user="postgres", dbname=name_of(address)
        ) as late,
    ):
        room.shut("0014", set())
        late.execute("SET application_name = 'xinqiao'")
        with pytest.raises(StoreRefused, match=at_work):
            room.fill(made.parent / "dump")
    restore(made, there, MASTER, silent)
    postgres.drop(address)


def look(address: str, folder: Path) -> None:
    with looked_at(address, folder, MASTER):
        pass


def test_an_older_version_s_tables_are_backed_up_and_restored_as_they_are(tmp_path: Path) -> None:
    store = open_store("sqlite", tmp_path / "data", MASTER)
    store.submit(lambda conn: conn.exec_driver_sql("UPDATE alembic_version SET version_num = '0004'")).result()
    store.close()
    made = backup(Place(tmp_path), tmp_path / "backup")

    brought = restore(tmp_path / "backup", There(tmp_path / "elsewhere", "sqlite"), MASTER, silent)

    assert made.migration == brought.migration == "0004"


def test_without_pg_dump_it_says_what_is_missing(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = postgres.migrated()
    monkeypatch.setenv("PATH", str(tmp_path))
    try:
        with pytest.raises(StoreRefused, match="postgresql-client"):
            backup(Place(tmp_path, address), tmp_path / "backup")
    finally:
        postgres.drop(address)


def test_the_daemon_s_log_of_changes_does_not_grow_behind_a_backup(tmp_path: Path) -> None:
    """A reader that held its snapshot on while the files are copied would keep SQLite from taking the WAL in."""
    store = open_store("sqlite", tmp_path / "data", MASTER)
    wal = tmp_path / "data" / "xinqiao.db-wal"
    sizes: list[int] = []

    def write_much(text: str) -> None:
        if text == "writing to disk":  # the database has been copied, its transaction must be over
            for number in range(3000):
                store.submit(note(f"{number}", 4000)).result()
            sizes.append(wal.stat().st_size)

    backup(Place(tmp_path), tmp_path / "backup", write_much)
    written = store.read_now(lambda conn: conn.execute(select(history.c.id)).all())
    store.close()

    assert len(written) == 3000
    assert sizes[0] < 8 * 2**20


def test_a_backup_s_hash_list_is_itself_complete(made: Path) -> None:
    listed = dict(line.split("  ")[::-1] for line in (made / "SHA256SUMS").read_text("utf-8").splitlines())

    for name, sha256 in listed.items():
        assert hashlib.sha256((made / name).read_bytes()).hexdigest() == sha256
    assert len(listed) == json.loads((made / "manifest.json").read_text("utf-8"))["files"]


def test_a_copy_of_a_backup_restores_as_well(made: Path) -> None:
    """As a person does it: to another disk, with cp."""
    shutil.copytree(made, made.parent / "copied")
    shutil.rmtree(made)

    restore(made.parent / "copied", There(made.parent / "elsewhere", "sqlite"), MASTER, silent)

    assert len(contents("sqlite", made.parent / "elsewhere")) == 2


def test_large_originals_of_a_bucket_go_with_it_and_into_another(object_store: ObjectStore, tmp_path: Path) -> None:
    here, there = object_store.bucket(), object_store.bucket("restored")
    store = open_store("sqlite", tmp_path / "data", MASTER, bucket=here)
    kept = {keep(store, one): one for one in (b"small", large("large"))}
    with snapshot("sqlite", tmp_path / "data") as taken:
        made = back_up(taken, BlobBucket(here), tmp_path / "backup", {}, "xinqiao test", MADE, silent)
    store.close()

    restore(tmp_path / "backup", There(tmp_path / "elsewhere", "sqlite", BlobBucket(there)), MASTER, silent)

    assert (made.blobs, made.missing) == (1, [])
    assert not (tmp_path / "elsewhere" / "blobs").exists()
    again = open_store("sqlite", tmp_path / "elsewhere", MASTER, bucket=there)
    assert {one: again.read_now(lambda conn, one=one: again.blobs.load(conn, one)) for one in kept} == kept  # type: ignore[misc]
    again.close()


def test_another_installation_s_bucket_is_left_alone(object_store: ObjectStore, tmp_path: Path, made: Path) -> None:
    bucket = object_store.bucket()
    open_store("sqlite", tmp_path / "other", OTHER_MASTER, bucket=bucket).close()

    with pytest.raises(StoreRefused, match="another installation"):
        restore(made, There(tmp_path / "elsewhere", "sqlite", BlobBucket(bucket)), MASTER, silent)

    assert object_store.keys(bucket) == [CLAIM]


def test_without_the_large_originals_it_says_so_and_they_are_found_where_they_lie(
    object_store: ObjectStore, tmp_path: Path
) -> None:
    bucket = object_store.bucket()
    store = open_store("sqlite", tmp_path / "data", MASTER, bucket=bucket)
    kept = keep(store, large("large"))
    with snapshot("sqlite", tmp_path / "data") as taken:
        made = back_up(taken, None, tmp_path / "backup", {}, "xinqiao test", MADE, silent)
    store.close()

    restore(tmp_path / "backup", There(tmp_path / "elsewhere", "sqlite", BlobBucket(bucket)), MASTER, silent)

    assert (made.originals, made.blobs, made.missing) == (False, 0, [])
    again = open_store("sqlite", tmp_path / "elsewhere", MASTER, bucket=bucket)
    assert again.read_now(lambda conn: again.blobs.load(conn, kept)) == large("large")
    again.close()


def nightly(folder: Path, lacking: int) -> list[str]:
    """What is left in the folder of backups after the unit of the nightly one has made one, which lacks so many."""
    program = folder.parent / "xinqiao"
    manifest = json.dumps({"keys": [("seal", "ab" * 60)], "missing": [f"{n:064x}" for n in range(lacking)]}, indent=1)
    program.write_text(f"#!/bin/sh\nmkdir $5 && cat > $5/manifest.json <<'E'\n{manifest}\nE\nexit {int(lacking > 0)}\n")
    program.chmod(0o755)
    unit = (ROOT / "deploy" / "xinqiao-backup.service").read_text().replace("\\\n", "")
    (line,) = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    line = line.replace("$$", "$").replace("%%", "%").replace("/var/backups/xinqiao", str(folder))
    command = shlex.split(line.removeprefix("ExecStart=").replace("/opt/xinqiao/current/bin/xinqiao", str(program)))
    done = subprocess.run(command, env=os.environ | {"KEEP_DAYS": "14", "BACKUP_OPTIONS": ""}, check=False)
    assert done.returncode == int(lacking > 0)
    return sorted(one.name for one in folder.iterdir())


@pytest.mark.parametrize(("before", "lacking", "goes"), [(0, 0, True), (0, 1, False), (1, 1, True), (2, 1, True)])
def test_a_nightly_backup_displaces_none_that_has_more(tmp_path: Path, before: int, lacking: int, goes: bool) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    (first,) = nightly(folder, before)
    old = (folder / first).rename(folder / "2026-01-02T0230")
    os.utime(old, (0, 0))

    assert (old.name not in nightly(folder, lacking)) == goes
