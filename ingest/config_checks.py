"""What must fit together across the blocks of a configuration."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from sqlalchemy import make_url
from yarl import URL

from adapters.wire import LOOPBACK_NAMES, TrustBroken, trust_of
from dispatch.payload import EventType
from dispatch.rehearsal import unfilled
from dispatch.rights import takes_secrets
from dispatch.settings import TargetSettings, signing_key
from ingest.config_channels import Channel
from ingest.config_errors import unknown_key
from ingest.config_sections import POSTGRESQL, SQLITE, ListenSettings, ServiceSettings
from ingest.config_yaml import At
from ingest.secrets import references

SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class Finding:
    at: At
    text: str
    fatal: bool = True
    on_key: bool = False


def check_channels(channels: Mapping[str, Channel]) -> Iterator[Finding]:
    """Two channels would fetch each other's matters, or one its own archive."""
    yield from _same_mailbox(channels)
    yield from _within_each_other(channels)
    yield from _platforms(channels)


def _within_each_other(channels: Mapping[str, Channel]) -> Iterator[Finding]:
    """A letters channel reads its folder with all that lies below it."""
    known = [(name, *folders) for name, channel in channels.items() if (folders := _folders(channel))]
    for place, (name, folder, archive) in enumerate(known):
        if folder == archive:
            yield Finding(("channels", name, "archive"), "is the watched folder itself, expected another one")
        for other, its, _ in known[:place]:
            if folder == its:
                text = f"watches the same folder as channel {other}; each matter would come twice"
                yield Finding(("channels", name), text)
            elif folder.is_relative_to(its) or its.is_relative_to(folder):
                text = f"watches a folder within that of channel {other}, or around it; each matter would come twice"
                yield Finding(("channels", name), text)
        for other, its, _ in known:
            if other != name and archive is not None and archive.is_relative_to(its):
                text = (
                    f"lies in the folder of channel {other}, which would take what is filed there, expected another one"
                )
                yield Finding(("channels", name, "archive"), text)


def _platforms(channels: Mapping[str, Channel]) -> Iterator[Finding]:
    """One platform name over two addresses: two matters with one number would be taken for one."""
    seen: dict[str, tuple[str, object]] = {}
    for name, channel in channels.items():
        platform, address = channel.platform, getattr(channel.adapter, "base_url", None)
        if platform is None or address is None:
            continue
        other, there = seen.setdefault(platform, (name, address))
        if there != address:
            text = (
                f"its numbers are taken for those of channel {other} at another address (platform: {platform});"
                " if they are not the same, give it a platform name of its own"
            )
            yield Finding(("channels", name), text, fatal=False)


def _same_mailbox(channels: Mapping[str, Channel]) -> Iterator[Finding]:
    seen: dict[Hashable, str] = {}
    for name, channel in channels.items():
        key = getattr(channel.adapter, "mailbox_key", None)
        if key is None:
            continue
        if key in seen:
            text = f"reads the same mailbox and folder as channel {seen[key]}; each matter would come twice"
            yield Finding(("channels", name), text)
        seen.setdefault(key, name)


def _folders(channel: Channel) -> tuple[Path, Path | None] | None:
    """The folder a letters channel watches and the one it moves to, by what they really are on disk."""
    if channel.settings.kind != "letters":
        return None
    folder, archive = getattr(channel.adapter, "folder", None), getattr(channel.adapter, "archive", None)
    if not isinstance(folder, Path):
        return None
    return folder.resolve(), archive.resolve() if isinstance(archive, Path) else None


def check_targets(targets: Mapping[str, TargetSettings], channels: list[str]) -> Iterator[Finding]:
    """Nobody would take some of the cases, or a filter names what is not there."""
    if not targets:
        yield Finding(("targets",), "no target is configured; cases are kept here and sent nowhere", fatal=False)
    elif not any(target.takes_restricted and target.enabled for target in targets.values()):
        text = "no target takes restricted cases (restricted: true); they are held here until one does"
        yield Finding(("targets",), text, fatal=False)
    elif without := [name for name in channels if not any(takes_secrets(one, name) for one in targets.values())]:
        text = f"no target takes restricted cases of {', '.join(without)}; they are held here until one does"
        yield Finding(("targets",), text, fatal=False)
    yield from _report_secrets(targets)
    yield from _tokens(targets)
    for name, target in targets.items():
        yield from _channels(("targets", name, "channels"), target.channels, channels)
        yield from _filter(("targets", name, "types"), target.types, "an event type", [*EventType])
        for type_ in target.calls:
            yield from _filter(("targets", name, "calls", type_), [type_], "an event type", [*EventType])
        for at, said in unfilled(target):
            yield Finding(("targets", name, *at), said, fatal=False)
        try:
            trust_of(target)
        except TrustBroken as error:
            yield Finding(("targets", name), f"{error}; its events wait until it can be", fatal=False)


def _report_secrets(targets: Mapping[str, TargetSettings]) -> Iterator[Finding]:
    """A report is known by its secret: nobody else may have it, nor may an event that is sent back pass for one."""
    seen = {
        signing_key(one): f"signs the events of target {name}" for name, own in targets.items() for one in own.secret
    }
    for name, target in targets.items():
        for number, one in enumerate(target.reports.secret if target.reports else ()):
            key, at = signing_key(one), ("targets", name, "reports", "secret")
            if key in seen:
                yield Finding((*at, number), f"is the key that {seen[key]}, expected one of its own")
            seen[key] = f"signs the reports of target {name}"


def check_reach(
    targets: Mapping[str, TargetSettings], service: ServiceSettings, listen: ListenSettings
) -> Iterator[Finding]:
    """A target on another machine would be sent attachments' addresses that lead to itself."""
    if service.public_url is not None or not _is_here(listen.host):
        return
    for name, target in targets.items():
        if target.token and not _is_here(URL(target.url).host):
            text = (
                "fetches attachments, but service.public_url is not set: their addresses begin with"
                f" {listen.address}, where it finds nobody"
            )
            yield Finding(("targets", name, "token"), text, fatal=False)


def _is_here(host: str | None) -> bool:
    """Whether this name or address leads nowhere from another machine."""
    try:
        address = ip_address(host or "")
    except ValueError:
        return host in LOOPBACK_NAMES
    return address.is_loopback or address.is_unspecified


def _tokens(targets: Mapping[str, TargetSettings]) -> Iterator[Finding]:
    """Who asks is known by the token alone: with another's it would see what that one may."""
    seen: dict[str, str] = {}
    for name, target in targets.items():
        for number, one in enumerate(target.token):
            token, at = one.get_secret_value(), ("targets", name, "token", number)
            if len(token) < SHORTEST_TOKEN:
                expected = f"expected {SHORTEST_TOKEN} or more; openssl rand -hex 32 makes a good one"
                yield Finding(at, f"has {len(token)} characters, {expected}")
            elif token in seen:
                yield Finding(at, f"is the token of target {seen[token]}, expected one of its own")
            seen.setdefault(token, name)


def _channels(at: At, words: Sequence[str], known: Sequence[str]) -> Iterator[Finding]:
    """A channel may have been renamed or removed, and its cases go on; a misspelt one stands for one not named."""
    for number, word in enumerate(words):
        if word in known:
            continue
        meant = difflib.get_close_matches(word, [one for one in known if one not in words], n=1, cutoff=0.6)
        if meant:
            text = f'"{word}" is not a channel, did you mean "{meant[0]}"? If it was renamed, expected both names'
            yield Finding((*at, number), text)
        else:
            text = f'"{word}" is not a channel (any more): only old cases come by it; keep it until they are closed'
            yield Finding((*at, number), text, fatal=False)


def _filter(at: At, words: Sequence[str], what: str, known: Sequence[str]) -> Iterator[Finding]:
    """A filter's misspelt word would withhold cases without a sound."""
    for number, word in enumerate(words):
        if word not in known:
            yield Finding((*at, number), unknown_key(word, known).replace("unknown key", f'"{word}" is not {what}'))


def check_database_place(url: str, folder: Path, written: object) -> Iterator[Finding]:
    """The embedded store is one folder: its database cannot lie elsewhere. A password is not written out."""
    if url.startswith(SQLITE) and Path(url.removeprefix(SQLITE)) != folder / "xinqiao.db":
        text = f"the database lies in the data folder; leave this key out, or write {SQLITE}{folder / 'xinqiao.db'}"
        yield Finding(("database",), text)
    if url.startswith(POSTGRESQL) and isinstance(written, str) and _password(written):
        text = "the password stands in the file itself; write ${NAME} in its place"
        yield Finding(("database",), text, fatal=False)


def _password(written: str) -> bool:
    said = make_url(written).password if written.startswith(POSTGRESQL) else None
    return bool(said) and not references(str(said))
