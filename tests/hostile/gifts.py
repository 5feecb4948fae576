"""Hostile and broken things, made when they are asked for: none of them lies in the repository."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from datetime import datetime, timedelta
from functools import cache

from PIL import Image

from tests.fuzz.seeds import pdf
from tests.normalize.test_ocr import LOCKED, WORDS, born_digital

SENT = datetime.fromisoformat("2026-03-02T09:00:00+08:00")
BOMB = (
    b'<?xml version="1.0"?>\n<!DOCTYPE lolz [<!ENTITY a "lol">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b']>\n<records><bt>&j;</bt><x SYSTEM="file:///etc/passwd"/></records>'
)
LOGIN = "<!DOCTYPE html><html><body><form>请登录</form></body></html>".encode()


def mail(body: bytes, *headers: bytes, subject: str = "反映校车问题") -> bytes:
    written = base64.b64encode(subject.encode()).decode()
    head = [b"From: parent@letters.example", b"To: juzhang@jy.example", b"Subject: =?utf-8?B?%s?=" % written.encode()]
    return b"\r\n".join((*head, b"Date: Mon, 2 Mar 2026 09:00:00 +0800", *headers, b"", body, b""))


def sound_mail(number: int) -> bytes:
    words = f"第{number}封：校车每天早上要等很久，请核实。".encode()
    return mail(words, b"Content-Type: text/plain; charset=utf-8", subject=f"完好来信{number}")


def headless() -> bytes:
    return b"no header at all\r\n\r\n" + b"only words\r\n" * 3


@cache
def large() -> bytes:
    """A mail of 60 MB: one attachment, and words before it."""
    content = b"\r\n".join([base64.b64encode(bytes(range(57)))] * (60 * 2**20 // 78))
    part = b"Content-Type: application/octet-stream; name=a.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return _of_parts([b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + "大附件".encode(), part + content])


def many_parts() -> bytes:
    return _of_parts([b"Content-Type: text/plain\r\n\r\npart %d" % number for number in range(2000)])


def nested() -> bytes:
    inner = b"Content-Type: text/plain\r\n\r\ndeepest"
    for level in range(100):
        edge = b"b%d" % level
        inner = b"Content-Type: multipart/mixed; boundary=%s\r\n\r\n--%s\r\n%s\r\n--%s--" % (edge, edge, inner, edge)
    return b"From: a@b.example\r\nSubject: nested\r\n" + inner + b"\r\n"


def odd_names() -> bytes:
    """Attachment names with NUL, a right-to-left turn and half a surrogate pair."""
    names = ["照\u202egpj.exe".encode(), b"\xed\xa0\xbd.doc", b"a\0b.txt", "\u200b\ufeff名.pdf".encode()]
    return _of_parts([_named(b"=?utf-8?B?%s?=" % base64.b64encode(name)) for name in names])


def path_tricks() -> bytes:
    names = [b"../../../etc/passwd", rb"..\\..\\windows\\system.ini", b"/root/.ssh/authorized_keys", b"C:evil.bat"]
    return _of_parts([_named(name) for name in (*names, b"con.txt", b"..", b"a/../b.txt")])


def wrong_charset() -> bytes:
    """It says UTF-8 and is GBK, but for a byte that is neither."""
    return mail("校车每天早上要等很久".encode("gbk") + b"\xff", b"Content-Type: text/plain; charset=utf-8")


def impossible_date() -> bytes:
    return mail(b"x").replace(b"Mon, 2 Mar 2026 09:00:00 +0800", b"Fri, 99 Foo 20026 77:88:99 +9999")


def _of_parts(parts: list[bytes]) -> bytes:
    body = b"".join(b"--edge\r\n" + part + b"\r\n" for part in parts) + b"--edge--"
    return mail(body, b"MIME-Version: 1.0", b"Content-Type: multipart/mixed; boundary=edge")


def _named(name: bytes) -> bytes:
    return b'Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename="%s"\r\n\r\nx' % name


@cache
def sound_scan(number: int) -> bytes:
    return born_digital((*WORDS, f"第{number}封"))


def no_pages() -> bytes:
    return pdf([b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [] /Count 0 >>"])


def encrypted() -> bytes:
    return LOCKED


@cache
def truncated() -> bytes:
    whole = sound_scan(0)
    return whole[: len(whole) // 2]


def many_pages() -> bytes:
    kids = b" ".join(b"%d 0 R" % (number + 3) for number in range(500))
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>"
    tree = b"<< /Type /Pages /Kids [%s] /Count 500 >>" % kids
    return pdf([b"<< /Type /Catalog /Pages 2 0 R >>", tree, *[page] * 500])


def zipped() -> bytes:
    return b"PK\x03\x04" + bytes(200)


def nothing() -> bytes:
    return b""


@cache
def half_written() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((1240, 1754), 60).convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()[:100_000]


@cache
def image_bomb() -> bytes:
    """A sound PNG of 30,000 by 30,000 black points: a hundred kilobytes that unpack to as many megabytes."""
    packer = zlib.compressobj(9)
    row = bytes(1 + 30_000 // 8)
    packed = b"".join(packer.compress(row) for _ in range(30_000)) + packer.flush()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def record(key: str, **fields: object) -> dict[str, object]:
    told = {
        "id": key,
        "changed": "2026-03-02 09:00:00",
        "title": "反映校车问题",
        "words": f"{key}：校车等很久，请核实。",
    }
    return {**told, **fields}


def page(*records: object) -> bytes:
    """A platform's answer, its odd characters escaped."""
    return json.dumps({"code": 0, "total": len(records), "rows": records}).encode()


@cache
def large_record() -> dict[str, object]:
    return record("large", words="桃溪小学的课后服务收费没有公示，请核实。" * (20 * 2**20 // 120))


def odd_words() -> dict[str, object]:
    """Escapes that JSON allows and no database takes, and a name that reads backwards."""
    return record(
        "odd", title="题\u0000目", person="顾\ud800晓\u202e棠", files="https://p.example/a/%2e%2e%2fx\u202egpj.exe"
    )


def dateless() -> dict[str, object]:
    return record("dateless", registered="2026-02-31 25:61:00")


def keyless() -> dict[str, object]:
    return record("keyless", id=None)


@cache
def ahead() -> dict[str, object]:
    at = datetime.now(SENT.tzinfo) + timedelta(hours=1)
    return record("ahead", changed=f"{at:%Y-%m-%d %H:%M:%S}", registered=f"{at:%Y-%m-%d %H:%M:%S}")


def deep() -> bytes:
    return b'{"code": 0, "rows": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"


def swollen() -> bytes:
    """Ten million lists in thirty megabytes: a gigabyte, were it read."""
    return b'{"code": 0, "rows": [' + b"[]," * 10_000_000 + b"[]]}"


def mojibake() -> bytes:
    """It says UTF-8 and is GB18030."""
    return json.dumps(json.loads(page(record("mojibake"))), ensure_ascii=False).encode("gb18030")
