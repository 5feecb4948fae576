"""The vetting stage: attachments are handed on once clamd has looked at them, where one is configured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from dispatch.retry import RetrySettings, delay
from ingest import attachment_steps, attachments
from ingest.attachments import VET_LANE, Unvetted
from ingest.cases import CaseDesk
from ingest.clamd import Clamd, ClamdUnavailable
from ingest.history import MACHINE, record_history
from ingest.stage import Stage
from store import duties, ledger
from store.engine import Store
from store.ledger import Claim
from store.sealing import SealBroken

log = structlog.get_logger()
PATIENCE = RetrySettings(first=timedelta(seconds=5), longest=timedelta(minutes=15))
SAID_AT = 6
"""Attempts after which a person must look: some five minutes without a verdict."""
AT_ONCE = 2
DUTY = "clamd"
LEFT = timedelta(minutes=10)
"""So long after it was last heard that an office has a clamd, a process without one leaves its lane alone."""


def announce(conn: Connection, process: str, now: datetime) -> None:
    """Tell the others on this database that what waits here waits for a clamd, which this process has."""
    duties.note(conn, DUTY, process, now=now, lease=LEFT)


def vetting(address: str | None, store: Store, desk: CaseDesk, clock: Callable[[], datetime]) -> Stage:
    """The stage that asks the clamd at an address; without one it leaves to other hosts what they have one for."""
    clamd = None if address is None else Clamd(address)

    begun = clock()

    def held(conn: Connection) -> bool:
        """Also at first: who has one may only be about to say so."""
        now = clock()
        young = not store.exclusive and now - begun < LEFT
        return clamd is None and (young or duties.is_held(conn, DUTY, now))

    return Stage(VET_LANE, Vetter(clamd, store, desk, clock).vet, store, clock, width=AT_ONCE, held=held)


@dataclass(frozen=True)
class Vetter:
    """Has clamd look at what has come. Without its verdict nothing is handed on."""

    clamd: Clamd | None
    """None: the office has none any more, and what still waits for it is handed on like what comes from now on."""
    store: Store
    desk: CaseDesk
    clock: Callable[[], datetime]

    async def vet(self, claims: Sequence[Claim]) -> None:
        for held in claims:
            number = held.payload["attachment"]
            found = await self.store.read(lambda conn, number=number: attachments.unvetted(conn, number))  # type: ignore[misc]
            if found is None:
                await self.store.write(lambda conn, held=held: ledger.done(conn, held))  # type: ignore[misc]
            else:
                await self._vet(held, found)

    async def _vet(self, held: Claim, found: Unvetted) -> None:
        if self.clamd is None:
            await self.store.write(lambda conn: self._judged(conn, held, found, None))
            return
        try:
            content = await self.store.blobs.opened(found.kept)
        except SealBroken as error:
            await self._damaged(held, found, str(error))
            return
        try:
            harmful = await self.clamd.look(content)
        except ClamdUnavailable as error:
            await self._later(held, found, error)
            return
        if harmful is not None:
            log.warning("attachment is infected; it stays sealed", case_id=found.case_id, attachment=found.id)
        await self.store.write(lambda conn: self._judged(conn, held, found, harmful))

    def _judged(self, conn: Connection, held: Claim, found: Unvetted, harmful: str | None) -> None:
        attachment_steps.hold(conn, found)
        now = self.clock()
        attachments.vetted(conn, found.id, harmful)
        if harmful is not None:
            detail = {"attachment": found.id, "virus": harmful}
            record_history(conn, found.case_id, "attachment_infected", MACHINE, detail, now)
        attachment_steps.end(conn, held, self.desk, found, now)

    async def _damaged(self, held: Claim, found: Unvetted, said: str) -> None:
        log.error("attachment damaged", case_id=found.case_id, attachment=found.id, error=said)
        reason = f"damaged: {said}"
        await self.store.write(lambda conn: attachment_steps.refuse(conn, held, self.desk, found, reason, self.clock()))

    async def _later(self, held: Claim, found: Unvetted, error: ClamdUnavailable) -> None:
        say = {1: log.warning, SAID_AT: log.error}.get(held.attempts)
        if say is not None:
            say("attachment waits for clamd", case_id=found.case_id, attachment=found.id, error=str(error))
        wait = delay(held.attempts, 0.5, PATIENCE)
        await self.store.write(
            lambda conn: attachment_steps.put_off(conn, held, self.desk, found, str(error), wait, self.clock())
        )
