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


class OverLine(imaplib.IMAP4):
    """An IMAP connection over a line."""

    def __init__(self, line: Line, host: str, port: int, context: ssl.SSLContext | None, timeout: float | None) -> None:
        self._line = line
        self._context = context
        super().__init__(host, port, timeout)

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
