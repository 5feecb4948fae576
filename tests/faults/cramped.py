"""The daemon on a database that may have only so many pages: as a full disk, by SQLite's own `max_page_count`.

How many, the file named by the environment says, looked at whenever a connection is opened; empty: no limit.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from ingest.cli import main

LIMIT_FILE = "XINQIAO_TEST_PAGES"


def limit(connection: Any, _record: object) -> None:
    pages = Path(os.environ[LIMIT_FILE]).read_text("ascii")
    if pages:
        connection.execute(f"PRAGMA max_page_count={int(pages)}")


if __name__ == "__main__":
    event.listen(Engine, "connect", limit)
    sys.exit(main())
