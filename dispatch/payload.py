"""The webhook's payload as a type: what the schema is printed from, and what the tests hold every body against."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from normalize.case import Case, ChannelKind, Deadline
from normalize.reminders import Stage


class EventType(StrEnum):
    CREATED = "case.created"
    UPDATED = "case.updated"
    SUPPLEMENTED = "case.supplemented"
    REMINDER = "case.reminder"
    RETURNED = "case.returned"
    LINKED = "case.linked"
    WITHDRAWN = "case.withdrawn"
    DUE_SOON = "case.due_soon"
    OVERDUE = "case.overdue"


REMINDERS = (EventType.DUE_SOON, EventType.OVERDUE)
"""Events about one deadline."""


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Change(_Wire):
    """One field's old and new value, and who changed it: `source`, or a clerk's account."""

    field: str = Field(description="a field of the case, such as petitioners")
    old: Any = Field(description="its whole value before")
    new: Any = Field(description="its whole value since")
    by: str = Field(description="source, or a clerk's account")


class Numbers(_Wire):
    """All that a target without the right to restricted cases learns of one, or is left with of a case withdrawn."""

    case_id: str = Field(description="as in the whole case")
    case_no: str = Field(description="as in the whole case")
    channel_kind: ChannelKind = Field(description="as in the whole case")
    received_at: AwareDatetime = Field(description="as in the whole case")
    deadlines: tuple[Deadline, ...] = Field(description="as in the whole case")
    restricted: bool = Field(
        description="false: withdrawn from a target for restricted cases only, as it no longer is one"
    )


class Due(Deadline):
    """The deadline that `case.due_soon` or `case.overdue` is about: one of the case's, and how far its time has run."""

    stage: Stage


class Data(_Wire):
    """What the event is about."""

    case: Case | Numbers = Field(description="whole, or the numbers only")
    change: tuple[Change, ...] | None = Field(description="which fields changed; null: none")
    deadline: Due | None = Field(default=None, description="only with case.due_soon and case.overdue")


class Payload(_Wire):
    """One event."""

    type: EventType
    timestamp: AwareDatetime = Field(description="when it was published")
    data: Data

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        return TypeAdapter(cls).json_schema(mode="serialization")
