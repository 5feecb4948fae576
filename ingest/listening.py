"""Where the console is offered: an address that may change while it runs."""

from __future__ import annotations

import os

import structlog
from aiohttp import web

from ingest.config_sections import ListenSettings

log = structlog.get_logger()


class CannotListen(Exception):
    """The console's address is taken or not ours."""


class Listener:
    """Offers one application at one address at a time; who is connected stays so when it moves."""

    def __init__(self) -> None:
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._at: tuple[str, int] | None = None

    async def open(self, app: web.Application, settings: ListenSettings) -> None:
        """Raises CannotListen."""
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
        await self._runner.setup()
        try:
            await self._listen(settings.host, settings.port)
        except CannotListen:
            await self.close()
            raise

    async def move(self, settings: ListenSettings) -> None:
        """Listen there instead, if it is another address. Raises CannotListen: it is where it was."""
        there, before = (settings.host, settings.port), self._at
        if before is None or self._site is None or there == before:
            return
        await self._site.stop()  # first: the new address may contain the old one
        try:
            await self._listen(*there)
        except CannotListen:
            await self._listen(*before)
            raise

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _listen(self, host: str, port: int) -> None:
        if self._runner is None:
            raise RuntimeError("nothing is offered yet")
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            await site.stop()
            said = os.strerror(error.errno) if error.errno else error
            raise CannotListen(f"listen: cannot use {host}:{port}: {said}") from error
        self._site, self._at = site, (host, port)
