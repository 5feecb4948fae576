"""`xinqiao run`: the daemon."""

from __future__ import annotations

import argparse
import asyncio
import sys

from ingest.app import STAGES, CannotListen, Daemon
from ingest.cli import UsersMistake
from ingest.commands import load_config
from ingest.config import Config
from ingest.logs import configure
from ingest.office import open_office
from store.engine import StoreBusy
from store.sealing import SealBroken


def run(arguments: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT."""
    stages = _stages(arguments.stages)
    config = load_config(arguments.config)
    configure(config.log.format, config.log.level)
    for warning in config.warnings:
        print(f"{arguments.config}:{warning}", file=sys.stderr)
    try:
        asyncio.run(_run(config, stages))
    except (StoreBusy, SealBroken, CannotListen) as error:
        raise UsersMistake(str(error)) from error
    return 0


async def _run(config: Config, stages: frozenset[str]) -> None:
    office = await asyncio.to_thread(open_office, config)
    try:
        daemon = Daemon(office, stages)
        daemon.stop_on_signals()
        await daemon.run()
    finally:
        await office.close()


def _stages(written: str | None) -> frozenset[str]:
    wanted = frozenset(written.split(",")) if written else frozenset(STAGES)
    if unknown := wanted - set(STAGES):
        raise UsersMistake(f"--stages: {', '.join(sorted(unknown))} is no stage; there are {', '.join(STAGES)}")
    return wanted
