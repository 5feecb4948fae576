"""Watches the working-day calendar's file, which is edited while the daemon runs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import structlog

from ingest.calendar_files import read_calendar
from ingest.config_errors import ConfigErrors, in_a_line
from normalize.calendar import WorkCalendar

log = structlog.get_logger()


class Almanac:
    """Holds the calendar in force; `problems` are why the file as it stands is not."""

    def __init__(self, calendar: WorkCalendar, path: Path | None = None) -> None:
        self.calendar = calendar
        self.problems: tuple[str, ...] = ()
        self._path = path
        self._seen: str | None = None
        self._judged: str | None = None

    def turn_to(self, calendar: WorkCalendar, path: Path | None) -> None:
        """Hold this one, just read from that file: the configuration names it now."""
        self.calendar, self.problems, self._path = calendar, (), path
        self._seen = self._judged = None

    def said(self) -> str | None:
        """Why the file as it stands is not in force, in a line; None: it is."""
        return in_a_line(self.problems) if self.problems else None

    def look(self) -> WorkCalendar:
        """The calendar in force, from the file if it is another one by now. Blocking.

        A file is taken when it was the same at two looks: an editor may be half-way through writing it.
        """
        if self._path is not None:
            found = _hash(self._path)
            steady, self._seen = found == self._seen, found
            if steady and found != self._judged:
                self._judged = found
                self._reread(self._path)
        return self.calendar

    def _reread(self, path: Path) -> None:
        try:
            calendar = read_calendar(path)
        except ConfigErrors as error:
            self.problems = tuple(map(str, error.problems))
            log.error("calendar refused; the old one stays in force", problems=self.problems)
            return
        if path != self._path:  # the configuration names another meanwhile
            return
        self.problems = ()
        if calendar.mark != self.calendar.mark:
            self.calendar = calendar
            log.info("calendar reread", years=sorted(calendar.years))


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
