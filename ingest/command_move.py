"""`xinqiao move`: an embedded installation goes on in PostgreSQL, with everything it has."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from ingest.cli import UsersMistake, WrongUsage
from ingest.commands import STORE_REFUSES, Progress, asker, in_a_line, load_config
from ingest.config import Config
from ingest.config_sections import POSTGRESQL, check_database
from ingest.sayings.rewording import rewording
from ingest.sayings.speech import Speech
from ingest.secrets import SecretMissing, expand, references
from store.address import shown
from store.blob_bucket import Bucket
from store.blob_claim import claimed, mark, take_over
from store.engine import StoreFailed, depot_at
from store.move_source import Source
from store.move_target import State, Target
from store.moving import TABLES, NotTheSame, carry_blobs, carry_rows, expect_movable, hand_over
from store.row_bytes import Unstorable


@dataclass(frozen=True)
class Goal:
    """Where everything goes."""

    database: str
    folder: Path
    bucket: Bucket | None
    advice: tuple[str, ...]
    """What the operator has to do afterwards, a line each."""


def move(args: Namespace) -> int:
    """Move `args.config`'s installation to `args.to`; with `args.dry_run` only say what would be done."""
    config = load_config(args.config)
    if config.shared:
        raise UsersMistake(f"{args.config}: names PostgreSQL already; the configuration of an embedded one is moved")
    goal = _goal(args, config)
    with _refused_in_a_line(goal.folder):
        source = Source(config.data.folder)
        with closing(source), closing(Target(goal.database)) as target:
            report = _look(source, target, goal) if args.dry_run else _move(source, target, goal, config)
    if args.json:
        print(json.dumps({**report, "advice": list(goal.advice)}, ensure_ascii=False))
    else:
        _print(report, goal, Speech(config.service.language))
    return 0


def _look(source: Source, target: Target, goal: Goal) -> dict[str, Any]:
    state = target.state(source.keys())
    expect_movable(source, state, target.place)
    rows = [{"name": table.name, "rows": source.count(table)} for table in TABLES]
    return {"moved": False, "state": state.value, "to": target.place, "tables": rows, "blobs": None}


def _move(source: Source, target: Target, goal: Goal, config: Config) -> dict[str, Any]:
    master, keys = config.sealing.master(), source.keys()
    sealer = source.sealer(master)
    state = target.state(keys)
    expect_movable(source, state, target.place)
    here, there = depot_at(config.data.folder, config.bucket), depot_at(goal.folder, goal.bucket)
    if state is not State.COMPLETE:
        take_over(there, sealer, target.given_up(keys, master))  # now, not when all rows are there
    if target.begin(keys) is State.COMPLETE:
        return {"moved": True, "state": "complete", "to": target.place, "tables": [], "blobs": None}
    tell = Progress(rewording(config.service.language))
    tables = carry_rows(source, target, tell)
    blobs = carry_blobs(source, sealer, here, there, tell) if here.place != there.place else None
    if not claimed(there, sealer):
        mark(there, sealer)
    hand_over(source, target, sealer, asker(), tables)
    done = {"tables": [asdict(one) for one in tables], "blobs": blobs and asdict(blobs)}
    return {"moved": True, "state": "moved", "to": target.place, **done}


def _goal(args: Namespace, config: Config) -> Goal:
    """From an address, or from the configuration that is to be in force afterwards."""
    if args.to.startswith(POSTGRESQL):
        return _goal_at(args, config)
    if args.blobs:
        raise WrongUsage("--blobs: goes with an address; a configuration says itself where blobs lie")
    if not Path(args.to).is_file():
        raise WrongUsage(f"--to: expected {POSTGRESQL}user:${{PG_PASSWORD}}@host/name or a configuration file")
    wanted = load_config(Path(args.to))
    if not wanted.shared:
        raise UsersMistake(f"{args.to}: names no PostgreSQL; expected database: {POSTGRESQL}user@host/name")
    if wanted.sealing.master() != config.sealing.master():
        raise UsersMistake(f"{args.to}: sealing.key: is another one; what is sealed moves as it is, under the same key")
    advice = f"from now on start with -c {args.to}, or put it in the place of {args.config}"
    return Goal(wanted.database, wanted.data.folder, wanted.bucket, (advice,))


def _goal_at(args: Namespace, config: Config) -> Goal:
    try:
        address = check_database(expand(args.to, os.environ, args.config.parent))
    except (SecretMissing, ValueError) as error:
        raise WrongUsage(f"--to: {error}") from error
    url = make_url(args.to)
    hidden = shown(url).replace(":***@", ":${PG_PASSWORD}@")
    said = hidden if url.password and not references(str(url.password)) else args.to
    advice = (f"now write in {args.config}:", f"  database: {said}")
    if not args.blobs:
        return Goal(address, config.data.folder, config.bucket, advice)
    folder = Path(args.blobs).absolute()
    instead = ("  and no blobs",) if config.blobs else ()
    return Goal(address, folder, None, (*advice, f"  data: {{folder: {folder}}}", *instead))


@contextmanager
def _refused_in_a_line(to: Path) -> Iterator[None]:
    """What keeps a move from its end, in a line; whatever was done is gone on with by the next run."""
    try:
        yield
    except (*STORE_REFUSES, StoreFailed, NotTheSame, Unstorable) as error:
        raise UsersMistake(str(error)) from error
    except OSError as error:
        raise UsersMistake(f"{in_a_line(error, to)}; give the command again") from error


def _print(report: dict[str, Any], goal: Goal, said: Speech) -> None:
    print(said(f"move.{report['state']}", to=report["to"]))
    if report["tables"]:
        rows = sum(one["rows"] for one in report["tables"])
        print(said("move.rows", tables=len(report["tables"]), rows=rows))
    if (blobs := report["blobs"]) is not None:
        print(said("move.originals", count=blobs["found"], place=blobs["place"]))
        for sha256 in blobs["missing"]:
            print(said("move.missing", sha256=sha256), file=sys.stderr)
    if report["moved"]:
        print("\n".join(map(said.again, goal.advice)))
