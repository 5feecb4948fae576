"""How far a mailbox folder has been read, and its form as a cursor."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.base import ChannelRefused, Cursor, Json
from adapters.imap import Folder


@dataclass(frozen=True)
class Place:
    """How far the folder has been read."""

    uidvalidity: int
    uid: int
    first_until: int = 0
    """Up to here the folder was already filled at the first poll: mails older than `start_from` stay there."""
    left: tuple[int, ...] = ()
    """Mails the server listed but did not hand over; asked for again at every poll."""
    mailbox: str | None = None
    """Whose numbers these are; None: it was not noted."""

    @classmethod
    def of(cls, cursor: Cursor) -> Place:
        left = cursor.get("left")
        return cls(
            _number(cursor, "uidvalidity"),
            _number(cursor, "uid"),
            _number(cursor, "first_until") if "first_until" in cursor else 0,
            tuple(uid for uid in left if isinstance(uid, int)) if isinstance(left, list) else (),
            str(cursor["mailbox"]) if "mailbox" in cursor else None,
        )

    def cursor(self) -> Cursor:
        cursor: dict[str, Json] = {"uidvalidity": self.uidvalidity, "uid": self.uid}
        if self.uid < self.first_until:
            cursor["first_until"] = self.first_until
        if self.left:
            cursor["left"] = list(self.left)
        if self.mailbox is not None:
            cursor["mailbox"] = self.mailbox
        return cursor

    def is_in(self, folder: Folder, mailbox: str) -> bool:
        """False: the numbers mean other mails now, because the folder is another, is new or was restored from a backup.

        Another may have the same UIDVALIDITY: some servers give every folder 1.
        """
        went_back = folder.uidnext is not None and folder.uidnext <= self.uid
        return self.uidvalidity == folder.uidvalidity and not went_back and self.mailbox in (None, mailbox)


def _number(cursor: Cursor, name: str) -> int:
    value = cursor.get(name)
    if not isinstance(value, int):
        raise ChannelRefused(f"mailbox cursor: {name} is {value!r}, expected a number")
    return value
