"""The first page: are all doors open, does anything wait, is anything late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web
from sqlalchemy import Connection

from dispatch.settings import TargetSettings
from ingest import listings
from ingest.accounts import Role
from ingest.alarms.watch import Standing, standing, what_is
from ingest.console.case_list import Line, lines_by_id
from ingest.console.context import CONSOLE, page, visitor_of
from ingest.console.guard import needs
from ingest.console.roles import Right
from store.sealing import Sealer


@dataclass(frozen=True)
class Overview:
    doors: Sequence[listings.Door]
    targets: Sequence[listings.TargetState]
    stages: listings.Stages
    waiting: Sequence[listings.Waiting]
    deadlines: listings.Deadlines
    due: Sequence[tuple[listings.Due, Line]]
    alarms: Sequence[Standing]


@needs(Right.OVERVIEW)
async def show(request: web.Request) -> web.StreamResponse:
    console, visitor = request.app[CONSOLE], visitor_of(request)
    role, now, sealer = visitor.role, console.now(), console.store.sealer
    targets, polled = console.desk.outbox.targets, console.settings.polled
    seen = await console.store.browse(lambda conn: _gather(conn, sealer, role, now, targets, polled))
    told = console.alarms[visitor.language]
    return page(
        request,
        "overview.html",
        seen=seen,
        alarms=[(what_is(told, one.kind, one.facts), one.since) for one in seen.alarms],
        refused=console.in_force.refused if visitor.may(Right.CONFIGURATION) else None,
        read_at=console.in_force.read_at,
        health=console.health(),
        kinds=console.settings.channels,
        titles=console.settings.titles,
    )


def _gather(
    conn: Connection,
    sealer: Sealer,
    role: Role,
    now: datetime,
    targets: Mapping[str, TargetSettings],
    polled: Mapping[str, bool] | None,
) -> Overview:
    deadlines = listings.deadlines(conn, now)
    lines = lines_by_id(conn, sealer, role, [due.case_id for due in deadlines.first])
    return Overview(
        listings.doors(conn, polled),
        listings.targets(conn, targets),
        listings.stages(conn),
        listings.oldest_waiting(conn),
        deadlines,
        [(due, lines[due.case_id]) for due in deadlines.first],
        standing(conn),
    )
