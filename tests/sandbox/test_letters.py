from __future__ import annotations

from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image

from sandbox.chinatime import CHINA
from sandbox.fonts import HAND, PRINT, font
from sandbox.letters import Scanner, _append
from sandbox.matters import matter
from sandbox.scans import letter_text, pages_of, scan

AT = datetime(2026, 3, 2, 9, 0, tzinfo=CHINA)


def _pages(name: str, content: bytes) -> int:
    if name.endswith(".pdf"):
        document = pypdfium2.PdfDocument(content)
        try:
            return len(document)
        finally:
            document.close()
    with Image.open(BytesIO(content)) as image:
        image.load()
        return int(getattr(image, "n_frames", 1))


def test_letters_come_as_jpeg_png_tiff_and_pdf_with_all_their_pages_and_always_the_same() -> None:
    kinds = set()
    for number in range(24):
        name, content = scan(matter(1, number), AT)
        kinds.add(name.rpartition(".")[2])
        assert _pages(name, content) == len(pages_of(matter(1, number), AT))
    again = scan(matter(1, 23), AT)

    assert kinds == {"jpg", "png", "tif", "pdf"}
    assert again == (name, content)


def test_a_long_letter_has_several_pages_and_a_line_never_leaves_the_paper() -> None:
    longest = max((matter(1, number) for number in range(300)), key=lambda one: len(one.content))

    pages = pages_of(longest, AT)

    assert len(pages) > 1
    for page in pages:
        edge = page.crop((page.width - 60, 0, page.width, page.height)).convert("L")
        assert min(edge.tobytes()) > 200


@pytest.mark.parametrize("name", [PRINT, HAND])
def test_the_fonts_have_every_character_the_letters_use(name: str) -> None:
    used = {character for number in range(2000) for text in letter_text(matter(1, number), AT) for character in text}
    face = font(name, 20)
    missing = bytes(face.getmask("\U0010fffd"))

    assert [one for one in sorted(used) if not one.isspace() and bytes(face.getmask(one)) == missing] == []


async def test_a_scan_appears_whole_under_its_name(tmp_path: Path) -> None:
    scanner = Scanner(tmp_path / "letters")

    path = await scanner.drop(matter(1, 0), AT)

    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == scan(matter(1, 0), AT)[1]


async def test_a_slow_scanner_writes_half_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scanner = Scanner(tmp_path)
    scanner.switch.delay = timedelta(milliseconds=10)
    scanner.switch.set("slow")
    whole = scan(matter(1, 0), AT)[1]

    seen: list[bytes] = []

    def watched(path: Path, part: bytes) -> None:
        seen.append(part)
        _append(path, part)

    monkeypatch.setattr("sandbox.letters._append", watched)
    path = await scanner.drop(matter(1, 0), AT)

    assert seen == [whole[: len(whole) // 2], whole[len(whole) // 2 :]]
    assert path.read_bytes() == whole


async def test_truncated_and_repeated_scans(tmp_path: Path) -> None:
    scanner = Scanner(tmp_path)
    scanner.switch.set("truncated")
    cut = (await scanner.drop(matter(1, 0), AT)).read_bytes()
    scanner.switch.set("duplicate")
    path = await scanner.drop(matter(1, 1), AT)

    assert len(cut) == len(scan(matter(1, 0), AT)[1]) // 2
    assert path.with_stem(f"{path.stem}_2").read_bytes() == path.read_bytes()
