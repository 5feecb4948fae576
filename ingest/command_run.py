"""`xinqiao run`: the daemon."""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import os
import signal
import sys
import threading
from datetime import timedelta
from pathlib import Path

import uvloop

from ingest import heaps
from ingest.app import STAGES, Daemon
from ingest.cli import UsersMistake, WrongUsage
from ingest.commands import STORE_REFUSES, load_config
from ingest.config import Config
from ingest.listening import CannotListen
from ingest.logs import configure
from ingest.office import open_office
from ingest.rereading import Unusable
from ingest.sayings.problems import as_warnings
from ingest.supervisor import Supervisor

LAST_RESORT = timedelta(seconds=9)
"""After SIGTERM; an orderly stop takes less."""
HELD = timedelta(milliseconds=50)
"""What holds the event loop longer is told of in the log under PYTHONASYNCIODEBUG=1."""
PARTING = timedelta(milliseconds=500)
"""For the store to close when that time has come."""
FAREWELL = timedelta(seconds=1)
"""For threads to end once the store is closed."""


def run(arguments: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT."""
    heaps.share()
    stages = _stages(arguments.stages)
    config = load_config(arguments.config)
    configure(config.log.format, config.log.level, final=True)
    faulthandler.enable()  # a watchdog that ends us (SIGABRT) leaves behind where every thread hung
    for warning in as_warnings(config.service.language, config.warnings):
        print(warning, file=sys.stderr)
    try:
        uvloop.run(_run(arguments.config, config, stages, Supervisor.of(os.environ)))
    except (*STORE_REFUSES, CannotListen, Unusable) as error:
        raise UsersMistake(str(error)) from error
    return 0


class Orders:
    """What signals ask, from before anything is opened until the process ends: none is lost in between."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._daemon: Daemon | None = None
        self._last_resort: threading.Timer | None = None
        self._final = False
        """It is time to end."""
        self._reread = False

    def listen(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.end)
        loop.add_signal_handler(signal.SIGINT, self.end)
        loop.add_signal_handler(signal.SIGHUP, self.reread)

    def end(self) -> None:
        if not self._final:
            self._final = True
            self._supervisor.stopping()
            self._leave_within(LAST_RESORT)
        self._pass_on()

    def reread(self) -> None:
        self._reread = True
        self._pass_on()

    def follow(self, daemon: Daemon) -> None:
        """From now on orders go to this daemon, also those that came while it was opened."""
        self._daemon = daemon
        self._pass_on()

    def closed(self) -> None:
        """All is let go: only a thread that hangs can keep the process, and may not."""
        self._leave_within(FAREWELL)

    def _pass_on(self) -> None:
        if self._daemon is None:
            return
        if self._final:
            self._daemon.stopping.set()
        elif self._reread:
            self._reread = False
            self._daemon.reread()

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
    asyncio.get_running_loop().slow_callback_duration = HELD.total_seconds()
    orders = Orders(supervisor)
    orders.listen()
    office = await asyncio.to_thread(open_office, config)
    office.tell_if_new()
    daemon = Daemon(office, stages, supervisor, path)
    try:
        await daemon.open()
        heaps.settle()
        orders.follow(daemon)
        await daemon.work()
    finally:
        await daemon.close()
    orders.closed()


def _stages(written: str | None) -> frozenset[str]:
    wanted = frozenset(STAGES) if written is None else frozenset(written.split(","))
    if unknown := wanted - set(STAGES):
        raise WrongUsage(
            f"--stages: {', '.join(sorted(unknown)) or 'nothing'} is no stage; there are {', '.join(STAGES)}"
        )
    return wanted
