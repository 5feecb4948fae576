"""The proxy does the wrong that it is told, and knows whether it met anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.faults.proxy import Proxy, Streams, Trouble, proxying, to_port

ASKED, ANSWERED = b"twenty bytes of asks", b"answer"


@pytest.fixture
async def heard() -> bytearray:
    """What has come through to the server."""
    return bytearray()


@pytest.fixture
async def proxy(heard: bytearray) -> AsyncIterator[Proxy]:
    """Before a server that answers once it has heard all."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(100):
            heard.extend(piece)
            if heard.endswith(ASKED):
                writer.write(ANSWERED)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with proxying(to_port(server.sockets[0].getsockname()[1])) as made:
        yield made
    server.close()


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def test_without_trouble_everything_comes_through(proxy: Proxy) -> None:
    async with connected(proxy) as (reader, writer):
        writer.write(ASKED)

        assert await reader.readexactly(len(ANSWERED)) == ANSWERED
    assert proxy.hits == 0


async def test_what_is_late_comes(proxy: Proxy) -> None:
    async with connected(proxy) as (reader, writer), proxy.troubled(Trouble.LATENCY, delay=0.05):
        began = asyncio.get_running_loop().time()
        writer.write(ASKED)

        assert await reader.readexactly(len(ANSWERED)) == ANSWERED
        assert asyncio.get_running_loop().time() - began > 0.09
        assert proxy.hits == 2


async def test_amid_the_request_so_many_bytes_come_through_and_then_a_reset(proxy: Proxy, heard: bytearray) -> None:
    async with connected(proxy) as (reader, writer), proxy.troubled(Trouble.RESET, after=7):
        writer.write(ASKED)

        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert await proxy.was_hit(10)
    assert ASKED[:7].startswith(bytes(heard))  # a reset may overtake what was sent before it


async def test_before_the_answer_the_server_has_heard_all(proxy: Proxy, heard: bytearray) -> None:
    async with connected(proxy) as (reader, writer), proxy.troubled(Trouble.UNANSWERED):
        writer.write(ASKED)

        with pytest.raises(ConnectionResetError):
            await reader.read()
    assert heard == ASKED


async def test_half_closed_the_client_sees_an_end_instead_of_an_answer(proxy: Proxy) -> None:
    async with connected(proxy) as (reader, writer), proxy.troubled(Trouble.HALF_CLOSE, delay=0.05):
        writer.write(ASKED)

        assert await reader.read(100) == b""


async def test_a_black_hole_swallows_old_and_new_connections_and_cuts_them_in_the_end(
    proxy: Proxy, heard: bytearray
) -> None:
    async with connected(proxy) as (old, asking):
        async with proxy.troubled(Trouble.BLACK_HOLE), connected(proxy) as (new, also_asking):
            asking.write(ASKED)
            also_asking.write(ASKED)
            assert await proxy.was_hit(10)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(new.read(1), 0.1)
            assert proxy.unanswered == 1

        with pytest.raises(ConnectionResetError):
            await old.read()
    assert not heard


async def test_shut_nobody_listens_and_open_again_it_is_the_same_port(proxy: Proxy) -> None:
    async with proxy.shut():
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)

    await test_without_trouble_everything_comes_through(proxy)
