"""One IMAP connection, opened for reading only: what is in the folder, and the mails' bytes."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError

from adapters.base import ChannelRefused, ChannelUnavailable
from adapters.imap_line import Line, OverLine
from adapters.tls_words import tls_trouble

_PASSING = re.compile(
    r"\[(UNAVAILABLE|SERVERBUG|INUSE|LIMIT|CONTACTADMIN)\]|try again|too many|稍后|频繁|系统繁忙", re.IGNORECASE
)
_UNSAFE = "Unsafe Login"
_UNSAFE_MEANS = (
    "NetEase (163, 126, yeah.net) wants to know the client: leave `identify` set, switch IMAP on in the mailbox's "
    "settings and use its authorization code (授权码) as the password"
)
_NOT_UNDERSTOOD = (RecursionError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError)
"""What imapclient and imaplib raise of answers that are no IMAP; they have no error for it."""
_LISTED_AT_ONCE = 500
"""A command line of so many UIDs stays below what servers accept."""
_UNLISTED = 20
"""When the sizes of so many single mails are refused it is the server, not a mail."""


@dataclass(frozen=True)
class Server:
    """Where to connect and as whom."""

    host: str
    port: int
    tls: Literal["tls", "starttls", "none"]
    ca_file: str | None
    verify: bool
    timeout: float
    """Seconds for each answer of the server."""
    username: str
    password: str
    identify: Mapping[str, str]
    """What the ID command says of us (RFC 2971); empty: not sent."""
    answer: int = 128 * 2**20
    """Bytes of mails in one answer."""


@dataclass(frozen=True)
class Folder:
    """A folder as EXAMINE shows it."""

    uidvalidity: int
    uidnext: int | None
    messages: int


@dataclass(frozen=True)
class Listed:
    """A mail in the folder, not yet fetched."""

    uid: int
    size: int
    internal_date: datetime | None


class NotHandedOver(Exception):
    """The server lists this mail but will not give its bytes; the others are not affected."""


class BrokenOff(ChannelUnavailable):
    """The connection broke while these mails were asked for."""

    def __init__(self, message: str, uids: list[int]) -> None:
        super().__init__(message)
        self.uids = uids


class Client(IMAPClient):  # type: ignore[misc]  # imapclient is not typed
    def __init__(self, server: Server, line: Line) -> None:
        self._line, self._server = line, server
        tls = server.tls == "tls"
        context = _context(server) if tls else None
        super().__init__(server.host, server.port, ssl=tls, ssl_context=context, timeout=server.timeout)

    def _create_IMAP4(self) -> OverLine:  # noqa: N802 - imapclient's own name
        timeout, mails = self._timeout.connect, self._server.answer
        return OverLine(self._line, self.host, self.port, self.ssl_context, timeout, mails)


def connect(server: Server, line: Line) -> IMAPClient:
    """A connection over `line`, not yet logged in. Raises ChannelUnavailable, ChannelRefused."""
    with translated(f"mailbox server {server.host}:{server.port}", passing=True):
        client = Client(server, line)
    client.normalise_times = False  # aware INTERNALDATE; the default converts to naive local time
    return client


def log_in(client: IMAPClient, server: Server) -> None:
    """Protect the connection if wanted, log in, say who we are. Raises ChannelUnavailable, ChannelRefused."""
    with translated(f"mailbox {server.username} at {server.host}:{server.port}"):
        if server.tls == "starttls":
            client.starttls(_context(server))
        if (server.username + server.password).isascii():
            client.login(server.username, server.password)
        else:  # LOGIN carries ASCII only
            client.plain_login(server.username, server.password)
        if server.identify and client.has_capability("ID"):
            client.id_(dict(server.identify))


def _context(server: Server) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=server.ca_file)
    except OSError as error:
        raise ChannelRefused(f"ca_file {server.ca_file}: {error}; expected a PEM file of certificates") from error
    if not server.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def examine(client: IMAPClient, folder: str) -> Folder:
    """Open the folder read-only, anew: also on a kept connection this shows what has come since."""
    with translated(f"folder {folder}"):
        shown = client.select_folder(folder, readonly=True)
    if b"UIDVALIDITY" not in shown:
        raise ChannelRefused(f"folder {folder}: the server gives no UIDVALIDITY, so mails cannot be told apart")
    return Folder(int(shown[b"UIDVALIDITY"]), shown.get(b"UIDNEXT"), int(shown.get(b"EXISTS", 0)))


def folder_names(client: IMAPClient) -> tuple[str, ...]:
    with translated("list of folders"):
        return tuple(str(name) for _flags, _delimiter, name in client.list_folders())


def uids_after(client: IMAPClient, uid: int) -> list[int]:
    """The UIDs above `uid`, ascending."""
    with translated("search by UID"):
        found = client.search(["UID", f"{uid + 1}:*"])
    return sorted(n for n in found if n > uid)  # n:* always includes the last mail, whatever n


def uids_since(client: IMAPClient, day: date) -> list[int]:
    """The UIDs of mails whose INTERNALDATE's day, in the server's own time zone, is not before `day`, ascending."""
    with translated(f"search since {day}"):
        return sorted(client.search(["SINCE", day]))


def still_there(client: IMAPClient, uids: Iterable[int]) -> list[int]:
    with translated("search by UID"):
        wanted = ",".join(map(str, uids))
        return sorted(client.search(["UID", wanted]))


def listing(client: IMAPClient, uids: list[int]) -> list[Listed]:
    """Size and INTERNALDATE of these mails, those that are gone left out.

    What the server has but tells nothing of, or refuses to tell, is listed without either.
    """
    told: dict[int, Listed] = {}
    refused: list[int] = []
    for start in range(0, len(uids), _LISTED_AT_ONCE):
        told |= _sizes(client, uids[start : start + _LISTED_AT_ONCE], refused)
    untold = [uid for uid in uids if uid not in told]
    there: set[int] = set()
    for start in range(0, len(untold), _LISTED_AT_ONCE):
        there.update(still_there(client, untold[start : start + _LISTED_AT_ONCE]))
    return [told.get(uid) or Listed(uid, 0, None) for uid in uids if uid in told or uid in there]


def _sizes(client: IMAPClient, uids: list[int], refused: list[int]) -> dict[int, Listed]:
    """What the server tells of these; one it chokes on is added to `refused` and takes no other with it."""
    try:
        answer = client.fetch(uids, ["RFC822.SIZE", "INTERNALDATE"])
        return {uid: _listed(uid, answer[uid]) for uid in uids if uid in answer}
    except (IMAPClientError, OSError, *_NOT_UNDERSTOOD) as error:
        if isinstance(error, IMAPClientAbortError | OSError) or len(refused) >= _UNLISTED:
            with translated("fetch of sizes"):
                raise
    if len(uids) == 1:
        refused.append(uids[0])
        return {}
    middle = len(uids) // 2
    return _sizes(client, uids[:middle], refused) | _sizes(client, uids[middle:], refused)


def _listed(uid: int, item: Mapping[bytes, Any]) -> Listed:
    return Listed(uid, int(item.get(b"RFC822.SIZE") or 0), item.get(b"INTERNALDATE"))


def bytes_of(client: IMAPClient, uids: list[int], limit: int | None = None) -> dict[int, bytes]:
    """The mails' bytes, unchanged and unseen (PEEK); with `limit` only the first so many.

    Mails without an answer are missing from the result. Raises NotHandedOver where the server says NO, BrokenOff where
    it ends the connection.
    """
    part = "BODY.PEEK[]" if limit is None else f"BODY.PEEK[]<0.{limit}>"
    name = b"BODY[]" if limit is None else b"BODY[]<0>"
    try:
        answer = client.fetch(uids, [part])
    except (IMAPClientAbortError, OSError) as error:
        raise BrokenOff(f"fetch of mails {uids[0]} to {uids[-1]}: {error}", uids) from error
    except IMAPClientError as error:
        raise NotHandedOver(str(error)) from error
    except _NOT_UNDERSTOOD as error:
        raise NotHandedOver(_garbled(error)) from error
    return {uid: answer[uid][name] for uid in uids if answer.get(uid, {}).get(name) is not None}


def certificate_end(client: IMAPClient) -> datetime | None:
    """When the server's certificate ends; None: the connection is in the clear, or nobody looked at it."""
    made = client.socket()
    shown = made.getpeercert() if isinstance(made, ssl.SSLSocket) else None
    ends = (shown or {}).get("notAfter")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC) if isinstance(ends, str) else None


def is_alive(client: IMAPClient) -> bool:
    try:
        client.noop()
    except (IMAPClientError, OSError):
        return False
    return True


def end(client: IMAPClient) -> None:
    """Close the connection without a word: it may be broken."""
    with suppress(OSError):
        client.shutdown()


@contextmanager
def translated(what: str, *, passing: bool = False) -> Iterator[None]:
    """Tell imapclient's and the network's errors as ChannelUnavailable or ChannelRefused, saying what failed."""
    try:
        yield
    except (IMAPClientError, OSError) as error:
        raise _translate(what, error, passing) from error
    except _NOT_UNDERSTOOD as error:
        raise ChannelUnavailable(f"{what}: {_garbled(error)}") from error


def _translate(what: str, error: Exception, passing: bool) -> ChannelUnavailable | ChannelRefused:
    text = _words(error)
    if isinstance(error, ssl.SSLError) and (trouble := tls_trouble(error)):
        way_out = "; expected tls: starttls or none" if "does not speak TLS" in trouble else ""
        return ChannelRefused(f"{what}: {trouble}{way_out}")
    if _UNSAFE in text:
        return ChannelRefused(f"{what}: {text}. {_UNSAFE_MEANS}")
    # imapclient hides a connection that broke during login in a LoginError
    cause = error.__context__ if isinstance(error, LoginError) else error
    if passing or isinstance(cause, (OSError, IMAPClientAbortError)) or _PASSING.search(text):
        return ChannelUnavailable(f"{what}: {text or type(error).__name__}")
    if isinstance(error, LoginError):
        return ChannelRefused(f"{what}: login refused: {text}; expected the mailbox's user name and password")
    return ChannelRefused(f"{what}: {text}")


def _garbled(error: Exception) -> str:
    return f"the server's answer is not understood ({type(error).__name__}); expected IMAP"


def _words(error: Exception) -> str:
    first = error.args[0] if error.args else ""
    if isinstance(first, bytes):
        return first.decode("utf-8", "replace")
    text = str(error)
    return text[2:-1] if text.startswith(("b'", 'b"')) else text
