"""Answers requests over standard input and output: how a parser of foreign files runs in a process of its own."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import struct
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, TypeAlias

from adapters.base import Json

Message: TypeAlias = "tuple[dict[str, Json], bytes]"
"""A JSON header, and bytes behind it."""
Answer: TypeAlias = Callable[[Mapping[str, Json], bytes], Message]

SIZES = struct.Struct(">IQ")
"""Every message: the sizes of its JSON header and of the bytes after it, then both."""
_PR_SET_PDEATHSIG = 1


class Refused(Exception):
    """The work was understood and cannot be done; `kind` is for the caller, `reason` for a person."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


def pack(header: Mapping[str, Json], data: bytes = b"") -> tuple[bytes, bytes]:
    """A message as it travels: the sizes with the header, and the data behind them."""
    head = json.dumps(header).encode()
    return SIZES.pack(len(head), len(data)) + head, data


def serve(answer: Answer) -> None:
    """Say `ready`, then answer requests one after the other until the other side closes the pipe.

    Whatever libraries print goes to standard error; the process dies with its parent, writes no files and leaves no
    core. A Refused is answered as such, any other exception as `failed` with its kind and place, never its words,
    which may quote the document.
    """
    requests, answers = _take_pipes()
    _bind_to_parent()
    _send(answers, {"ready": True})
    while message := _receive(requests):
        try:
            said, data = answer(*message)
            reply: dict[str, Json] = {"ok": said}
        except Refused as refused:
            reply, data = {"error": refused.kind, "reason": refused.reason}, b""
        except Exception as error:  # noqa: BLE001 - the boundary: the caller gets every fault as a message
            reply, data = {"error": "failed", "reason": where(error)}, b""
        _send(answers, reply, data)


def where(error: BaseException) -> str:
    """An error's kind and place, without its words."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


def _send(answers: BinaryIO, message: Mapping[str, Json], data: bytes = b"") -> None:
    answers.writelines(pack(message, data))
    answers.flush()


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes to ourselves: a library's print must not land between two messages."""
    requests, answers = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return os.fdopen(requests, "rb"), os.fdopen(answers, "wb")


def _bind_to_parent() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to act on
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    # When memory runs out, this process is the one to spare least.
    Path("/proc/self/oom_score_adj").write_text("800")


def _receive(requests: BinaryIO) -> tuple[dict[str, Json], bytes] | None:
    sizes = requests.read(SIZES.size)
    if len(sizes) < SIZES.size:
        return None
    head_size, data_size = SIZES.unpack(sizes)
    header = json.loads(requests.read(head_size))
    data = requests.read(data_size)
    return (header, data) if len(data) == data_size else None
