"""Looks at a server over HTTP: what it answers, when its certificate ends, whether its clock and ours agree."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import aiohttp
from cryptography import x509
from yarl import URL

from adapters.tls_words import tls_trouble
from adapters.wire import AddressForbidden, WireSettings, open_session, trust_of

CLOCKS_AGREE = timedelta(minutes=1)
ENDS_SOON = timedelta(days=21)

HEARING = timedelta(seconds=5)
"""So long a server may take to say what it has against us."""


class NotReached(Exception):
    """It did not answer; the message says why, and what to do."""


@dataclass(frozen=True)
class Sight:
    """What was seen."""

    status: int
    certificate_ends: datetime | None = None
    """None: no TLS, or a proxy is in between."""
    ahead: timedelta | None = None
    """So much its clock is before ours."""

    def notes(self, now: datetime) -> list[str]:
        """What else is good to know."""
        if self.certificate_ends is None:
            return []
        return [f"its certificate is good for {(self.certificate_ends - now).days} days"]

    def doubts(self, now: datetime) -> list[str]:
        """What a person should look at."""
        found = []
        if self.certificate_ends is not None and self.certificate_ends - now <= ENDS_SOON:
            found.append(f"its certificate ends on {self.certificate_ends:%Y-%m-%d}; have it renewed")
        if self.ahead is not None and abs(self.ahead) > CLOCKS_AGREE:
            side = "behind" if self.ahead > timedelta() else "ahead of"
            seconds = abs(self.ahead).total_seconds()
            found.append(
                f"this machine's clock is {seconds:.0f} s {side} its own, and signatures carry the time; set it"
            )
        return found


async def look(
    method: str,
    url: str,
    settings: WireSettings,
    *,
    headers: Mapping[str, str] | None = None,
    verify: bool = True,
    patience: timedelta,
) -> Sight:
    """Make one request. Raises NotReached, TrustBroken."""
    try:
        async with (
            open_session(settings, timeout=patience, verify=verify) as session,
            session.request(method, url, headers=headers, allow_redirects=False) as answer,
        ):
            status, date = answer.status, answer.headers.get("Date")
        ahead = _ahead(date, datetime.now(UTC))
        ends = await asyncio.to_thread(_certificate_end, URL(url), settings, verify=verify)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        said = why_not(error, settings)
        if not isinstance(getattr(error, "os_error", None), AddressForbidden):
            alert = await asyncio.to_thread(_alert, URL(url), settings, verify=verify)
            said = alert or said
        raise NotReached(said) from error
    return Sight(status, ends, ahead)


def why_not(error: Exception, settings: WireSettings) -> str:
    """Why a server was not reached, without a word of a secret."""
    if said := tls_trouble(error):
        return said
    if isinstance(error, aiohttp.ClientHttpProxyError):  # whose own message has the proxy's password
        return f"its proxy refuses us with HTTP {error.status} {error.message}; look at user and password"
    if isinstance(error, aiohttp.ClientConnectorError):
        if isinstance(error.os_error, AddressForbidden):
            return str(error.os_error)
        whose = "its proxy " if settings.proxy else ""
        return f"cannot connect to {whose}{error.host}:{error.port}: {_reason(error.os_error)}"
    return f"{type(error).__name__}: {error}"


def _certificate_end(url: URL, settings: WireSettings, *, verify: bool) -> datetime | None:
    """When the server's certificate ends; None: it has none, or a proxy is in between. Blocking."""
    with _over_tls(url, settings, verify=verify) as line:
        shown = line.getpeercert(binary_form=True) if line is not None else None
    return x509.load_der_x509_certificate(shown).not_valid_after_utc if shown else None


def _alert(url: URL, settings: WireSettings, *, verify: bool) -> str | None:
    """What the server says of our TLS, which is lost on the way through aiohttp; None: nothing. Blocking."""
    try:
        with _over_tls(url, settings, verify=verify) as line:
            if line is not None:
                line.recv(1)  # of TLS 1.3 it comes after the handshake
    except OSError as error:
        return tls_trouble(error)
    return None


@contextmanager
def _over_tls(url: URL, settings: WireSettings, *, verify: bool) -> Iterator[ssl.SSLSocket | None]:
    """A connection to a server whose address was looked at before; None: it is not spoken to directly, or in TLS."""
    if url.scheme != "https" or url.host is None or url.port is None or settings.proxy:
        yield None
        return
    trust = trust_of(settings, verify=verify)
    if isinstance(trust, bool):
        trust = ssl.create_default_context()
        if not verify:
            trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((url.host, url.port), HEARING.total_seconds()) as plain,
        trust.wrap_socket(plain, server_hostname=url.host) as line,
    ):
        yield line


def _ahead(date: str | None, now: datetime) -> timedelta | None:
    try:
        said = parsedate_to_datetime(date) if date else None
    except ValueError:
        return None
    return None if said is None or said.tzinfo is None else said - now


def _reason(error: OSError) -> str:
    """The system's words; asyncio's own only repeat the address."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)
