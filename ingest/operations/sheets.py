"""Sheets of paper about a case."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Connection

from ingest.catalogue import PAGES, load_words
from ingest.history import record_history
from ingest.office import Office
from ingest.operations.terms import Answer, OperationRefused, case_id_of
from ingest.sheets.facts import Form, SheetRefused, check, gather

_printer = ThreadPoolExecutor(1, thread_name_prefix="sheets")
"""One sheet at a time: however many are asked for, pages and doors go on."""


async def sheet(office: Office, arguments: Mapping[str, Any], actor: str) -> Answer:
    """The PDF of a case's sheet, in Base64; that somebody looks at personal data is written down first.

    `restricted`: who reads it may see restricted cases; else such a case is refused, and none is
    among the earlier ones.
    """
    form, now, store = Form(arguments.get("form") or Form.READING), office.clock(), office.store
    restricted, role = bool(arguments.get("restricted")), arguments.get("role")

    def record(conn: Connection) -> str:
        case_id = case_id_of(conn, arguments["case"])
        check(conn, case_id, restricted=restricted)
        detail = {"sheet": form.value} | ({"role": role} if role else {})
        record_history(conn, case_id, "viewed", actor, detail, now)
        return case_id

    try:
        case_id = await store.write(record)
        facts = await store.read(lambda conn: gather(conn, store.sealer, case_id, restricted=restricted, form=form))
    except SheetRefused as error:
        raise OperationRefused(str(error), code="restricted") from error
    service = office.config.service
    words = load_words(PAGES, service.language)

    def drawn() -> bytes:
        from ingest.sheets.page import Printing, draw  # noqa: PLC0415 - 40 MB: only who prints has them loaded

        return draw(facts, Printing(form, service.name, now, actor), words, service.zone)

    printed = await asyncio.get_running_loop().run_in_executor(_printer, drawn)
    return {"case_no": facts.case.case_no, "form": form.value, "pdf": base64.b64encode(printed).decode()}
