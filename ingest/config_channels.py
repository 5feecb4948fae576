"""A channel's block: what every channel has in common, and the keys of its kind."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from importlib import import_module
from typing import Annotated, Literal, Protocol, cast, runtime_checkable
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from adapters.base import Adapter

KINDS = {
    "sunshine": "adapters.sunshine:SunshineSettings",
    "hotline": "adapters.hotline:HotlineSettings",
    "mailbox": "adapters.mailbox:MailboxSettings",
    "letters": "adapters.letters:LettersSettings",
    "feed": "adapters.feed:FeedSettings",
}
"""Loaded when first used: a bureau without a mailbox loads no IMAP library."""
BEFORE_ALL = datetime(2000, 1, 1, tzinfo=UTC)
"""`start_from: all`: no electronic channel and no scan is older."""
_START = "expected now, all, a date such as 2026-03-01 or a time with its zone"


@runtime_checkable
class AdapterSettings(Protocol):
    """What a kind of channel needs to be told; builds its door."""

    def build(self, name: str) -> Adapter: ...


def _check_cron(text: str) -> str:
    days = text.split()[4:5]
    if days and any(sign.isdigit() for sign in days[0].partition("/")[0]):
        raise ValueError(
            f'"{text}": write the days of the week as mon-fri; numbers mean different days to different programs'
        )
    try:
        CronTrigger.from_crontab(text, timezone=UTC)
    except ValueError as error:
        expected = 'expected minute, hour, day, month, day of the week such as "*/5 8-18 * * mon-fri"'
        raise ValueError(f'"{text}": {error}; {expected}') from error
    return text


def _start(value: object) -> object:
    if value in ("now", "all") or isinstance(value, date):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{_START}, not {value}")  # noqa: TRY004 - pydantic reports ValueError only
    try:
        return date.fromisoformat(value)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f'"{value}", {_START}') from error
    if moment.tzinfo is None:
        raise ValueError(f'"{value}" has no time zone, expected one such as 2026-03-01T08:00:00+08:00')
    return moment


class ChannelSettings(BaseModel):
    """The keys every channel has, whatever its kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["sunshine", "hotline", "mailbox", "letters", "feed"] = Field(
        description="what stands behind this door; decides which further keys the block has"
    )
    title: str | None = Field(default=None, min_length=1, description="what people call it; none: the channel's name")
    enabled: bool = Field(default=True, description="false: it is not polled; what came before stays")
    every: timedelta = Field(
        default=timedelta(seconds=60), ge=timedelta(seconds=1), description="wait between two polls, such as 60s or 5m"
    )
    cron: Annotated[str, AfterValidator(_check_cron)] | None = Field(
        default=None,
        description='instead of `every`: poll at these times (service time zone), such as "*/5 8-18 * * mon-fri"',
    )
    jitter: timedelta = Field(
        default=timedelta(0),
        ge=timedelta(0),
        description="each poll is put off by up to this, so that not all start at once",
    )
    start_from: Annotated[Literal["now", "all"] | AwareDatetime | date, BeforeValidator(_start)] = Field(
        default="now",
        description="what a first poll takes: `now` (only what is new), `all`, a date, or a time with its zone",
    )
    platform: str | None = Field(
        default=None,
        min_length=1,
        description="channels on one platform give it the same name here, so that its records are known by one number",
    )

    @model_validator(mode="after")
    def _one_timing(self) -> ChannelSettings:
        if self.cron is not None and "every" in self.model_fields_set:
            raise ValueError("has both every and cron, expected one of them")
        return self

    def start(self, now: datetime, zone: ZoneInfo) -> datetime:
        """From when on matters are taken, if the channel has never been polled."""
        match self.start_from:
            case "now":
                return now
            case "all":
                return BEFORE_ALL
            case datetime() as moment:
                return moment
            case date() as day:
                return datetime.combine(day, time(), zone)
        raise AssertionError(self.start_from)


class Channel(BaseModel):
    """One channel as configured: `settings` common to all, `adapter` its kind's own."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: str
    settings: ChannelSettings
    adapter: AdapterSettings

    @property
    def title(self) -> str:
        return self.settings.title or self.name

    @property
    def platform(self) -> str | None:
        """Whose keys its records have; None: the channel's own."""
        own = getattr(self.adapter, "platform", None)
        return self.settings.platform or (own if isinstance(own, str) else None)

    def build(self) -> Adapter:
        return self.adapter.build(self.name)


def adapter_model(kind: str) -> type[BaseModel]:
    """The settings class of a kind of channel."""
    module, _, name = KINDS[kind].partition(":")
    return cast("type[BaseModel]", getattr(import_module(module), name))
