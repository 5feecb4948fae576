"""What there is to see of an installation: its rows, its disk, its certificates."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, func, select

from ingest.alarms.conditions import BackupsSeen, DoorSeen, Seen, TargetSeen
from ingest.alarms.watch import is_tell_lane
from store import chain, ledger
from store.backup import newest
from store.schema import channel, delivery, event, raw
from store.schema import ledger as ledger_rows
from store.schema import target as target_rows
from store.sealing import Sealer

FOR_A_PERSON = ("rejected", "unknown")


@dataclass(frozen=True)
class Places:
    """What is looked at; in force by the configuration."""

    doors: frozenset[str]
    targets: frozenset[str]
    sinks: frozenset[str]
    folders: tuple[Path, ...]
    certificates: tuple[Path, ...]
    backups: Path | None = None


AnswerBy = Callable[[str, datetime], datetime | None]
"""By when a door that answered last at some time has answered again, if that is known."""


def look(conn: Connection, places: Places, sealer: Sealer, answer_by: AnswerBy) -> Seen:
    """The rows' part; the rest is `look_around`."""
    by_target = {name: _for_a_person(conn, name) for name in places.targets}
    rows = {row.name: row for row in conn.execute(select(target_rows))}
    quarantined = select(func.count()).where(raw.c.state == "quarantined")
    oldest = _oldest(conn)
    given_up = select(func.count()).where(ledger_rows.c.state == ledger.DEAD, ~ledger_rows.c.lane.startswith("push:"))
    return Seen(
        doors=[
            _door(row, answer_by)
            for row in conn.execute(select(channel).order_by(channel.c.name))
            if row.name in places.doors
        ],
        targets=[
            TargetSeen(name, row.state, row.since, row.error, by_target[name])
            for name in sorted(places.targets)
            if (row := rows.get(name)) is not None
        ],
        quarantined=conn.execute(quarantined).scalar_one(),
        held=conn.execute(select(func.count()).where(event.c.held)).scalar_one(),
        given_up=conn.execute(given_up).scalar_one(),
        history_cut=not chain.is_whole(conn, sealer),
        oldest={lane: due for lane, due in oldest.items() if _is_worked(lane, places)},
        unheard=[lane for lane in oldest if is_tell_lane(lane) and not _is_worked(lane, places)],
    )


def look_around(seen: Seen, places: Places) -> Seen:
    """With what lies on this machine's disk; blocking."""
    ends, unusable = _certificates(places.certificates)
    free = {str(folder): share for folder in places.folders if (share := _free(folder)) is not None}
    backups = None if places.backups is None else BackupsSeen(str(places.backups), _newest_backup(places.backups))
    return replace(seen, disk_free=free, certificates=ends, unusable_certificates=unusable, backups=backups)


def _door(row: Row[Any], answer_by: AnswerBy) -> DoorSeen:
    begun = row.enrolled_at or row.since
    due = answer_by(row.name, row.last_success_at or begun)
    return DoorSeen(row.name, row.state, row.since, row.error, row.last_success_at, row.last_new_at, begun, due)


def _for_a_person(conn: Connection, name: str) -> int:
    wanted = select(func.count()).where(delivery.c.target == name, delivery.c.state.in_(FOR_A_PERSON))
    return int(conn.execute(wanted).scalar_one())


def _oldest(conn: Connection) -> dict[str, datetime]:
    """By lane, from the index of claims alone: since when its oldest ready step is due."""
    due = select(ledger_rows.c.lane, func.min(ledger_rows.c.due).label("first")).where(
        ledger_rows.c.state == ledger.READY
    )
    return {row.lane: row.first for row in conn.execute(due.group_by(ledger_rows.c.lane))}


def _is_worked(lane: str, places: Places) -> bool:
    """Whether the configuration still has the door, target or sink whose lane it is."""
    step, _, name = lane.partition(":")
    theirs = {"fetch": places.doors, "settle": places.doors, "push": places.targets, "tell": places.sinks}
    return step not in theirs or name in theirs[step]


def _free(folder: Path) -> float | None:
    try:
        usage = shutil.disk_usage(folder)
    except OSError:  # a share that is gone is the door's alarm
        return None
    return 100 * usage.free / usage.total


def _newest_backup(folder: Path) -> datetime | None:
    try:
        return newest(folder)
    except OSError:
        return None


def _certificates(files: Iterable[Path]) -> tuple[dict[str, datetime], Sequence[str]]:
    """When each file's first certificate to end does."""
    ends: dict[str, datetime] = {}
    unusable = []
    for file in files:
        try:
            ends[str(file)] = _end_of(file)
        except (OSError, ValueError):
            unusable.append(str(file))
    return ends, unusable


def _end_of(file: Path) -> datetime:
    from cryptography import x509  # noqa: PLC0415 - only an office with certificates of its own has it loaded

    return min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(file.read_bytes()))
