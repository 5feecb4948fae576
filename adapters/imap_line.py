"""The socket under an IMAP connection, which another thread may cut at any moment, also while it is being made."""

from __future__ import annotations

import imaplib
import socket
import ssl
import threading
from contextlib import suppress


class Line:
    """Cut, it wakes whoever waits on it, for the server's first word, its TLS handshake or an answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._end: socket.socket | None = None
        self._is_cut = False

    def lay(self, made: socket.socket) -> None:
        """Hold on to the socket by a second descriptor: wrapping it in TLS takes the first one away."""
        with self._lock:
            self._end = made.dup()
        if self._is_cut:
            self.cut()

    def cut(self) -> None:
        """Break the connection; safe from another thread, before it is laid, and twice."""
        with self._lock:
            self._is_cut = True
            if self._end is not None:
                with suppress(OSError):  # already gone, which is what is wanted
                    self._end.shutdown(socket.SHUT_RDWR)  # close() would not wake a thread waiting in recv

    def close(self) -> None:
        with self._lock:
            if self._end is not None:
                self._end.close()
                self._end = None


SMALL = 16 * 2**20
"""What an answer without mails may take."""
A_LINE = 100
"""Bytes of memory a line takes besides its own."""


class OverLine(imaplib.IMAP4):
    """An IMAP connection over a line, whose server may not fill our memory: an answer takes so much and no more."""

    def __init__(
        self,
        line: Line,
        host: str,
        port: int,
        context: ssl.SSLContext | None,
        timeout: float | None,
        mails: int,
    ) -> None:
        """`mails`: how many bytes of mails one answer may bring."""
        self._line = line
        self._context = context
        self._mails = mails
        self._left = SMALL
        super().__init__(host, port, timeout)

    def send(self, data: bytes) -> None:  # type: ignore[override]  # typeshed: any buffer; imaplib sends bytes
        """Every command's answer has its own measure."""
        self._left = SMALL + (self._mails if b"BODY.PEEK" in data else 0)
        super().send(data)

    def read(self, size: int) -> bytes:
        self._spend(size)
        return super().read(size)

    def readline(self) -> bytes:
        line = super().readline()
        self._spend(len(line) + A_LINE)
        return line

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise self.abort("the server's answer is larger than what was asked for")

    def _create_socket(self, timeout: float | None) -> socket.socket:
        made = socket.create_connection((self.host, self.port), timeout)
        self._line.lay(made)
        if self._context is None:
            return made
        try:
            return self._context.wrap_socket(made, server_hostname=self.host)
        except BaseException:
            made.close()
            raise
