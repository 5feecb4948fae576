"""A platform as it stands in the configuration: its dialect, and what its records mean."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from adapters.feed.adapter import FeedAdapter
from adapters.feed.dialect import Dialect
from adapters.fieldmap import FieldMap

ChannelWord = Literal["sunshine", "hotline", "mailbox", "letter", "visit", "phone", "files", "table", "push"]


class PlatformSettings(Dialect):
    """What every HTTP platform is configured with."""

    platform: str | None = Field(
        default=None,
        description="whose keys these are; channels that read one platform share it; none: the channel's name",
    )
    channel_kind: ChannelWord = Field(default="hotline", description="what kind of door the OA sees")
    map: FieldMap = Field(description="which field means what")

    def build(self, name: str) -> FeedAdapter:
        return FeedAdapter(name, self)


class FeedSettings(PlatformSettings):
    """A platform without a preset: everything is said in the configuration."""

    kind: Literal["feed"] = Field(default="feed", description="any HTTP platform")
