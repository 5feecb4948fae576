"""Originals made fit for a page in a process of their own: what one does to its parser, the console survives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from markupsafe import Markup

from ingest.workers import WorkerFailed, WorkerLimits, WorkerPool
from normalize.showing import READ, Letterhead

PATIENCE = timedelta(seconds=10)
"""A page is not worth more; the original can be downloaded."""
LIMITS = WorkerLimits(memory=512 * 2**20, idle=timedelta(minutes=1), answer=512 * 2**20)
VIEWERS = 2
"""Who opens an original that takes long does not keep everybody waiting."""


@dataclass(frozen=True)
class ShownMail:
    headers: list[tuple[str, str]]
    text: str | None
    html: Markup | None


@dataclass(frozen=True)
class Viewer:
    """Asks the process."""

    pool: WorkerPool
    patience: timedelta = PATIENCE

    async def mail(self, content: bytes) -> ShownMail | None:
        """A mail as a page shows it; None: it cannot be shown."""
        try:
            told = await self.pool.call({"show": "mail"}, content[:READ], self.patience)
        except WorkerFailed:
            return None
        found = Letterhead(**told)  # type: ignore[arg-type]  # made of the same class, beyond the pipe
        headers = [(name, value) for name, value in found.headers]
        # sanitised there by nh3, which left nothing that runs, loads or leads away
        return ShownMail(headers, found.text, None if found.html is None else Markup(found.html))  # noqa: S704

    async def record(self, content: bytes, pointer: str) -> bytes:
        """The record a pointer names, indented; what is no JSON comes as it is. Raises WorkerFailed."""
        _, written = await self.pool.exchange(({"show": "record", "pointer": pointer}, content), self.patience)
        return written


def viewers() -> Viewer:
    return Viewer(WorkerPool("normalize.showing", VIEWERS, LIMITS))
