"""The words of a Word document (.docx) or of a PDF with a text layer: as much as tells what it is about."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing

from defusedxml.ElementTree import DefusedXMLParser

from normalize.media import media_type
from normalize.paragraphs import paragraphs
from normalize.scan import Line, Page

MOST_CHARACTERS, MOST_PAGES = 50_000, 20
MOST_UNPACKED, MOST_MEMBERS = 8 * 2**20, 2000
"""Of a .docx, which is a zip: a few kilobytes can make terabytes."""
_MEMBER = b"PK\x01\x02"
_TOLD = re.compile(r"word/(?:document|endnotes|footer|footnotes|header)\d*\.xml")
_DPI = 72


def document_words(data: bytes) -> str:
    """What the document says, told by its bytes and not by its name; as far as it can be read, which may be nowhere."""
    match media_type(data[:1024]):
        case "application/zip":
            return _docx(data)
        case "application/pdf":
            return "\n".join(paragraphs(list(_pages(data))))
    return ""


class _Heard:
    """What the XML of a Word document says, a line for a paragraph: a parser's target."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.characters = 0
        self._speaks = False

    def start(self, tag: str, _: Mapping[str, str]) -> None:
        self._speaks = _local(tag) == "t"

    def end(self, tag: str) -> None:
        self._speaks = False
        if _local(tag) in {"p", "br", "cr", "tab"}:
            self.pieces.append("\t" if _local(tag) == "tab" else "\n")

    def data(self, text: str) -> None:
        if self._speaks:
            self.pieces.append(text)
            self.characters += len(text)


def _docx(data: bytes) -> str:
    heard, left = _Heard(), MOST_UNPACKED
    if data.count(_MEMBER) > MOST_MEMBERS:
        return ""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in filter(_TOLD.fullmatch, sorted(archive.namelist())):
                parser = DefusedXMLParser(target=heard, forbid_dtd=True)
                with archive.open(name) as file:
                    while left > 0 and heard.characters < MOST_CHARACTERS and (chunk := file.read(1 << 16)):
                        left -= len(chunk)
                        parser.feed(chunk)
    except Exception:  # noqa: BLE001, S110 - a foreign file, over which zip and XML raise anything: it is kept, unread
        pass
    return "".join(heard.pieces)


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _pages(data: bytes) -> Iterator[Page]:
    """Pages with a text layer, also one that a scanner laid behind its picture: wrong words in it accuse nobody."""
    import pypdfium2 as pdfium  # noqa: PLC0415 - few mails bring a PDF; the others load no library for it

    from normalize.textlayer import text_layer  # noqa: PLC0415 - as above

    left = MOST_CHARACTERS
    try:
        with closing(pdfium.PdfDocument(data)) as document:
            for index in range(min(len(document), MOST_PAGES)):
                with closing(document[index]) as page:
                    lines = tuple(Line(text, 1.0, box) for text, box in text_layer(page, _DPI, left))
                    yield Page(index + 1, "text_layer", lines, None, *map(round, page.get_size()))
                left -= sum(len(line.text) for line in lines)
                if left <= 0:
                    return
    except pdfium.PdfiumError:  # broken, or with a password: it is kept, unread
        return
