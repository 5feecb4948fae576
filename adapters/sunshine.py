"""A petition platform (阳光信访) with the national field names; everything of it stands in sunshine.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from adapters.feed.preset import over_preset
from adapters.feed.settings import PlatformSettings

PRESET = Path(__file__).with_suffix(".yaml")


class SunshineSettings(PlatformSettings):
    """The preset under the operator's keys: base_url, app_id and app_secret are enough, anything may be overridden."""

    kind: Literal["sunshine"] = Field(default="sunshine", description="阳光信访")

    @model_validator(mode="before")
    @classmethod
    def _over_the_preset(cls, operator: object) -> object:
        return over_preset(PRESET, operator)
