"""A visit to an IMAP server that answers whatever it likes, over a socket of its own."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from adapters import imap
from adapters.imap import Server
from adapters.imap_line import Line, OverLine

PAUSE = 0.05
"""Seconds after which a client that asks nothing is taken to wait for more of the greeting: there is none."""
BREAK = b"\n--\n"
"""Between the answers of a session: the greeting, then one for each command. TAG stands for the command's tag."""
SERVER = Server("mail.example", 143, "none", None, True, 5.0, "a", "b", {"name": "xinqiao"})


class _Visitor(imap.Client):
    """The door's own client, over a socket that is connected already."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        super().__init__(SERVER, Line())

    def _create_IMAP4(self) -> OverLine:  # noqa: N802 - imapclient's own name
        return _Connected(self._end)


class _Connected(OverLine):
    def __init__(self, end: socket.socket) -> None:
        self._end = end
        super().__init__(Line(), SERVER.host, SERVER.port, None, SERVER.timeout, SERVER.answer)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        self._end.settimeout(timeout)
        return self._end


def visit(session: bytes) -> None:
    """All that a poll asks of a server, as far as its answers let us."""
    ours, theirs = socket.socketpair()
    server = threading.Thread(target=_serve, args=(theirs, session.split(BREAK)))
    server.start()
    try:
        _poll(ours)
    finally:
        ours.close()
        server.join()


def _poll(end: socket.socket) -> None:
    with imap.translated("mailbox", passing=True):
        client = _Visitor(end)
    client.normalise_times = False
    try:
        imap.log_in(client, SERVER)
        imap.examine(client, "INBOX")
        found = imap.listing(client, imap.uids_after(client, 0)[:10])
        if found:
            imap.bytes_of(client, [one.uid for one in found], 1000)
        imap.folder_names(client)
    finally:
        imap.end(client)


def _serve(end: socket.socket, answers: list[bytes]) -> None:
    """Greet, learn from the first command how tags are counted, say all the rest at once: nobody waits for anybody."""
    with end, suppress(OSError):
        end.sendall(answers[0])
        end.settimeout(PAUSE)
        tag = b""
        with suppress(TimeoutError):
            tag = end.recv(4096).split(b" ")[0]
        for number, answer in enumerate(answers[1:] if tag else ()):
            end.sendall(answer.replace(b"TAG", b"%s%d" % (tag[:-1], number)))
        end.shutdown(socket.SHUT_WR)
        end.settimeout(None)
        while end.recv(4096):
            pass
