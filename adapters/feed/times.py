"""Times as one platform writes them, both ways."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from adapters.base import Json

_EPOCH = {"epoch_s": timedelta(seconds=1), "epoch_ms": timedelta(milliseconds=1)}
_START = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class TimeFormat:
    """`pattern`: for strptime, or `epoch_s`, `epoch_ms`, `iso`; times that name no zone are in `zone`."""

    pattern: str
    zone: ZoneInfo

    @property
    def tick(self) -> timedelta:
        """The smallest step a written time can tell."""
        if self.pattern in _EPOCH:
            return _EPOCH[self.pattern]
        if self.pattern == "iso" or "%S" in self.pattern or "%T" in self.pattern:
            return timedelta(seconds=1)
        return timedelta(minutes=1) if "%M" in self.pattern else timedelta(days=1)

    def write(self, at: datetime) -> str | int:
        """Written down to the tick: never later than `at`."""
        if self.pattern in _EPOCH:
            return (at - _START) // _EPOCH[self.pattern]
        local = at.astimezone(self.zone)
        return local.isoformat(timespec="seconds") if self.pattern == "iso" else local.strftime(self.pattern)

    def read(self, value: Json) -> datetime | None:
        """The moment, aware, in UTC; None when it is not written like this."""
        try:
            return self._parse(str(value).strip()).astimezone(UTC)
        except (ValueError, OverflowError):
            return None

    def _parse(self, text: str) -> datetime:
        if self.pattern in _EPOCH:
            return _START + int(text) * _EPOCH[self.pattern]
        if self.pattern != "iso":
            try:
                at = datetime.strptime(text, self.pattern)  # noqa: DTZ007  the zone follows
            except ValueError:
                at = datetime.fromisoformat(text)  # many write windows one way and records the other
        else:
            at = datetime.fromisoformat(text)
        return at if at.tzinfo else at.replace(tzinfo=self.zone)
