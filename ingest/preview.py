"""A case as it would be, without registering it: what `read` and `try` print."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Any

from adapters.base import Json, RawKind
from ingest.catalogue import Language
from ingest.compute import Registration, attached, compute, with_deadlines
from ingest.reader import Door, recognise
from ingest.readings import KeptPart
from ingest.sayings.rewording import rewording
from ingest.worker_process import WorkerFailed
from ingest.workers import WorkerPool
from normalize.calendar import WorkCalendar
from normalize.case import Receipt
from normalize.clocks import deadlines
from normalize.reading import Part, Reading, Source, Unreadable
from normalize.rules import Rules
from store.failure import place_of

UNREGISTERED = "unregistered"


@dataclass(frozen=True)
class Preview:
    """Reads as the daemon does, keeps nothing."""

    rules: Rules
    calendar: WorkCalendar
    scans: WorkerPool
    public_url: str
    zone: tzinfo
    language: Language
    """In which reasons are said."""

    async def lines(self, content: bytes, pointer: str, source: Source, door: Door) -> list[dict[str, Any]]:
        """A JSON object for each matter: disposition, reason, case."""
        from normalize.read import read  # noqa: PLC0415 - the daemon has others read

        source = replace(source, meta={"sha256": hashlib.sha256(content).hexdigest(), **source.meta})
        try:
            scan = (
                await recognise(self.scans, content)
                if source.kind is RawKind.LETTER and not source.meta.get("refused")
                else None
            )
            found = read(content, pointer, source, self.rules, door.fields, scan)
            return [self._line(one, source) for one in found]
        except Unreadable as error:
            return self.kept_aside(str(error))
        except WorkerFailed as error:
            return self.kept_aside(f"the scan cannot be read: {error}")
        except Exception as error:  # noqa: BLE001 - foreign bytes found a bug of ours: the other files are read all the same
            return self.kept_aside(f"the reader failed: {place_of(error)}")

    def kept_aside(self, reason: str) -> list[dict[str, Any]]:
        return [{"disposition": "quarantine", "reason": self._said(reason), "case": None}]

    def _said(self, reason: str) -> str:
        return rewording(self.language)(reason)

    def _line(self, found: Reading, source: Source) -> dict[str, Any]:
        return {
            "disposition": found.disposition.value,
            "reason": found.reason and self._said(found.reason),
            "case": None if found.draft is None else self._case(found, source),
        }

    def _case(self, found: Reading, source: Source) -> Mapping[str, Any]:
        assert found.draft is not None  # noqa: S101 - asked by _line
        receipt = Receipt(
            channel=source.channel,
            locator=source.locator,
            received_at=source.received_at and source.received_at.astimezone(self.zone),
            fetched_at=source.fetched_at.astimezone(self.zone),
        )
        parts = [_kept(part, str(source.meta["sha256"])) for part in found.parts]
        registration = Registration(UNREGISTERED, UNREGISTERED, source.fetched_at)
        shown = attached(parts, {}, UNREGISTERED, self.public_url)
        case = compute(found.draft, registration, 1, [receipt], shown, [])
        seen_at = found.modified_at or source.fetched_at
        due = deadlines(case, self.rules.clocks, self.calendar, seen_at=seen_at)
        return with_deadlines(case, due).model_dump(mode="json")


def source_of(
    door: Door,
    channel: str,
    kind: RawKind,
    locator: str,
    received_at: datetime | None,
    now: datetime,
    meta: Mapping[str, Json],
) -> Source:
    return Source(channel, door.kind, kind, locator, received_at, now, door.platform, meta)


def _kept(part: Part, raw_sha256: str) -> KeptPart:
    content = part.content
    sha = raw_sha256 if part.whole else None if content is None else hashlib.sha256(content).hexdigest()
    size = part.size if content is None else len(content)
    return KeptPart("", part.name, part.role, part.state, part.media_type, size, part.pages, sha, part.ref)
