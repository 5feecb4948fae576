"""A small IMAP server that misbehaves on demand, as servers in the field do."""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

CAPABILITIES = "IMAP4rev1 ID"


@dataclass
class Mailbox:
    """What it holds and how it behaves; changed by the test while the server runs."""

    mails: dict[int, bytes] = field(default_factory=dict)
    withheld: set[int] = field(default_factory=set)
    """Mails a FETCH of whose bytes is answered NO."""
    breaks: set[int] = field(default_factory=set)
    """Mails a FETCH of whose bytes ends the connection."""
    unlisted: set[int] = field(default_factory=set)
    """Mails a FETCH of whose sizes leaves them out."""
    unlistable: set[int] = field(default_factory=set)
    """Mails a FETCH of whose sizes is answered NO."""
    boundless: bool = False
    """It gives whole mails also where a part was asked for."""
    greeting: str | None = "* OK ready"
    """None: the server accepts and says nothing."""
    replies: dict[str, str] = field(default_factory=dict)
    """Command: tagged answer instead of the usual one, such as {"EXAMINE": "NO [UNAVAILABLE] later"}."""
    silent: set[str] = field(default_factory=set)
    """Commands that are never answered."""
    hangs_up_after: str | None = None
    asked: threading.Event = field(default_factory=threading.Event)
    """Set once a command went unanswered."""
    left: threading.Event = field(default_factory=threading.Event)
    """Set once a client's connection ended."""
    commands: list[str] = field(default_factory=list)


class _Session(socketserver.StreamRequestHandler):
    mailbox: Mailbox

    def handle(self) -> None:
        if self.mailbox.greeting is None:
            self.mailbox.asked.set()
        else:
            self._say(self.mailbox.greeting)
        try:
            while line := self.rfile.readline():
                tag, _, rest = line.decode(errors="replace").strip().partition(" ")
                name = rest.removeprefix("UID ").split(" ")[0].upper()
                self.mailbox.commands.append(rest)
                if name in self.mailbox.silent:
                    self.mailbox.asked.set()
                else:
                    self._answer(tag, name, rest)
                if name in {"LOGOUT", self.mailbox.hangs_up_after}:
                    break
        except ConnectionError:
            pass  # the client hung up, which some tests want
        self.mailbox.left.set()

    def _answer(self, tag: str, name: str, rest: str) -> None:
        reply = self.mailbox.replies.get(name)
        if reply is None and name in _ANSWERS:
            reply = _ANSWERS[name](self, rest)
        self._say(f"{tag} {reply or 'OK done'}")

    def _say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")

    def _capability(self, rest: str) -> str:
        self._say(f"* CAPABILITY {CAPABILITIES}")
        return "OK done"

    def _examine(self, rest: str) -> str:
        mails = self.mailbox.mails
        self._say(f"* {len(mails)} EXISTS")
        self._say("* OK [UIDVALIDITY 1700000000] valid")
        self._say(f"* OK [UIDNEXT {max(mails, default=0) + 1}] next")
        return "OK [READ-ONLY] done"

    def _search(self, rest: str) -> str:
        found = list(self.mailbox.mails)
        if match := re.search(r"UID (\d+):\*", rest):
            found = [uid for uid in found if uid >= int(match[1])] or found[-1:]
        elif match := re.search(r"SEARCH UID ([\d,]+)", rest):
            found = [uid for uid in found if str(uid) in match[1].split(",")]
        self._say(" ".join(["* SEARCH", *map(str, found)]))
        return "OK done"

    def _fetch(self, rest: str) -> str:
        uids = [int(uid) for uid in rest.split(" ")[2].split(",")]
        wants_body = "BODY.PEEK" in rest
        part = re.search(r"\[\]<0\.(\d+)>", rest)
        if wants_body and self.mailbox.withheld.intersection(uids):
            return "NO [SERVERBUG] Internal error"
        if wants_body and self.mailbox.breaks.intersection(uids):
            self._say("* BYE Internal error")
            raise ConnectionResetError
        if not wants_body and self.mailbox.unlistable.intersection(uids):
            return "NO [SERVERBUG] Internal error"
        for number, uid in enumerate(self.mailbox.mails, 1):
            if uid in uids and (wants_body or uid not in self.mailbox.unlisted):
                content = self.mailbox.mails[uid][: int(part[1]) if part and not self.mailbox.boundless else None]
                what = f'RFC822.SIZE {len(content)} INTERNALDATE "02-Mar-2026 09:14:55 +0800"'
                if wants_body:
                    what = f"BODY[]{'<0>' if part else ''} {{{len(content)}}}\r\n{content.decode()}"
                self._say(f"* {number} FETCH (UID {uid} {what})")
        return "OK done"


_ANSWERS: dict[str, Callable[[_Session, str], str]] = {
    "CAPABILITY": _Session._capability,
    "EXAMINE": _Session._examine,
    "SEARCH": _Session._search,
    "FETCH": _Session._fetch,
}


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def misbehaving(mailbox: Mailbox) -> Iterator[int]:
    """Serve the mailbox on a free port of this machine."""
    session = type("Session", (_Session,), {"mailbox": mailbox})
    with _Server(("127.0.0.1", 0), session) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()
