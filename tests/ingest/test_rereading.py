"""The files of a configuration: taken when they hold something else, at rest; what is no good changes nothing."""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.config import Config, load
from ingest.config_files import Seen, files_in, have_changed, look_different, marks_of
from ingest.crew import Changes
from ingest.in_force import InForce
from ingest.rereading import Rereading, Unusable
from tests.ingest.config_files import ENVIRONMENT, SEALING, TARGETS, write

NOW = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)
TICK = timedelta(milliseconds=20)
GOOD = SEALING + TARGETS


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


async def test_a_file_that_only_looks_otherwise_has_not_changed(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    seen = Seen.of([path])
    os.utime(path, (1, 1))

    again = await have_changed(seen, TICK)

    assert again is not None
    assert again != seen
    assert await have_changed(again, TICK) is again
    path.write_text("log: {level: debug}\n", "utf-8")
    assert await have_changed(again, TICK) is None


async def test_a_file_that_is_renamed_into_place_or_goes_has_changed(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    seen = Seen.of([path])
    other = tmp_path / "config.new"
    other.write_text(GOOD + "log: {level: debug}\n", "utf-8")
    other.replace(path)
    assert await have_changed(seen, TICK) is None

    seen = Seen.of([path])
    path.unlink()
    assert await have_changed(seen, TICK) is None


async def test_while_somebody_writes_it_is_waited(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    seen, written = Seen.of([path]), 0

    async def writing() -> None:
        nonlocal written
        for number in range(15):
            path.write_text(f"{GOOD}# {number}\n", "utf-8")
            written += 1
            await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as group:
        group.create_task(writing())
        await asyncio.sleep(0)
        assert await have_changed(seen, timedelta(milliseconds=200)) is None
        assert written == 15


def test_certificates_and_secrets_are_files_of_a_configuration_and_folders_are_not(tmp_path: Path) -> None:
    (tmp_path / "oa.secret").write_text(ENVIRONMENT["SECRET"], "utf-8")
    (tmp_path / "scans").mkdir()
    text = SEALING + "channels: {scans: {kind: letters, folder: scans}}\n"
    text += "targets: {oa: {url: http://127.0.0.1:1/w, secret: 'file:oa.secret', ca_file: ca.pem, restricted: true}}\n"

    config = load(write(tmp_path, text), ENVIRONMENT)

    assert set(config.seen.marks) == {tmp_path / name for name in ("config.yaml", "oa.secret", "ca.pem")}
    assert list(files_in(config.targets["oa"])) == [tmp_path / "ca.pem"]
    assert list(files_in(config.channels["scans"].adapter)) == []


@dataclass
class House:
    """A daemon that takes up whatever it is given, unless it is told that it cannot."""

    path: Path
    took: list[Config] = field(default_factory=list)
    cannot: Unusable | None = None
    told: list[str] = field(default_factory=list)
    ended: asyncio.Queue[None] = field(default_factory=asyncio.Queue)

    def rereading(self) -> Rereading:
        return Rereading(
            self.path,
            load(self.path),
            InForce(NOW),
            lambda: NOW + timedelta(minutes=len(self.told)),
            self.take_up,
            lambda: self.told.append("begins"),
            self.end,
            look=TICK,
            quiet=TICK,
        )

    def end(self) -> None:
        self.told.append("ends")
        self.ended.put_nowait(None)

    async def take_up(self, config: Config) -> Changes:
        if self.cannot is not None:
            raise self.cannot
        self.took.append(config)
        return Changes()


async def test_a_refused_file_is_told_with_its_places_and_forgotten_once_it_is_mended(tmp_path: Path) -> None:
    house = House(write(tmp_path, GOOD))
    rereading = house.rereading()
    write(tmp_path, GOOD + "log: {level: loud, zzz: 1}\n")
    await rereading.reread()
    refused = rereading.in_force.refused

    assert house.took == []
    assert refused is not None
    assert [one.split(" ")[0] for one in refused.problems] == [f"{house.path}:3:14:", f"{house.path}:3:20:"]
    assert (rereading.in_force.said() or "").endswith("(+1 more)")
    write(tmp_path, GOOD)
    await rereading.reread()
    assert (rereading.in_force.refused, rereading.in_force.said(), len(house.took)) == (None, None, 1)
    assert rereading.in_force.read_at > NOW
    assert house.told == ["begins", "ends"] * 2


async def test_a_file_that_stays_refused_is_refused_since_the_first_time(tmp_path: Path) -> None:
    house = House(write(tmp_path, GOOD))
    rereading = house.rereading()
    for level in ("loud", "louder"):
        write(tmp_path, GOOD + f"log: {{level: {level}}}\n")
        await rereading.reread()

    refused = rereading.in_force.refused
    assert refused is not None
    assert refused.since == NOW + timedelta(minutes=1)
    assert "louder" in refused.problems[0]


async def test_what_cannot_be_used_here_is_told_with_its_place(tmp_path: Path) -> None:
    house = House(write(tmp_path, GOOD), cannot=Unusable(("listen", "port"), "is taken"))
    rereading = house.rereading()
    write(tmp_path, GOOD + "listen:\n  port: 9000\n")
    await rereading.reread()

    refused = rereading.in_force.refused
    assert refused is not None
    assert refused.problems == (f"{house.path}:4:9: listen.port: is taken",)
    assert rereading.config.listen.port == 8650


async def test_a_secret_that_comes_later_mends_what_was_refused_for_its_lack(tmp_path: Path) -> None:
    house = House(write(tmp_path, GOOD))
    rereading = house.rereading()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        running = group.create_task(rereading.run(asyncio.Event()))
        write(tmp_path, SEALING + TARGETS.replace("${SECRET}", "file:late.secret"))
        await house.ended.get()
        refused = rereading.in_force.refused
        (tmp_path / "late.secret").write_text(ENVIRONMENT["SECRET"], "utf-8")
        await house.ended.get()
        running.cancel()

    assert refused is not None
    assert "late.secret: cannot be read" in refused.problems[0]
    assert (rereading.in_force.refused, len(house.took)) == (None, 1)


async def test_a_file_that_looks_different_is_seen_from_a_thread_that_ends_with_its_waiter(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    waiting = asyncio.create_task(look_different(marks_of([path]), TICK))
    await asyncio.sleep(5 * TICK.total_seconds())

    assert not waiting.done()
    path.write_text(GOOD + "log: {level: debug}\n", "utf-8")
    async with asyncio.timeout(20):
        await waiting

    cancelled = asyncio.create_task(look_different(marks_of([path]), TICK))
    await asyncio.sleep(0)
    assert "configuration" in {one.name for one in threading.enumerate()}
    cancelled.cancel()
    async with asyncio.timeout(20):
        while "configuration" in {one.name for one in threading.enumerate()}:  # noqa: ASYNC110 - there is no more to see
            await asyncio.sleep(TICK.total_seconds())
