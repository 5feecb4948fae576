"""Documents as citizens attach them: a Word file of nothing but its words, a PDF with a text layer."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from xml.sax.saxutils import escape

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def paragraph(*runs: str) -> str:
    return f"<w:p>{''.join(f'<w:r><w:t>{escape(run)}</w:t></w:r>' for run in runs)}</w:p>"


def docx(*paragraphs: str, **others: str) -> bytes:
    """A Word file of these paragraphs, as XML; `others` are further members of its folder, such as `footnotes`."""
    body = f'<w:document xmlns:w="{WORD}"><w:body>{"".join(paragraphs)}</w:body></w:document>'
    return packed({"[Content_Types].xml": "<Types/>", "word/document.xml": body} | _in_word(others))


def packed(members: Mapping[str, str], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return made.getvalue()


def pdf(*pages: tuple[str, ...]) -> bytes:
    """A PDF of these pages of lines."""
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    made = io.BytesIO()
    canvas = Canvas(made)
    for lines in pages:
        canvas.setFont("STSong-Light", 12)
        for number, line in enumerate(lines):
            canvas.drawString(70, 780 - 18 * number, line)
        canvas.showPage()
    canvas.save()
    return made.getvalue()


def _in_word(others: Mapping[str, str]) -> dict[str, str]:
    return {f"word/{name}.xml": f'<w:{name} xmlns:w="{WORD}">{text}</w:{name}>' for name, text in others.items()}
