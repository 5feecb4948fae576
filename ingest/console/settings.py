"""What the console must be told to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from dispatch.settings import TargetSettings
from ingest.catalogue import Language
from ingest.fields import Fields
from ingest.written import Pen
from normalize.places import PlaceRules


@dataclass(frozen=True)
class FileAccess:
    """A target that fetches attachments, and the tokens it may do so with: two while one replaces the other."""

    tokens: tuple[str, ...] = field(repr=False)
    target: TargetSettings

    def __post_init__(self) -> None:
        if not (self.tokens and all(self.tokens)):
            raise ValueError("file access token: empty, expected a secret")


@dataclass(frozen=True)
class ConsoleSettings:
    """The console's part of the configuration."""

    service: str = "信桥"
    public_url: str | None = None
    """The address people and the OA use, such as https://xinqiao.example; None: whatever address they came by."""
    time_zone: str = "Asia/Shanghai"
    language: Language = "zh"
    secure_cookies: bool = True
    """Off only where there is no TLS: on one's own machine."""
    metrics_from: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    trusted_proxies: tuple[str, ...] = ()
    """Addresses of reverse proxies whose X-Forwarded-For is believed."""
    targets: Mapping[str, FileAccess] = field(default_factory=dict)
    reporters: Mapping[str, TargetSettings] = field(default_factory=dict)
    """Targets that may report what became of a case."""
    channels: Mapping[str, str] = field(default_factory=dict)
    """Channel name to channel kind, for labels and filters."""
    polled: Mapping[str, bool] | None = None
    """Which channels are enabled; None: not known."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """What people call the channels that have a title."""
    fields: Fields = field(default_factory=lambda: Fields(()))
    """What a person may correct."""
    pen: Pen = field(default_factory=lambda: Pen(ZoneInfo("Asia/Shanghai"), PlaceRules()))
    """How it is written."""

    @property
    def public_host(self) -> str | None:
        return None if self.public_url is None else urlsplit(self.public_url).netloc


def is_within(address: str | None, networks: tuple[str, ...]) -> bool:
    """Whether an address lies in one of these networks; no address (a Unix socket) lies in none."""
    if address is None:
        return False
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return any((mapped or found) in ip_network(network) for network in networks)
