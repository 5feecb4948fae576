"""Brings a database's tables up to this version, once, before anything uses them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, func, inspect, select, text

from store.schema import metadata

MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION_TABLE = (
    "CREATE TABLE alembic_version"
    " (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)
"""As Alembic makes it."""
_OPENING = (0x586E, 0x71)
"""An advisory lock of our own: two numbers, as those of the ledger's keys are of one."""


class TablesNewer(Exception):
    """A later version of the program has changed these tables; this one must not touch them."""


class MigrationBroken(Exception):
    """A migration left rows that refer to nothing; it was undone."""


def upgrade(engine: Engine) -> None:
    """Apply every migration that is missing, all of them or none, in one transaction.

    Raises:
        TablesNewer: the database carries a migration this version does not know.
        MigrationBroken: the tables are as they were before.
    """
    known = [path.name.partition("_")[0] for path in sorted((MIGRATIONS / "versions").glob("[0-9]*.py"))]
    with engine.connect() as conn, _unconstrained(conn), conn.begin():
        open_alone(conn)
        applied = _applied(conn)
        if unknown := applied - set(known):
            raise TablesNewer(
                f"{engine.url.database}: migration {min(unknown)} is from a later version; this one knows up to "
                f"{known[-1]}"
            )
        if not applied:
            metadata.create_all(conn)
            conn.exec_driver_sql(_VERSION_TABLE)
            conn.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": known[-1]})
        elif applied != {known[-1]}:
            apply(conn)
            _check_references(conn)


def _applied(conn: Connection) -> set[str]:
    """At which migration the tables stand."""
    if not inspect(conn).has_table("alembic_version"):
        return set()
    return set(conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalars())


def apply(conn: Connection) -> None:
    """Every migration that is missing, one after the other."""
    from alembic import command  # noqa: PLC0415 - takes 0.1 s and 12 MB: only who has something to apply loads it
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = conn
    command.upgrade(config, "head")


def open_alone(conn: Connection) -> None:
    """Until this transaction ends, no other process that opens the same database passes here."""
    if conn.dialect.name == "postgresql":
        conn.execute(select(func.pg_advisory_xact_lock(*_OPENING)))


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
