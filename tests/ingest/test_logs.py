"""What reaches the log of what others say."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.logs import configure

ROOT = Path(__file__).resolve().parents[2]
QUOTED = "顾晓棠 13900000000"


def quoting() -> ValueError:
    try:
        int(QUOTED)
    except ValueError as error:
        return error
    raise AssertionError("it is no number")


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_library_s_error_is_told_by_kind_and_place(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure("json" if form == "json" else "console", "info")
    error = quoting()

    logging.getLogger("aiohttp.server").error("Error handling request from %s", "127.0.0.1", exc_info=error)
    logging.getLogger("pool").warning("connection lost: %s", error)
    logging.getLogger("asyncio").error("%s\nexception=%r", "Task exception was never retrieved", str(error))

    said = capsys.readouterr().err
    assert QUOTED not in said
    assert "Error handling request from 127.0.0.1: ValueError in quoting" in said
    assert "connection lost: ValueError in quoting" in said
    assert "Task exception was never retrieved" in said
    assert said.count("\n") == 3


async def test_an_error_the_loop_tells_is_not_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    configure("console", "info")

    asyncio.get_running_loop().call_exception_handler({"message": "stray", "exception": quoting()})

    said = capsys.readouterr().err
    assert "stray: ValueError in quoting" in said
    assert QUOTED not in said


def test_a_log_that_cannot_be_written_ends_no_work() -> None:
    program = "from ingest.logs import configure; import structlog; configure('json', 'info'); " + (
        "[structlog.get_logger().error('disk is full') for _ in range(3)]; print('goes on', flush=True)"
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=full, cwd=ROOT, check=False
        )

    assert done.stdout == b"goes on\n"
