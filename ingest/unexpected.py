"""What nobody foresaw in a request: logged by kind and place, for an error's words may quote a citizen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from store.failure import is_passing, place_of

log = structlog.get_logger()
PASSING = "现在取不到，请稍后再试。\nThis cannot be had now; try again later.\n"
SAID = "出错了，日志中记有位置。\nThis failed; the log says where.\n"


@web.middleware
async def log_by_place(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """The outermost middleware: answers where aiohttp would log the error with its message.

    503 says that it passes: a target that fetches a file asks again.
    """
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception as error:  # noqa: BLE001 - the server's outer loop: one request's bug must not quote anybody
        resource = request.match_info.route.resource
        page = resource.canonical if resource is not None else "unknown"
        log.error("request failed", method=request.method, page=page, error=place_of(error))
        if is_passing(error):
            return web.Response(status=503, text=PASSING, headers={"Cache-Control": "no-store", "Retry-After": "30"})
        return web.Response(status=500, text=SAID, headers={"Cache-Control": "no-store"})
