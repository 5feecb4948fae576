"""Outlook's winmail.dat: what is in it comes out, and what it only claims costs nothing."""

from __future__ import annotations

import struct

from normalize.tnef import Tnef, read_tnef
from tests.fuzz.seeds import tnefs
from tests.normalize.mails import read

PROPERTIES = 0x9003


def attribute(name: int, data: bytes, level: int = 1) -> bytes:
    return struct.pack("<BHHI", level, name, 6, len(data)) + data + bytes(2)


def winmail(*attributes: bytes) -> bytes:
    return struct.pack("<IH", 0x223E9F78, 1) + b"".join(attributes)


def test_words_html_and_files_come_out() -> None:
    assert read_tnef(tnefs()[0]) == Tnef("words", "<p>words</p>", (("a.txt", b"content"),))


def test_a_files_long_name_and_content_stand_in_its_properties() -> None:
    name, content = "收费收据.jpg".encode("utf-16-le") + b"\0\0", b"\xff\xd8\xff"
    told = struct.pack("<IHHII", 2, 0x001F, 0x3707, 1, len(name)) + name + bytes(-len(name) % 4)
    told += struct.pack("<HHII", 0x0102, 0x3701, 1, len(content)) + content + b"\0"
    found = read_tnef(
        winmail(attribute(0x9002, bytes(14), 2), attribute(0x8010, b"A~1.JPG\0", 2), attribute(0x9005, told, 2))
    )

    assert found == Tnef("", "", (("收费收据.jpg", content),))


def test_chinese_names_are_read_by_their_code_page() -> None:
    page = attribute(0x9007, struct.pack("<II", 936, 0))
    found = read_tnef(winmail(page, attribute(0x9002, bytes(14), 2), attribute(0x8010, "收据.txt\0".encode("gbk"), 2)))

    assert found is not None
    assert found.files == (("收据.txt", b""),)


def test_four_billion_properties_that_are_not_there_cost_nothing() -> None:
    for claimed in (
        struct.pack("<I", 2**32 - 1),
        struct.pack("<IHHI", 2**32 - 1, 0x1001, 0x1000, 2**32 - 1) * 1000,
        struct.pack("<IHHI", 2**32 - 1, 0x101E, 0x1000, 2**32 - 1) + bytes(100_000),
    ):
        assert read_tnef(winmail(attribute(PROPERTIES, claimed))) is None


def test_what_nothing_can_be_taken_out_of_stays_an_attachment_with_a_warning() -> None:
    head = b"From: a@b.example\nSubject: x\nContent-Type: application/ms-tnef; name=winmail.dat\n\n"
    found = read(head + b"\x78\x9f\x3e\x22\x01\x00")

    assert [(part.name, part.content) for part in found.parts] == [("winmail.dat", b"\x78\x9f\x3e\x22\x01\x00")]
    assert found.draft is not None
    assert [one.code for one in found.draft.warnings if one.code.startswith("tnef")] == ["tnef_unreadable"]
