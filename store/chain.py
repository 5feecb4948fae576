"""The history's proof: every entry is stamped, and links, each over the one before, hold what was written meanwhile.

The stamp is made with the entry, under the store's key: whoever can write to the database but has no key can neither
make nor change an entry, nor give it another number. The links are made soon after, many entries at a time, by whoever
keeps house: a chain through every single entry would have all writers wait for each other. An entry that is taken out,
a case with all its entries, or the end of the history is missed by its link. The chain has its beginning, a row like
every link's, from the day the store was made: one that was cut off as a whole is not begun again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, Row, func, insert, select, text, update

from store.schema import EPOCH, MICROSECOND, history, link
from store.sealing import Sealer
from store.wakes import note

LANE = "history"
"""Rung when entries were written."""
LONGEST = 1000
"""So many entries a link holds at most: a break is somewhere among these."""
_SEALER = "xinqiao.sealer"
_START = bytes(32)
"""What stands for the link before the first."""


@dataclass(frozen=True)
class Link:
    """A row of the chain."""

    place: int
    upto: int
    entries: int
    mac: bytes


BEGINNING = Link(0, 0, 0, _START)


class ChainCut(Exception):
    """The last link there is has no crown, or there is not even the beginning: what came behind was taken out."""


@dataclass(frozen=True)
class Mark:
    """How many numbers had been given to entries at a moment."""

    last: int
    at: datetime


def equip(conn: Connection, sealer: Sealer) -> None:
    """Give a connection the key under which it stamps."""
    conn.info[_SEALER] = sealer


def begin(conn: Connection, sealer: Sealer, now: datetime) -> int:
    """Lay the chain's beginning, whose crown the first link takes; up to which number entries have no stamp.

    Believes what it finds: whoever calls it has to see to it that it is called once in a store's life.
    """
    crown = crown_of(sealer, _START) if last_link(conn) == BEGINNING else None
    conn.execute(insert(link).values(place=0, upto=0, entries=0, mac=_START, at=now, crown=crown))
    first = conn.execute(select(func.min(history.c.id)).where(history.c.stamp.is_not(None))).scalar()
    before = select(func.coalesce(func.max(history.c.id), 0))
    return int(conn.execute(before if first is None else before.where(history.c.id < first)).scalar_one())


def append(conn: Connection, entries: Sequence[Mapping[str, Any]]) -> None:
    """Write entries (case_id, at, kind, actor, detail), each with its number and stamp; see `equip`."""
    sealer = cast("Sealer", conn.info[_SEALER])
    rows = []
    for number, entry in zip(_numbers(conn, len(entries)), entries, strict=True):
        row = {"case_id": None, **entry, "id": number}
        rows.append({**row, "stamp": stamp(sealer, row)})
    if rows:
        conn.execute(insert(history), rows)
        note(conn, LANE)


def stamp(sealer: Sealer, entry: Mapping[str, Any]) -> bytes:
    """What vouches for an entry."""
    return sealer.vouch(written(entry), "history")


def written(entry: Mapping[str, Any]) -> bytes:
    """An entry in one spelling, whatever database it was in."""
    moment = (entry["at"] - EPOCH) // MICROSECOND
    told = [entry["id"], entry["case_id"], moment, entry["kind"], entry["actor"], entry["detail"]]
    return json.dumps(told, sort_keys=True, separators=(",", ":")).replace("\\u0000", "\\ufffd").encode()


def last_link(conn: Connection) -> Link:
    """The end of the chain."""
    row = conn.execute(_LINKS.order_by(link.c.place.desc()).limit(1)).one_or_none()
    return BEGINNING if row is None else Link(*row)


def links_behind(conn: Connection, place: int, limit: int) -> list[Row[Any]]:
    """The links that follow a place, in order, with their crowns."""
    wanted = select(link).where(link.c.place > place).order_by(link.c.place).limit(limit)
    return list(conn.execute(wanted).all())


def entries_between(conn: Connection, after: int, upto: int) -> list[Row[Any]]:
    """Entries in the order of their numbers, at most a few more than a link holds."""
    wanted = select(history).where(history.c.id > after, history.c.id <= upto).order_by(history.c.id)
    return list(conn.execute(wanted.limit(2 * LONGEST)).all())


def mark(conn: Connection) -> Mark:
    """How far numbers are given out now."""
    if conn.dialect.name == "sqlite":  # one writer: whatever has a number below one that is seen was there before it
        last: int = conn.execute(select(func.coalesce(func.max(history.c.id), 0))).scalar_one()
        return Mark(last, EPOCH)
    last = conn.execute(text("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM history_id_seq")).scalar_one()
    return Mark(last, conn.execute(select(func.clock_timestamp())).scalar_one())  # after it, never before


def is_settled(conn: Connection, one: Mark) -> bool:
    """Whether nothing that had a number at the mark can still appear: every transaction of then has ended.

    Who only reads is waited for too: it cannot be told from outside.
    """
    if conn.dialect.name == "sqlite":
        return True
    return not conn.execute(_OF_THEN, {"at": one.at}).scalar_one()


def next_link(conn: Connection, sealer: Sealer, upto: int) -> Link | None:
    """The link over what follows the last one, up to this number at most."""
    before = last_link(conn)
    wanted = _STAMPS.where(history.c.id > before.upto, history.c.id <= upto).limit(LONGEST)
    entries: list[Row[Any]] = [*conn.execute(wanted)]
    if not entries:
        return None
    if any(entry.stamp is None for entry in entries):
        entries = entries_between(conn, before.upto, entries[-1].id)
    last = entries[-1].id
    return Link(before.place + 1, last, len(entries), mac_of(sealer, before, last, entries))


def is_whole(conn: Connection, sealer: Sealer) -> bool:
    """Whether the last link, or the beginning while there is none, has its crown."""
    row = conn.execute(select(link.c.mac, link.c.crown).order_by(link.c.place.desc()).limit(1)).one_or_none()
    return row is not None and row.crown == crown_of(sealer, row.mac)


def add_link(conn: Connection, sealer: Sealer, one: Link, now: datetime) -> bool:
    """Put it at the end, unless another process was there first. Raises ChainCut: it would hide what was taken out."""
    if not is_whole(conn, sealer):
        raise ChainCut
    newest = last_link(conn)
    if newest.place != one.place - 1:
        return False
    conn.execute(update(link).where(link.c.place == newest.place).values(crown=None))
    crown = crown_of(sealer, one.mac)
    values = {"place": one.place, "upto": one.upto, "entries": one.entries, "mac": one.mac}
    conn.execute(insert(link).values(**values, at=now, crown=crown))
    return True


def mac_of(sealer: Sealer, before: Link, upto: int, entries: Sequence[Row[Any]]) -> bytes:
    """What holds these entries and the link before together; old ones without a stamp by all that is in them."""
    parts = [before.mac, _number(before.place + 1), _number(before.upto), _number(upto), _number(len(entries))]
    for entry in entries:
        parts += (_number(entry.id), entry.stamp or written(entry._asdict()))
    return sealer.vouch(b"".join(parts), "link")


def crown_of(sealer: Sealer, mac: bytes) -> bytes:
    return sealer.vouch(mac, "crown")


def _number(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _numbers(conn: Connection, count: int) -> Iterator[int]:
    """The numbers that the next entries get."""
    if not count:
        return iter(())
    if conn.dialect.name == "sqlite":
        last = conn.execute(_LAST_OF_SQLITE).scalar() or 0
        return iter(range(last + 1, last + 1 + count))
    return iter(conn.execute(_NEXT_OF_POSTGRESQL, {"count": count}).scalars().all())


_LINKS = select(link.c.place, link.c.upto, link.c.entries, link.c.mac)
_STAMPS = select(history.c.id, history.c.stamp).order_by(history.c.id)
_LAST_OF_SQLITE = text("SELECT seq FROM sqlite_sequence WHERE name = 'history'")
_NEXT_OF_POSTGRESQL = text("SELECT nextval('history_id_seq') FROM generate_series(1, :count)")
_OF_THEN = text(
    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND backend_type = 'client backend' AND xact_start <= :at)"
)
