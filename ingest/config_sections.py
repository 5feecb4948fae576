"""The blocks of the configuration that belong to the service as a whole."""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from annotated_types import Ge
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from ingest.catalogue import Language
from store.acts import SCHEME
from store.address import secrets_in_query

KEY_BYTES = 32
SQLITE, POSTGRESQL = "sqlite:///", SCHEME


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f'"{name}" is not a known time zone, expected a name such as Asia/Shanghai') from error
    return name


def _check_public_url(text: str) -> str:
    expected = "expected an address such as https://xinqiao.example, without path or parameters"
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError as error:
        raise ValueError(f'"{text}": {error}; {expected}') from error
    if not usable or parts.username or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f'"{text}" is not usable, {expected}')
    return text.rstrip("/")


class ServiceSettings(Section):
    """What this installation is called and where its people are."""

    name: str = Field(default="信桥", min_length=1, description="shown on every page")
    time_zone: Annotated[str, AfterValidator(_check_zone)] = Field(
        default="Asia/Shanghai",
        description="in which days begin and times are shown; deadlines end by Beijing time, the legal time of all "
        "China",
    )
    public_url: Annotated[str, AfterValidator(_check_public_url)] | None = Field(
        default=None,
        description="the address under which people and the OA reach this service; none: the address it listens on",
    )
    language: Language = Field(
        default="zh",
        description="of the pages where a visitor has not chosen one, of alarms, of `xinqiao check` and whatever a"
        " command says is wrong with the configuration, and of the reasons why something could not be read",
    )

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


class DataSettings(Section):
    """Where everything is kept."""

    folder: Path = Field(
        default=Path("data"),
        description="SQLite's database, large attachments, lock; a relative path counts from the configuration file;"
        " with PostgreSQL one folder shared by all machines",
    )


def _key(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("is not base64, expected 32 random bytes in base64 (openssl rand -base64 32)") from error


def _check_key(key: SecretStr) -> SecretStr:
    length = len(_key(key.get_secret_value()))
    if length != KEY_BYTES:
        raise ValueError(f"has {length} bytes, expected {KEY_BYTES} random bytes in base64 (openssl rand -base64 32)")
    return key


class SealingSettings(Section):
    """The key under which everything is sealed at rest."""

    key: Annotated[SecretStr, AfterValidator(_check_key)] = Field(
        description="32 random bytes in base64, as `${NAME}` or `file:/path`; whoever loses it loses the data"
    )

    def master(self) -> bytes:
        return _key(self.key.get_secret_value())


def _networks(value: str) -> str:
    try:
        return str(ip_network(value))
    except ValueError as error:
        raise ValueError(f'"{value}" is not a network, expected an address such as 10.1.2.3 or 10.1.0.0/16') from error


Network = Annotated[str, AfterValidator(_networks)]


class RetentionSettings(Section):
    """How long what citizens sent is kept; cases, their history, numbers and deliveries are kept for ever."""

    originals: Annotated[timedelta, Ge(timedelta(days=30))] | None = Field(
        default=None,
        description="originals and attachments are removed so long after the last that happened to a case which is"
        " closed and delivered, or to what became none, such as 1825d; none: never",
    )


class ListenSettings(Section):
    """Where the console and the interfaces for the OA are offered."""

    host: str = Field(default="127.0.0.1", min_length=1, description="0.0.0.0 for all addresses of this machine")
    port: int = Field(default=8650, ge=1, le=65535, description="TCP port")
    metrics_from: tuple[Network, ...] = Field(
        default=("127.0.0.0/8", "::1/128"), description="addresses that may read /metrics, such as 10.1.0.0/16"
    )
    trusted_proxies: tuple[Network, ...] = Field(
        default=(), description="reverse proxies whose X-Forwarded-For is believed; none: nobody's"
    )

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


class LogSettings(Section):
    """What the daemon writes to standard error."""

    format: Literal["console", "json"] = Field(default="console", description="for people, or one JSON object a line")
    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="from which severity on")


def _check_clamd(address: str) -> str:
    if address.startswith("/"):
        return address
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f'"{address}" is no place of a clamd, expected /run/clamav/clamd.ctl or host:3310')
    return address


class AttachmentSettings(Section):
    """What happens to attachments before they are handed on."""

    clamd: Annotated[str, AfterValidator(_check_clamd)] | None = Field(
        default=None,
        description="the virus scanner's socket, /run/clamav/clamd.ctl or host:port: what it finds something in stays"
        " sealed and is not handed on, and without its verdict nothing is; none: not looked at",
    )


def check_database(url: str) -> str:
    """Refuse what cannot be stored in; never repeats the address, which may hold a password."""
    if url == "sqlite" or url.startswith(SQLITE):
        return url
    expected = f"expected sqlite or {POSTGRESQL}user:${{PG_PASSWORD}}@host/name"
    if not url.startswith(POSTGRESQL):
        raise ValueError(f"is not a database this version knows, {expected}")
    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError(f"is not an address, {expected}") from None  # the cause quotes it
    if "@" in (parts.host or ""):
        raise ValueError('has several "@"; one in the password is written %40')
    if found := secrets_in_query(parts):
        raise ValueError(
            f'has {", ".join(found)} after "?"; no secret may stand there: the password is written before the host, '
            "a key file has none"
        )
    if not parts.database:
        raise ValueError(f"names no database, {expected}")
    return url


Database = Annotated[str, AfterValidator(check_database)]
