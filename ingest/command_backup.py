"""`xinqiao backup` and `xinqiao restore`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from ingest.cli import UsersMistake
from ingest.commands import STORE_REFUSES, Progress, in_a_line, load_config
from ingest.config import Config
from ingest.config_copy import copy_without_secrets
from ingest.sayings.speech import Speech
from store.backup import Manifest, back_up
from store.blobs import Depot
from store.engine import depot_at
from store.restore import Place, restore
from store.snapshot import snapshot


def make_backup(arguments: argparse.Namespace) -> int:
    """Make a backup, the daemon at work or not; 1 if files that should be there are missing."""
    config = load_config(arguments.config)
    others = {f"config/{name}": held for name, held in copy_without_secrets(arguments.config, config).items()}
    said = Speech(config.service.language)
    program = f"xinqiao {version('xinqiao')}"
    with _refused_in_a_line(arguments.to), _ended_in_order(), snapshot(config.database, config.data.folder) as taken:
        originals = None if arguments.no_originals else _bucket(config) or config.data.folder / "blobs"
        made = back_up(
            taken, originals, arguments.to.absolute(), others, program, datetime.now(UTC), Progress(said.again)
        )
    if arguments.json:
        _print_json(made, arguments)
    else:
        print("\n".join([said("backup.made", to=arguments.to), *_lines(made, said), said("backup.no_key")]))
    for sha256 in made.missing:
        print(f"xinqiao: {said('backup.missing', sha256=sha256)}", file=sys.stderr)
    return 1 if made.missing else 0


def restore_backup(arguments: argparse.Namespace) -> int:
    """Bring a backup back, into a new or empty folder."""
    config = load_config(arguments.config)
    said = Speech(config.service.language)
    with _refused_in_a_line(arguments.to):
        master = config.sealing.master()
        place = Place(arguments.to.absolute(), config.database, _bucket(config))
        brought = restore(arguments.backup.absolute(), place, master, Progress(said.again))
    if arguments.json:
        _print_json(brought, arguments)
        return 0
    done = said("backup.restored", to=arguments.to, backup=arguments.backup)
    print("\n".join([done, *_lines(brought, said), said("backup.prove")]))
    if arguments.to.absolute() != config.data.folder:
        print(said("backup.folder", file=arguments.config, folder=config.data.folder))
    return 0


def _bucket(config: Config) -> Depot | None:
    """Raises OSError: its settings make no client."""
    return None if config.bucket is None else depot_at(config.data.folder, config.bucket)


@contextmanager
def _refused_in_a_line(to: Path) -> Iterator[None]:
    """What keeps it from its end, in a line."""
    try:
        yield
    except STORE_REFUSES as error:
        raise UsersMistake(str(error)) from error
    except OSError as error:
        raise UsersMistake(in_a_line(error, to)) from error


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """SIGTERM clears away what is half made, as Ctrl-C does."""

    def end(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _print_json(one: Manifest, arguments: argparse.Namespace) -> None:
    print(json.dumps({"to": str(arguments.to), **asdict(one)}, ensure_ascii=False))


def _lines(one: Manifest, said: Speech) -> Iterator[str]:
    yield said("backup.of", engine=one.engine, migration=one.migration, at=one.made_at, program=one.program)
    rows, all_rows = one.rows, sum(one.rows.values())
    yield said("backup.rows", cases=rows["cases"], events=rows["event"], rows=all_rows)
    yield said("backup.originals", count=one.blobs) if one.originals else said("backup.no_originals")
