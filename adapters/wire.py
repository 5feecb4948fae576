"""HTTP on its way out, for doors and targets alike: whom we may reach, whom we trust, and for how long.

A name in the configuration may be made to point elsewhere by whoever runs its name server. So every resolved address
is looked at, and the connection goes to the very address that was looked at.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterable, Sequence
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Annotated

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from yarl import URL

LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})
METADATA = frozenset(
    map(ipaddress.ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"))
)
"""Where clouds tell a machine its secrets, besides the link-local 169.254.169.254."""
NOWHERE = (IPv4Network("0.0.0.0/8"), IPv4Network("255.255.255.255"))
"""What some systems take for this machine, or for all."""
NAT64 = IPv6Network("64:ff9b::/96")
TUNNELS = tuple(map(IPv6Network, ("::/96", "64:ff9b:1::/48", "2001::/32")))
"""Other addresses that stand for IPv4 ones: compatible (RFC 4291), a site's own NAT64 (RFC 8215), Teredo."""
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class AddressForbidden(OSError):
    """A host's name leads to an address we do not go to; nothing was sent."""


class BrokenOff(aiohttp.ClientError):
    """The connection broke while a request was under way that is not made twice; the cause says how."""


class TrustBroken(Exception):
    """A certificate or key file cannot be used; the message says which."""


def _check_network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as error:
        raise ValueError(f'"{value}" is not a network, expected an address such as 10.1.2.3 or 10.1.0.0/16') from error


def _check_proxy(value: SecretStr) -> SecretStr:
    url = URL(value.get_secret_value())
    if url.scheme != "http" or not url.host or url.path not in ("", "/"):
        raise ValueError("expected an address such as http://proxy.example:3128 or http://user:password@proxy.example")
    return value


Proxy = Annotated[SecretStr, AfterValidator(_check_proxy)]
"""An HTTP proxy, with user and password if it wants them."""
NetworkName = Annotated[str, AfterValidator(_check_network)]


class ClientCertificate(BaseModel):
    """Who we are to a server that asks for a certificate."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    cert_file: Path = Field(description="our certificate with what leads to its authority, PEM")
    key_file: Path | None = Field(default=None, description="its private key, PEM; none: it stands in cert_file")
    password: SecretStr | None = Field(default=None, description="what the key is encrypted with")


class WireSettings(BaseModel):
    """How a server is reached and trusted."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    ca_file: Path | None = Field(
        default=None, description="certificate authorities to trust instead of the system's, PEM"
    )
    client_cert: ClientCertificate | None = Field(default=None, description="our own certificate, if it asks for one")
    proxy: Proxy | None = Field(
        default=None,
        description="HTTP proxy on the way, such as http://proxy.example:3128; it looks up names; none: directly",
    )
    allow_addresses: tuple[NetworkName, ...] = Field(
        default=(),
        description="networks its name may lead to although they are this machine's own or link-local, such as"
        " 127.0.0.0/8; an address or localhost written in the url itself is allowed",
    )


class VettedResolver(AbstractResolver):
    """Resolves names and leaves out addresses we do not go to: this machine's own, link-local, clouds' metadata."""

    def __init__(self, allowed: Iterable[str] = (), resolver: AbstractResolver | None = None) -> None:
        """`allowed`: networks to go to all the same."""
        self._allowed = [ipaddress.ip_network(one) for one in allowed]
        self._resolver = resolver or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        vetted = [one for one in found if host in LOOPBACK_NAMES or self._may(one["host"])]
        if not vetted:
            raise AddressForbidden(
                f"{host} leads to {', '.join(sorted({one['host'] for one in found}))}, which is this machine's own or"
                " link-local; list it in allow_addresses if that is meant"
            )
        return vetted

    async def close(self) -> None:
        await self._resolver.close()

    def _may(self, address: str) -> bool:
        return may_reach(ipaddress.ip_address(address.partition("%")[0]), self._allowed)


def may_reach(address: Address, allowed: Sequence[Network] = ()) -> bool:
    """Whether a resolved name may lead there: private networks yes (the OA is on one), this very machine no."""
    plain = _plain(address)
    if any(plain in network for network in allowed if network.version == plain.version):
        return True
    if isinstance(plain, IPv6Address) and any(plain in one for one in TUNNELS):
        return False
    forbidden = plain.is_loopback or plain.is_link_local or plain.is_unspecified or plain.is_multicast
    return not (forbidden or plain in METADATA or any(one.version == plain.version and plain in one for one in NOWHERE))


def _plain(address: Address) -> Address:
    """The IPv4 address within an IPv6 one, where there is one."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def open_session(
    settings: WireSettings,
    *,
    timeout: timedelta,
    connect_timeout: timedelta | None = None,
    connections: int = 100,
    verify: bool = True,
    reuse: bool = True,
    cookies: bool = False,
    trace: aiohttp.TraceConfig | None = None,
) -> aiohttp.ClientSession:
    """A client that goes only where it may; use within a running loop, close at the end.

    Without `reuse` every request has a connection of its own and is made once: a kept connection may be closed just
    as we send on it, and the library makes a GET or PUT again by itself (BrokenOff instead). Redirects are the caller's
    business (`allow_redirects=False`). Raises TrustBroken.
    """
    connector = aiohttp.TCPConnector(
        limit=connections,
        ssl=trust_of(settings, verify=verify),
        resolver=VettedResolver(settings.allow_addresses),
        force_close=not reuse,
    )
    connect = None if connect_timeout is None else connect_timeout.total_seconds()
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=timeout.total_seconds(), sock_connect=connect),
        cookie_jar=aiohttp.CookieJar(unsafe=True) if cookies else aiohttp.DummyCookieJar(),
        proxy=URL(settings.proxy.get_secret_value()) if settings.proxy else None,
        trace_configs=[trace] if trace else None,
        middlewares=() if reuse else (_once,),
        trust_env=False,
    )


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise BrokenOff(str(error)) from error


def trust_of(settings: WireSettings, *, verify: bool = True) -> ssl.SSLContext | bool:
    """Whom we trust, and who we are. Raises TrustBroken."""
    own = settings.client_cert
    if own is None and (settings.ca_file is None or not verify):
        return verify
    try:
        context = ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise TrustBroken(f"ca_file {settings.ca_file} cannot be used; expected certificates in PEM") from error
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if own is not None:
        _show(context, own)
    return context


def _show(context: ssl.SSLContext, own: ClientCertificate) -> None:
    try:
        context.load_cert_chain(own.cert_file, own.key_file, _password(own))
    except (OSError, ssl.SSLError, ValueError) as error:
        said = f"client_cert {own.cert_file} cannot be used; expected a certificate and its key in PEM"
        raise TrustBroken(said) from error


def _password(own: ClientCertificate) -> str:
    """Never None: OpenSSL would ask at the terminal."""
    return own.password.get_secret_value() if own.password else ""
