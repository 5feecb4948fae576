"""What every door hands over and must be able to do; plain data, known to all that follows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Cursor: TypeAlias = Mapping[str, Json]
"""How far a channel has been read: its adapter's own JSON object, stored with every batch. None: never polled."""


class RawKind(StrEnum):
    """Which reader understands a Raw."""

    MAIL = "mail"
    RECORD = "record"
    LETTER = "letter"


class ChannelUnavailable(Exception):
    """The source cannot be asked now (network, time-out, overload, a business error that passes): ask later."""

    def __init__(self, message: str, retry_after: timedelta | None = None, *, reached_end: bool = False) -> None:
        """`retry_after`: how long the source itself asked us to wait; None: it did not say.

        `reached_end`: the visit was whole but for what the message names; the next is due as usual.
        """
        super().__init__(message)
        self.retry_after = retry_after
        self.reached_end = reached_end


class ChannelRefused(Exception):
    """The source will not be asked like this (password, permission, certificate, signature): a person must look."""

    def __init__(self, message: str, *, reached_end: bool = False) -> None:
        """`reached_end`: as of ChannelUnavailable."""
        super().__init__(message)
        self.reached_end = reached_end


class Unobtainable(Exception):
    """This attachment will not come, however well the door stands (gone, not ours to fetch, too large): do without."""


@dataclass(frozen=True)
class Raw:
    """One matter as the channel handed it over, not yet understood.

    `key` names the thing at the source and `version` its state there: a channel's (key, version) is stored once,
    however often it is polled. The bytes are `Batch.blobs[blob]`, whole, or within them the JSON record that
    `pointer` (RFC 6901) names.
    """

    kind: RawKind
    key: str
    version: str
    blob: int
    locator: str
    pointer: str = ""
    received_at: datetime | None = None
    """When the source took it in (a mail's INTERNALDATE, a scan's file time). None: the record says it itself."""
    meta: Mapping[str, Json] = field(default_factory=dict)
    """Whatever else the reader needs and the bytes do not say, such as a scan's file name."""


@dataclass(frozen=True)
class Batch:
    """What is stored in one transaction: blobs, the Raws that point into them, the cursor after them."""

    blobs: tuple[bytes, ...]
    raws: tuple[Raw, ...]
    cursor: Cursor
    settle: Json = None
    """What `settle` needs to acknowledge this batch at the source; None: nothing to acknowledge."""
    skipped: int = 0
    """How many matters at the source lie before `start_from` and were left there (said in the first batch)."""


@dataclass(frozen=True)
class Fetched:
    """An attachment brought from the source."""

    content: bytes
    media_type: str | None = None
    name: str | None = None


class Adapter(Protocol):
    """A door. Used by one task at a time, except `fetch`, which may run beside the others."""

    def poll(self, cursor: Cursor | None, start_from: datetime) -> AsyncGenerator[Batch]:
        """Yield what is new since `cursor`, oldest first; without a cursor, what reached the source since `start_from`.

        Changes nothing at the source. Each batch is stored before the next is asked for. May yield what was yielded
        before (look-back): storing is idempotent. Raises ChannelUnavailable, ChannelRefused.
        """
        ...

    async def settle(self, token: Json) -> None:
        """Acknowledge a stored batch at the source. Idempotent: after a crash it is called with the same token."""
        ...

    async def fetch(self, ref: str) -> Fetched:
        """Bring the attachment a record refers to. Raises Unobtainable (never), else as `poll` does (again later)."""
        ...

    async def probe(self) -> str:
        """Try the door without side effects; one sentence an operator understands of what was seen."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
