"""`xinqiao move` as an operator gives it: what it says, what it refuses, what it leaves as it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from ingest.cli import main
from store.engine import open_store
from store.schema import metadata
from store.snapshot import connected, tables
from tests.ingest.config_files import ENGLISH, ENVIRONMENT, KEY, SEALING, write
from tests.object_store import ObjectStore
from tests.postgres import Server
from tests.store.filling import fill

pytestmark = pytest.mark.postgres
MASTER = b"k" * 32
LARGE = b"large" * 40_000
ROWS = 3
COUNTED = f"  {len(metadata.tables)} tables, {(len(metadata.tables) - 1) * ROWS + 4} rows"
"""With two keys, a blob and the beginning of the history's chain more."""
Move = Callable[..., tuple[int, str, str]]


@pytest.fixture
def address(postgres: Server) -> Iterator[str]:
    address = postgres.database()
    yield address
    postgres.drop(address)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of an embedded installation with rows and a large original."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with closing(open_store("sqlite", tmp_path / "data", MASTER)) as store:
        store.submit(lambda conn: fill(conn, ROWS)).result(60)
        keep(store.blobs.prepare(LARGE), store)
    return write(tmp_path, SEALING + ENGLISH)


@pytest.fixture
def move(config: Path, capsys: pytest.CaptureFixture[str]) -> Move:
    """Give the command; exit status, standard output and standard error."""

    def give(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["move", "-c", str(config), *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return give


def keep(prepared: Any, store: Any) -> None:
    store.submit(lambda conn: store.blobs.keep(conn, prepared, store.clock())).result(60)


def shown(address: str) -> str:
    return make_url(address).render_as_string(hide_password=True)


def second(folder: Path, text: str) -> Path:
    path = folder / "new.yaml"
    path.write_text(text, "utf-8")
    return path


def loads_large(address: str, folder: Path, **more: Any) -> bool:
    with closing(open_store(address, folder, MASTER, **more)) as store:
        return store.read_now(lambda conn: store.blobs.load(conn, store.blobs.prepare(LARGE).sha256)) == LARGE


def test_it_says_what_was_moved_and_what_to_write(move: Move, address: str, config: Path, tmp_path: Path) -> None:
    status, out, err = move("--to", address)

    assert status == 0
    assert out.splitlines() == [
        f"moved to {shown(address)}",
        COUNTED,
        f"now write in {config}:",
        f"  database: {address}",
    ]
    assert f"cases: {ROWS} rows, the same on both sides" in err.splitlines()
    assert loads_large(address, tmp_path / "data")


def test_given_again_it_does_nothing_and_says_so(move: Move, address: str) -> None:
    move("--to", address)
    status, out, _ = move("--to", address)

    assert status == 0
    assert out.startswith(f"was moved to {shown(address)} before: nothing to do\nnow write in ")


def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    move: Move, address: str, postgres: Server, tmp_path: Path
) -> None:
    status, out, err = move("--to", address, "--dry-run")

    assert (status, err) == (0, "")
    assert out == f"would be moved to {shown(address)}, which is empty\n{COUNTED}\n"
    assert not (tmp_path / "data" / "moved").exists()
    status, out, _ = move("--to", address, "--dry-run", "--json")
    assert json.loads(out)["state"] == "empty"


def test_for_scripts_there_is_one_object(move: Move, address: str) -> None:
    report = json.loads(move("--to", address, "--json")[1])

    assert (report["moved"], report["state"], report["to"]) == (True, "moved", shown(address))
    (counted,) = [one for one in report["tables"] if one["name"] == "cases"]
    assert (counted["rows"], counted["copied"], len(counted["sha256"])) == (ROWS, ROWS, 64)


def test_the_password_comes_from_the_environment_and_is_not_repeated(
    move: Move, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PG_PASSWORD", "open-sesame")
    with_password = address.replace("postgres@", "postgres:${PG_PASSWORD}@")
    status, out, err = move("--to", with_password)

    assert status == 0
    assert "open-sesame" not in out + err
    assert f"  database: {with_password}\n" in out
    _, out, err = move("--to", with_password.replace("${PG_PASSWORD}", "open-sesame"))
    assert "open-sesame" not in out + err
    assert "postgres:${PG_PASSWORD}@/" in out


def test_looking_at_a_new_database_makes_nothing_in_it(address: str, tmp_path: Path) -> None:
    new = second(tmp_path, f"database: {address}\ndata: {{folder: {tmp_path / 'share'}}}\n{SEALING}{ENGLISH}")

    assert main(["status", "-c", str(new)]) == 1
    with connected(address) as conn:
        assert tables(conn) == []


def test_large_originals_go_to_another_folder(move: Move, address: str, tmp_path: Path) -> None:
    status, out, _ = move("--to", address, "--blobs", str(tmp_path / "share"))

    assert status == 0
    assert f"  1 large originals, now in {tmp_path}/share/blobs\n" in out
    assert out.endswith(f"  data: {{folder: {tmp_path}/share}}\n")
    assert loads_large(address, tmp_path / "share")


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_new_database_that_was_opened_before_is_moved_to_all_the_same(
    move: Move, address: str, tmp_path: Path, elsewhere: bool
) -> None:
    folder = tmp_path / ("share" if elsewhere else "data")
    new = second(tmp_path, f"database: {address}\ndata: {{folder: {folder}}}\n{SEALING}{ENGLISH}")
    open_store(address, folder, MASTER).close()

    status, _, err = move("--to", str(new))

    assert (status, "another installation" in err) == (0, False)
    assert loads_large(address, folder)


def test_everything_goes_where_the_new_configuration_says(
    move: Move, address: str, tmp_path: Path, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = object_store.bucket()
    monkeypatch.setenv("S3_SECRET", bucket.secret_key)
    new = second(
        tmp_path,
        f"database: {address}\nsealing: {{key: '${{KEY}}'}}\n"
        f"blobs: {{url: '{bucket.address}', endpoint: '{bucket.endpoint}', region: {bucket.region},"
        f" access_key: '{bucket.access_key}', secret_key: '${{S3_SECRET}}'}}\n",
    )
    status, out, _ = move("--to", str(new))

    assert status == 0
    assert f"  1 large originals, now in {bucket.address}\n" in out
    assert f"from now on start with -c {new}" in out
    assert loads_large(address, tmp_path / "anywhere", bucket=bucket)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SEALING + ENGLISH, "new.yaml: names no PostgreSQL; expected database: postgresql+psycopg://"),
        ("database: {address}\nsealing: {{key: '{other}'}}\n", "sealing.key: is another one"),
        ("database: {address}\n", "sealing: 缺少"),
    ],
)
def test_a_new_configuration_that_does_not_fit_is_refused(
    move: Move, address: str, tmp_path: Path, text: str, said: str
) -> None:
    text = text.format(address=address, other=KEY[::-1].replace("=", "A")[:43] + "=") if "{address}" in text else text
    status, _, err = move("--to", str(second(tmp_path, text)))

    assert status == 1
    assert said in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--to", "nowhere"),
            "--to: expected postgresql+psycopg://user:${PG_PASSWORD}@host/name or a configuration file",
        ),
        (
            ("--to", "postgresql+psycopg://a:${NOT_SET}@b/c"),
            "--to: ${NOT_SET}: environment variable NOT_SET is not set",
        ),
        (("--to", "postgresql+psycopg://host-only"), "--to: names no database"),
        (("--to", "{config}", "--blobs", "there"), "--blobs: goes with an address"),
    ],
)
def test_wrong_usage_is_said(move: Move, config: Path, arguments: tuple[str, ...], said: str) -> None:
    status, _, err = move(*(word.replace("{config}", str(config)) for word in arguments))

    assert status == 2
    assert said in err


def test_what_keeps_it_from_its_end_is_said_in_a_line(move: Move, address: str, tmp_path: Path) -> None:
    gone = address.replace("xinqiao_", "nothing_")
    with closing(open_store("sqlite", tmp_path / "data", MASTER)):
        busy = move("--to", address)
    answers = [busy, move("--to", gone)]
    (tmp_path / "data" / "xinqiao.db").write_bytes(b"no database")
    answers.append(move("--to", address))
    (tmp_path / "data" / "xinqiao.db").unlink()
    answers.append(move("--to", address))

    assert [(status, out, err.count("\n")) for status, out, err in answers] == [(1, "", 1)] * 4
    expected = ("is using this data folder", "does not exist", "not a database", "there is no installation in it")
    for (_, _, err), said in zip(answers, expected, strict=True):
        assert said in err


def test_one_in_postgresql_already_is_not_moved(move: Move, address: str, tmp_path: Path) -> None:
    write(tmp_path, f"database: {address}\n{SEALING}{ENGLISH}")
    status, _, err = move("--to", address)

    assert status == 1
    assert "names PostgreSQL already" in err
