"""Knocks at doors, targets, database and bucket without leaving anything behind, and says what was seen."""

from __future__ import annotations

import asyncio
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from errno import EIO
from typing import Literal

import aiohttp

from adapters.base import Adapter, ChannelRefused, ChannelUnavailable
from adapters.wire import TrustBroken, open_session
from dispatch.client import Client
from dispatch.expressions import TemplateFailed
from dispatch.own_api import LoginFailed, OwnApi
from dispatch.settings import TargetSettings
from ingest.config_channels import Channel
from store.blob_bucket import BlobBucket, Bucket
from store.engine import StoreUnreachable

PATIENCE = timedelta(seconds=30)
"""A door or target that has said nothing by then does not answer."""
PROBE_BYTES = 256 * 1024
"""As large as the smallest blobs."""


@dataclass(frozen=True)
class Probe:
    """What was seen at one of the places the configuration leads to, in a sentence an operator understands."""

    what: Literal["channel", "target", "database", "blobs"]
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
    """Ask a target for its OPTIONS, without signature or token: safe by RFC 9110 §9.2.1, opens no case. One that wants
    a login is logged in to instead.

    Whatever it answers below 500 shows that address, certificate and way are good; it proves nothing of the secret.
    """
    try:
        async with asyncio.timeout(patience.total_seconds()):
            ok, text = await _seen_at(target)
    except TimeoutError:
        ok, text = False, f"no answer within {patience.total_seconds():g} s"
    except (LoginFailed, TemplateFailed, TrustBroken) as error:
        ok, text = False, str(error)
    except aiohttp.ClientConnectorCertificateError as error:
        ok, text = False, f"its certificate is not trusted ({error.certificate_error}); name its authority in ca_file"
    except aiohttp.ClientConnectorError as error:
        ok, text = False, f"cannot connect to {error.host}:{error.port}: {_reason(error.os_error)}"
    except aiohttp.ClientHttpProxyError as error:  # whose own message has the proxy's password
        ok, text = False, f"its proxy refuses us with HTTP {error.status} {error.message}; look at user and password"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        ok, text = False, f"{type(error).__name__}: {error}"
    return Probe("target", name, ok, text)


async def _seen_at(target: TargetSettings) -> tuple[bool, str]:
    if target.login is not None:
        await _log_in(target)
        return True, "lets us in"
    status = await _options(target)
    return status < 500, _seen(status)


async def probe_blobs(bucket: Bucket) -> Probe:
    """Put an object of random bytes into the bucket, read it back, remove it."""
    try:
        text = await asyncio.to_thread(_try_bucket, bucket)
    except OSError as error:
        return Probe("blobs", bucket.address, ok=False, text=error.strerror or str(error))
    return Probe("blobs", bucket.address, ok=True, text=text)


def _try_bucket(bucket: Bucket) -> str:
    depot, key = BlobBucket(bucket), f"probe-{secrets.token_hex(8)}"
    if depot.read(key) is not None:
        raise OSError(EIO, f"it has an object under {key}, which nobody wrote")
    depot.write(key, secrets.token_bytes(PROBE_BYTES))
    try:
        depot.remove(key)
    except OSError as error:  # a bucket that keeps everything for good suits evidence
        return f"an object was written and read back; it cannot be removed: {error.strerror}"
    if depot.read(key) is not None:
        return "an object was written and read back; removed, it is still there (the bucket keeps versions, or is slow)"
    return "an object was written, read back and removed"


async def probe_database(url: str) -> Probe:
    """Ask a PostgreSQL what it is; no table is made."""
    from store.postgres import look  # noqa: PLC0415 - its driver takes 0.1 s to load: only who needs it waits

    try:
        return Probe("database", "postgresql", ok=True, text=await asyncio.to_thread(look, url))
    except StoreUnreachable as error:
        return Probe("database", "postgresql", ok=False, text=str(error))


async def _options(target: TargetSettings) -> int:
    async with (
        open_session(target, timeout=PATIENCE) as session,
        session.options(target.url, headers={} if target.calls else target.headers, allow_redirects=False) as answer,
    ):
        return answer.status


async def _log_in(target: TargetSettings) -> None:
    client = Client(target)
    try:
        await OwnApi(target, client).let_in(datetime.now(UTC))
    finally:
        await client.close()


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
