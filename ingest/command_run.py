"""`xinqiao run`: the daemon."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import structlog

from ingest.app import STAGES, CannotListen, Daemon
from ingest.cli import UsersMistake, WrongUsage
from ingest.commands import STORE_REFUSES, load_config
from ingest.config import Config, ConfigErrors, load
from ingest.logs import configure
from ingest.office import open_office

log = structlog.get_logger()


def run(arguments: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT."""
    stages = _stages(arguments.stages)
    config = load_config(arguments.config)
    configure(config.log.format, config.log.level)
    for warning in config.warnings:
        print(warning, file=sys.stderr)
    try:
        asyncio.run(_run(arguments.config, config, stages))
    except (*STORE_REFUSES, CannotListen) as error:
        raise UsersMistake(str(error)) from error
    return 0


async def _run(path: Path, config: Config, stages: frozenset[str]) -> None:
    """Run until stopped; with SIGHUP and a good file, begin again with what it says now."""
    following: Config | None = config
    while following is not None:
        office = await asyncio.to_thread(open_office, following)
        following = None
        daemon = Daemon(office, stages)

        def reread(running: Daemon = daemon) -> None:
            nonlocal following
            if (found := _reread(path)) is not None:
                following = found
                running.stopping.set()

        daemon.stop_on_signals()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reread)
        try:
            await daemon.run()
        finally:
            await office.close()


def _reread(path: Path) -> Config | None:
    """The configuration as it stands now; None, said in the log, when it is no good."""
    try:
        found = load(path)
    except ConfigErrors as error:
        log.error("configuration refused; the old one stays in force", problems=str(error).splitlines())
        return None
    log.info("configuration reread")
    return found


def _stages(written: str | None) -> frozenset[str]:
    wanted = frozenset(written.split(",")) if written else frozenset(STAGES)
    if unknown := wanted - set(STAGES):
        raise WrongUsage(f"--stages: {', '.join(sorted(unknown))} is no stage; there are {', '.join(STAGES)}")
    return wanted
