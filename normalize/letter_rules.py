"""Section `rules.letter` of the configuration."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field, field_validator

from normalize.labels import LabelRules
from normalize.places import PlaceRules


class LetterRules(BaseModel):
    """How scans are cut into letters and read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    separator: str = Field(
        default=r"PATCH ?T|[A-Z]+-SEP",
        description="regular expression: barcodes of a sheet between two letters; after | may stand a register number",
    )
    register_number: str = Field(
        default=r"[A-Z]{0,4}\d{4}[-\d]{4,}",
        description="regular expression: barcodes that are a letter's register number",
    )
    split_by_form: bool = Field(
        default=True,
        description="a page that begins with heading and salutation, after one that ends with a date, is a new letter",
    )
    review_below: float = Field(
        default=0.95, ge=0, le=1, description="a line read with less confidence asks for a person's eye"
    )
    labels: LabelRules = Field(default_factory=LabelRules, description="words in front of a colon")
    places: PlaceRules = Field(default_factory=PlaceRules, description="places and schools known by name")

    @field_validator("separator", "register_number")
    @classmethod
    def _is_expression(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f'"{pattern}" is not a regular expression: {error}') from error
        return pattern
