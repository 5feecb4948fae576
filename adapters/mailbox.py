"""The mailbox door: mails of one IMAP folder, read without leaving a trace, since staff still read it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from imapclient import IMAPClient
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from adapters import imap
from adapters.base import Batch, ChannelRefused, ChannelUnavailable, Cursor, Fetched, Json, Raw, RawKind, Unobtainable
from adapters.imap import BrokenOff, Folder, Listed, NotHandedOver, Server
from adapters.imap_line import Line
from adapters.mailbox_breaks import Breaks
from adapters.mailbox_place import Place

T = TypeVar("T")
_GOODBYE = 1.0


class MailboxSettings(BaseModel):
    """A channel `kind: mailbox`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["mailbox"] = "mailbox"
    host: str = Field(min_length=1, description="the IMAP server's name or address")
    port: int = Field(default=993, ge=1, le=65535, description="993 with tls, usually 143 with starttls or none")
    tls: Literal["tls", "starttls", "none"] = Field(default="tls", description="how the connection is protected")
    ca_file: Path | None = Field(
        default=None, description="PEM file with the certificate authority of a server of one's own"
    )
    verify: bool = Field(default=True, description="false: accept any certificate (only inside a closed network)")
    username: str = Field(min_length=1, description="usually the whole address")
    password: SecretStr = Field(description="password, or the authorization code (授权码) 163, 126 and QQ want instead")
    folder: str = Field(default="INBOX", min_length=1, description="folder to read, in its own words, such as 局长信箱")
    batch: int = Field(default=100, ge=1, le=200, description="mails taken into one stored batch")
    batch_bytes: int = Field(
        default=32 * 2**20, ge=2**10, description="a batch ends earlier once its mails have so many bytes"
    )
    timeout: timedelta = Field(
        default=timedelta(seconds=30),
        gt=timedelta(0),
        le=timedelta(minutes=10),
        description="how long to wait for an answer of the server",
    )
    max_bytes: int = Field(
        default=64 * 2**20,
        ge=2**10,
        description="of a mail larger than this only so many bytes are taken, and it is said",
    )
    identify: dict[str, str] = Field(
        default={"name": "xinqiao", "version": "1", "vendor": "xinqiao"},
        description="what we tell a server that asks who we are (IMAP ID; 163 and 126 insist); empty: nothing",
    )

    @property
    def shown(self) -> str:
        """Which folder of which mailbox; a server's port may change."""
        host, _port, username, folder = self.mailbox_key
        return f"{username} at {host}, {folder}"

    @property
    def mailbox_key(self) -> tuple[str, int, str, str]:
        """Two channels with the same key would read the same mails."""
        folder = "INBOX" if self.folder.upper() == "INBOX" else self.folder
        return (self.host.lower(), self.port, self.username, folder)

    def build(self, name: str) -> MailboxAdapter:
        return MailboxAdapter(name, self)

    def server(self) -> Server:
        return Server(
            host=self.host,
            port=self.port,
            tls=self.tls,
            ca_file=None if self.ca_file is None else str(self.ca_file),
            verify=self.verify,
            timeout=self.timeout.total_seconds(),
            username=self.username,
            password=self.password.get_secret_value(),
            identify=self.identify,
            answer=self.batch_bytes + self.max_bytes,
        )


@dataclass(frozen=True)
class Work:
    """What one poll has to bring."""

    place: Place
    mails: tuple[Listed, ...]
    end: int
    """The UID up to which the folder is read once all mails are brought."""
    skipped: int = 0


class MailboxAdapter:
    """Reads one folder over one connection, which lives in a thread of its own (imapclient blocks)."""

    def __init__(self, name: str, settings: MailboxSettings) -> None:
        self.name = name
        self.settings = settings
        self._client: IMAPClient | None = None
        self._line = Line()
        self._closed = False
        self._breaks = Breaks()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"mailbox-{name}")

    async def poll(self, cursor: Cursor | None, start_from: datetime) -> AsyncGenerator[Batch]:
        """Yield mails above the cursor's UID, in UID order, then those that were not handed over before; a new
        UIDVALIDITY starts over from `start_from`.
        """
        work = self._sparing(await self._run(partial(self._look, cursor, start_from)))
        place, skipped = work.place, work.skipped
        groups = _grouped(work.mails, self.settings, lambda uid: uid in work.place.left or self._breaks.alone(uid))
        for number, group in enumerate(groups, 1):
            end = work.end if number == len(groups) else max(place.uid, group[-1].uid)
            batch = await self._run(partial(self._take, group, place, end))
            place = Place.of(batch.cursor)
            if batch.raws or batch.cursor != cursor:
                yield replace(batch, skipped=skipped)
            skipped = 0
        last = replace(place, uid=work.end)
        if not groups and last.cursor() != cursor:
            yield Batch((), (), last.cursor(), skipped=skipped)
        if place.left:
            numbers = ", ".join(map(str, place.left))
            raise ChannelUnavailable(
                f"mailbox {self.name}: the server lists mail {numbers} but does not hand it over; the others were read",
                reached_end=True,
            )

    def _sparing(self, work: Work) -> Work:
        """The same without mails that would end the connection again: they are left for later."""
        resting = {mail.uid for mail in work.mails if self._breaks.rests(mail.uid)}
        place = replace(work.place, left=tuple(sorted({*work.place.left, *resting})))
        return replace(work, place=place, mails=tuple(mail for mail in work.mails if mail.uid not in resting))

    async def settle(self, token: Json) -> None:
        """Nothing to do: the mailbox is not changed."""

    async def fetch(self, ref: str) -> Fetched:
        raise Unobtainable(f"mailbox {self.name}: {ref} cannot be fetched; a mail's attachments are in the mail")

    async def probe(self) -> str:
        folder = await self._run(self._examined)
        ends = await self._run(lambda: imap.certificate_end(self._connected()))
        return (
            f"mailbox {self.settings.username} at {self.settings.host}: logged in, folder {self.settings.folder} "
            f"opened read-only, {folder.messages} mails, UIDVALIDITY {folder.uidvalidity}"
            + (f"; its certificate ends on {ends:%Y-%m-%d}" if ends else "")
        )

    async def close(self) -> None:
        """Cut what is under way; a thread that goes on even so (a name that does not resolve) is left to itself."""
        if not self._closed:
            self._closed = True
            self._line.cut()
            dropped = asyncio.get_running_loop().run_in_executor(self._thread, self._drop)
            self._thread.shutdown(wait=False)
            await asyncio.wait([dropped], timeout=_GOODBYE)

    async def _run(self, act: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, act)
        except asyncio.CancelledError:
            self._line.cut()  # the thread may be waiting for the server
            raise

    # What follows runs in the thread.

    def _guarded(self, act: Callable[[], T]) -> T:
        """After whatever error the connection's state is unknown: let go of it."""
        try:
            return act()
        except BaseException:
            self._drop()
            raise

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            imap.end(client)
        self._line.close()

    def _examined(self) -> Folder:
        if self._client is not None and not imap.is_alive(self._client):
            self._drop()
        if self._client is None:
            self._line = Line()
            if self._closed:
                raise ChannelUnavailable(f"mailbox {self.name}: closed")
            self._client = imap.connect(self.settings.server(), self._line)
            imap.log_in(self._client, self.settings.server())
        try:
            return imap.examine(self._client, self.settings.folder)
        except ChannelRefused as refused:
            names = imap.folder_names(self._client)
            if self.settings.folder in names or not names:
                raise
            raise ChannelRefused(f"{refused}; the mailbox has: {', '.join(names)}") from refused

    def _connected(self) -> IMAPClient:
        if self._client is None:
            raise ChannelUnavailable(f"mailbox {self.name}: the connection was closed")
        return self._client

    def _look(self, cursor: Cursor | None, start_from: datetime) -> Work:
        folder = self._examined()
        place = Place.of(cursor) if cursor else None
        if place is None or not place.is_in(folder, self.settings.shown):
            return self._first(folder, start_from)
        client = self._connected()
        again = imap.still_there(client, place.left) if place.left else []
        uids = imap.uids_after(client, place.uid)
        mails = imap.listing(client, uids + again)
        wanted = [m for m in mails if m.uid > place.first_until or m.uid in again or _is_since(m, start_from)]
        place = replace(place, left=tuple(again), mailbox=self.settings.shown)
        return Work(place, tuple(wanted), max([place.uid, *uids]))

    def _first(self, folder: Folder, start_from: datetime) -> Work:
        client = self._connected()
        # The server compares days in a time zone of its own: two days earlier is early enough anywhere.
        uids = imap.uids_since(client, (start_from - timedelta(days=2)).date())
        wanted = tuple(m for m in imap.listing(client, uids) if _is_since(m, start_from))
        filled = [folder.uidnext - 1] if folder.uidnext else imap.uids_after(client, 0)
        end = max([0, *filled, *uids])
        place = Place(folder.uidvalidity, 0, first_until=end, mailbox=self.settings.shown)
        return Work(place, wanted, end, max(0, folder.messages - len(wanted)))

    def _take(self, group: tuple[Listed, ...], place: Place, end: int) -> Batch:
        try:
            contents = self._contents(group)
        except BrokenOff as broken:
            self._breaks.note(broken.uids)
            broken.reached_end = set(broken.uids) <= set(place.left)  # they come last: all others have been read
            raise
        self._breaks.forget(mail.uid for mail in group)
        mails = [mail for mail in group if mail.uid in contents]
        missing = [mail.uid for mail in group if mail.uid not in contents]
        left = set(place.left) - {mail.uid for mail in group}
        if missing:
            left |= set(imap.still_there(self._connected(), missing))
        after = replace(place, uid=end, left=tuple(sorted(left)))
        raws = (self._raw(number, mail, contents[mail.uid], place) for number, mail in enumerate(mails))
        return Batch(tuple(contents[mail.uid] for mail in mails), tuple(raws), after.cursor())

    def _contents(self, group: tuple[Listed, ...]) -> dict[int, bytes]:
        """The group's bytes by UID; one mail the server chokes on does not take the others with it."""
        limit = self.settings.max_bytes if self._may_be_too_large(group[0]) else None
        try:
            return imap.bytes_of(self._connected(), [mail.uid for mail in group], limit)
        except NotHandedOver as refusal:
            if len(group) == 1:
                return {}
            single = {uid: content for mail in group for uid, content in self._contents((mail,)).items()}
            if not single:  # not one mail's trouble but the server's: nothing is passed over
                raise ChannelUnavailable(f"mailbox {self.name}: the server hands over no mail: {refusal}") from refusal
            return single

    def _may_be_too_large(self, mail: Listed) -> bool:
        """It is, or the server does not tell its size."""
        return not 0 < mail.size <= self.settings.max_bytes

    def _raw(self, number: int, mail: Listed, content: bytes, place: Place) -> Raw:
        cut = self._may_be_too_large(mail) and len(content) >= self.settings.max_bytes
        locator = f"{self.settings.folder}:{place.uidvalidity}:{mail.uid}"
        return Raw(
            kind=RawKind.MAIL,
            key=locator,
            version=hashlib.sha256(content).hexdigest(),
            blob=number,
            locator=locator,
            received_at=mail.internal_date,
            meta={"truncated": True, "size": mail.size or len(content)} if cut else {},
        )


def _grouped(
    mails: tuple[Listed, ...], settings: MailboxSettings, doubted: Callable[[int], bool]
) -> list[tuple[Listed, ...]]:
    """Batches bounded in number and bytes; a mail too large to be taken whole, of unknown size, or that the server may
    choke on travels alone.
    """
    groups: list[list[Listed]] = []
    room = -1
    for mail in mails:
        alone = not 0 < mail.size <= settings.max_bytes or doubted(mail.uid)
        if not groups or len(groups[-1]) == settings.batch or mail.size > room or alone:
            groups.append([])
            room = settings.batch_bytes
        groups[-1].append(mail)
        room = -1 if alone else room - mail.size
    return [tuple(group) for group in groups]


def _is_since(mail: Listed, start_from: datetime) -> bool:
    return mail.internal_date is None or mail.internal_date >= start_from
