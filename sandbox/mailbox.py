"""The director's mailbox: an IMAP server (pymap, in memory) with one folder into which mails arrive."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from datetime import datetime
from os import strerror
from types import TracebackType
from typing import Self

from proxyprotocol.sock import SocketInfoLocal
from pymap.backend.dict import Config, DictBackend
from pymap.backend.dict.filter import FilterSet
from pymap.backend.dict.mailbox import MailboxData, MailboxSet
from pymap.imap import IMAPServer
from pymap.parsing.message import AppendMessage

from sandbox.faults import Fault, Switch
from sandbox.web import HOST, PortTaken

USER = "juzhang@jy.example"
FOLDER = "INBOX"


class MailServer:
    """`async with MailServer(port=0, password="…") as server: await server.deliver(raw, at)`.

    `uid_validity` stays the same over a restart that delivers the same mails again in the same order.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        user: str = USER,
        password: str = "mailbox-secret",  # noqa: S107  # a stand-in's default, for tests
        uid_validity: int = 1_700_000_000,
    ) -> None:
        self.switch = Switch("mailbox", frozenset({Fault.SLOW, Fault.DOWN, Fault.CUT, Fault.DUPLICATE}))
        self.port, self.delivered = port, 0
        self._user, self._password, self._uid_validity = user, password, uid_validity
        self._connections: set[asyncio.StreamWriter] = set()
        self._serving: asyncio.Server | None = None
        self._turns: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"imap://{HOST}:{self.port}/{FOLDER}"

    async def __aenter__(self) -> Self:
        backend, config = await DictBackend.init(_arguments(self._user, self._password))
        config.apply_context()
        self._folder = await _folder(config, self._user, self._uid_validity)
        self._imap = IMAPServer(backend.login, config)
        await self._open()
        self.switch.watchers.append(self._turn_later)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for turn in self._turns:
            turn.cancel()
        await self._close()

    async def deliver(self, raw: bytes, at: datetime) -> None:
        """Append a mail whose INTERNALDATE is `at`; under the fault `duplicate` it comes twice."""
        copies = 2 if self.switch.fault is Fault.DUPLICATE and self.switch.draw() is Fault.DUPLICATE else 1
        for _ in range(copies):
            await self._folder.append(AppendMessage(raw, at, frozenset()), recent=True)
            self.delivered += 1

    async def turned(self) -> None:
        """Returns when the last change of the switch has taken effect."""
        await asyncio.gather(*self._turns)

    async def _open(self) -> None:
        try:
            self._serving = await asyncio.start_server(self._connected, HOST, self.port)
        except OSError as error:
            raise PortTaken(f"port {self.port} on {HOST} cannot be used: {strerror(error.errno or 0)}") from error
        self.port = self._serving.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._serving:
            self._serving.close()
            for writer in tuple(self._connections):
                writer.transport.abort()
            await self._serving.wait_closed()
            self._serving = None

    def _turn_later(self) -> None:
        turn = asyncio.get_running_loop().create_task(self._turn())
        self._turns.add(turn)
        turn.add_done_callback(self._turns.discard)

    async def _turn(self) -> None:
        if self.switch.silent:
            await self._close()
        elif self._serving is None:
            await self._open()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            fault = self.switch.draw() if self.switch.fault is not Fault.DUPLICATE else Fault.NONE
            await self._serve(reader, writer, fault)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client is gone, or we cut it off ourselves
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: Fault) -> None:
        if fault is Fault.SLOW:
            await asyncio.sleep(self.switch.delay.total_seconds())
        if fault is Fault.DOWN:
            writer.transport.abort()
            return
        if fault is Fault.CUT:
            # Long enough to log in and to begin; then in the middle of something.
            asyncio.get_running_loop().call_later(0.3, writer.transport.abort)
        await self._imap(reader, writer, SocketInfoLocal(writer))


async def _folder(config: Config, user: str, uid_validity: int) -> MailboxData:
    mailboxes = MailboxSet()
    config.set_cache[user] = (mailboxes, FilterSet())
    folder = await mailboxes.get_mailbox(FOLDER)
    folder._uid_validity = uid_validity
    return folder


def _arguments(user: str, password: str) -> Namespace:
    """What pymap's own command line would have parsed."""
    return Namespace(
        host=HOST,
        port=0,
        debug=False,
        cert=None,
        key=None,
        tls=False,
        proxy_protocol=None,
        passlib_cfg=None,
        inherited_sockets=None,
        demo_data=False,
        demo_user=user,
        demo_password=password,
    )
