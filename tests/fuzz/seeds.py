"""Small sound inputs of every kind, made here."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from PIL import Image

from adapters.sunshine import SunshineSettings
from tests.adapters.spreadsheets import sheet, workbook
from tests.normalize import written

GOLDEN = Path(__file__).parents[1] / "golden"


def record() -> bytes:
    return (GOLDEN / "feed" / "sunshine_joint_appeal.raw").read_bytes()


@cache
def maps() -> Sequence[bytes]:
    platform = SunshineSettings.model_validate({"base_url": "https://p.example", "app_id": "a", "app_secret": "b"})
    whole = platform.map.model_dump_json(exclude_defaults=True).encode()
    return (whole, b'{"key": "xfjid", "title": "bt", "content": ["tsnr", "data.tsnr"], "steps": {"list": "lc"}}')


def letters() -> Sequence[bytes]:
    return tuple(
        text.encode()
        for text in (
            "反映校车问题的信\n尊敬的教育局领导：\n　　我是学生家长，校车每天早上要等很久。\n　　请领导到学校看一看。\n"
            "　　此致\n敬礼\n>投诉人：顾晓棠\n>2026年3月2日\n电话：13900000000",
            "举报信\n局长：\n　　某校校长违规收费，请严查，请为我保密。\n>知情人",
            "联名信\n　　我们十二名家长要求公示收费。\n签名：王一、李二、张三\f　　附页一\n　　收据三张",
        )
    )


@cache
def documents() -> Sequence[bytes]:
    notes = f'<w:footnotes xmlns:w="{written.WORD}">{written.paragraph("见附表")}</w:footnotes>'
    said = written.paragraph("花桥中学的食堂", "饭菜太贵")
    members = {
        "word/document.xml": f'<w:document xmlns:w="{written.WORD}">{said}</w:document>',
        "word/footnotes.xml": notes,
    }
    return [
        written.docx(said),
        written.packed(members, zipfile.ZIP_STORED),
        written.pdf(("花桥中学的食堂饭菜太贵了请看。",)),
    ]


def pdfs() -> Sequence[bytes]:
    """Pages of a few points, so that a run spends its time on reading and not on painting."""
    page = b"BT /F1 8 Tf 5 40 Td (Hello) Tj ET"
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 60 80] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> /XObject << /I 6 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s /I Do\nendstream" % (len(page) + 6, page),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Type /XObject /Subtype /Image /Width 2 /Height 2 /BitsPerComponent 8 /ColorSpace /DeviceGray /Length 4"
        b" >>\nstream\n\x00\xff\xff\x00\nendstream",
    ]
    return (pdf(parts), _scanned_pdf())


def pdf(parts: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """A PDF with these objects, the first its catalogue."""
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, part in enumerate(parts, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R %s>>\nstartxref\n%d\n%%%%EOF\n" % (len(parts) + 1, trailer, start)
    return bytes(out)


def _scanned_pdf() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (16, 20), 200).save(buffer, "PDF", resolution=72)
    return buffer.getvalue()


@cache
def images() -> Sequence[bytes]:
    def written(kind: str, mode: str, **how: object) -> bytes:
        buffer = io.BytesIO()
        Image.linear_gradient("L").resize((16, 20)).convert(mode).save(buffer, kind, dpi=(204, 98), **how)
        return buffer.getvalue()

    return (
        written("PNG", "RGBA"),
        written("JPEG", "RGB"),
        written("TIFF", "1", compression="group4"),
        written("TIFF", "L", compression="tiff_lzw"),
        written("TIFF", "CMYK", compression="jpeg"),
        written("PNG", "P"),
    )


@cache
def tnefs() -> Sequence[bytes]:
    """A winmail.dat with a body and a file, attribute by attribute (MS-OXTNEF)."""

    def attribute(level: int, name: int, data: bytes) -> bytes:
        return struct.pack("<BII", level, name, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)

    html = b"<p>words</p>"
    properties = struct.pack("<IHHII", 1, 0x0102, 0x1013, 1, len(html)) + html
    head = struct.pack("<IH", 0x223E9F78, 1) + attribute(1, 0x00089006, struct.pack("<I", 0x00010000))
    body = attribute(1, 0x0002800C, b"words\0") + attribute(1, 0x00069003, properties)
    file = attribute(2, 0x00069002, b"\x01\x00" + bytes(12)) + attribute(2, 0x00018010, b"a.txt\0")
    return (head + body + file + attribute(2, 0x0006800F, b"content"), head + body)


def pages() -> Sequence[bytes]:
    return (
        "<!DOCTYPE html><html><head><style>p {color: red}</style><title>信</title></head><body><p>您好，<br>"
        "<b>请看</b>：</p><table border=1><tr><td colspan=2>甲</td><td>乙</td></tr></table></body></html>".encode(),
        b"<div onclick=a()><a href='javascript:a()'>x</a><img src=http://a.example/x.png onerror=a()>"
        b"<script>a()</script>"
        b"<svg><animate onbegin=a() /></svg><form action=/x><input autofocus onfocus=a()></form><!-- x --></div>",
        b"<svg><style><img src=x onerror=a()></style></svg><math><mtext><table><mglyph><style><!--</style>"
        b"<img title='--&gt;&lt;img src=1 onerror=a()&gt;'>",
    )


def listings() -> Sequence[bytes]:
    rows = [json.loads(record()), {"xfjid": "2", "lastmodifytime": "2026-03-02 09:00:00", "bt": "题", "tsnr": "话"}]
    whole = {"code": 0, "msg": "ok", "data": {"total": 2, "rows": rows}}
    return (
        json.dumps(whole, ensure_ascii=False).encode(),
        json.dumps(whole, ensure_ascii=False).encode("gb18030"),
        b'{"code": 401, "msg": "token"}',
        b"<!DOCTYPE html><html><body>login</body></html>",
    )


def imap_sessions() -> Sequence[bytes]:
    return (
        b"* OK [CAPABILITY IMAP4rev1 ID] ready\r\n"
        b"\n--\n* CAPABILITY IMAP4rev1 ID\r\nTAG OK done\r\n"
        b"\n--\nTAG OK [CAPABILITY IMAP4rev1 ID] in\r\n"
        b'\n--\n* ID ("name" "Dovecot")\r\nTAG OK done\r\n'
        b"\n--\n* FLAGS (\\Seen)\r\n* 2 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 1700000000] ok\r\n"
        b"* OK [UIDNEXT 3] next\r\nTAG OK [READ-ONLY] done\r\n"
        b"\n--\n* SEARCH 1 2\r\nTAG OK done\r\n"
        b'\n--\n* 1 FETCH (UID 1 RFC822.SIZE 20 INTERNALDATE "02-Mar-2026 09:00:00 +0800")\r\n'
        b'* 2 FETCH (UID 2 RFC822.SIZE 30 INTERNALDATE " 2-Mar-2026 09:00:00 +0800")\r\nTAG OK done\r\n'
        b"\n--\n* 1 FETCH (UID 1 BODY[]<0> {12}\r\nFrom: a\r\n\r\nb)\r\n"
        b"* 2 FETCH (UID 2 BODY[]<0> NIL)\r\nTAG OK done\r\n"
        b'\n--\n* LIST (\\HasNoChildren) "/" "INBOX"\r\n* LIST () "/" "&XfJT0ZAB-"\r\nTAG OK done\r\n',
        b"* BYE too many\r\n",
    )


def oa_answers() -> Sequence[bytes]:
    return (
        b'{"code": 0, "message": "ok", "data": {"id": "OA-1"}}',
        b'{"code": 1, "message": "\xe9\x94\x99\xe8\xaf\xaf", "data": "{\\"id\\": 7}"}',
        b"<html>502 Bad Gateway</html>",
        b'"bare"',
    )


def reports() -> Sequence[bytes]:
    return (
        b'{"case_id": "01J", "type": "accepted", "at": "2026-03-02T09:00:00+08:00", "unit": "a", "text": "b"}',
        b'{"case_id": "01J", "type": "extended", "at": "2026-03-02T09:00:00+08:00", "until": "2026-04-02T09:00:00Z"}',
    )


def record_files() -> Sequence[bytes]:
    rows: Sequence[Sequence[str | float]] = [["工单编号", "标题", "来电号码"], ["GD-1", "路灯不亮", 13800001111]]
    listed = "<列表><工单 编号='1'><标题>路灯</标题></工单><工单 编号='2'><标题>扬尘</标题></工单></列表>"
    encoded = [f"<?xml version='1.0' encoding='{name}'?>{listed}".encode(name) for name in ("utf-8", "gbk", "utf-16")]
    return [sheet(rows), workbook("<worksheet><sheetData><row/>"), *encoded, b'[{"a": 1}]']
