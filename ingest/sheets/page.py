"""The sheet on A4, black on white, between the margins of GB/T 9704: facts, the citizen's words, room to write."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

import numpy
import zxingcpp
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from ingest.catalogue import Words
from ingest.sheets.facts import Facts, Form
from ingest.sheets.fonts import runs, width
from ingest.sheets.setting import cut, letter, printable, spelled
from normalize.case import Deadline

MM: float = mm
LEFT, RIGHT, TOP, BOTTOM = 28 * MM, float(A4[0]) - 26 * MM, float(A4[1]) - 22 * MM, 20 * MM
LABEL = 25 * MM
MIDDLE = (LEFT + RIGHT) / 2
SMALL, PLAIN, TITLE = 9.0, 11.0, 22.0
LEADING = 1.45
PADDING = 2.2 * MM
CODE = 22 * MM
LETTER_READ = 6_000
"""Characters of a letter that are set at most: a page takes a quarter of it."""
FACT_READ = 400
LETTER_LEAST = 20 * MM
NARROW_LINES, NAME_LINES, WIDE_LINES, SUMMARY_LINES = 2, 3, 3, 4
"""So many lines a fact may take: with the least rooms it all fits on the page."""


@dataclass(frozen=True)
class Cell:
    """A label and what stands beside it, already broken into lines."""

    label: str
    lines: Sequence[str]
    wide: bool = False
    """Over the whole breadth."""


@dataclass(frozen=True)
class Room:
    """Where somebody writes: as high as `height`, but where space is short only `least`."""

    label: str
    height: float
    least: float


@dataclass(frozen=True)
class Printing:
    """For whom, when and by whom."""

    form: Form
    office: str
    at: datetime
    by: str


def draw(facts: Facts, printing: Printing, words: Words, zone: tzinfo) -> bytes:
    """The PDF, one page. Takes some hundredths of a second, a second when a rare character is met first.

    In one thread only: reportlab's fonts know in which document they are being used.
    """
    return _Page(facts, printing, words, zone).pdf()


class _Page:
    def __init__(self, facts: Facts, printing: Printing, words: Words, zone: tzinfo) -> None:
        self._facts, self._printing, self._words, self._zone = facts, printing, words, zone
        self._out = io.BytesIO()
        self._canvas = Canvas(self._out, pagesize=A4, invariant=1)
        self._canvas.setTitle(facts.case.case_no)
        self._canvas.setAuthor(printing.office)

    def pdf(self) -> bytes:
        y = self._head()
        for row in _paired(self._cells()):
            y = self._row(y, row)
        rooms = self._rooms()
        most = max(y - BOTTOM - sum(room.height for room in rooms), LETTER_LEAST)
        words = self._letter(most)
        y = self._paragraphs(y, words)
        for room, height in _shared(rooms, y - BOTTOM):
            y = self._room(y, room.label, height)
        self._foot(y)
        self._canvas.showPage()
        self._canvas.save()
        return self._out.getvalue()

    def _say(self, key: str, **values: object) -> str:
        return self._words(f"sheet.{key}", **values)

    def _head(self) -> float:
        """The title with the office over it, number and code; where the table begins."""
        case, printing = self._facts.case, self._printing
        self._centred(printing.office, TOP - 5 * MM, 13)
        self._centred(self._say(f"title_{printing.form}"), TOP - 16 * MM, TITLE, bold=True)
        self._code(RIGHT - CODE, TOP - CODE, case.case_no)
        below = TOP - CODE - 4 * MM
        self._text(f"{self._say('number')}{case.case_no}", LEFT, below, PLAIN)
        if case.restricted:
            self._text(self._say("restricted"), LEFT, TOP - 5 * MM, 13, bold=True)  # where GB/T 9704 has the secrecy
        return below - 2.5 * MM

    def _cells(self) -> Iterator[Cell]:
        case, words = self._facts.case, self._words
        first = min(case.petitioners, key=lambda one: not one.primary, default=None)
        yield self._cell("source", words.label("channel_kind", case.channel_kind.value))
        yield self._cell("source_no", case.source_no)
        yield self._cell("received", self._day(case.received_at))
        yield self._cell("deadline", None if self._facts.over else self._deadline(case.deadlines))
        yield self._cell("person", self._person(first.name if first else None), lines=NAME_LINES)
        yield self._cell("phone", "、".join(first.phones) if first else None)
        yield self._cell("address", first.address if first else None, wide=True)
        yield self._cell("kind", self._kind())
        yield self._cell("urgency", words.label("urgency", case.urgency.value))
        yield self._cell("party", case.subject_party)
        yield self._cell("region", case.region.name or case.region.raw)
        yield self._cell("subject", case.title, lines=WIDE_LINES, wide=True)
        if case.summary and not _begins(case.content, case.summary):
            yield self._cell("summary", case.summary, lines=SUMMARY_LINES, wide=True)
        if self._facts.earlier:
            yield Cell(self._say("earlier"), list(self._earlier()), wide=True)
        if self._printing.form is Form.ASSIGNMENT:
            yield self._cell("unit", case.suggested_unit.name if case.suggested_unit else None, lines=1, wide=True)

    def _rooms(self) -> Sequence[Room]:
        if self._printing.form is Form.READING:
            return (
                Room(self._say("instruction"), 42 * MM, 30 * MM),
                Room(self._say("opinion"), 24 * MM, 16 * MM),
            )
        return (
            Room(self._say("task"), 28 * MM, 14 * MM),
            Room(self._say("outcome"), 46 * MM, 18 * MM),
            Room(self._say("signed"), 14 * MM, 9 * MM),
        )

    def _cell(self, key: str, value: str | None, *, lines: int = NARROW_LINES, wide: bool = False) -> Cell:
        measure = (RIGHT - LEFT if wide else MIDDLE - LEFT) - LABEL - 2 * PADDING
        text = spelled(value[:FACT_READ]).strip() if value else "—"
        return Cell(self._say(key), cut(text, measure, PLAIN, lines, "……"), wide)

    def _person(self, name: str | None) -> str | None:
        case = self._facts.case
        if name is None:
            return self._say("anonymous") if case.anonymous else None
        count = max(case.petitioner_count or 1, len(case.petitioners))
        return name if count == 1 else self._say("and_others", name=name, count=count)

    def _kind(self) -> str:
        case, words = self._facts.case, self._words
        said = [words.label("request_type", case.request_type.code.value)]
        if case.purpose.code:
            said.append(words.label("purpose", case.purpose.code.value))
        return self._say("comma").join([*said, *(words.label("topic", topic) for topic in case.topics)])

    def _deadline(self, deadlines: Sequence[Deadline]) -> str | None:
        """The next that runs."""
        running = [one for one in deadlines if one.due_at is not None and one.ended_at is None]
        if not running:
            return None
        first = min(running, key=lambda one: one.due_at or datetime.max.replace(tzinfo=self._zone))
        return f"{self._day(first.due_at)} {self._words.label('deadline_kind', first.kind.value)}"

    def _earlier(self) -> Iterator[str]:
        measure = RIGHT - LEFT - LABEL - 2 * PADDING
        for one in self._facts.earlier:
            title, kind = spelled(one.title[:200]), self._words.label("channel_kind", one.channel_kind)
            yield cut(f"{one.case_no}　{self._day(one.received_at)}　{kind}　{title}", measure, PLAIN, 1, "……")[0]
        if self._facts.more:
            yield self._say("more", count=self._facts.more)

    def _day(self, at: datetime | None) -> str:
        return "—" if at is None else f"{at.astimezone(self._zone):%Y-%m-%d}"

    def _row(self, y: float, row: Sequence[Cell]) -> float:
        height, x = _height(row), LEFT
        for cell in row:
            self._box(x, y, LABEL, height, cell.label)
            right = RIGHT if cell.wide or len(row) == 1 or x > LEFT else MIDDLE
            self._frame(x + LABEL, y, right - x - LABEL, height)
            free = height - len(cell.lines) * PLAIN * LEADING
            for number, line in enumerate(cell.lines):
                self._text(line, x + LABEL + PADDING, y - free / 2 - _baseline(number, PLAIN), PLAIN)
            x = right
        return y - height

    def _letter(self, height: float) -> list[str]:
        """The citizen's own words, as many as fit into this height."""
        content = self._facts.case.content or ""
        text = letter(printable(content[:LETTER_READ])) + "…" * (len(content) > LETTER_READ)
        most = int((height - 2 * PADDING) // (PLAIN * LEADING))
        return cut(text or "—", RIGHT - LEFT - LABEL - 2 * PADDING, PLAIN, most, self._say("cut"))

    def _paragraphs(self, y: float, words: Sequence[str]) -> float:
        height = max(len(words) * PLAIN * LEADING + 2 * PADDING, LETTER_LEAST)
        self._box(LEFT, y, LABEL, height, self._say("words"))
        self._frame(LEFT + LABEL, y, RIGHT - LEFT - LABEL, height)
        for number, line in enumerate(words):
            self._text(line, LEFT + LABEL + PADDING, y - PADDING - _baseline(number, PLAIN), PLAIN)
        return y - height

    def _room(self, y: float, label: str, height: float) -> float:
        self._box(LEFT, y, LABEL, height, label)
        self._frame(LEFT + LABEL, y, RIGHT - LEFT - LABEL, height)
        said = self._say("date_line")
        self._text(said, RIGHT - PADDING - width(said, PLAIN), y - height + PADDING, PLAIN)
        return y - height

    def _foot(self, y: float) -> None:
        at = f"{self._printing.at.astimezone(self._zone):%Y-%m-%d %H:%M}"
        said = self._say("printed", at=at, by=self._printing.by)
        self._text(said, RIGHT - width(said, SMALL), y - 5 * MM, SMALL)
        self._text(self._say("private"), LEFT, y - 5 * MM, SMALL)

    def _box(self, x: float, y: float, across: float, height: float, label: str) -> None:
        """A label in the middle of its box, a word a line where it does not fit."""
        self._frame(x, y, across, height)
        lines = cut(label, across - 2 * MM, PLAIN, 3, "")
        free = height - len(lines) * PLAIN * LEADING
        for number, line in enumerate(lines):
            left = x + (across - width(line, PLAIN)) / 2
            self._text(line, left, y - free / 2 - _baseline(number, PLAIN), PLAIN, bold=True)

    def _frame(self, x: float, y: float, across: float, height: float) -> None:
        self._canvas.setLineWidth(0.7)
        self._canvas.rect(x, y - height, across, height)

    def _centred(self, text: str, y: float, size: float, *, bold: bool = False) -> None:
        self._text(text, (LEFT + RIGHT - width(text, size)) / 2, y, size, bold=bold)

    def _text(self, text: str, x: float, y: float, size: float, *, bold: bool = False) -> None:
        line = self._canvas.beginText(x, y)
        if bold:  # the outline thickens the one weight there is
            self._canvas.setLineWidth(size / 55)
            line.setTextRenderMode(2)
        for font, piece in runs(text):
            line.setFont(font, size)
            line.textOut(piece)
        if bold:
            line.setTextRenderMode(0)
        self._canvas.drawText(line)

    def _code(self, x: float, y: float, text: str) -> None:
        """A QR code with its lower left corner there."""
        made = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
        modules = numpy.asarray(made.to_image(scale=1, add_quiet_zones=False))
        side = CODE / len(modules)
        for down, across in zip(*numpy.nonzero(modules == 0), strict=True):
            self._canvas.rect(x + across * side, y + CODE - (down + 1) * side, side, side, stroke=0, fill=1)


def _begins(content: str | None, summary: str) -> bool:
    """Whether a summary only repeats how the letter begins: there is no room to say it twice."""
    return "".join((content or "")[:LETTER_READ].split()).startswith("".join(summary.split()))


def _paired(cells: Iterator[Cell]) -> Iterator[list[Cell]]:
    """Two narrow cells make a row, a wide one is a row."""
    waiting: list[Cell] = []
    for cell in cells:
        if cell.wide:
            if waiting:
                yield waiting
            yield [cell]
            waiting = []
            continue
        waiting.append(cell)
        if len(waiting) == 2:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _shared(rooms: Sequence[Room], height: float) -> Iterator[tuple[Room, float]]:
    """The height left, given to the rooms: each its least, the rest in the proportion of what they would have."""
    wanted, least = sum(room.height for room in rooms), sum(room.least for room in rooms)
    for room in rooms:
        yield room, room.least + max(height - least, 0) * room.height / wanted


def _height(row: Sequence[Cell]) -> float:
    return max(len(cell.lines) for cell in row) * PLAIN * LEADING + 1.6 * PADDING


def _baseline(number: int, size: float) -> float:
    """How far below the top of the first line the foot of the letters in this line is."""
    return number * size * LEADING + size * 1.1
