"""The OA of a measurement: takes what is posted, notes when, and says so when asked.

    python -m bench.receiver PORT [whsec_…]

With a secret every hundredth webhook is verified. GET /seen tells how many different ones came and when the first and
the last did; GET /arrivals of each the moment, when its mail had been stored, and the mail's Message-ID; POST /forget
begins anew.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time

from aiohttp import web
from standardwebhooks import Webhook

VERIFIED = 100
_STORED = re.compile(rb'"fetched_at": ?"([^"]+)"')
_MAIL = re.compile(rb'"source_no": ?"<([^>"]*)>"')


class Receiver:
    """What was received since it was last told to forget."""

    def __init__(self, secret: str | None) -> None:
        self._verifier = None if secret is None else Webhook(secret)
        self._forget()

    def _forget(self) -> None:
        self._seen: set[str] = set()
        self._arrivals: list[tuple[float, str, str]] = []
        self._posts = 0
        self._verified = 0

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """A server without routes costs less, and what is measured is who posts."""
        match request.path:
            case "/webhook":
                return await self._take(request)
            case "/seen":
                times = [at for at, _, _ in self._arrivals[:1] + self._arrivals[-1:]] or [0.0]
                told = {"seen": len(self._seen), "posts": self._posts, "verified": self._verified}
                return web.json_response({**told, "first": times[0], "last": times[-1]})
            case "/arrivals":
                return web.json_response(self._arrivals)
            case "/forget":
                self._forget()
                return web.Response()
        return web.Response(status=404)

    async def _take(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        self._posts += 1
        number = request.headers.get("webhook-id") or str(self._posts)  # the script's have none
        if self._verifier is not None and "webhook-id" in request.headers and self._posts % VERIFIED == 1:
            self._verifier.verify(body, {name.lower(): value for name, value in request.headers.items()})
            self._verified += 1
        if number not in self._seen:
            self._seen.add(number)
            self._arrivals.append((time.time(), _first(_STORED, body), _first(_MAIL, body)))
        return web.Response()


def _first(pattern: re.Pattern[bytes], body: bytes) -> str:
    found = pattern.search(body)
    return found[1].decode() if found else ""


async def serve(port: int, secret: str | None) -> None:
    runner = web.ServerRunner(web.Server(Receiver(secret).answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))
