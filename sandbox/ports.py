"""A port for a server that may end and come back."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from random import SystemRandom

_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST = 10_000
_given: set[int] = set()


def free_port() -> int:
    """One nobody listens on just now, each time another; below those that the system gives to outgoing connections, so
    that none of them takes it while its server is away. Raises OSError where there is none.
    """
    lowest = int(_OUTGOING.read_text().split()[0]) if _OUTGOING.exists() else 32_768
    ports = range(_FIRST, lowest) if lowest > 2 * _FIRST else range(lowest, 65_536)
    for port in SystemRandom().sample(ports, 1_000):
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise OSError(f"no free port among a thousand from {ports.start} to {ports.stop - 1}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False
