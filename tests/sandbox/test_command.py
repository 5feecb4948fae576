from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox.command import add_command
from sandbox.configuring import configuration
from sandbox.keyring import keyring
from sandbox.options import PORTS, Options

FREE = "oa=0,control=0,sunshine=0,hotline=0,mailbox=0,ecology=0,seeyon=0"


def _parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_command(parser.add_subparsers())
    return parser.parse_args(["sandbox", *arguments])


async def _start(data: Path, *more: str) -> asyncio.subprocess.Process:
    code = (
        "import sys, argparse; from sandbox.command import add_command; p = argparse.ArgumentParser(); "
        "add_command(p.add_subparsers()); a = p.parse_args(); sys.exit(a.func(a))"
    )
    arguments = (sys.executable, "-c", code, "sandbox", "--data", str(data), "--ports", FREE, *more)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *arguments, stdout=pipe, stderr=pipe, cwd=Path(__file__).parents[2], start_new_session=True
    )
    _started.append(process.pid)
    return process


_started: list[int] = []


@pytest.fixture(autouse=True)
def nothing_is_left_running() -> Iterator[None]:
    """Whatever a failed test started goes with it, the daemon the sandbox started included."""
    yield
    while _started:
        with suppress(ProcessLookupError):
            os.killpg(_started.pop(), signal.SIGKILL)


async def _ready(process: asyncio.subprocess.Process, data: Path) -> dict[str, str]:
    """Where everything listens, once the friendly block was printed."""
    assert process.stdout is not None
    first = await asyncio.wait_for(process.stdout.readline(), 120)
    assert "xinqiao sandbox" in first.decode()
    addresses: dict[str, str] = json.loads((data / "sandbox.json").read_text("utf-8"))["addresses"]
    return addresses


async def _json(address: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(address) as answer:
        return await answer.json()


async def _preloaded(control: str, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(60):
        while True:
            entries: list[dict[str, Any]] = await _json(f"{control}/arrivals")
            if len(entries) >= count:
                return entries
            await asyncio.sleep(0.1)


async def _ready_within(address: str, seconds: float) -> Any:
    """What the console says when everything is open, or at the end of the patience."""
    async with asyncio.timeout(seconds):
        while True:
            said = await _json(address)
            if said["ready"]:
                return said
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
async def test_the_sandbox_starts_says_where_and_stops_in_order(tmp_path: Path, end: signal.Signals) -> None:
    process = await _start(
        tmp_path,
        "--rate",
        "0",
        "--preload",
        "sunshine=8,hotline=8,letters=1",
        "--revise",
        "0.5",
        "--revise-after",
        "0",
        "--faults",
        "oa=slow@0.5",
    )
    addresses = await _ready(process, tmp_path)
    entries = await _preloaded(addresses["control"], 25)
    faults = await _json(f"{addresses['control']}/faults")
    process.send_signal(end)
    output, errors = await asyncio.wait_for(process.communicate(), 20)

    assert set(addresses) == {"sunshine", "hotline", "mailbox", "letters", "oa", "control"}
    assert sum(entry["act"] == "change" for entry in entries) == 8
    assert faults["oa"] == {"fault": "slow", "share": 0.5, "hits": 0}
    assert (process.returncode, errors) == (0, b"")
    assert "sandbox.env" in output.decode()
    assert not (tmp_path / "sandbox.json").exists()


async def test_the_oa_alone_can_be_killed_and_started_again(tmp_path: Path) -> None:
    process = await _start(tmp_path, "--only", "oa", "--rate", "0")
    addresses = await _ready(process, tmp_path)
    process.kill()
    await process.communicate()
    again = await _start(tmp_path, "--only", "oa", "--rate", "0")
    stats = await _json(f"{(await _ready(again, tmp_path))['oa']}/api/stats")
    again.terminate()
    await again.communicate()

    assert set(addresses) == {"oa", "control"}
    assert stats["events"] == 0


async def test_oas_with_an_interface_of_their_own_run_when_chosen(tmp_path: Path) -> None:
    process = await _start(tmp_path, "--only", "ecology,seeyon", "--faults", "ecology=lost,seeyon-login=500")
    addresses = await _ready(process, tmp_path)
    faults = await _json(f"{addresses['control']}/faults")
    started = [await _json(addresses[name]) for name in ("ecology", "seeyon")]
    async with aiohttp.ClientSession() as session, session.get(f"{addresses['control']}/") as page:
        shown = await page.text()
    process.terminate()
    await process.communicate()

    assert set(addresses) == {"ecology", "seeyon", "control"}
    assert {name: one["fault"] for name, one in faults.items()} == {
        "ecology": "lost", "ecology-login": "none", "seeyon": "none", "seeyon-login": "500",
    }  # fmt: skip
    assert started == [[], []]
    assert "泛微 e-cology" in shown


async def test_a_port_in_use_is_one_readable_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = await _start(tmp_path, "--ports", f"{FREE},hotline={port}")
        output, errors = await asyncio.wait_for(process.communicate(), 30)

    assert process.returncode == 1
    assert errors.decode() == f"xinqiao sandbox: port {port} on 127.0.0.1 cannot be used: Address already in use\n"
    assert output == b""


async def test_a_daemon_that_cannot_start_is_one_readable_line(tmp_path: Path) -> None:
    process = await _start(tmp_path, "--run", "-c", str(tmp_path / "nowhere.yaml"))
    _, errors = await asyncio.wait_for(process.communicate(), 60)

    assert process.returncode == 1
    assert errors.decode().count("\n") == 1
    assert errors.decode() == f"xinqiao sandbox: {tmp_path / 'nowhere.yaml'}: No such file or directory\n"


async def test_beside_another_sandbox_the_daemon_has_ports_and_folders_of_its_own(tmp_path: Path) -> None:
    data = tmp_path / "trial"
    process = await _start(data, "--run", "--rate", "0", "--preload", "hotline=1", "--ports", f"{FREE},console=0")
    addresses = await _ready(process, data)
    assert process.stdout is not None
    said = [line.decode() for line in await asyncio.gather(*[process.stdout.readline() for _ in range(2)])]
    console = said[1].split()[-1]
    ready = await _ready_within(f"{console}/readyz", 120)
    process.terminate()
    _, errors = await asyncio.wait_for(process.communicate(), 40)

    assert (process.returncode, errors) == (0, b"")
    assert ready["ready"] is True
    assert set(ready["doors"]) == {"sunshine", "hotline", "director_mailbox", "letters"}
    assert (data / "xinqiao" / "xinqiao.db").exists()
    derived = (data / "config.yaml").read_text("utf-8")
    assert all(address.rpartition(":")[2] in derived for name, address in addresses.items() if name == "hotline")
    assert "sandbox-data" not in derived


def test_everything_at_its_usual_place_leaves_the_configuration_as_it_is() -> None:
    assert configuration(Options(), PORTS) == Path("config.yaml")


def test_ports_may_change_places(tmp_path: Path) -> None:
    given = tmp_path / "given.yaml"
    given.write_text("a: http://127.0.0.1:8653\nb: http://127.0.0.1:8654\ncalendar: year.yaml # ours\n", "utf-8")
    (tmp_path / "data").mkdir()
    options = Options(data=tmp_path / "data", config=given)

    made = configuration(options, {**PORTS, "sunshine": 8654, "hotline": 8653}).read_text("utf-8")

    assert made.splitlines()[1:] == [
        "a: http://127.0.0.1:8654",
        "b: http://127.0.0.1:8653",
        f"calendar: {tmp_path / 'year.yaml'} # ours",
    ]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--only", "fax"), "expected some of sunshine, hotline, mailbox, letters, oa"),
        (("--preload", "oa=3"), "expected NAME=NUMBER with NAME one of sunshine, hotline, mailbox, letters"),
        (("--ports", "oa=x"), "--ports 'oa=x'"),
        (("--faults", "oa"), "expected STANDIN=FAULT"),
        (("--revise", "2"), "--revise lies between 0 and 1"),
    ],
)
def test_an_option_without_sense_is_wrong_usage(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], complaint: str
) -> None:
    parsed = _parse(*arguments)

    assert parsed.func(parsed) == 2
    assert complaint in capsys.readouterr().err


def test_a_fault_a_stand_in_cannot_show_is_wrong_usage(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    parsed = _parse("--data", str(tmp_path), "--ports", FREE, "--faults", "letters=429")

    assert parsed.func(parsed) == 2
    assert "letters: fault '429' is not known" in capsys.readouterr().err


def test_secrets_are_made_once_kept_and_readable_by_their_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XINQIAO_KEY", "the key of a real installation")
    first, again = keyring(tmp_path), keyring(tmp_path)

    assert first == again
    assert first["XINQIAO_KEY"] != os.environ["XINQIAO_KEY"]
    assert first["OA_WEBHOOK_SECRET"].startswith("whsec_")
    assert (tmp_path / "sandbox.env").stat().st_mode & 0o777 == 0o600
