"""What there is to see of an installation: its rows, its disk, its certificates."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, func, select

from dispatch.holdings import lane_of
from dispatch.stranded import stranded
from ingest.alarms.conditions import BackupsSeen, DoorSeen, Seen, TargetSeen
from ingest.alarms.watch import is_tell_lane
from ingest.inbox import AGAIN
from store import chain, ledger, standby
from store.backups import newest
from store.schema import channel, delivery, event, raw
from store.schema import ledger as ledger_rows
from store.schema import target as target_rows
from store.sealing import Sealer

FOR_A_PERSON = ("rejected", "unknown")
LONGEST = timedelta(seconds=10)
"""A disk or share that does not answer within so long hangs."""


@dataclass(frozen=True)
class Places:
    """What is looked at; in force by the configuration."""

    doors: frozenset[str]
    targets: frozenset[str]
    sinks: frozenset[str]
    folders: tuple[Path, ...]
    certificates: tuple[Path, ...]
    backups: Path | None = None
    disabled: frozenset[str] = frozenset()
    """Targets that are configured and sent nothing."""


AnswerBy = Callable[[str, datetime], datetime | None]
"""By when a door that answered last at some time has answered again, if that is known."""


def look(
    conn: Connection, places: Places, sealer: Sealer, answer_by: AnswerBy, now: datetime, *, disputed: bool = False
) -> Seen:
    """The rows' part; the rest are the `Surroundings`. `disputed`: hosts go by different configurations."""
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
        ]
        + list(_sent_nothing(conn, places, oldest, now, disputed=disputed)),
        quarantined=conn.execute(quarantined).scalar_one(),
        held=conn.execute(select(func.count()).where(event.c.held)).scalar_one(),
        given_up=conn.execute(given_up).scalar_one(),
        history_cut=not chain.is_whole(conn, sealer),
        standby_missed=standby.is_missed(conn),
        oldest={lane: due for lane, due in oldest.items() if _is_worked(lane, places)},
        unheard=[lane for lane in oldest if is_tell_lane(lane) and not _is_worked(lane, places)],
    )


class Surroundings:
    """What lies on this machine's disks and shares, looked at in a thread of its own: a share that hangs keeps that
    thread, and none that others wait for.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="alarms")
        self._under_way: asyncio.Future[Seen] | None = None
        self._at = ""
        """What is being looked at."""
        self._last = Seen()

    async def beside(self, seen: Seen, places: Places) -> Seen:
        """With what lies on the disks; while one is slow, with what was seen there before; whose look has not come back
        by the next one hangs, and is named.
        """
        begun = self._under_way is None
        if self._under_way is None:
            self._under_way = asyncio.get_running_loop().run_in_executor(self._thread, self._look, places)
        if await asyncio.wait([self._under_way], timeout=LONGEST.total_seconds()) == (set(), {self._under_way}):
            return _together(seen, self._last if begun else replace(self._last, hanging=self._at))
        found, self._under_way = self._under_way, None
        self._last = found.result()
        return _together(seen, self._last)

    def _look(self, places: Places) -> Seen:
        free = {str(one): share for one in self._each(places.folders) if (share := _free(one)) is not None}
        ends: dict[str, datetime] = {}
        unusable = []
        for file in self._each(places.certificates):
            try:
                ends[str(file)] = _end_of(file)
            except (OSError, ValueError):
                unusable.append(str(file))
        kept = [BackupsSeen(str(one), _newest_backup(one)) for one in self._each((places.backups,))]
        backups = kept[0] if kept else None
        return Seen(disk_free=free, certificates=ends, unusable_certificates=unusable, backups=backups)

    def _each(self, places: Iterable[Path | None]) -> Iterator[Path]:
        for place in places:
            if place is not None:
                self._at = str(place)
                yield place


def _together(rows: Seen, around: Seen) -> Seen:
    return replace(
        rows,
        disk_free=around.disk_free,
        certificates=around.certificates,
        unusable_certificates=around.unusable_certificates,
        backups=around.backups,
        hanging=around.hanging,
    )


def _door(row: Row[Any], answer_by: AnswerBy) -> DoorSeen:
    begun = row.enrolled_at or row.since
    due = answer_by(row.name, row.last_success_at or begun)
    return DoorSeen(row.name, row.state, row.since, row.error, row.last_success_at, row.last_new_at, begun, due)


def _sent_nothing(
    conn: Connection, places: Places, oldest: Mapping[str, datetime], now: datetime, *, disputed: bool
) -> Iterator[TargetSeen]:
    """Targets that are disabled, and those that left the configuration while something is owed to them."""
    for name, count in sorted(stranded(conn, places.targets).items()):
        disabled = name in places.disabled
        yield TargetSeen(
            name,
            "disabled" if disabled else "removed",
            now,
            None,
            _for_a_person(conn, name) if disabled else 0,
            count,
            oldest.get(lane_of(name)),
            disputed,
        )


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
    if lane in AGAIN.values():  # which gives way to whatever comes
        return False
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


def _end_of(file: Path) -> datetime:
    from cryptography import x509  # noqa: PLC0415 - only an office with certificates of its own has it loaded

    return min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(file.read_bytes()))
