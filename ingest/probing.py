"""Knocks at doors and targets without leaving anything behind, and says what was seen."""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import aiohttp

from adapters.base import Adapter, ChannelRefused, ChannelUnavailable
from dispatch.settings import TargetSettings
from ingest.config_channels import Channel

PATIENCE = timedelta(seconds=30)
"""A door or target that has said nothing by then does not answer."""


@dataclass(frozen=True)
class Probe:
    """What was seen at one door or target, in a sentence an operator understands."""

    what: Literal["channel", "target"]
    name: str
    ok: bool
    text: str


async def probe_channel(channel: Channel, patience: timedelta = PATIENCE) -> Probe:
    """Try a door; nothing is fetched, acknowledged or changed."""
    try:
        adapter = channel.build()
        async with asyncio.timeout(patience.total_seconds()):
            return Probe("channel", channel.name, ok=True, text=await _knock(adapter))
    except TimeoutError:
        return Probe("channel", channel.name, ok=False, text=f"no answer within {patience.total_seconds():g} s")
    except (ChannelUnavailable, ChannelRefused, OSError) as error:
        return Probe("channel", channel.name, ok=False, text=str(error))


async def _knock(adapter: Adapter) -> str:
    try:
        return await adapter.probe()
    finally:
        await adapter.close()


async def probe_target(name: str, target: TargetSettings, patience: timedelta = PATIENCE) -> Probe:
    """Ask a target for its OPTIONS, without signature or token: safe by RFC 9110 §9.2.1, opens no case.

    Whatever it answers below 500 shows that address, certificate and way are good; it proves nothing of the secret.
    """
    try:
        async with asyncio.timeout(patience.total_seconds()):
            status = await _options(target)
    except TimeoutError:
        return Probe("target", name, ok=False, text=f"no answer within {patience.total_seconds():g} s")
    except aiohttp.ClientConnectorCertificateError as error:
        text = f"its certificate is not trusted ({error.certificate_error}); name its authority in ca_file"
        return Probe("target", name, ok=False, text=text)
    except aiohttp.ClientConnectorError as error:
        text = f"cannot connect to {error.host}:{error.port}: {_reason(error.os_error)}"
        return Probe("target", name, ok=False, text=text)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Probe("target", name, ok=False, text=f"{type(error).__name__}: {error}")
    return Probe("target", name, ok=status < 500, text=_seen(status))


async def _options(target: TargetSettings) -> int:
    context = ssl.create_default_context(cafile=str(target.ca_file)) if target.ca_file else True
    connector = aiohttp.TCPConnector(ssl=context)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.options(target.url, headers=target.headers, allow_redirects=False) as answer,
    ):
        return answer.status


def _reason(error: OSError) -> str:
    """The system's words; asyncio's own only repeat the address."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)


def _seen(status: int) -> str:
    seen = f"reachable, answers OPTIONS with {status}"
    if status >= 500:
        return f"{seen}: it, or what stands before it, is in trouble"
    if status == 404:
        return f"{seen}: fine if it knows POST only, else look at the path of its url"
    if 300 <= status < 400:
        return f"{seen}: a redirection, which events do not follow; write the final address"
    return seen
