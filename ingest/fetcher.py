"""The fetching stage: attachments that records refer to, one channel's slow host apart from the others."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from adapters.base import Adapter, ChannelRefused, ChannelUnavailable, Fetched, Unobtainable
from dispatch.retry import RetrySettings, delay
from ingest import attachment_steps, attachments
from ingest.attachments import Wanted
from ingest.cases import CaseDesk
from store import ledger
from store.blobs import Prepared
from store.engine import Store
from store.failure import is_passing, place_of
from store.ledger import Claim

log = structlog.get_logger()
PATIENCE = RetrySettings(first=timedelta(seconds=5), longest=timedelta(hours=1))
REFUSED_WAIT = timedelta(minutes=15)
"""Whom a door refuses asks no sooner again: a password tried often is a password blocked."""
HASTE = 30
"""About a day of asking, by the hour in the end; then it is said, and asked for once a day."""
ATTEMPTS = 60
"""About a month; then the attachment is shown as refused until its record is read again."""
LONGEST_WAIT = timedelta(days=1)


@dataclass(frozen=True)
class Fetcher:
    """Brings a channel's attachments."""

    channel: str
    adapter: Adapter
    store: Store
    desk: CaseDesk
    clock: Callable[[], datetime]

    async def fetch(self, claims: Sequence[Claim]) -> None:
        for held in claims:
            number = held.payload["attachment"]
            wanted = await self.store.read(lambda conn, n=number: attachments.wanted(conn, self.store.sealer, n))  # type: ignore[misc]
            if wanted is None:
                await self.store.write(lambda conn, held=held: ledger.done(conn, held))  # type: ignore[misc]
            else:
                await self._bring(held, wanted)

    async def _bring(self, held: Claim, wanted: Wanted) -> None:
        try:
            got = await self.adapter.fetch(wanted.ref)
        except (ChannelUnavailable, ChannelRefused) as error:
            await self._later(held, wanted, error)
        except Unobtainable as error:
            await self._refused(held, wanted, str(error))
        except Exception as error:  # whatever is odd about one file, the case's others are shown
            if is_passing(error):
                raise
            if held.attempts <= 1:
                said = place_of(error)
                log.error("attachment cannot be asked for", channel=self.channel, attachment=wanted.id, error=said)
            await self._later(held, wanted, ChannelUnavailable(f"unexpected: {place_of(error)}"))
        else:
            prepared = await self.store.blobs.prepared(got.content)
            await self.store.write(lambda conn: self._stored(conn, held, wanted, prepared, got))

    def _stored(self, conn: Connection, held: Claim, wanted: Wanted, prepared: Prepared, got: Fetched) -> None:
        attachment_steps.hold(conn, wanted)
        now = self.clock()
        vet = self.desk.vets
        attachments.stored(conn, self.store.blobs, wanted.id, prepared, got.media_type, now, vet=vet)
        attachment_steps.end(conn, held, self.desk, wanted, now)

    async def _later(self, held: Claim, wanted: Wanted, error: ChannelUnavailable | ChannelRefused) -> None:
        if held.attempts >= ATTEMPTS:
            await self._refused(held, wanted, f"given up after {held.attempts} attempts: {error}")
            return
        if held.attempts == HASTE:
            log.error("attachment still does not come", channel=self.channel, attachment=wanted.id, error=str(error))
        wait = _wait(held.attempts, error)
        await self.store.write(
            lambda conn: attachment_steps.put_off(conn, held, self.desk, wanted, str(error), wait, self.clock())
        )

    async def _refused(self, held: Claim, wanted: Wanted, reason: str) -> None:
        log.warning("attachment refused", channel=self.channel, case_id=wanted.case_id, attachment=wanted.id)
        await self.store.write(
            lambda conn: attachment_steps.refuse(conn, held, self.desk, wanted, reason, self.clock())
        )


def _wait(attempts: int, error: ChannelUnavailable | ChannelRefused) -> timedelta:
    """Until it is asked for again: longer and longer, and never less than the source asks for. Who says "in a second"
    says so every second, and the attempts that are to last a month would be gone in a minute.
    """
    asked = error.retry_after if isinstance(error, ChannelUnavailable) else REFUSED_WAIT
    ours = LONGEST_WAIT if attempts >= HASTE else delay(attempts, random.random(), PATIENCE)  # noqa: S311 - spreads load
    return max(ours, min(asked or timedelta(), LONGEST_WAIT))
