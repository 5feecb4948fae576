"""A move in a process of its own, to be killed: `python -m tests.store.moving_process FOLDER ADDRESS [BLOBS]`."""

from __future__ import annotations

import re
import sys
from contextlib import closing
from pathlib import Path

from store import moving
from store.blob_folder import BlobFolder
from store.move_source import Source
from store.move_target import Target
from tests.store.keys import MASTER


def main(folder: str, address: str, blobs: str | None = None) -> None:
    moving.ROWS = 40  # many batches of few rows
    with closing(Source(Path(folder))) as source, closing(Target(address)) as target:
        moving.expect_movable(source, target.state(source.keys()), target.place)
        target.begin(source.keys())
        tables = moving.carry_rows(source, target, lambda _text, _last: None)
        if blobs is not None:
            here, there = BlobFolder(Path(folder) / "blobs"), BlobFolder(Path(blobs))
            moving.carry_blobs(source, source.sealer(MASTER), here, there, lambda _text, _last: None)
        moving.hand_over(source, target, source.sealer(MASTER), "tests", tables)
    status = Path("/proc/self/status").read_text()
    sys.stdout.write(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])  # the most memory it had


if __name__ == "__main__":
    main(*sys.argv[1:])
