"""Tells the service manager (systemd) how the daemon is, through the socket it named; elsewhere nobody listens."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog

log = structlog.get_logger()


@dataclass(frozen=True)
class Supervisor:
    """Whoever started us and wants to hear; sd_notify(3) says how.

    What cannot be told is logged: a daemon that works does not end because nobody listens.
    """

    address: str | None = None
    patience: timedelta | None = None
    """So long after the last `beat` it takes us for hung and kills us; none: it does not watch."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Supervisor:
        """As the environment names it. What it says of a watchdog may be meant for another process."""
        microseconds = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watched = ours and microseconds.isdecimal() and int(microseconds) > 0
        patience = timedelta(microseconds=int(microseconds)) if watched else None
        return cls(environment.get("NOTIFY_SOCKET") or None, patience)

    def ready(self, status: str) -> None:
        """We work, for the first time or again."""
        self._say("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """We take up another configuration; `ready` follows."""
        self._say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._say("STOPPING=1", "STATUS=stopping")

    def beat(self) -> None:
        self._say("WATCHDOG=1")

    def _say(self, *lines: str) -> None:
        if self.address is None:
            return
        # A leading @ stands for the NUL of an address that is no file.
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaking:
                speaking.setblocking(False)
                speaking.connect(address)
                speaking.send("\n".join(lines).encode())
        except OSError as error:
            log.warning("service manager cannot be told", said=lines[0], error=error.strerror)
