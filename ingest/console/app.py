"""Puts the console together: its routes, its guards, its parts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from aiohttp import web
from prometheus_client import CollectorRegistry

from ingest.cases import CaseDesk
from ingest.console import (
    audit,
    case_list,
    case_page,
    correcting,
    deliveries,
    doors,
    export,
    files,
    interface,
    login,
    overview,
    probes,
    quarantine,
    reports,
    sheets,
)
from ingest.console.context import CONSOLE, Act, assemble
from ingest.console.guard import add_headers, admit, check_form, explain, recognise
from ingest.console.probes import PROBED, Probed, probe_routes
from ingest.console.settings import ConsoleSettings
from ingest.health import Health
from ingest.in_force import InForce
from ingest.unexpected import log_by_place
from store.engine import Store

LARGEST_FORM = 1024 * 1024
"""A long letter typed: each character is nine in the browser's form."""


def create_console(
    store: Store,
    config: ConsoleSettings,
    *,
    desk: CaseDesk,
    act: Act,
    health: Callable[[], Health],
    now: Callable[[], datetime],
    registry: CollectorRegistry,
    in_force: InForce | None = None,
) -> web.Application:
    """The console as an application to serve, alone or with further routes added before it starts.

    `act` has operations done, in the name of whoever asks; at the `desk` reports are taken.
    """
    guards = [log_by_place, recognise, explain, check_form, admit]
    app = web.Application(middlewares=guards, client_max_size=LARGEST_FORM)
    console = app[CONSOLE] = assemble(store, config, desk, act, health, now, in_force or InForce(now()))
    app[PROBED] = Probed(health, registry, lambda: console.settings.metrics_from)
    app.on_response_prepare.append(add_headers)
    app.on_cleanup.append(_let_go)
    app.add_routes(
        [
            *probe_routes(),
            web.get("/static/{name}", probes.static),
            web.get("/files/{case_id}/{sha256}", files.send_file),
            web.get("/api/v1/cases", interface.list_cases),
            web.get("/api/v1/cases/{case_id}", interface.show_case),
            web.post("/api/v1/reports", reports.take_report),
            web.get("/login", login.show_login),
            web.post("/login", login.log_in),
            web.post("/logout", login.log_out),
            web.get("/password", login.show_password),
            web.post("/password", login.change_password),
            web.post("/language", login.switch_language),
            web.get("/", overview.show),
            web.get("/cases", case_list.show),
            web.get("/cases.csv", export.send),
            web.get("/cases/{case_id}", case_page.show),
            web.get("/cases/{case_id}/sheet", sheets.send),
            web.get("/cases/{case_id}/correct", correcting.show),
            web.post("/cases/{case_id}/correct", correcting.correct),
            web.post("/cases/{case_id}/corrections/{number:[0-9]{1,18}}/undo", correcting.undo),
            web.get("/cases/{case_id}/originals/{raw_id:[0-9]{1,18}}", files.send_original),
            web.get("/deliveries", deliveries.show),
            web.post("/deliveries/resend", deliveries.resend_rejected),
            web.get("/deliveries/{number:[0-9]{1,18}}", deliveries.show_one),
            web.post("/deliveries/{number:[0-9]{1,18}}/resend", deliveries.resend),
            web.post("/deliveries/{number:[0-9]{1,18}}/skip", deliveries.skip),
            web.post("/deliveries/{number:[0-9]{1,18}}/arrived", deliveries.note_arrived),
            web.get("/doors/{name}", doors.show_door),
            web.post("/doors/{name}/pause", doors.pause_door),
            web.post("/doors/{name}/resume", doors.resume_door),
            web.get("/targets/{name}", doors.show_target),
            web.post("/targets/{name}/pause", doors.pause_target),
            web.post("/targets/{name}/resume", doors.resume_target),
            web.get("/quarantine", quarantine.show),
            web.get("/quarantine/{raw_id:[0-9]{1,18}}", quarantine.show_one),
            web.get("/quarantine/{raw_id:[0-9]{1,18}}/original", quarantine.send_one),
            web.post("/quarantine/read", quarantine.read_all_again),
            web.post("/quarantine/{raw_id:[0-9]{1,18}}/read", quarantine.read_again),
            web.post("/quarantine/{raw_id:[0-9]{1,18}}/register", quarantine.register),
            web.post("/quarantine/{raw_id:[0-9]{1,18}}/dismiss", quarantine.dismiss),
            web.get("/history", audit.show_history),
            web.get("/accounts", audit.show_accounts),
        ]
    )
    return app


async def _let_go(app: web.Application) -> None:
    await app[CONSOLE].viewer.pool.close()
