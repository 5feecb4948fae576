"""`xinqiao run`: the daemon."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import faulthandler
import os
import signal
import sys
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import structlog

from ingest.app import STAGES, CannotListen, Daemon
from ingest.cli import UsersMistake, WrongUsage
from ingest.commands import STORE_REFUSES, load_config
from ingest.config import Config, ConfigErrors, load
from ingest.logs import configure
from ingest.office import open_office
from ingest.supervisor import Supervisor
from store.failure import place_of

log = structlog.get_logger()
_M_ARENA_MAX = -8
LAST_RESORT = timedelta(seconds=9)
"""After SIGTERM; an orderly stop takes less."""
HELD = timedelta(milliseconds=50)
"""What holds the event loop longer is told of in the log under PYTHONASYNCIODEBUG=1."""
PARTING = timedelta(milliseconds=500)
"""For the store to close when that time has come."""
FAREWELL = timedelta(seconds=1)
"""For threads to end once the store is closed."""
MOVED = "data.folder, database, blobs: another store is not taken up by SIGHUP; stop the daemon and start it"


def run(arguments: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT."""
    _share_heaps()
    stages = _stages(arguments.stages)
    config = load_config(arguments.config)
    configure(config.log.format, config.log.level, final=True)
    faulthandler.enable()  # a watchdog that ends us (SIGABRT) leaves behind where every thread hung
    for warning in config.warnings:
        print(warning, file=sys.stderr)
    try:
        asyncio.run(_run(arguments.config, config, stages, Supervisor.of(os.environ)))
    except (*STORE_REFUSES, CannotListen) as error:
        raise UsersMistake(str(error)) from error
    return 0


def _share_heaps() -> None:
    """Give our dozen threads two heaps: one for each, as the C library would have it, costs more than it brings."""
    with suppress(AttributeError):  # a library without it has other ways
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


class Orders:
    """What signals ask, from before anything is opened until the process ends: none is lost in between."""

    def __init__(self, path: Path, config: Config, supervisor: Supervisor) -> None:
        self._path = path
        self._config = config
        self._supervisor = supervisor
        self._daemon: Daemon | None = None
        self._last_resort: threading.Timer | None = None
        self.following: Config | None = None
        """What the configuration says by now, if it was asked to be reread."""
        self.final = False
        """It is time to end."""

    def listen(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.end)
        loop.add_signal_handler(signal.SIGINT, self.end)
        loop.add_signal_handler(signal.SIGHUP, self.reread)

    def end(self) -> None:
        if not self.final:
            self.final = True
            self._supervisor.stopping()
            self._leave_within(LAST_RESORT)
        self._pass_on()

    def reread(self) -> None:
        self._supervisor.reloading()
        found = _reread(self._path, self._config)
        if found is None:
            self._supervisor.ready("configuration refused; the old one stays in force")
            return
        self.following = found
        self._pass_on()

    def follow(self, daemon: Daemon | None, config: Config) -> None:
        """From now on orders go to this daemon, also those that came while it was opened."""
        self._daemon, self._config = daemon, config
        self._pass_on()

    def closed(self) -> None:
        """All is let go: only a thread that hangs can keep the process, and may not."""
        if self.final:
            self._leave_within(FAREWELL)

    def _pass_on(self) -> None:
        if self._daemon is not None and (self.final or self.following is not None):
            self._daemon.stopping.set()

    def _leave_within(self, longest: timedelta) -> None:
        if self._last_resort is not None:
            self._last_resort.cancel()
        self._last_resort = threading.Timer(longest.total_seconds(), self._leave)
        self._last_resort.daemon = True
        self._last_resort.start()

    def _leave(self) -> None:
        """Whatever hangs (a share, a name server, a database): what was written is kept, and the process is gone."""
        if self._daemon is not None:
            closing = threading.Thread(target=self._daemon.office.store.close, daemon=True)
            closing.start()
            closing.join(PARTING.total_seconds())
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


async def _run(path: Path, config: Config, stages: frozenset[str], supervisor: Supervisor) -> None:
    """Run until stopped; with SIGHUP and a good file, begin again with what it says now."""
    asyncio.get_running_loop().slow_callback_duration = HELD.total_seconds()
    orders = Orders(path, config, supervisor)
    orders.listen()
    daemon = await _opened(config, stages, supervisor)
    while True:
        orders.follow(daemon, config)
        try:
            await daemon.work()
        finally:
            await daemon.close()
        if orders.final or orders.following is None:
            break
        following, orders.following = orders.following, None
        orders.follow(None, following)
        config, daemon = await _opened_anew(following, config, stages, supervisor)
    orders.closed()


async def _opened(config: Config, stages: frozenset[str], supervisor: Supervisor) -> Daemon:
    daemon = Daemon(await asyncio.to_thread(open_office, config), stages, supervisor)
    try:
        await daemon.open()
    except BaseException:
        await daemon.close()
        raise
    return daemon


async def _opened_anew(
    wanted: Config, before: Config, stages: frozenset[str], supervisor: Supervisor
) -> tuple[Config, Daemon]:
    """A daemon as wanted; if that cannot be, as before."""
    try:
        return wanted, await _opened(wanted, stages, supervisor)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the new file, the doors open again
        said = str(error) if isinstance(error, (*STORE_REFUSES, CannotListen, OSError)) else place_of(error)
        log.error("configuration cannot be used; the old one is in force again", error=said)
        return before, await _opened(before, stages, supervisor)


def _reread(path: Path, before: Config) -> Config | None:
    """The configuration as it stands now; None, said in the log, when it is no good."""
    try:
        found = load(path)
    except ConfigErrors as error:
        log.error("configuration refused; the old one stays in force", problems=str(error).splitlines())
        return None
    if _kept_in(found) != _kept_in(before):
        log.error("configuration refused; the old one stays in force", problems=[MOVED])
        return None
    log.info("configuration reread")
    return found


def _kept_in(config: Config) -> tuple[object, ...]:
    return config.data.folder, config.database, config.blobs and config.blobs.url


def _stages(written: str | None) -> frozenset[str]:
    wanted = frozenset(written.split(",")) if written else frozenset(STAGES)
    if unknown := wanted - set(STAGES):
        raise WrongUsage(f"--stages: {', '.join(sorted(unknown))} is no stage; there are {', '.join(STAGES)}")
    return wanted
