"""Asking clamd, ClamAV's daemon, whether bytes carry something known to be harmful (its INSTREAM command)."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

_CHUNK = 64 * 1024
_LONGEST_ANSWER = 4096


class ClamdUnavailable(Exception):
    """It gave no verdict; the message says why. Ask again later."""


@dataclass(frozen=True)
class Clamd:
    """The daemon at a socket's path or at host:port."""

    address: str
    patience: timedelta = timedelta(minutes=2)

    async def look(self, content: bytes) -> str | None:
        """What was found in it, by clamd's name; None: nothing. Raises ClamdUnavailable."""
        said = await self._said(b"zINSTREAM\0", content)
        verdict = said.removeprefix("stream: ")
        if verdict == "OK":
            return None
        if verdict.endswith(" FOUND"):
            return verdict.removesuffix(" FOUND")
        raise ClamdUnavailable(f"clamd at {self.address}: answered {said[:100]!r}; expected OK or FOUND")

    async def greet(self) -> None:
        """Raises ClamdUnavailable: it does not answer, or something else does."""
        said = await self._said(b"zPING\0", None)
        if said != "PONG":
            raise ClamdUnavailable(f"clamd at {self.address}: answered {said[:100]!r}; expected PONG")

    async def version(self) -> str:
        """Which program with which signatures answers, as it says. Raises ClamdUnavailable."""
        return await self._said(b"zVERSION\0", None)

    async def _said(self, command: bytes, content: bytes | None) -> str:
        try:
            async with asyncio.timeout(self.patience.total_seconds()), self._line() as (reader, writer):
                writer.write(command)
                await _send(writer, content)
                answer = await reader.read(_LONGEST_ANSWER)
        except (ConnectionResetError, BrokenPipeError) as error:
            said = "hung up; is it clamd that listens there?"
            if content is not None:
                least = "its StreamMaxLength must be at least the largest attachment's size"
                said = f"hung up on {len(content)} bytes; {least}"
            raise ClamdUnavailable(f"clamd at {self.address}: {said}") from error
        except TimeoutError as error:
            raise ClamdUnavailable(f"clamd at {self.address}: no answer within {self.patience}") from error
        except OSError as error:
            raise ClamdUnavailable(f"clamd at {self.address}: {error.strerror or type(error).__name__}") from error
        return answer.decode("utf-8", "replace").strip("\0\r\n ")

    @asynccontextmanager
    async def _line(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        if self.address.startswith("/"):
            reader, writer = await asyncio.open_unix_connection(self.address)
        else:
            host, _, port = self.address.rpartition(":")
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        try:
            yield reader, writer
        finally:
            writer.close()


async def _send(writer: asyncio.StreamWriter, content: bytes | None) -> None:
    """In pieces, each behind its length; an empty one is the end."""
    if content is None:
        return
    for start in range(0, len(content), _CHUNK):
        piece = content[start : start + _CHUNK]
        writer.write(struct.pack(">I", len(piece)) + piece)
        await writer.drain()
    writer.write(struct.pack(">I", 0))
    await writer.drain()
