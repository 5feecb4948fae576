"""Servers that tests start do not outlive the test run, however that ends."""

from __future__ import annotations

import shutil
from signal import Signals


def dying_with_us(end: Signals = Signals.SIGTERM) -> tuple[str, ...]:
    """What stands before a server's command: it gets this signal when the thread that started it is gone."""
    return ("setpriv", "--pdeathsig", end.name.removeprefix("SIG")) if shutil.which("setpriv") else ()
