"""`xinqiao try CHANNEL`: what a poll would bring, with nothing stored, acknowledged or moved."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from datetime import datetime, timedelta

from adapters.base import ChannelRefused, ChannelUnavailable
from ingest.cli import UsersMistake, WrongUsage
from ingest.commands import load_config
from ingest.config import Channel, Config
from ingest.office import calendar_of, doors_of, scan_workers
from ingest.preview import Preview, source_of
from ingest.sayings.rewording import rewording

RECENT = timedelta(days=7)
"""A channel that starts from now has nothing to show yet: it is tried with its last week."""


def try_channel(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    channel = config.channels.get(arguments.channel)
    if channel is None:
        raise UsersMistake(
            f"channel {arguments.channel}: not in the configuration; there are {', '.join(config.channels)}"
        )
    start = _start(arguments.since, channel, config)
    try:
        return asyncio.run(_try(config, channel, start, arguments.limit))
    except (ChannelUnavailable, ChannelRefused) as error:
        say = rewording(config.service.language)
        raise UsersMistake(f"channel {channel.name}: {say(str(error))}") from error


async def _try(config: Config, channel: Channel, start: datetime, limit: int) -> int:
    scans = scan_workers()
    service = config.service
    preview = Preview(config.rules, calendar_of(config), scans, config.public_url, service.zone, service.language)
    door = doors_of(config.channels)[channel.name]
    adapter = channel.build()
    printed = 0
    try:
        async for batch in adapter.poll(None, start):
            for raw in batch.raws:
                now = datetime.now(service.zone)
                source = source_of(door, channel.name, raw.kind, raw.locator, raw.received_at, now, raw.meta)
                for line in await preview.lines(batch.blobs[raw.blob], raw.pointer, source, door):
                    print(json.dumps({"locator": raw.locator, **line}, ensure_ascii=False), flush=True)
                    printed += 1
                    if printed >= limit:
                        return 0
    finally:
        await adapter.close()
        await scans.close()
    if not printed:
        said = rewording(service.language)(f"channel {channel.name}: nothing since {start:%Y-%m-%d %H:%M}")
        print(f"xinqiao: {said}", file=sys.stderr)
    return 0


def _start(written: str | None, channel: Channel, config: Config) -> datetime:
    zone = config.service.zone
    now = datetime.now(zone)
    if written is None:
        return now - RECENT if channel.settings.start_from == "now" else channel.settings.start(now, zone)
    try:
        moment = datetime.fromisoformat(written)
    except ValueError as error:
        raise WrongUsage(f'--since: "{written}" is no time, expected 2026-03-01 or 2026-03-01T08:00') from error
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
