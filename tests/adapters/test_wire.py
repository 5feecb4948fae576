"""Where we go, whom we trust: over real sockets and real TLS."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import ValidationError

from adapters.wire import (
    AddressForbidden,
    BrokenOff,
    TrustBroken,
    VettedResolver,
    WireSettings,
    may_reach,
    open_session,
    trust_of,
)

PATIENCE = timedelta(seconds=5)
LOOPBACK_NAME = "0x7f000001"
"""A name that the system's own resolver takes for 127.0.0.1; so might whoever runs a name server answer for his."""
METADATA_NAME = "0xa9fea9fe"


@dataclass
class Server:
    """A web server that notes who was asked for."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    at: list[str] = field(default_factory=list)
    """Our own addresses at which it was reached."""

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request.host)
        assert request.transport is not None
        self.at.append(request.transport.get_extra_info("sockname")[0])
        if request.path == "/moved":
            return web.Response(status=302, headers={"Location": "/"})
        return web.Response(text="here")


@asynccontextmanager
async def serving(*hosts: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    for host in hosts or ("127.0.0.1",):
        await web.TCPSite(runner, host, server.port, ssl_context=tls).start()
        server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


async def ask(settings: WireSettings, url: str, method: str = "GET") -> str:
    """What is answered, or an exception."""
    async with (
        open_session(settings, timeout=PATIENCE) as session,
        session.request(method, url, allow_redirects=False) as answer,
    ):
        return f"{answer.status} {await answer.text()}"


def wire(**settings: Any) -> WireSettings:
    return WireSettings.model_validate(settings)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::",
        "::127.0.0.1", "64:ff9b:1::7f00:1", "2001:0:7f00:1::", "fd20:ce::254",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "169.254.169.254", "169.254.1.1", "fe80::1", "0.0.0.0", "0.0.0.1",
        "::", "224.0.0.1", "ff02::1", "255.255.255.255", "100.100.100.200", "168.63.129.16", "192.0.0.192",
        "fd00:ec2::254",
    ],
)  # fmt: skip
def test_this_machine_itself_link_local_addresses_and_clouds_metadata_are_not_reached(address: str) -> None:
    assert not may_reach(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "192.168.0.9", "172.16.5.5", "100.64.0.1", "fd12::1", "8.8.8.8", "2400:3200::1", "::ffff:10.1.2.3"],
)
def test_the_oa_on_a_private_address_is_reached(address: str) -> None:
    assert may_reach(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("127.0.0.1", "127.0.0.0/8"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("fe80::1", "fe80::/10"),
        ("169.254.169.254", "169.254.169.254"),
    ],
)
def test_what_is_listed_is_reached_all_the_same(address: str, network: str) -> None:
    assert may_reach(ipaddress.ip_address(address), [ipaddress.ip_network(network)])


async def test_a_name_that_leads_to_this_machine_is_refused_before_anything_is_sent() -> None:
    async with serving() as server:
        with pytest.raises(aiohttp.ClientConnectorDNSError) as refused:
            await ask(wire(), f"http://{LOOPBACK_NAME}:{server.port}/")

    assert isinstance(refused.value.os_error, AddressForbidden)
    assert str(refused.value.os_error) == (
        f"{LOOPBACK_NAME} leads to 127.0.0.1, which is this machine's own or link-local; list it in allow_addresses if"
        " that is meant"
    )
    assert server.asked == []


async def test_a_name_that_leads_to_a_clouds_metadata_is_refused() -> None:
    with pytest.raises(aiohttp.ClientConnectorDNSError, match="Cannot connect to host"):
        await ask(wire(), f"http://{METADATA_NAME}/latest/meta-data")


async def test_the_machines_own_name_is_refused_where_it_leads_to_itself() -> None:
    """As /etc/hosts commonly has it."""
    name = socket.gethostname()
    try:
        found = {str(one[4][0]) for one in socket.getaddrinfo(name, None)}
    except socket.gaierror:
        pytest.skip(f"{name} does not resolve here")
    if not all(ipaddress.ip_address(one.partition("%")[0]).is_loopback for one in found):
        pytest.skip(f"{name} leads to {found}")
    with pytest.raises(AddressForbidden):
        await VettedResolver().resolve(name)


async def test_a_network_listed_may_be_led_to() -> None:
    async with serving() as server:
        said = await ask(wire(allow_addresses=["127.0.0.0/8"]), f"http://{LOOPBACK_NAME}:{server.port}/")

    assert said == "200 here"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST"])
async def test_what_the_operator_wrote_himself_is_meant(host: str) -> None:
    async with serving() as server:
        assert await ask(wire(), f"http://{host}:{server.port}/") == "200 here"


class Told(AbstractResolver):
    """Answers as it is told, each time with the next."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = [list(one) for one in answers]
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [ResolveResult(hostname=host, host=one, port=port, family=family, proto=0, flags=0) for one in found]

    async def close(self) -> None:
        return


async def test_of_several_addresses_those_we_do_not_go_to_are_left_out() -> None:
    resolver = VettedResolver((), Told(["127.0.0.1", "10.1.2.3", "::ffff:127.0.0.1", "fe80::1%eth0"]))

    assert [one["host"] for one in await resolver.resolve("oa.example")] == ["10.1.2.3"]


@pytest.mark.parametrize("address", ["::ffff:127.0.0.1", "::1", "fe80::1%eth0", "::ffff:a9fe:a9fe"])
async def test_another_spelling_of_an_address_is_the_same_address(address: str) -> None:
    with pytest.raises(AddressForbidden):
        await VettedResolver((), Told([address])).resolve("oa.example")


async def test_the_connection_goes_to_the_address_that_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the name server may answer differently when asked again: there is no again."""
    answers = ["127.0.0.2", "127.0.0.3", "127.0.0.3"]
    asked: list[str] = []
    system = socket.getaddrinfo

    def rebinding(host: Any, *rest: Any, **more: Any) -> Any:
        if host != "rebound.example":
            return system(host, *rest, **more)
        asked.append(host)
        return system(answers[len(asked) - 1], *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    async with serving("127.0.0.2", "127.0.0.3") as server:
        said = await ask(wire(allow_addresses=["127.0.0.2"]), f"http://rebound.example:{server.port}/")
        with pytest.raises(aiohttp.ClientConnectorDNSError):
            await ask(wire(allow_addresses=["127.0.0.2"]), f"http://rebound.example:{server.port}/")

    assert (said, asked, server.at) == ("200 here", ["rebound.example"] * 2, ["127.0.0.2"])


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("allow_addresses", ["10.0.0.0/99"], '"10.0.0.0/99" is not a network'),
        ("allow_addresses", ["oa.example"], '"oa.example" is not a network'),
        ("proxy", "socks5://proxy.example:1080", "expected an address such as http://proxy.example:3128"),
        ("proxy", "proxy.example:3128", "expected an address such as http://proxy.example:3128"),
        ("proxy", "http://u:secretword@proxy.example/path", "expected an address such as http://proxy.example:3128"),
    ],
)
def test_a_mistake_is_said_without_its_secrets(key: str, value: object, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        wire(**{key: value})

    assert said in str(refused.value)
    assert "secretword" not in str(refused.value)


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
async def test_without_kept_connections_a_request_is_made_once(method: str) -> None:
    """The library makes a GET or PUT anew by itself when the connection breaks."""
    made: list[str] = []

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.append((await reader.readline()).decode().split(" ")[0])
        writer.transport.abort()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, open_session(wire(), timeout=PATIENCE, reuse=False) as session:
        with pytest.raises(BrokenOff):
            await session.request(method, f"http://127.0.0.1:{port}/")

    assert made == [method]


@dataclass
class Authority:
    """A private authority, what it vouches for, and files of both."""

    folder: Path
    ca: trustme.CA = field(default_factory=trustme.CA)

    @property
    def file(self) -> Path:
        path = self.folder / f"ca-{id(self)}.pem"
        self.ca.cert_pem.write_to_path(str(path))
        return path

    def server(self, *names: str, asks: Authority | None = None) -> ssl.SSLContext:
        """For a server of these names, which asks for certificates of another authority."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.ca.issue_cert(*names).configure_cert(context)
        if asks is not None:
            asks.ca.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self, password: str | None = None) -> dict[str, Any]:
        """A certificate of our own as the configuration names it."""
        issued = self.ca.issue_cert("xinqiao@office.example")
        cert, key = self.folder / "client.pem", self.folder / "client.key"
        issued.cert_chain_pems[0].write_to_path(str(cert))
        pem = issued.private_key_pem.bytes()
        if password is not None:
            own = load_pem_private_key(pem, None)
            encryption = BestAvailableEncryption(password.encode())
            pem = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        key.write_bytes(pem)
        return {"cert_file": cert, "key_file": key}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_a_private_authority_is_trusted_where_it_is_named(authority: Authority) -> None:
    async with serving(tls=authority.server("127.0.0.1")) as server:
        said = await ask(wire(ca_file=authority.file), f"https://127.0.0.1:{server.port}/")
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await ask(wire(), f"https://127.0.0.1:{server.port}/")

    assert said == "200 here"


async def test_another_authority_is_not(authority: Authority, tmp_path: Path) -> None:
    async with serving(tls=authority.server("127.0.0.1")) as server:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await ask(wire(ca_file=Authority(tmp_path).file), f"https://127.0.0.1:{server.port}/")

    assert server.asked == []


async def test_a_certificate_for_another_name_is_not(authority: Authority) -> None:
    async with serving(tls=authority.server("oa.example")) as server:
        with pytest.raises(aiohttp.ClientConnectorCertificateError, match=r"127\.0\.0\.1|mismatch"):
            await ask(wire(ca_file=authority.file), f"https://127.0.0.1:{server.port}/")

    assert server.asked == []


async def test_the_name_in_the_url_is_what_counts_not_the_address_it_leads_to(authority: Authority) -> None:
    async with serving(tls=authority.server("localhost")) as server:
        said = await ask(wire(ca_file=authority.file), f"https://localhost:{server.port}/")

    assert said == "200 here"


@pytest.mark.parametrize("password", [None, "of the key"])
async def test_our_own_certificate_is_shown_to_who_asks_for_it(
    authority: Authority, tmp_path: Path, password: str | None
) -> None:
    ours = Authority(tmp_path)
    own = ours.client(password) | ({"password": password} if password else {})
    async with serving(tls=authority.server("127.0.0.1", asks=ours)) as server:
        said = await ask(wire(ca_file=authority.file, client_cert=own), f"https://127.0.0.1:{server.port}/")

    assert said == "200 here"


async def test_without_it_or_with_a_strangers_nobody_gets_in(authority: Authority, tmp_path: Path) -> None:
    ours, stranger = Authority(tmp_path), Authority(tmp_path)
    async with serving(tls=authority.server("127.0.0.1", asks=ours)) as server:
        for more in ({}, {"client_cert": stranger.client()}):
            with pytest.raises(aiohttp.ClientError):
                await ask(wire(ca_file=authority.file, **more), f"https://127.0.0.1:{server.port}/")

    assert server.asked == []


def broken(authority: Authority, how: str) -> dict[str, Any]:
    own = authority.client("of the key")
    match how:
        case "no password" | "a wrong password":
            return {"client_cert": own | ({} if how == "no password" else {"password": "guessed"})}
        case "no key":
            return {"client_cert": {"cert_file": own["cert_file"]}}
        case "no file":
            return {"client_cert": {"cert_file": authority.folder / "nowhere.pem"}}
        case "another's key":
            other = Authority(authority.folder).client()["key_file"].read_bytes()
            own = authority.client()
            own["key_file"].write_bytes(other)
            return {"client_cert": own}
        case "no authority's file":
            return {"ca_file": authority.folder / "nowhere.pem"}
    (authority.folder / "ca.pem").write_text("no certificate")
    return {"ca_file": authority.folder / "ca.pem"}


@pytest.mark.timeout(30)  # OpenSSL would ask for the password at the terminal
@pytest.mark.parametrize(
    "how",
    [
        "no password",
        "a wrong password",
        "no key",
        "no file",
        "another's key",
        "no authority's file",
        "an authority of nonsense",
    ],
)
def test_files_that_cannot_be_used_are_named(authority: Authority, how: str) -> None:
    settings = wire(**broken(authority, how))

    with pytest.raises(TrustBroken, match=r"(client_cert|ca_file) .*\.pem cannot be used; expected"):
        trust_of(settings)
