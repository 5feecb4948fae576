"""`xinqiao read`: files from disk, read exactly as the daemon would."""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from adapters.base import RawKind
from adapters.document import at_pointer
from adapters.record_file import NotRecords, records_in
from ingest.cli import UsersMistake, WrongUsage
from ingest.commands import load_config
from ingest.config import Config
from ingest.office import calendar_of, doors_of, scan_workers
from ingest.preview import Preview, source_of
from ingest.reader import Door
from ingest.sayings.problems import of_locale
from normalize.calendar import WorkCalendar
from normalize.case import ChannelKind
from normalize.rules import Rules

HERE = Path("config.yaml")
WITHOUT_CONFIGURATION = {
    "mailbox": (RawKind.MAIL, Door(ChannelKind.MAILBOX)),
    "letter": (RawKind.LETTER, Door(ChannelKind.LETTER)),
}


class _AnySecret(dict[str, str]):
    """An environment in which every variable is set: reading a file needs nobody's password."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return base64.b64encode(bytes(32)).decode()


def read_files(arguments: argparse.Namespace) -> int:
    """Print a JSON line a case; 1 when a file could not be opened."""
    config = _config(arguments)
    kind, channel, door = _door(arguments, config)
    return asyncio.run(_read(arguments.files, kind, channel, door, config))


async def _read(files: Sequence[Path], kind: RawKind, channel: str, door: Door, config: Config | None) -> int:
    scans = scan_workers()
    zone = config.service.zone if config else ZoneInfo("Asia/Shanghai")
    preview = (
        Preview(config.rules, calendar_of(config), scans, config.public_url, zone, config.service.language)
        if config
        else Preview(Rules(), WorkCalendar.from_years({}), scans, "", zone, of_locale(os.environ))
    )
    failed = 0
    try:
        for file in files:
            try:
                content, changed = await asyncio.to_thread(_load, file, zone)
            except OSError as error:
                print(f"xinqiao: {file}: {error.strerror}", file=sys.stderr)
                failed = 1
                continue
            now = datetime.now(zone)
            received = changed if kind is RawKind.LETTER else None
            meta = {"file_name": file.name, "sha256": hashlib.sha256(content).hexdigest()}
            source = source_of(door, channel, kind, file.name, received, now, meta)
            try:
                told, pointer = _records(content, door) if kind is RawKind.RECORD else (content, "")
                lines = await preview.lines(told, pointer, source, door)
            except NotRecords as error:
                lines = preview.kept_aside(str(error))
            for line in lines:
                _print({"file": str(file), **line})
    finally:
        await scans.close()
    return failed


def _load(file: Path, zone: ZoneInfo) -> tuple[bytes, datetime]:
    """A file's bytes, and when it was last changed: what the folder of scans would take as its time of receipt."""
    return file.read_bytes(), datetime.fromtimestamp(file.stat().st_mtime, zone)


def _records(content: bytes, door: Door) -> tuple[bytes, str]:
    """The file's document as JSON, and where its records stand: as in the platform's own answer if this is one, else
    the whole document. Raises NotRecords.
    """
    document = records_in(content)
    told = json.dumps(document).encode()
    try:
        at_pointer(document, door.records)
    except LookupError:
        return told, ""
    return told, door.records


def _print(line: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def _config(arguments: argparse.Namespace) -> Config | None:
    """The configuration where it is named, needed or here: rules and field maps come from it, secrets are not asked
    for.
    """
    needed = arguments.kind == "feed" or arguments.channel is not None
    path = arguments.config or HERE
    if arguments.config is None and not needed and not path.exists():
        return None
    return load_config(path, _AnySecret(os.environ))


def _door(arguments: argparse.Namespace, config: Config | None) -> tuple[RawKind, str, Door]:
    kinds = {"mailbox": RawKind.MAIL, "letter": RawKind.LETTER, "feed": RawKind.RECORD}
    if arguments.channel is None and arguments.kind == "feed":
        raise WrongUsage("read --kind feed: expected --channel, whose field map reads the records")
    if config is None or arguments.channel is None:
        kind, plain = WITHOUT_CONFIGURATION[arguments.kind]
        return kind, arguments.kind, plain
    door = doors_of(config.channels).get(arguments.channel)
    if door is None:
        raise UsersMistake(
            f"channel {arguments.channel}: not in the configuration; there are {', '.join(config.channels)}"
        )
    return kinds[arguments.kind], arguments.channel, door
