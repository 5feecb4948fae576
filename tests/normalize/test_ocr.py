"""Reading pages with the real models; the pages are set here."""

from __future__ import annotations

import ctypes
import io
from functools import cache
from importlib.resources import files

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
import pytest
import zxingcpp
from PIL import Image, ImageDraw, ImageFilter

from normalize.ocr import read_scan
from normalize.raster import Limits
from normalize.reading import Unreadable
from normalize.scan import Page
from sandbox.fonts import HAND, PRINT, font

WORDS = (
    "尊敬的教育局领导：",
    "我是一名学生的家长，孩子在学校读书。",
    "学校的校车每天早上要等很久，孩子们站在路口。",
    "请领导到学校看一看，帮助我们解决问题。",
    "电话：13800001234",
)


LOCKED = b"""%%PDF-1.4
1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj
2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj
3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 595 842]>> endobj
4 0 obj <</Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s>>> endobj
trailer <</Root 1 0 R /Encrypt 4 0 R /ID [<00> <00>] /Size 5>>
%%%%EOF
""" % (b"ab" * 32, b"cd" * 32)


def sheet(lines: tuple[str, ...] = WORDS, face: str = PRINT, ink: tuple[int, int, int] = (20, 20, 20)) -> Image.Image:
    image = Image.new("RGB", (1240, 1754), "white")
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((130, 180 + 70 * number), line, font=font(face, 40), fill=ink)
    return image


def as_bytes(*pages: Image.Image, kind: str = "PNG", **how: object) -> bytes:
    buffer = io.BytesIO()
    more = {"save_all": True, "append_images": pages[1:]} if len(pages) > 1 else {}
    pages[0].save(buffer, kind, dpi=(150, 150), **more, **how)
    return buffer.getvalue()


def read(data: bytes) -> tuple[Page, ...]:
    return read_scan(data).pages


def texts(page: Page) -> tuple[str, ...]:
    return tuple(line.text for line in page.lines)


@cache
def upright() -> tuple[str, ...]:
    return texts(read(as_bytes(sheet()))[0])


def test_print_is_read_as_it_is_written() -> None:
    assert upright() == WORDS


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_page_that_lies_turned_reads_as_if_it_stood(degrees: int) -> None:
    (page,) = read(as_bytes(sheet().rotate(degrees, expand=True)))

    assert texts(page) == upright()
    assert (page.turned, page.width, page.height) == ((360 - degrees) % 360, 1240, 1754)


def test_handwriting_under_red_rules_and_a_seal_is_read() -> None:
    image = sheet(face=HAND)
    draw = ImageDraw.Draw(image)
    for number in range(12):
        draw.line((100, 222 + 70 * number, 1140, 222 + 70 * number), fill=(220, 60, 60), width=3)
    draw.ellipse((600, 250, 900, 550), outline=(210, 40, 40), width=12)

    (page,) = read(as_bytes(image))

    assert "".join(texts(page)).count("学") == "".join(WORDS).count("学")
    assert "13800001234" in texts(page)[-1]


def test_red_writing_is_read_although_red_ink_is_taken_out() -> None:
    image = sheet()
    ImageDraw.Draw(image).text((130, 800), "此件请信访办公室尽快办理", font=font(PRINT, 48), fill=(220, 30, 30))

    (page,) = read(as_bytes(image))

    assert texts(page)[:5] == WORDS
    assert len(texts(page)) == 6


def test_what_shines_through_from_the_back_is_not_read() -> None:
    back = np.asarray(sheet(tuple(reversed(WORDS))).transpose(Image.Transpose.FLIP_LEFT_RIGHT)).astype(np.int16)
    front = np.asarray(sheet()).astype(np.int16)
    paper = np.minimum(front, 255 - (255 - back) * 15 // 100).astype(np.uint8)

    (page,) = read(as_bytes(Image.fromarray(paper).filter(ImageFilter.GaussianBlur(0.7))))

    assert texts(page) == WORDS


def test_an_empty_back_is_blank_and_a_page_with_one_faint_line_is_not() -> None:
    specks = Image.new("RGB", (1240, 1754), (246, 245, 240))
    for place in range(300):
        specks.putpixel((37 * place % 1240, 91 * place % 1754), (120, 120, 120))
    faint = sheet(("请领导帮助我们",), ink=(150, 150, 150))

    pages = read(as_bytes(specks, faint, kind="TIFF", compression="tiff_lzw"))

    assert [page.blank for page in pages] == [True, False]
    assert texts(pages[1]) == ("请领导帮助我们",)


def test_barcodes_are_told() -> None:
    code = zxingcpp.create_barcode("XINQIAO-SEP|2026-000123", zxingcpp.BarcodeFormat.QRCode)
    image = Image.new("RGB", (1240, 1754), "white")
    image.paste(Image.fromarray(np.asarray(code.to_image(scale=8))).convert("RGB"), (400, 500))

    (page,) = read(as_bytes(image))

    assert page.barcodes == ("XINQIAO-SEP|2026-000123",)
    assert not page.blank


def test_a_fax_with_oblong_pixels_is_read() -> None:
    fax = sheet().resize((1240, 877)).convert("1")
    buffer = io.BytesIO()
    fax.save(buffer, "TIFF", compression="group4", dpi=(204, 98))

    (page,) = read(buffer.getvalue())

    assert page.height == round(877 * 204 / 98)
    assert texts(page)[-1].endswith("13800001234")


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "I;16", "CMYK"])
def test_pixels_of_any_kind_are_read(mode: str) -> None:
    plain = sheet(WORDS[:2])
    if mode == "I;16":
        image = Image.fromarray(np.asarray(plain.convert("L")).astype(np.uint16) << 8)
    else:
        image = plain.convert(mode)

    (page,) = read(as_bytes(image, kind="TIFF"))

    assert texts(page) == WORDS[:2]


def test_the_text_of_a_born_digital_page_is_taken_as_it_is() -> None:
    (page,) = read(born_digital(WORDS, turned=90))

    assert page.method == "text_layer"
    assert texts(page) == WORDS
    assert page.confidence == 1.0


def test_a_scan_with_text_behind_it_is_read_itself() -> None:
    (page,) = read(born_digital(("这是扫描仪自己认错的文字不可相信",), behind=sheet()))

    assert page.method == "ocr"
    assert texts(page) == WORDS


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "文件是空的"),
        (b"PK\x03\x04" + b"x" * 100, "application/zip，应为 PDF、TIFF、JPEG 或 PNG"),
        (b"%PDF-1.7\n1 0 obj\n<<>>", "损坏或不完整"),
        (as_bytes(sheet(WORDS[:1]), kind="JPEG")[:20_000], "损坏或不完整"),
        (as_bytes(sheet(WORDS[:1]))[:3_000], "损坏或不完整"),
        (b"II*\x00\x08\x00\x00\x00", "损坏或不完整"),
    ],
)
def test_what_is_no_scan_is_unreadable_and_says_why(data: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        read_scan(data)


def test_a_pdf_behind_a_password_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="密码保护"):
        read_scan(LOCKED)


def test_a_page_too_large_is_refused_before_it_is_decoded() -> None:
    bomb = bytearray(as_bytes(Image.new("1", (64, 64))))
    bomb[16:24] = (30_000).to_bytes(4, "big") * 2  # what the header says is all that is looked at

    with pytest.raises(Unreadable, match=r"过大|损坏"):
        read_scan(bytes(bomb))


def test_a_large_picture_within_a_pdf_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(Unreadable, match="第 1 页有 1240 x 1754 像素，超过 1000000 的上限"):
        read_scan(born_digital((), behind=sheet()), Limits(max_pixels=1_000_000))


def test_too_many_pages_are_refused() -> None:
    pages = [Image.new("1", (60, 80), 1) for _ in range(4)]

    with pytest.raises(Unreadable, match="超过 3 页"):
        read_scan(as_bytes(*pages, kind="TIFF"), Limits(max_pages=3))


def born_digital(lines: tuple[str, ...], turned: int = 0, behind: Image.Image | None = None) -> bytes:
    """A one-page PDF with these lines as text, over a picture that fills it where there is one."""
    document = pdfium.PdfDocument.new()
    page = document.new_page(595, 842)
    if behind is not None:
        picture = pdfium.PdfImage.new(document)
        picture.load_jpeg(io.BytesIO(as_bytes(behind, kind="JPEG")), inline=True)
        picture.set_matrix(pdfium.PdfMatrix().scale(595, 842))
        page.insert_obj(picture)
    _write(document, page, lines, hidden=behind is not None)
    page.set_rotation(turned)
    page.gen_content()
    buffer = io.BytesIO()
    document.save(buffer)
    document.close()
    return buffer.getvalue()


def _write(document: pdfium.PdfDocument, page: pdfium.PdfPage, lines: tuple[str, ...], *, hidden: bool) -> None:
    face = files("sandbox").joinpath("fonts", PRINT).read_bytes()
    bytes_of_face = (ctypes.c_uint8 * len(face)).from_buffer_copy(face)
    loaded = pdfium_c.FPDFText_LoadFont(document, bytes_of_face, len(face), pdfium_c.FPDF_FONT_TRUETYPE, 1)
    for number, line in enumerate(lines):
        text = pdfium_c.FPDFPageObj_CreateTextObj(document, loaded, 16)
        words = ctypes.create_string_buffer(line.encode("utf-16-le") + b"\0\0")
        pdfium_c.FPDFText_SetText(text, ctypes.cast(words, ctypes.POINTER(pdfium_c.FPDF_WCHAR)))
        pdfium_c.FPDFPageObj_Transform(text, 1, 0, 0, 1, 60, 760 - 30 * number)
        if hidden:
            pdfium_c.FPDFTextObj_SetTextRenderMode(text, pdfium_c.FPDF_TEXTRENDERMODE_INVISIBLE)
        pdfium_c.FPDFPage_InsertObject(page, text)
