"""What a person does through a page: an operation in his name, then a page that says how it went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from ingest.console.context import CONSOLE, visitor_of
from ingest.operations import Answer, OperationRefused


async def act(request: web.Request, operation: str, arguments: Mapping[str, Any]) -> Answer:
    """Have an operation done, as the command line does. Raises OperationRefused."""
    return await request.app[CONSOLE].act(operation, arguments, visitor_of(request).name)


async def act_and_say(
    request: web.Request, operation: str, arguments: Mapping[str, Any], address: str, done: str
) -> web.Response:
    """Have it done and go on to a page of ours, which says so, or why not."""
    try:
        await act(request, operation, arguments)
    except OperationRefused as error:
        return go_on(address, error.code)
    return go_on(address, done)


def go_on(address: str, said: str, **more: object) -> web.Response:
    """To another page, which says this (a key of the words under `done`)."""
    return web.Response(status=303, headers={"Location": f"{address}?{urlencode({'done': said, **more})}"})


async def field_of(request: web.Request, name: str) -> str:
    """What was typed into a field of the form, without the spaces around it."""
    written = (await request.post()).get(name, "")
    return written.strip() if isinstance(written, str) else ""
