"""The migrations lead from nothing to the tables in the schema, whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, NullPool, create_engine, inspect, make_url, text
from sqlalchemy.engine.interfaces import ReflectedIndex

from store import migrate, schema, sqlite
from store.engine import open_store
from store.migrate import MigrationBroken, TablesNewer, upgrade
from store.schema import metadata
from tests.postgres import Server

ROOT = Path(__file__).resolve().parents[2]
OPENING = """
import sys
from pathlib import Path
from store.engine import StoreBusy, open_store
try:
    open_store(sys.argv[2], Path(sys.argv[1]), bytes(range(32))).close()
except StoreBusy:
    print("busy")
else:
    print("opened")
"""
_CASE = """
INSERT INTO cases (case_id, case_no, identity, channel, channel_kind, revision, digest, restricted, withdrawn,
    needs_review, request_type, triage, urgency, received_at, next_due_at, ingested_at, updated_at, sealed_title,
    sealed)
VALUES (:id, :id, :id, 'x', 'mailbox', 1, '', false, :withdrawn, false, 'help', 'normal', 'normal', :at, :due, :at, :at,
    '', '')
"""
TEMPLATE = """
revision = "9001"
down_revision = "{head}"
branch_labels = depends_on = None

from alembic import op

def upgrade():
{body}
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = sqlite.writing(tmp_path / "xinqiao.db")
    yield engine
    engine.dispose()


def everything(engine: Engine) -> list[tuple[str, str]]:
    with engine.begin() as conn:
        found = conn.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"))
        return [(row.name, row.sql) for row in found]


def described(engine: Engine) -> dict[str, list[list[str]]]:
    """Columns in their order, the rest in any."""
    look = inspect(engine)
    return {
        name: [
            list(map(str, look.get_columns(name))),
            [str(look.get_pk_constraint(name))],
            sorted(map(str, look.get_foreign_keys(name))),
            sorted(map(_spelled, look.get_indexes(name))),
            sorted(map(str, look.get_unique_constraints(name))),
        ]
        for name in look.get_table_names()
        if name != "alembic_version"
    }


def _spelled(index: ReflectedIndex) -> str:
    """With the condition of a partial index in words."""
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return str({**index, "dialect_options": options})


def migrated(engine: Engine) -> Engine:
    """As an installation has them that was made by the first version and brought up since."""
    with engine.begin() as conn:
        migrate.migrate(conn)
    return engine


def test_from_nothing_they_lead_to_the_tables_in_the_schema(engine: Engine) -> None:
    with migrated(engine).begin() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_a_new_database_has_the_tables_they_build(engine: Engine, tmp_path: Path) -> None:
    fresh = sqlite.writing(tmp_path / "fresh.db")
    upgrade(fresh)

    assert described(fresh) == described(migrated(engine))
    with fresh.begin() as conn, engine.begin() as other:
        assert migrate.heads(conn) == migrate.heads(other) == {migrate.head()}
    fresh.dispose()


@pytest.mark.postgres
def test_a_new_database_on_postgresql_has_the_tables_they_build(postgres: Server) -> None:
    fresh, brought_up = create_engine(postgres.database()), create_engine(postgres.database())
    upgrade(fresh)

    assert described(fresh) == described(migrated(brought_up))
    with fresh.begin() as conn, brought_up.begin() as other:
        assert migrate.heads(conn) == migrate.heads(other)
    fresh.dispose()
    brought_up.dispose()


def test_the_library_that_migrates_is_loaded_only_when_there_is_something_to_do(tmp_path: Path) -> None:
    program = "import sys; from store import engine; print('alembic' in sys.modules)"

    for _ in range(2):
        said = subprocess.run(
            [sys.executable, "-c", f"{OPENING}\n{program}", str(tmp_path / "data"), "sqlite"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert said.split() == ["opened", "False"]


def test_a_second_time_is_nothing(engine: Engine) -> None:
    upgrade(engine)
    before = everything(engine)
    with engine.begin() as conn:
        version = conn.exec_driver_sql("PRAGMA schema_version").scalar_one()

    upgrade(engine)

    assert everything(engine) == before
    with engine.begin() as conn:
        assert conn.exec_driver_sql("PRAGMA schema_version").scalar_one() == version
        assert conn.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1


def test_tables_of_a_later_version_are_left_alone(engine: Engine) -> None:
    upgrade(engine)
    with engine.begin() as conn:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    before = everything(engine)

    with pytest.raises(TablesNewer, match="migration 9999 is from a later version"):
        upgrade(engine)
    assert everything(engine) == before


@pytest.fixture
def next_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the migrations there are, and one to be written after them."""
    folder = tmp_path / "migrations"
    (folder / "versions").mkdir(parents=True)
    for path in [*migrate.MIGRATIONS.glob("*.*"), *migrate.MIGRATIONS.glob("versions/*.py")]:
        (folder / path.relative_to(migrate.MIGRATIONS)).write_bytes(path.read_bytes())
    monkeypatch.setattr(migrate, "MIGRATIONS", folder)
    return folder / "versions" / "9001_next.py"


def write(path: Path, *lines: str) -> None:
    head = ScriptDirectory(str(path.parents[1])).get_current_head()
    path.write_text(TEMPLATE.format(head=head, body="\n".join(f"    {line}" for line in lines)))


def test_one_that_fails_half_way_leaves_nothing(engine: Engine, next_migration: Path) -> None:
    upgrade(engine)
    before = everything(engine)
    write(next_migration, 'op.execute("CREATE TABLE half (id INTEGER)")', "raise LookupError('half way')")

    with pytest.raises(LookupError, match="half way"):
        upgrade(engine)
    assert everything(engine) == before


def test_a_table_others_refer_to_is_built_anew_with_its_rows(engine: Engine, next_migration: Path) -> None:
    upgrade(engine)
    fill = [
        "INSERT INTO account VALUES ('li', 'clerk', 'x', 0, 0)",
        "INSERT INTO session VALUES ('d', 'li', 'c', 1)",
    ]
    with engine.begin() as conn:
        for statement in fill:
            conn.exec_driver_sql(statement)
    write(
        next_migration,
        "import sqlalchemy as sa",
        "with op.batch_alter_table('account', recreate='always') as table:",
        "    table.add_column(sa.Column('unit', sa.Text()))",
    )

    upgrade(engine)

    with engine.begin() as conn:
        assert conn.exec_driver_sql("SELECT account FROM session").scalar_one() == "li"
        assert conn.exec_driver_sql("SELECT unit FROM account").scalar_one() is None


def test_one_that_leaves_orphans_is_undone(engine: Engine, next_migration: Path) -> None:
    upgrade(engine)
    with engine.begin() as conn:
        conn.exec_driver_sql("INSERT INTO account VALUES ('li', 'clerk', 'x', 0, 0)")
        conn.exec_driver_sql("INSERT INTO session VALUES ('d', 'li', 'c', 1)")
    write(next_migration, 'op.execute("DELETE FROM account")')

    with pytest.raises(MigrationBroken, match="table session refers to a row of account"):
        upgrade(engine)
    with engine.begin() as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM account").scalar_one() == 1


def opened_at_once(database: str, folder: Path, processes: int) -> list[str]:
    """What processes say that open one store at the same time."""
    command = [sys.executable, "-c", OPENING, str(folder), database]
    started = [
        subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    try:
        said = [process.communicate(timeout=60)[0].strip() for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0] * processes
    return said


def test_of_processes_that_start_at_once_one_opens_and_the_others_are_told(tmp_path: Path) -> None:
    said = opened_at_once("sqlite", tmp_path / "data", 3)

    assert set(said) <= {"opened", "busy"}
    assert "opened" in said
    engine = sqlite.writing(tmp_path / "data" / "xinqiao.db")
    with engine.begin() as conn:
        assert compare_metadata(MigrationContext.configure(conn), metadata) == []
        assert conn.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
    engine.dispose()


NOTE_TABLES = """
CREATE SCHEMA notes; CREATE TABLE notes.made (what text);
CREATE FUNCTION notes.note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO notes.made SELECT object_identity FROM pg_event_trigger_ddl_commands(); END $$;
CREATE EVENT TRIGGER noted ON ddl_command_end EXECUTE FUNCTION notes.note();
"""
"""Has the database itself write down whatever is made or changed in it."""


@pytest.mark.postgres
def test_of_processes_that_start_at_once_on_postgresql_one_makes_the_tables_and_the_keys(
    tmp_path: Path, postgres: Server
) -> None:
    alone, together = postgres.database(), postgres.database()
    for address in (alone, together):
        with create_engine(address, poolclass=NullPool).begin() as conn:
            conn.exec_driver_sql(NOTE_TABLES)

    assert opened_at_once(alone, tmp_path / "alone", 1) == ["opened"]
    assert opened_at_once(together, tmp_path / "together", 8) == ["opened"] * 8
    made = []
    for address in (alone, together):
        with create_engine(address, poolclass=NullPool).begin() as conn:
            context = MigrationContext.configure(conn, opts={"compare_type": True, "compare_server_default": True})
            assert compare_metadata(context, metadata) == []
            assert conn.execute(text("SELECT purpose FROM data_key ORDER BY id")).scalars().all() == [
                "seal",
                "lookup:0",
            ]
            made.append(sorted(conn.execute(text("SELECT what FROM notes.made")).scalars()))
    assert made[0] == made[1]
    assert len(made[0]) > len(metadata.tables)


@pytest.mark.postgres
@pytest.mark.parametrize("table", ["cases", "raw"])
def test_tables_are_brought_up_beside_a_host_at_work(tmp_path: Path, postgres: Server, table: str) -> None:
    """Who has read one of the tables then writes the other, on which the migration is at work."""
    address = postgres.database()
    migrated_to(address, "0014")
    name = make_url(address).database
    postgres.say(f"ALTER DATABASE {name} SET deadlock_timeout = '3s'")  # the migration gives way, not who works
    waits = (
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        f" WHERE datname = '{name}' AND mode = 'AccessExclusiveLock' AND NOT granted"
    )
    with ThreadPoolExecutor(1) as pool, create_engine(address, poolclass=NullPool).connect() as conn:
        conn.exec_driver_sql(f"SET deadlock_timeout = '1min'; SELECT 1 FROM {table}")
        opening = pool.submit(open_store, address, tmp_path, bytes(range(32)))
        while not postgres.ask(waits):
            assert not opening.done()
        conn.exec_driver_sql("UPDATE cases SET revision = 2")
        conn.commit()

        opening.result(60).close()
    with create_engine(address, poolclass=NullPool).begin() as conn:
        assert migrate.heads(conn) == {migrate.head()}


def migrated_to(address: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    with create_engine(address, poolclass=NullPool).begin() as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, revision)


def test_cases_of_before_the_clocks_are_looked_at_if_a_date_may_come(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    today = datetime.now(UTC)
    with engine.begin() as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, "0009")
        for number, (days, due, withdrawn) in enumerate(
            [(10, True, False), (800, True, False), (10, False, False), (10, True, True)]
        ):
            conn.execute(text(_CASE), {
                "id": f"01CASE{number}", "withdrawn": withdrawn, "due": 1 if due else None,
                "at": (today - timedelta(days=days) - schema.EPOCH) // schema.MICROSECOND,
            })  # fmt: skip
        command.upgrade(config, "0010")

        wanted = conn.execute(text("SELECT next_reminder_at, dated_by FROM cases ORDER BY case_id"))
        assert [tuple(row) for row in wanted] == [(0, None), (None, None), (None, None), (None, None)]
