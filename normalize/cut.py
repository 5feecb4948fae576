"""Some pages of a scanned file as a file of their own: what shares a scan is not shown with it."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import PurePath

import pypdfium2 as pdfium
from PIL import Image, ImageSequence

_CREATED = re.compile(rb"(CreationDate ?\(D:)\d{14}")
_TRAILER_ID = re.compile(rb"/ID ?\[<[0-9A-Fa-f]+> ?<[0-9A-Fa-f]+>\]")


def cut(data: bytes, media_type: str, pages: Sequence[int]) -> bytes:
    """The pages (from 1, in order) of a PDF or TIFF as the same kind of file; the same input gives the same bytes.

    A PDF's pages are taken over as they are, a TIFF's frames are packed anew without loss.
    """
    return _cut_pdf(data, pages) if media_type == "application/pdf" else _cut_tiff(data, pages)


def name_of(name: str, pages: Sequence[int]) -> str:
    """`batch.pdf`, pages 3 to 4: `batch-p3-4.pdf`."""
    span = f"{pages[0]}" if len(pages) == 1 else f"{pages[0]}-{pages[-1]}"
    return f"{PurePath(name).stem}-p{span}{PurePath(name).suffix}"


def _cut_pdf(data: bytes, pages: Sequence[int]) -> bytes:
    source, target = pdfium.PdfDocument(data), pdfium.PdfDocument.new()
    try:
        target.import_pages(source, [page - 1 for page in pages])
        buffer = io.BytesIO()
        target.save(buffer)
    finally:
        target.close()
        source.close()
    # pdfium gives every file it writes a number and the time of day.
    written = _CREATED.sub(rb"\g<1>20000101000000", buffer.getvalue())
    return _TRAILER_ID.sub(lambda found: re.sub(rb"[0-9A-Fa-f](?=[0-9A-Fa-f]*>)", b"0", found[0]), written)


def _cut_tiff(data: bytes, pages: Sequence[int]) -> bytes:
    with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
        frames = [
            frame.copy() for number, frame in enumerate(ImageSequence.Iterator(image), start=1) if number in pages
        ]
        dpi = image.info.get("dpi")
    packing = "group4" if all(frame.mode == "1" for frame in frames) else "tiff_lzw"
    buffer = io.BytesIO()
    how = {"dpi": dpi} if dpi else {}
    frames[0].save(buffer, "TIFF", save_all=True, append_images=frames[1:], compression=packing, **how)
    return buffer.getvalue()
