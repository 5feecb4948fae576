"""The outermost calls of a process: every statement, commit, file operation and request can be made to fail once."""

from __future__ import annotations

import errno
import io
import os
import sqlite3
import sqlite3.dbapi2
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial, wraps
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest
from aiohttp.client_reqrep import ClientRequest, ClientResponse

FILE_CALLS = ("open", "fsync", "rename", "replace", "mkdir", "unlink", "fchmod")


class Trap:
    """Lets the n-th call fail, before it has done anything or after, and no other."""

    def __init__(self, number: int, *, after: bool = False) -> None:
        self.number, self.after = number, after
        self.count = 0
        self._counting = threading.Lock()

    @property
    def sprung(self) -> bool:
        return self.count >= self.number

    def springs(self) -> bool:
        with self._counting:
            self.count += 1
            return self.count == self.number

    def around(self, act: Callable[..., Any], fail: Callable[..., BaseException]) -> Callable[..., Any]:
        """The same act, but one call fails with what `fail` makes of its arguments."""

        @wraps(act)
        def tried(*arguments: Any, **named: Any) -> Any:
            if not self.springs():
                return act(*arguments, **named)
            if self.after:
                act(*arguments, **named)
            raise fail(*arguments)

        return tried


def watch_sqlite(patch: pytest.MonkeyPatch, trap: Trap, *, commits: bool) -> None:
    """Every statement, or every commit."""

    def fail(*_: object) -> BaseException:
        return sqlite3.OperationalError("disk I/O error")

    class Cursor(sqlite3.Cursor):
        if not commits:
            execute = trap.around(sqlite3.Cursor.execute, fail)
            executemany = trap.around(sqlite3.Cursor.executemany, fail)

    class Connection(sqlite3.Connection):
        if commits:
            commit = trap.around(sqlite3.Connection.commit, fail)
        else:
            execute = trap.around(sqlite3.Connection.execute, fail)

        def cursor(self, *_: Any) -> Any:
            return super().cursor(Cursor)

    patch.setattr(sqlite3.dbapi2, "connect", partial(sqlite3.dbapi2.connect, factory=Connection))


def watch_postgres(patch: pytest.MonkeyPatch, trap: Trap, *, commits: bool) -> None:
    """Every statement, or every commit: the connection breaks."""

    def fail(broken: Any, *_: object) -> BaseException:
        connection = broken if isinstance(broken, psycopg.Connection) else broken.connection
        connection.close()
        return psycopg.OperationalError("server closed the connection unexpectedly")

    if commits:
        patch.setattr(psycopg.Connection, "commit", trap.around(psycopg.Connection.commit, fail))
        return
    patch.setattr(psycopg.Cursor, "execute", trap.around(psycopg.Cursor.execute, fail))
    patch.setattr(psycopg.Cursor, "executemany", trap.around(psycopg.Cursor.executemany, fail))


def watch_files(patch: pytest.MonkeyPatch, trap: Trap, folder: Path) -> None:
    """Whatever is done to a file below the folder."""

    def fail(*_: object) -> BaseException:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def guarded(act: Callable[..., Any]) -> Callable[..., Any]:
        trapped = trap.around(act, fail)

        @wraps(act)
        def call(*arguments: Any, **named: Any) -> Any:
            ours = is_below(folder, arguments[0])
            return (trapped if ours else act)(*arguments, **named)

        return call

    for name in FILE_CALLS:
        patch.setattr(os, name, guarded(getattr(os, name)))
    patch.setattr(io, "open", guarded(io.open))


def is_below(folder: Path, file: object) -> bool:
    if isinstance(file, int):
        with suppress(OSError):
            return Path(f"/proc/self/fd/{file}").readlink().is_relative_to(folder)
        return False
    return isinstance(file, (str, os.PathLike)) and Path(file).is_relative_to(folder)


def watch_http(patch: pytest.MonkeyPatch, trap: Trap) -> None:
    """Connecting, sending, and hearing the answer's first line."""

    def refuse(_connector: object, request: ClientRequest, *_: object) -> BaseException:
        cause = OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        return aiohttp.ClientConnectorError(request.connection_key, cause)

    def reset(*_: object) -> BaseException:
        return aiohttp.ClientOSError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))

    def lose(*_: object) -> BaseException:
        return aiohttp.ServerDisconnectedError()

    for owner, name, fail in (
        (aiohttp.TCPConnector, "connect", refuse),
        (ClientRequest, "send", reset),
        (ClientResponse, "start", lose),
    ):
        patch.setattr(owner, name, _around_coroutine(trap, getattr(owner, name), fail))


def _around_coroutine(trap: Trap, act: Callable[..., Any], fail: Callable[..., BaseException]) -> Callable[..., Any]:
    @wraps(act)
    async def tried(*arguments: Any, **named: Any) -> Any:
        if trap.springs():
            raise fail(*arguments)
        return await act(*arguments, **named)

    return tried
