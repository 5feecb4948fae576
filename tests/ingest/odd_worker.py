"""A worker that does what it is asked, also what no worker should: for the tests of the pool."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from adapters.base import Json
from normalize.serve import Message, Refused, serve


def count(data: bytes) -> dict[str, Json]:
    return {"bytes": len(data), "pid": os.getpid()}


def refuse(data: bytes) -> dict[str, Json]:
    raise Refused("unreadable", "page 3 is torn")


def fail(data: bytes) -> dict[str, Json]:
    raise ValueError("the words of a citizen")


def chatter(data: bytes) -> dict[str, Json]:
    print("x" * 1_000_000)  # noqa: T201
    sys.stderr.write("y" * 1_000_000)
    return {"pid": os.getpid()}


def die(data: bytes) -> dict[str, Json]:
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def hang(data: bytes) -> dict[str, Json]:
    threading.Event().wait()
    return {}


def swell(data: bytes) -> dict[str, Json]:
    held = []
    while True:
        held.append(bytearray(os.urandom(1 << 20)))


def write(data: bytes) -> dict[str, Json]:
    Path(data.decode()).write_bytes(b"x")
    return {}


def environment(data: bytes) -> dict[str, Json]:
    return {"names": [*sorted(os.environ)]}


DEEDS = {deed.__name__: deed for deed in (count, refuse, fail, chatter, die, hang, swell, write, environment)}


def answer(request: Mapping[str, Json], data: bytes) -> Message:
    if request["do"] == "echo":
        return {}, data
    return DEEDS[str(request["do"])](data), b""


if __name__ == "__main__":
    serve(answer)
