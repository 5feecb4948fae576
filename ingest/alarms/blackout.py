"""A database that cannot be used keeps no alarms: that it cannot is told from memory, and when it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from ingest.alarms.sinks import Message, Teller, Untold
from ingest.alarms.watch import Speaker
from store.failure import place_of

log = structlog.get_logger()
KIND = "database"


@dataclass
class Blackout:
    """This process's view of a database that does not work; others on the same one tell of it themselves."""

    patience: timedelta
    """Only what lasts for so long is told."""
    speaker: Speaker
    tellers: Mapping[str, Teller]
    clock: Callable[[], datetime]
    _since: datetime | None = None
    _error: str = ""
    _told: set[str] = field(default_factory=set)

    async def lasts(self, error: str) -> None:
        """It cannot be used now: whom it was not told yet, and can be reached, is told once."""
        now = self.clock()
        self._since, self._error = min(self._since or now, now), error  # the clock may have been set back
        if now - self._since >= self.patience:
            message = self._message("raised")
            untold = [name for name in self.tellers if name not in self._told]
            self._told |= await self._tell(untold, message, now)

    async def is_over(self) -> None:
        """It can be used again: who was told so far is told this, too."""
        if self._told:
            await self._tell(sorted(self._told), self._message("over"), self.clock())
        self._since, self._told = None, set()

    def _message(self, state: str) -> Message:
        return self.speaker.message(state, KIND, {"error": self._error}, self._since or self.clock())

    async def _tell(self, names: list[str], message: Message, now: datetime) -> set[str]:
        """Who was reached."""
        if names:
            log.warning("alarm", state=message.state, alarm=KIND)
        reached = await asyncio.gather(*(self._told_by(name, message, now) for name in names))
        return {name for name, one in zip(names, reached, strict=True) if one}

    async def _told_by(self, name: str, message: Message, now: datetime) -> bool:
        try:
            await self.tellers[name].tell(message, now)
        except Untold as error:
            log.warning("alarm cannot be told", sink=name, alarm=KIND, error=str(error))
            return False
        except Exception as error:  # noqa: BLE001 - who watches goes on, and the other sinks are told
            log.error("alarm cannot be said", sink=name, alarm=KIND, error=place_of(error))
            return False
        return True
