"""Ports for servers that end and come back."""

from __future__ import annotations

import socket
from pathlib import Path

from sandbox.ports import free_port


def test_no_port_is_given_twice_nor_one_that_an_outgoing_connection_may_take() -> None:
    lowest, highest = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    given = [free_port() for _ in range(200)]
    assert len(set(given)) == 200
    assert not [port for port in given if lowest <= port <= highest]


def test_a_port_that_somebody_listens_on_is_not_given() -> None:
    taken = free_port()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", taken))
        listening.listen()
        assert taken not in {free_port() for _ in range(200)}
