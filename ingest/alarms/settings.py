"""What is worth an alarm, and whom it is told."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from adapters.wire import WireSettings
from dispatch.settings import Expression, Template, Tree, check_url
from normalize.reminders import TimeOfDay


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _check_address(text: str) -> str:
    if "@" not in text or not text.isprintable() or "\n" in text:
        raise ValueError(f'"{text}" is no mail address, expected one such as duty@jy.example.gov.cn')
    return text


def _check_secret_url(url: SecretStr) -> SecretStr:
    check_url(url.get_secret_value())
    return url


Address = Annotated[str, AfterValidator(_check_address)]


class MailSink(Section):
    """Tells by mail, through the office's own server."""

    kind: Literal["mail"] = "mail"
    host: str = Field(min_length=1, description="SMTP server")
    port: int = Field(default=465, ge=1, le=65535, description="465 with tls, usually 587 or 25 with starttls or none")
    tls: Literal["tls", "starttls", "none"] = Field(default="tls", description="how the connection is protected")
    ca_file: Path | None = Field(default=None, description="certificate authority of a server of one's own, PEM")
    username: str | None = Field(default=None, description="account; none: it lets us send without")
    password: SecretStr | None = Field(default=None, description="its password, or authorization code (授权码)")
    sender: Address = Field(description="From")
    to: tuple[Address, ...] = Field(min_length=1, description="who gets it")

    @model_validator(mode="after")
    def _password_goes_safely(self) -> MailSink:
        if self.password is not None and self.tls == "none" and self.host not in ("127.0.0.1", "localhost", "::1"):
            raise ValueError("has a password and tls: none, expected tls or starttls: it would go in the clear")
        return self


class WebhookSink(WireSettings):
    """Tells by a POST of JSON: a robot of 企业微信 or 钉钉, or whatever takes one."""

    kind: Literal["webhook"] = "webhook"
    url: Annotated[SecretStr, AfterValidator(_check_secret_url)] = Field(
        description="where; it usually holds the robot's key"
    )
    params: dict[str, Template] = Field(default_factory=dict, description="query; templates")
    headers: dict[str, Template] = Field(default_factory=dict, description="headers; templates")
    body: Tree = Field(
        default={"text": "{{ text }}"},
        description="what is sent: blocks, lists and templates with text, title, kind, state, since, now_ms",
    )
    success: Expression | None = Field(default=None, description="JMESPath that is true when the robot took it")


Sink = Annotated[MailSink | WebhookSink, Field(discriminator="kind")]


class DigestSettings(Section):
    """What the clerk is told every working day."""

    at: TimeOfDay = Field(default=time(8, 10), description="time of day, in quotes")
    sinks: tuple[str, ...] = Field(min_length=1, description="whom: names of sinks")


class AlarmSettings(Section):
    """Section `alarms`: nothing is told without a sink."""

    sinks: dict[str, Sink] = Field(default_factory=dict, description="whom alarms are told, by name")
    repeat: timedelta = Field(
        default=timedelta(hours=4),
        ge=timedelta(minutes=1),
        description="what lasts is told again so often; what no hour changes (calendar, certificates, nothing new), "
        "once a day",
    )
    door_down: timedelta = Field(default=timedelta(minutes=30), description="a door unavailable for so long")
    no_success: timedelta = Field(default=timedelta(hours=4), description="a door that has not answered for so long")
    nothing_new: int = Field(
        default=3, ge=0, le=60, description="so many working days without a new matter at a door; 0: never mind"
    )
    target_down: timedelta = Field(default=timedelta(minutes=15), description="a target unavailable for so long")
    store_down: timedelta = Field(
        default=timedelta(minutes=5), description="the database, or the place of large originals, unusable for so long"
    )
    waiting: timedelta = Field(default=timedelta(hours=1), description="a step that has been due for so long")
    disk_free: int = Field(default=10, ge=0, le=90, description="less than so many percent of the disk free")
    certificate: timedelta = Field(default=timedelta(days=21), description="a certificate that ends within so long")
    calendar: timedelta = Field(
        default=timedelta(days=45), description="the known working-day calendar ends within so long"
    )
    backups: Path | None = Field(
        default=None, description="folder of this machine's backups, such as /var/backups/xinqiao; none: not watched"
    )
    backup_age: timedelta = Field(
        default=timedelta(days=2), ge=timedelta(hours=1), description="no backup there made within so long"
    )
    digest: DigestSettings | None = Field(default=None, description="a summary every working day; none: none")

    @model_validator(mode="after")
    def _sinks_are_there(self) -> AlarmSettings:
        for name in self.digest.sinks if self.digest else ():
            if name not in self.sinks:
                raise ValueError(
                    f"digest.sinks: {name} is no sink, expected one of {', '.join(self.sinks) or 'none yet'}"
                )
        return self
