"""What an office may set about how mails are read."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from normalize.labels import LabelRules
from normalize.mail_links import DEFAULT_SERVICES
from normalize.places import PlaceRules


class MailRules(BaseModel):
    """How mails are read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: LabelRules = Field(default=LabelRules(), description="label words of web forms that arrive as mail")
    places: PlaceRules = Field(default=PlaceRules(), description="districts and schools known by name")
    max_depth: int = Field(default=20, ge=1, le=100, description="how deep parts within parts are taken apart")
    max_parts: int = Field(default=500, ge=1, le=10_000, description="how many parts of one mail are taken apart")
    large_attachment_links: tuple[str, ...] = Field(
        default=DEFAULT_SERVICES, description="parts of addresses under which mail services keep large attachments"
    )
