"""Brings a database's tables up to this version, once, before anything uses them."""

from __future__ import annotations

from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, func, inspect, select, text
from sqlalchemy.exc import DBAPIError

from store.acts import StoreRefused
from store.schema import metadata

MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION_TABLE = (
    "CREATE TABLE alembic_version"
    " (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)
"""As Alembic makes it."""
_OPENING = (0x586E, 0x71)
"""An advisory lock of our own: two numbers, as those of the ledger's keys are of one."""
_FILLING = (0x586E, 0x72)
"""Another: one move or restore at a time fills a database."""
FILLING, RESTORING = "moving ", "restoring "
"""Before the number of the migration, while a move or a restore fills the tables: no version opens them then."""


TRIES = 5
"""So often it is tried at most, where another host at work stands in the way."""
_DEADLOCK = "40P01"


class TablesNewer(Exception):
    """A later version of the program has changed these tables; this one must not touch them."""


class MigrationBroken(Exception):
    """A migration left rows that refer to nothing; it was undone."""


def upgrade(engine: Engine) -> None:
    """Apply every migration that is missing, all of them or none, in one transaction.

    Raises:
        TablesNewer: the database carries a migration this version does not know.
        StoreRefused: a move or a restore is filling them.
        MigrationBroken: the tables are as they were before.
    """
    for left in reversed(range(TRIES)):
        try:
            with engine.connect() as conn, _unconstrained(conn), conn.begin():
                open_alone(conn)
                bring_up(conn)
        except DBAPIError as error:
            if not left or getattr(error.orig, "sqlstate", None) != _DEADLOCK:
                raise
        else:
            return


def bring_up(conn: Connection) -> None:
    """As `upgrade`, in the caller's transaction."""
    applied, latest = heads(conn), head()
    refuse_unknown(applied, str(conn.engine.url.database))
    if not applied:
        metadata.create_all(conn)
        stamp_first(conn, latest)
    elif applied != {latest}:
        migrate(conn)
        _check_references(conn)


def migrate(conn: Connection) -> None:
    """Apply the migrations that are missing, one after the other."""
    from alembic import command  # noqa: PLC0415 - takes 0.1 s and 12 MB: only who has something to apply loads it
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = conn
    command.upgrade(config, "head")


def refuse_unknown(applied: Set[str], where: str) -> None:
    """Refuse tables at a migration this version does not know. Raises TablesNewer, StoreRefused as `upgrade` does."""
    refuse_half_filled(applied, where)
    known = _known()
    if unknown := applied - set(known):
        raise TablesNewer(
            f"{where}: migration {min(unknown)} is from a later version; this one knows up to {known[-1]}"
        )


def refuse_half_filled(applied: Set[str], where: str) -> None:
    """Refuse tables that a move or a restore is filling. Raises StoreRefused."""
    for gate, command in ((FILLING, "move"), (RESTORING, "restore")):
        if any(one.startswith(gate) for one in applied):
            raise StoreRefused(f"{where}: `xinqiao {command}` has not finished filling this database; give it again")


def head() -> str:
    """The last migration this version knows."""
    return _known()[-1]


def heads(conn: Connection) -> set[str]:
    """The migration at which the tables stand; none: there are no tables."""
    if not inspect(conn).has_table("alembic_version"):
        return set()
    return set(conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalars())


def stamp(conn: Connection, revision: str) -> None:
    """Say at which migration the tables stand."""
    conn.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def stamp_first(conn: Connection, revision: str) -> None:
    """As `stamp`, where nothing has said so before."""
    conn.exec_driver_sql(_VERSION_TABLE)
    conn.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})


def _known() -> list[str]:
    """The migrations' numbers, in order: their files begin with them."""
    return sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def open_alone(conn: Connection) -> None:
    """Until this transaction ends, no other process that opens the same database passes here."""
    if conn.dialect.name == "postgresql":
        conn.execute(select(func.pg_advisory_xact_lock(*_OPENING)))


def fill_alone(conn: Connection) -> bool:
    """Whether, until this connection to PostgreSQL is closed, no other move or restore fills the database."""
    return bool(conn.execute(select(func.pg_try_advisory_lock(*_FILLING))).scalar_one())


@contextmanager
def _unconstrained(conn: Connection) -> Iterator[None]:
    """SQLite changes a table by building it anew and dropping the old one, which must not drag its referrers along.

    The pragma is ignored inside a transaction, hence around it.
    """
    if conn.dialect.name != "sqlite":
        yield
        return
    conn.connection.cursor().execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        conn.connection.cursor().execute("PRAGMA foreign_keys=ON")


def _check_references(conn: Connection) -> None:
    if conn.dialect.name != "sqlite":
        return
    broken = conn.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise MigrationBroken(f"row {broken[1]} of table {broken[0]} refers to a row of {broken[2]} that is not there")
