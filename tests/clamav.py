"""A real clamd of our own: a temporary folder with one signature in it, gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.missing import missing
from tests.orphans import dying_with_us

HARMFUL = b"these bytes of a test are said to be harmful"
NAME = "Xinqiao.Test-1"
STREAM_LIMIT = 5 * 2**20


@contextmanager
def running_clamd() -> Iterator[str]:
    """Start clamd and wait until it answers; its socket. Skip where it is not installed (in CI: fail)."""
    program = shutil.which("clamd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        missing("clamd")
    with tempfile.TemporaryDirectory(prefix="clamd-") as place:
        base, socket = Path(place), f"{place}/clamd.ctl"
        (base / "signatures").mkdir()
        (base / "signatures" / "test.ndb").write_text(f"{NAME}:0:*:{HARMFUL.hex()}\n")
        config = base / "clamd.conf"
        config.write_text(
            f"LocalSocket {socket}\nDatabaseDirectory {base}/signatures\nForeground yes\nLogFile {base}/clamd.log\n"
            f"StreamMaxLength {STREAM_LIMIT}\nMaxThreads 2\nConcurrentDatabaseReload no\n"
        )
        process = subprocess.Popen([*dying_with_us(), program, "-c", str(config)], stdin=subprocess.DEVNULL)
        try:
            _wait(Path(socket), process, base / "clamd.log")
            yield socket
        finally:
            process.terminate()
            process.wait(20)


def _wait(socket: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        if socket.exists():
            return
        time.sleep(0.05)  # nothing to wait on but the socket itself
    raise RuntimeError(f"clamd did not start; its log:\n{log.read_text('utf-8', 'replace') if log.exists() else ''}")
