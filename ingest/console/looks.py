"""How times, sizes and remaining days are written for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from markupsafe import Markup

from ingest.catalogue import Words

_STEPS = ((timedelta(days=1), "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute"))


@dataclass(frozen=True)
class Look:
    """One page's way of writing: its language, its clock, its time zone."""

    words: Words
    zone: tzinfo
    now: datetime

    def moment(self, at: datetime | None) -> str:
        return "—" if at is None else at.astimezone(self.zone).strftime("%Y-%m-%d %H:%M")

    def ago(self, at: datetime) -> str:
        """3 分钟前; 2 天后; beyond a month the date alone says more."""
        gap = self.now - at
        side = "ago" if gap >= timedelta() else "ahead"
        for step, unit in _STEPS:
            if abs(gap) >= step:
                count = abs(gap) // step
                plural = "" if count == 1 else "s"
                return self.words(f"time.{unit}{plural}_{side}", count=count)
        return self.words("time.now")

    def when(self, at: datetime | None) -> Markup:
        """A moment with its distance, for machines and people."""
        if at is None:
            return Markup("<span class='none'>—</span>")
        local = at.astimezone(self.zone)
        return Markup("<time datetime='{}'>{}</time> <span class='ago'>{}</span>").format(
            local.isoformat(timespec="seconds"), self.moment(at), self.ago(at)
        )

    def left(self, due: datetime) -> str:
        """Remaining calendar days: 剩 3 天, 今天到期, 逾期 2 天."""
        days = (due.astimezone(self.zone).date() - self.now.astimezone(self.zone).date()).days
        if days == 0 and due >= self.now:
            return self.words("time.due_today")
        if due >= self.now:
            return self.words("time.left_one" if days == 1 else "time.left", days=days)
        if days == 0:
            return self.words("time.over_today")
        return self.words("time.over_one" if days == -1 else "time.over", days=-days)

    def urgency(self, due: datetime) -> str:
        """over, soon or calm: the tone of a deadline, always beside its words."""
        if due < self.now:
            return "over"
        return "soon" if due - self.now < timedelta(days=3) else "calm"

    def size(self, count: int | None) -> str:
        if count is None:
            return "—"
        if count < 1024:
            return f"{count} B"
        return f"{count / 1024:.0f} KB" if count < 1024**2 else f"{count / 1024**2:.1f} MB"
