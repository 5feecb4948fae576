"""The installation at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from ingest import listings
from ingest.alarms.watch import standing
from ingest.depot_watch import said_of
from ingest.office import Office
from ingest.operations.quarantine import said
from ingest.operations.terms import Answer, plain

NEWEST = 20
"""So many of what is in quarantine are listed."""


async def status(office: Office, _arguments: Mapping[str, Any], _actor: str) -> Answer:
    """Doors, stages, waiting, quarantine (how many, and the newest), deliveries, deadlines, depot, alarms that last,
    and the configuration in force with why the file as it stands is not (none: no daemon works by it here).

    `running`: whether a daemon has this data folder; null where others may work on the same database, unseen.
    """
    now = office.clock()
    polled = {name: one.settings.enabled for name, one in office.config.channels.items()}

    def look(conn: Connection) -> Answer:
        stages = listings.stages(conn)
        return {
            "doors": plain(listings.doors(conn, polled)),
            "stages": plain(stages),
            "oldest": plain(listings.oldest_waiting(conn)),
            "quarantined": stages.raws.get("quarantined", 0),
            "quarantine": plain(said(office, listings.quarantine(conn, limit=NEWEST))),
            "targets": plain(listings.targets(conn, office.desk.outbox.targets)),
            "deadlines": plain(listings.deadlines(conn, now)),
            "alarms": plain(standing(conn)),
        }

    depot = office.store.blobs.depot
    seen = await office.store.read(look)
    blobs = {"place": depot.place, "error": await said_of(office.store.blobs)}
    running = office.in_force is not None if office.store.exclusive else None
    return {**seen, "blobs": blobs, "configuration": plain(office.in_force), "running": running}
