"""What a reader is told and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from adapters.base import Json, RawKind
from normalize.case import AttachmentRole, AttachmentState, ChannelKind, Draft, SourceStatus


class Unreadable(Exception):
    """These bytes cannot become a case; the message says which thing, what is wrong and what was expected."""


class Disposition(StrEnum):
    CASE = "case"
    AUTO = "auto"  # no citizen's matter (auto-reply, bounce, newsletter): kept, opens no case
    QUARANTINE = "quarantine"  # kept aside until a person or a better reader understands it


class SignalKind(StrEnum):
    """What the source did with a matter that already exists."""

    REMINDER = "reminder"  # 催办, 督办
    RETURNED = "returned"  # 退回重办
    SUPPLEMENTED = "supplemented"  # the citizen added to it
    WITHDRAWN = "withdrawn"  # taken back by the source


@dataclass(frozen=True)
class Source:
    """What is known of a Raw besides its bytes."""

    channel: str
    channel_kind: ChannelKind
    kind: RawKind
    locator: str
    received_at: datetime | None
    fetched_at: datetime
    platform: str | None = None
    """Whose keys the record's key is one of; channels on one platform share it. None: the channel's own name."""
    meta: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """An attachment as the reader found it: its bytes, or the reference under which the channel fetches them.

    `state`: `stored` with content (or `whole`), `pending` with a ref to fetch, `external` a link we do not fetch.
    """

    name: str
    role: AttachmentRole
    state: AttachmentState
    media_type: str | None = None
    content: bytes | None = None
    ref: str | None = None
    size: int | None = None
    pages: int | None = None
    whole: bool = False
    """The attachment is the Raw itself (a scan): it is not stored a second time."""


@dataclass(frozen=True)
class Signal:
    """Something the source did, identified so that seeing it twice is one event."""

    kind: SignalKind
    id: str
    at: datetime | None = None
    text: str | None = None


_UNDER_WAY = frozenset({"new", "under_review", "accepted", "in_progress", "returned", "overdue"})


def is_under_way(status: SourceStatus) -> bool:
    """Whether the source says that somebody is to work on the matter."""
    return status.code in _UNDER_WAY


def is_withdrawn(signals: Sequence[Signal], before: bool = False) -> bool:
    """Whether the source has taken the matter back and not given it out again, `before` these or by them."""
    told = in_order([one for one in signals if one.kind in {SignalKind.WITHDRAWN, SignalKind.RETURNED}])
    return told[-1].kind is SignalKind.WITHDRAWN if told else before


def in_order(signals: Sequence[Signal]) -> list[Signal]:
    """By their times if all have one, for platforms list the latest first or last; else as they are told."""
    timed = [(one.at, one) for one in signals if one.at is not None]
    if len(timed) < len(signals):
        return list(signals)
    return [one for _, one in sorted(timed, key=lambda each: each[0])]


@dataclass(frozen=True)
class Reading:
    """What one reader made of one matter within a Raw.

    `identity` is the matter's own: `sha256:…` of a mail's canonical bytes, `platform:key` of a record,
    `sha256:…#2` of the second letter in a scanned batch. Two Raws with one identity are one case.
    `draft` is there for every disposition that could be read so far (also a mail that opens no case); its
    `attachments` are empty: the conductor fills them from `parts`, in order.
    """

    disposition: Disposition
    identity: str
    reason: str | None = None
    draft: Draft | None = None
    parts: tuple[Part, ...] = ()
    signals: tuple[Signal, ...] = ()
    modified_at: datetime | None = None
    """When the source last changed it: of two versions of one identity the later wins, however they arrive."""
    unread: tuple[str, ...] = ()
    """What it says besides, which the draft does not show: weighed as what is attached."""
    called: tuple[str, ...] = ()
    """How its source calls it besides: in labels of its form, in a subject the form's title stands for."""
    follows: tuple[str, ...] = ()
    """References to earlier matters: Message-IDs, query codes, order numbers."""
