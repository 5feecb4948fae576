"""The configuration: loaded whole or refused with everything that is wrong with it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PrivateAttr
from pydantic.fields import FieldInfo

from dispatch.settings import TargetSettings
from ingest.alarms.settings import AlarmSettings
from ingest.calendar_files import read_calendar
from ingest.catalogue import LANGUAGES, Language
from ingest.config_blobs import BlobsSettings
from ingest.config_channels import Channel
from ingest.config_checks import Finding, check_channels, check_database_place, check_reach, check_targets
from ingest.config_errors import ConfigErrors, Problem, in_order, unknown_key
from ingest.config_fields import known_keys
from ingest.config_files import NOTHING, Seen
from ingest.config_loading import Loading
from ingest.config_sections import (
    POSTGRESQL,
    AttachmentSettings,
    Database,
    DataSettings,
    ListenSettings,
    LogSettings,
    RetentionSettings,
    SealingSettings,
    Section,
    ServiceSettings,
)
from ingest.config_yaml import Place, Plain, read
from normalize.rules import Rules
from store.blob_bucket import Bucket

__all__ = ["Channel", "Config", "ConfigErrors", "Problem", "load"]


def _check_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", name):
        raise ValueError("not a usable name, expected small letters, digits, _ and -, a letter first; `title` is free")
    return name


Name = Annotated[str, AfterValidator(_check_name)]
"""What a channel or target is called in logs, addresses and the case."""


class Config(Section):
    """Everything an operator decides; paths are absolute, secrets resolved."""

    service: ServiceSettings = Field(default=ServiceSettings(), description="the installation")
    database: Database = Field(
        default="sqlite",
        description="`sqlite`: in the data folder, for one process; or a PostgreSQL, for any number of them:"
        " `postgresql+psycopg://user:${PG_PASSWORD}@host/name`",
    )
    data: DataSettings = Field(default=DataSettings(), description="where everything is kept")
    blobs: BlobsSettings | None = Field(
        default=None, description="a bucket for large originals and attachments; none: they lie in the data folder"
    )
    retention: RetentionSettings = Field(
        default=RetentionSettings(), description="how long originals are kept; for ever, unless said"
    )
    sealing: SealingSettings = Field(description="the key at rest")
    listen: ListenSettings = Field(default=ListenSettings(), description="where the console is offered")
    log: LogSettings = Field(default=LogSettings(), description="what the daemon writes")
    channels: dict[Name, Channel] = Field(default_factory=dict, description="the doors, by name")
    attachments: AttachmentSettings = Field(default=AttachmentSettings(), description="what is done with attachments")
    targets: dict[Name, TargetSettings] = Field(default_factory=dict, description="who receives the cases, by name")
    alarms: AlarmSettings = Field(default=AlarmSettings(), description="what is worth an alarm, and whom it is told")
    rules: Rules = Field(default=Rules(), description="how petitions are understood")
    calendar: Path | None = Field(
        default=None, description="the editable file of public holidays and make-up working days"
    )
    _warnings: tuple[Problem, ...] = PrivateAttr(default=())
    _secrets_written_out: frozenset[Place] = PrivateAttr(default=frozenset())
    _seen: Seen = PrivateAttr(default=NOTHING)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is allowed but probably not meant."""
        return self._warnings

    @property
    def secrets_written_out(self) -> frozenset[Place]:
        """Where a secret stands in the file itself."""
        return self._secrets_written_out

    @property
    def seen(self) -> Seen:
        """The file as it was read, and those it refers to, there or not; but the calendar, which has its own watch."""
        return self._seen

    @property
    def shared(self) -> bool:
        """Other processes may work on the same database."""
        return self.database.startswith(POSTGRESQL)

    @property
    def bucket(self) -> Bucket | None:
        """Where large blobs lie, if not in the data folder."""
        return self.blobs.build() if self.blobs else None

    @property
    def public_url(self) -> str:
        return self.service.public_url or self.listen.address


def load(path: Path, environment: Mapping[str, str] | None = None) -> Config:
    """Read, resolve and check a configuration file; the environment is the process's own unless given.

    Raises:
        ConfigErrors: with every problem found, each with its line and column.
    """
    document = read(path)
    folder = path.absolute().parent
    loading = Loading(document, folder, os.environ if environment is None else environment)
    parts = _parts(document.data, loading, folder)
    if loading.problems:
        raise ConfigErrors(loading.problems, loading.warnings, loading.files, language_in(document.data))
    config = Config.model_validate(parts)
    config._warnings = in_order(loading.warnings)
    config._secrets_written_out = loading.secrets_written_out
    config._seen = Seen.of({path, *loading.files} - {config.calendar})
    return config


@dataclass(frozen=True)
class Reach:
    """What a file that cannot be used says all the same: where its daemon works, and how people are spoken to."""

    folder: Path
    service: ServiceSettings


def reach(path: Path) -> Reach | None:
    """None: it does not say where, or no daemon can be asked there, since the data are in PostgreSQL."""
    try:
        document = read(path)
    except ConfigErrors:
        return None
    folder = path.absolute().parent
    loading, fields = Loading(document, folder, os.environ), known_keys(Config)
    given = [key for key in ("data", "service", "database") if document.data.get(key) is not None]
    parts = {key: _part(key, fields[key], document.data[key], loading) for key in given}
    data = parts.get("data", DataSettings())
    if data is None or parts.get("database", "sqlite") != "sqlite":
        return None
    return Reach(folder / data.folder, parts.get("service") or ServiceSettings())


def language_in(data: Mapping[str, Plain]) -> Language | None:
    """What is written under `service.language`, whatever else is wrong; None: not one of ours."""
    service = data.get("service") or {}
    written = service.get("language") if isinstance(service, dict) else None
    return ServiceSettings().language if written is None else next((one for one in LANGUAGES if one == written), None)


def _parts(data: Mapping[str, Plain], loading: Loading, folder: Path) -> dict[str, Any]:
    """The blocks that are usable, by name; findings across blocks are made on those."""
    given = {key: value for key, value in data.items() if value is not None}
    fields = known_keys(Config)
    loading.find(Finding((key,), unknown_key(key, list(fields)), on_key=True) for key in data if key not in fields)
    loading.find(Finding((key,), "missing, every installation needs it") for key in _missing(given))
    parts = {key: _part(key, field, given[key], loading) for key, field in fields.items() if key in given}
    usable = {key: part for key, part in parts.items() if part is not None}
    kept = usable.get("data", DataSettings())
    usable["data"] = kept.model_copy(update={"folder": folder / kept.folder})
    _check_together(usable, given, loading)
    return usable


def _part(key: str, field: FieldInfo, value: Plain, loading: Loading) -> Any:  # noqa: ANN401 - of the field's type
    if key == "channels" and isinstance(value, dict):
        channels = {name: loading.channel(name, block) for name, block in value.items()}
        loading.part(dict[Name, None], (key,), dict.fromkeys(value))
        return {name: channel for name, channel in channels.items() if channel is not None}
    return loading.part(Annotated[field.annotation, field], (key,), value)


def _missing(given: Mapping[str, Plain]) -> list[str]:
    return [key for key, field in known_keys(Config).items() if field.is_required() and key not in given]


def _check_together(parts: Mapping[str, Any], given: Mapping[str, Plain], loading: Loading) -> None:
    if not given.get("channels"):
        loading.find([Finding(("channels",), "no channel is configured; nothing will be fetched", fatal=False)])
    loading.find(check_channels(parts.get("channels", {})))
    if "targets" in parts or "targets" not in given:
        named = given.get("channels")
        loading.find(check_targets(parts.get("targets", {}), list(named) if isinstance(named, dict) else []))
    if all(key in parts or key not in given for key in ("service", "listen")):
        service, listen = parts.get("service", ServiceSettings()), parts.get("listen", ListenSettings())
        loading.find(check_reach(parts.get("targets", {}), service, listen))
    loading.find(check_database_place(parts.get("database", "sqlite"), parts["data"].folder, given.get("database")))
    if calendar := parts.get("calendar"):
        loading.read(read_calendar, calendar, ("calendar",))
