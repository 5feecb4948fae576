"""`xinqiao backup` and `xinqiao restore`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version

from ingest.cli import UsersMistake
from ingest.commands import STORE_REFUSES, Progress, load_config
from ingest.config import Config
from ingest.config_copy import copy_without_secrets
from store.backup import Manifest, back_up
from store.blobs import Depot
from store.engine import depot_at
from store.restore import Place, restore
from store.snapshot import snapshot


def make_backup(arguments: argparse.Namespace) -> int:
    """Make a backup, the daemon at work or not; 1 if files that should be there are missing."""
    config = load_config(arguments.config)
    others = {f"config/{name}": held for name, held in copy_without_secrets(arguments.config, config).items()}
    program = f"xinqiao {version('xinqiao')}"
    with _said(), snapshot(config.database, config.data.folder) as taken:
        originals = None if arguments.no_originals else _bucket(config) or config.data.folder / "blobs"
        made = back_up(taken, originals, arguments.to.absolute(), others, program, datetime.now(UTC), Progress())
    _print(made, arguments, f"{arguments.to}: made", as_json=arguments.json)
    if not arguments.json:
        print("The sealing key is not in it: without the key it cannot be opened.")
    for sha256 in made.missing:
        print(f"xinqiao: missing: the file of blob {sha256}", file=sys.stderr)
    return 1 if made.missing else 0


def restore_backup(arguments: argparse.Namespace) -> int:
    """Bring a backup back, into a new or empty folder."""
    config = load_config(arguments.config)
    with _said():
        master = config.sealing.master()
        place = Place(arguments.to.absolute(), config.database, _bucket(config))
        brought = restore(arguments.backup.absolute(), place, master, Progress())
    _print(brought, arguments, f"{arguments.to}: restored from {arguments.backup}", as_json=arguments.json)
    if not arguments.json:
        print("Prove what is in it: xinqiao verify")
    if arguments.to.absolute() != config.data.folder and not arguments.json:
        print(f"{arguments.config} says data.folder: {config.data.folder}")
    return 0


def _bucket(config: Config) -> Depot | None:
    """Raises OSError: its settings make no client."""
    return None if config.bucket is None else depot_at(config.data.folder, config.bucket)


@contextmanager
def _said() -> Iterator[None]:
    """What keeps it from its end, in a line."""
    try:
        yield
    except STORE_REFUSES as error:
        raise UsersMistake(str(error)) from error
    except OSError as error:
        raise UsersMistake(f"{error.filename}: {error.strerror}") from error


def _print(one: Manifest, arguments: argparse.Namespace, said: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"to": str(arguments.to), **asdict(one)}, ensure_ascii=False))
        return
    print(said)
    print(f"  {one.engine}, tables of migration {one.migration}, made {one.made_at} by {one.program}")
    print(f"  {one.rows['cases']} cases, {one.rows['event']} events, {sum(one.rows.values())} rows in all")
    if one.originals:
        print(f"  {one.blobs} large originals and attachments")
    else:
        print("  without the large originals and attachments")
