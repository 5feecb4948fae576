"""What attached documents say, as far as they can be read at a bounded cost."""

from __future__ import annotations

import time

import pytest

from normalize.documents import MOST_CHARACTERS, MOST_MEMBERS, document_words
from tests.normalize.test_ocr import LOCKED
from tests.normalize.written import docx, packed, paragraph, pdf


def test_a_word_document_says_a_line_for_a_paragraph_and_its_notes() -> None:
    table = f"<w:tbl><w:tr><w:tc>{paragraph('被举报人')}</w:tc><w:tc>{paragraph('王某')}</w:tc></w:tr></w:tbl>"
    gone = "<w:p><w:r><w:delText>删去的话</w:delText><w:instrText>PAGE</w:instrText></w:r></w:p>"
    written = docx(paragraph("花桥中学", "校长"), gone, table, footnotes=paragraph("见附表"))

    assert document_words(written).split() == ["花桥中学校长", "被举报人", "王某", "见附表"]


def test_a_pdf_s_words_go_on_over_its_lines() -> None:
    written = pdf(
        ("情况说明", "　　花桥中学初一年级的家长们上学期末在会上听说校长收", "受了食堂老板的红包。"),
        ("第二页的话写在这里请看一看。",),
    )

    assert document_words(written).split("\n") == [
        "情况说明",
        "花桥中学初一年级的家长们上学期末在会上听说校长收受了食堂老板的红包。",
        "第二页的话写在这里请看一看。",
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04 and no more",
        docx(paragraph("花桥"))[:-30],
        packed({"word/styles.xml": "<a>花桥</a>", "花桥.txt": "花桥"}),
        b"%PDF-1.7 and no more",
        pdf(("花桥中学的食堂饭菜太贵了请看。",))[:600],
        LOCKED,
        pdf(),
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "花桥".encode("utf-16le"),
    ],
    ids=["empty", "no zip", "cut zip", "other zip", "no pdf", "cut pdf", "locked pdf", "blank pdf", "old Word"],
)
def test_what_cannot_be_read_says_nothing(data: bytes) -> None:
    assert document_words(data) == ""


@pytest.mark.parametrize("broken", ["<w:p><w:t>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "&nbsp;"])
def test_what_stands_before_a_broken_place_counts(broken: str) -> None:
    written = packed(
        {
            "word/document.xml": f'<w:d xmlns:w="x">{paragraph("花桥")}</w:d>',
            "word/footnotes.xml": broken,
        }
    )

    assert document_words(written).split() == ["花桥"]


def test_a_document_that_unpacks_without_end_is_read_to_a_bound() -> None:
    endless = docx(*[paragraph("花桥中学" * 100)] * 20_000)
    empty = docx(*["<w:p/>"] * 4_000_000)
    many = packed({f"word/header{number}.xml": "<a/>" for number in range(MOST_MEMBERS + 1)})
    begun = time.process_time()
    said = [document_words(each) for each in (endless, empty, many, pdf(*[("花桥中学的食堂" * 6,) * 40] * 40))]

    assert MOST_CHARACTERS <= len(said[0]) < 2 * MOST_CHARACTERS
    assert said[2] == ""
    assert len(said[3]) <= MOST_CHARACTERS
    assert time.process_time() - begun < 10
