"""Writes a migration from what store/schema.py and the migrations differ in: migration.py 0002 "what it does"."""

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from store.migrate import MIGRATIONS, migrate

number, message = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    engine = create_engine(f"sqlite:///{Path(folder) / 'empty.db'}")
    if any((MIGRATIONS / "versions").glob("*.py")):
        with engine.begin() as conn:
            migrate(conn)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.connect() as conn:
        config.attributes["connection"] = conn
        command.revision(config, message=message, rev_id=number, autogenerate=True)
