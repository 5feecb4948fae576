"""The four doors of the invented city: one entry of the journal becomes a record, an order, a mail or a scan."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox import hotline_records, sunshine_records
from sandbox.hotline import Hotline
from sandbox.journal import Act, Entry
from sandbox.letters import Scanner
from sandbox.mailbox import USER, MailServer
from sandbox.mails import follow_up, mail, noise
from sandbox.matters import Matter, matter
from sandbox.sunshine import SunshinePlatform

FOLLOW_UP = "来信补充"


@dataclass
class Doors:
    """Those stand-ins that run; the others are None and nothing arrives there."""

    sunshine: SunshinePlatform | None = None
    hotline: Hotline | None = None
    mailbox: MailServer | None = None
    letters: Scanner | None = None
    _keys: dict[tuple[str, int, int], str] = field(default_factory=dict)

    def open_doors(self) -> tuple[str, ...]:
        return tuple(name for name in ("sunshine", "hotline", "mailbox", "letters") if getattr(self, name) is not None)

    def steps(self, door: str) -> tuple[str, ...]:
        """What can happen to a matter at this door after it arrived."""
        ours = {"sunshine": sunshine_records.STEPS, "hotline": hotline_records.ACTIONS, "mailbox": (FOLLOW_UP,)}
        return ours.get(door, ())

    async def perform(self, entry: Entry, *, again: bool = False) -> None:
        """Let it happen. `again`: told from the journal after a restart; the scans still lie in their folder."""
        if entry.door not in self.open_doors():
            return
        what = matter(entry.seed, entry.number)
        match entry.act:
            case Act.ARRIVE:
                await self._arrive(what, entry, again)
            case Act.CHANGE:
                await self._change(what, entry)
            case Act.NOISE if self.mailbox:
                await self.mailbox.deliver(noise(entry.seed, entry.number, entry.at, USER), entry.at)

    async def _arrive(self, what: Matter, entry: Entry, again: bool) -> None:
        place = (entry.door, entry.seed, entry.number)
        if entry.door == "sunshine" and self.sunshine:
            self._keys[place] = self.sunshine.register(what, entry.at)
        elif entry.door == "hotline" and self.hotline:
            self._keys[place] = self.hotline.register(what, entry.at)
        elif entry.door == "mailbox" and self.mailbox:
            await self.mailbox.deliver(mail(what, entry.at, USER), entry.at)
        elif self.letters and not again:
            await self.letters.drop(what, entry.at)

    async def _change(self, what: Matter, entry: Entry) -> None:
        place = (entry.door, entry.seed, entry.number)
        if entry.door == "sunshine" and self.sunshine:
            self.sunshine.advance(self._keys[place], entry.step, entry.at, what)
        elif entry.door == "hotline" and self.hotline:
            self.hotline.act(self._keys[place], entry.step, entry.at, what)
        elif self.mailbox:
            await self.mailbox.deliver(follow_up(what, entry.at, USER), entry.at)
