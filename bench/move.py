"""How long `xinqiao move` takes to carry an embedded installation over and to prove it, and how much memory.

    python -m bench.move [--rows 1000000] [--folder DIR]

Every table gets its share of invented rows; PostgreSQL runs with its usual care (fsync) on the same disk.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from store.engine import open_store
from store.schema import metadata
from tests.postgres import running_postgres
from tests.store.filling import fill

MASTER = b"k" * 32
TABLES = len(metadata.tables) - 1
"""All but the keys' own."""


def measure(folder: Path, address: str) -> tuple[float, int]:
    """Seconds, and the most memory in MB."""
    config = folder / "config.yaml"
    config.write_text("sealing: {key: '${KEY}'}\n")
    command = [sys.executable, "-m", "ingest", "move", "-c", str(config), "--to", address]
    environment = {**os.environ, "KEY": base64.b64encode(MASTER).decode()}
    began, most = time.perf_counter(), 0
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            said = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
            most = max(most, int(said[1]) if said else 0)
            time.sleep(0.02)
    if process.returncode != 0:
        raise SystemExit("the move failed")
    return time.perf_counter() - began, most // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's temporary folder)")
    options = parser.parse_args()
    share = options.rows // TABLES
    with tempfile.TemporaryDirectory(dir=options.folder) as name, running_postgres(careful=True) as server:
        folder = Path(name)
        with closing(open_store("sqlite", folder / "data", MASTER)) as store:
            store.submit(lambda conn: fill(conn, share)).result()
        seconds, megabytes = measure(folder, server.database())
    rows = share * TABLES
    print(f"{rows:,} rows in {TABLES} tables: {seconds:.1f} s, {rows / seconds:,.0f} rows/s, at most {megabytes} MB")


if __name__ == "__main__":
    main()
