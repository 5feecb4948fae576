"""The working-day calendar in force: its file is edited while the daemon runs, and reread."""

from __future__ import annotations

import hashlib
from pathlib import Path

import structlog

from ingest.calendar_files import read_calendar
from ingest.config_errors import ConfigErrors
from normalize.calendar import WorkCalendar

log = structlog.get_logger()


class Almanac:
    """Holds the calendar; `error` says why the file as it stands is not in force.

    Dates are noted with `mark`. It follows a new calendar one look later: whatever was being counted when the calendar
    changed carries the old mark, by whichever of the two it was counted, and is counted again.
    """

    def __init__(self, calendar: WorkCalendar, path: Path | None = None) -> None:
        self.calendar = calendar
        self.mark = calendar.mark
        self.error: str | None = None
        self._path = path
        self._seen: str | None = None
        self._judged: str | None = None

    def look(self) -> None:
        """Reread the file if it is another one by now. Blocking.

        It is taken when it was the same at two looks: an editor may be half-way through writing it.
        """
        self.mark = self.calendar.mark
        if self._path is None:
            return
        found = _hash(self._path)
        steady, self._seen = found == self._seen, found
        if steady and found != self._judged:
            self._judged = found
            self._reread(self._path)

    def _reread(self, path: Path) -> None:
        try:
            calendar = read_calendar(path)
        except ConfigErrors as error:
            self.error = str(error)
            log.error("calendar refused; the old one stays in force", problems=self.error.splitlines())
            return
        self.error = None
        if calendar.mark != self.calendar.mark:
            self.calendar = calendar
            log.info("calendar reread", years=sorted(calendar.years))


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
