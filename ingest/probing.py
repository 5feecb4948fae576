"""Knocks at everything the configuration leads to without leaving anything behind, and says what was seen."""

from __future__ import annotations

import asyncio
import io
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography import x509

from adapters.base import Adapter, ChannelRefused, ChannelUnavailable
from adapters.wire import ClientCertificate, TrustBroken
from dispatch.client import Client
from dispatch.expressions import TemplateFailed
from dispatch.own_api import LoginFailed, OwnApi
from dispatch.settings import TargetSettings
from ingest.alarms.settings import MailSink, Sink
from ingest.alarms.sinks import Mailer, Message, Untold, teller_of
from ingest.config_channels import Channel
from ingest.probing_wire import ENDS_SOON, NotReached, look
from ingest.reader import recognise
from ingest.worker_process import WorkerFailed, WorkerRefused
from ingest.workers import WorkerPool

PATIENCE = timedelta(seconds=30)
"""A door or target that has said nothing by then does not answer."""


@dataclass(frozen=True)
class Probe:
    """What was seen at one of the places the configuration leads to, in a sentence an operator understands."""

    what: Literal["channel", "target", "database", "blobs", "clamd", "scans", "sink"]
    name: str
    ok: bool
    text: str
    doubts: tuple[str, ...] = ()
    """It works, but a person should look at this."""


async def probe_channel(channel: Channel, patience: timedelta = PATIENCE) -> Probe:
    """Try a door; nothing is fetched, acknowledged or left behind."""
    try:
        adapter = channel.build()
        async with asyncio.timeout(patience.total_seconds()):
            text = await _knock(adapter)
            notes, doubts = await _around(channel, patience)
    except TimeoutError:
        return Probe("channel", channel.name, ok=False, text=f"no answer within {patience.total_seconds():g} s")
    except (ChannelUnavailable, ChannelRefused, OSError) as error:
        return Probe("channel", channel.name, ok=False, text=str(error))
    return Probe("channel", channel.name, True, "; ".join([text, *notes]), tuple(doubts))


async def _knock(adapter: Adapter) -> str:
    try:
        return await adapter.probe()
    finally:
        await adapter.close()


async def _around(channel: Channel, patience: timedelta) -> tuple[list[str], list[str]]:
    """Certificate and clock of a platform that has answered; of others nothing."""
    wire, url = getattr(channel.adapter, "wire", None), getattr(channel.adapter, "base_url", None)
    if wire is None or url is None:
        return [], []
    verify = bool(getattr(getattr(channel.adapter, "tls", None), "verify", True))
    now = datetime.now(UTC)
    try:
        sight = await look("HEAD", url, wire, verify=verify, patience=patience)
    except NotReached:  # it has answered what it is asked for
        return [], _own_end(wire.client_cert, now)
    return sight.notes(now), [*sight.doubts(now), *_own_end(wire.client_cert, now)]


async def probe_target(name: str, target: TargetSettings, patience: timedelta = PATIENCE) -> Probe:
    """Ask a target for its OPTIONS, without signature or token: safe by RFC 9110 §9.2.1, opens no case. One that wants
    a login is logged in to as well.

    Whatever it answers below 500 shows that address, certificate and way are good; it proves nothing of the secret.
    """
    try:
        async with asyncio.timeout(patience.total_seconds()):
            headers = None if target.calls else target.headers
            sight = await look("OPTIONS", target.url, target, headers=headers, patience=patience)
            ok, text = _answers(sight.status), _seen(sight.status)
            if target.login is not None:
                await _log_in(target)
                ok, text = True, "lets us in"
    except TimeoutError:
        return Probe("target", name, ok=False, text=f"no answer within {patience.total_seconds():g} s")
    except (LoginFailed, NotReached, TemplateFailed, TrustBroken) as error:
        return Probe("target", name, ok=False, text=str(error))
    now = datetime.now(UTC)
    doubts = [*sight.doubts(now), *_own_end(target.client_cert, now)]
    return Probe("target", name, ok, "; ".join([text, *sight.notes(now)]), tuple(doubts))


def _own_end(own: ClientCertificate | None, now: datetime) -> list[str]:
    """That our own certificate ends soon."""
    if own is None:
        return []
    ends = x509.load_pem_x509_certificate(own.cert_file.read_bytes()).not_valid_after_utc
    return [f"our own certificate {own.cert_file} ends on {ends:%Y-%m-%d}"] if ends - now <= ENDS_SOON else []


async def probe_sink(name: str, sink: Sink, test: Message | None = None) -> Probe:
    """Log in to a mail server, look at a robot's address; only with `test` is anything told."""
    try:
        if test is not None:
            await teller_of(sink).tell(test, datetime.now(UTC))
            return Probe("sink", name, ok=True, text="took the test message; has it arrived?")
        if isinstance(sink, MailSink):
            return Probe("sink", name, ok=True, text=f"{await Mailer(sink).greet()}; nothing was told")
        sight = await look("OPTIONS", sink.url.get_secret_value(), sink, patience=PATIENCE)
    except (NotReached, TrustBroken, Untold) as error:
        return Probe("sink", name, ok=False, text=str(error))
    now = datetime.now(UTC)
    text = "; ".join([_seen(sight.status), *sight.notes(now), "nothing was told"])
    return Probe("sink", name, _answers(sight.status), text, tuple(sight.doubts(now)))


async def probe_scans(scans: WorkerPool) -> Probe:
    """Have a page recognised: are the models there, and does a process for them start."""
    began = time.monotonic()
    try:
        scan = await recognise(scans, _page())
    except (WorkerFailed, WorkerRefused) as error:
        return Probe("scans", "recognition", ok=False, text=f"a page could not be recognised: {error}")
    finally:
        await scans.close()
    took, lines = time.monotonic() - began, sum(len(page.lines) for page in scan.pages)
    return Probe("scans", "recognition", lines > 0, f"models are there; {lines} line read in {took:.1f} s")


def _page() -> bytes:
    """A page with a word on it."""
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415 - only who tries scans waits for it to load

    page = Image.new("L", (480, 160), 255)
    ImageDraw.Draw(page).text((40, 40), "XINQIAO 2026", fill=0, font=ImageFont.load_default(48))
    content = io.BytesIO()
    page.save(content, "PNG")
    return content.getvalue()


async def _log_in(target: TargetSettings) -> None:
    client = Client(target)
    try:
        await OwnApi(target, client).let_in(datetime.now(UTC))
    finally:
        await client.close()


def _answers(status: int) -> bool:
    """Whether somebody is there; 501 is what one says who was never taught OPTIONS."""
    return status < 500 or status == 501


def _seen(status: int) -> str:
    seen = f"reachable, answers OPTIONS with {status}"
    if status == 407:
        return f"{seen}: the proxy on the way wants a user and password"
    if not _answers(status):
        return f"{seen}: it, or what stands before it, is in trouble"
    if status in {404, 501}:
        return f"{seen}: fine if it knows POST only, else look at the path of its url"
    if status in {495, 496}:
        return f"{seen}: it wants a certificate of ours, or another one; look at client_cert"
    if 300 <= status < 400:
        return f"{seen}: a redirection, which events do not follow; write the final address"
    return seen
