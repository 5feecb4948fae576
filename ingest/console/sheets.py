"""A case's sheets of paper, to print."""

from __future__ import annotations

import base64

from aiohttp import web

from ingest.console.acting import act, go_on
from ingest.console.case_page import readable
from ingest.console.context import CONSOLE, visitor_of
from ingest.console.files import download
from ingest.console.guard import needs
from ingest.console.paging import chosen
from ingest.console.roles import Right
from ingest.operations import OperationRefused
from ingest.sheets.facts import Form


@needs(Right.PRINT)
async def send(request: web.Request) -> web.StreamResponse:
    console, visitor, case_id = request.app[CONSOLE], visitor_of(request), request.match_info["case_id"]
    if not await readable(console, visitor, case_id):
        raise web.HTTPNotFound
    form = chosen(request, "form", tuple(Form)) or Form.READING
    asked = {"case": case_id, "form": form, "restricted": visitor.may(Right.RESTRICTED), "role": visitor.role.value}
    try:
        answer = await act(request, "sheet", asked)
    except OperationRefused as error:  # it became restricted just now
        return go_on(f"/cases/{case_id}", error.code)
    return download(base64.b64decode(answer["pdf"]), "application/pdf", f"{answer['case_no']}-{form}.pdf")
