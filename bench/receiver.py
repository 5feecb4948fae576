"""The OA of a measurement: takes what is posted, notes when, and says so when asked.

    python -m bench.receiver PORT [whsec_…]

With a secret every hundredth webhook is verified. GET /seen tells how many different ones came and when the last did;
GET /arrivals all of them: moment, and when the case had been taken in; POST /forget begins anew.
"""

from __future__ import annotations

import re
import sys
import time

from aiohttp import web
from standardwebhooks import Webhook

VERIFIED = 100
_TAKEN_IN = re.compile(rb'"fetched_at": ?"([^"]+)"')


class Receiver:
    """What was received since it was last told to forget."""

    def __init__(self, secret: str | None) -> None:
        self._verifier = None if secret is None else Webhook(secret)
        self._forget()

    def _forget(self) -> None:
        self._seen: set[str] = set()
        self._arrivals: list[tuple[float, str]] = []
        self._posts = 0
        self._verified = 0
        self._last = 0.0

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self._posts += 1
        number = request.headers.get("webhook-id") or str(self._posts)  # the script's have none
        if self._verifier is not None and "webhook-id" in request.headers and self._posts % VERIFIED == 1:
            self._verifier.verify(body, dict(request.headers))
            self._verified += 1
        if number not in self._seen:
            self._seen.add(number)
            self._last = time.time()
            taken_in = _TAKEN_IN.search(body)
            self._arrivals.append((self._last, taken_in[1].decode() if taken_in else ""))
        return web.Response()

    async def seen(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {"seen": len(self._seen), "posts": self._posts, "verified": self._verified, "last": self._last}
        )

    async def arrivals(self, _request: web.Request) -> web.Response:
        return web.json_response(self._arrivals)

    async def forget(self, _request: web.Request) -> web.Response:
        self._forget()
        return web.Response()


def main() -> None:
    receiver = Receiver(sys.argv[2] if len(sys.argv) > 2 else None)
    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/webhook", receiver.take)
    app.router.add_post("/forget", receiver.forget)
    app.router.add_get("/seen", receiver.seen)
    app.router.add_get("/arrivals", receiver.arrivals)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
