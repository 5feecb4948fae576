"""What a scan's lines become."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta

import pypdfium2 as pdfium
import pytest
from PIL import Image

from adapters.base import RawKind
from normalize.case import ChannelKind, ReadingMethod
from normalize.cut import cut
from normalize.letter import LetterRules, read_letter
from normalize.reading import Disposition, Reading, Source, Unreadable
from normalize.scan import Scan
from tests.normalize.scans import page, scan

NOW = datetime.fromisoformat("2026-03-03T09:00:00+08:00")
SOURCE = Source(
    channel="letters",
    channel_kind=ChannelKind.LETTER,
    kind=RawKind.LETTER,
    locator="三月/0001.pdf",
    received_at=NOW - timedelta(days=1),
    fetched_at=NOW,
    meta={"sha256": "ab12", "file_name": "0001.pdf", "batch": "三月"},
)
FULL = """
　　　　　　　关于操场照明问题的来信
尊敬的教育局领导：
　　我是青枫中学一名学生的家长，孩子每天晚上七点以后才放
学，操场上的灯从去年十月起就不亮了，学生走过时看不清路。
　　请贵局督促学校尽快修好。
　　此致
敬礼
写信人：顾晓岚
电话：13800001234
住址：常州市天宁区桃园路8号3幢201室
>2026年3月1日
"""


def read(scan: Scan, source: Source = SOURCE) -> list[Reading]:
    return read_letter(scan, source, LetterRules())


def codes(reading: Reading) -> list[str]:
    assert reading.draft is not None
    return [warning.code for warning in reading.draft.warnings]


def test_a_letter_is_read_by_its_form() -> None:
    (reading,) = read(scan(page(1, FULL)))

    draft = reading.draft
    assert draft is not None
    assert reading.disposition is Disposition.CASE
    assert reading.identity == draft.source_id == "sha256:ab12"
    assert draft.title == "关于操场照明问题的来信"
    assert draft.addressee == "教育局领导"
    assert draft.petition_date == date(2026, 3, 1)
    assert draft.subject_party == "青枫中学"
    assert draft.region.name == "天宁区"
    assert (draft.anonymous, draft.received_at) == (False, SOURCE.received_at)
    (writer,) = draft.petitioners
    assert (writer.name, writer.phones, writer.address) == (
        "顾晓岚",
        ("13800001234",),
        "常州市天宁区桃园路8号3幢201室",
    )
    assert draft.reading.needs_review is False


def test_lines_become_the_paragraphs_that_were_written() -> None:
    (reading,) = read(scan(page(1, FULL)))

    assert reading.draft is not None
    assert reading.draft.content is not None
    assert reading.draft.content.splitlines()[1:3] == [
        "我是青枫中学一名学生的家长，孩子每天晚上七点以后才放学，操场上的灯从去年十月起就不亮了，学生走过时看不清路。",
        "请贵局督促学校尽快修好。",
    ]


def test_a_sentence_goes_on_over_the_page() -> None:
    first = "　　我是青枫中学一名学生的家长，孩子每天晚上七点以后才放"
    (reading,) = read(scan(page(1, f"{first}\n{first[2:]}三四"), page(2, "学。\n　　请修好操场的灯。")))

    assert reading.draft is not None
    assert reading.draft.content is not None
    assert reading.draft.content.endswith("才放三四学。\n请修好操场的灯。")


def test_a_number_broken_over_two_lines_is_whole() -> None:
    text = "　　我的身份证号码是11010519491231\n002X，请核对我的学籍并且告诉我结果如何办理才对。"

    (reading,) = read(scan(page(1, text)))

    assert reading.draft is not None
    assert [each.id_no for each in reading.draft.petitioners] == ["11010519491231002X"]
    assert "identity_number_doubtful" not in codes(reading)


def test_an_identity_number_whose_check_digit_does_not_fit_asks_for_an_eye() -> None:
    (reading,) = read(scan(page(1, FULL.replace("电话：", "身份证号：110105194912310021\n电话："))))

    assert reading.draft is not None
    assert codes(reading) == ["identity_number_doubtful"]
    assert reading.draft.reading.needs_review is True
    assert reading.draft.petitioners[0].id_no == "110105194912310021"


def test_phone_identity_number_and_date_on_lines_of_their_own_stay_apart() -> None:
    body = "　　青枫中学的操场晚上没有灯，孩子放学走过时看不清路，请督促学校把灯修好。"
    closing = "写信人的身份证号码：320402199003074516\n我的联系电话：13800001234\n2025年3月5日"

    (reading,) = read(scan(page(1, f"请求修灯的信\n{body}\n{closing}")))

    assert reading.draft is not None
    assert reading.draft.petition_date == date(2025, 3, 5)
    (writer,) = reading.draft.petitioners
    assert (writer.id_no, writer.phones) == ("320402199003074516", ("13800001234",))


def test_an_address_that_takes_two_lines_is_whole() -> None:
    there = FULL.replace("桃园路8号3幢201室", "桃园路88号青枫花园北区\n　　　3幢201室")

    (reading,) = read(scan(page(1, there)))

    assert reading.draft is not None
    assert reading.draft.petitioners[0].address == "常州市天宁区桃园路88号青枫花园北区3幢201室"


def test_the_paper_a_letter_is_written_on_is_not_complained_of() -> None:
    on_paper = "常州市武进区白塔小学\n信纸\n" + FULL.strip("\n").replace("天宁区", "")

    (reading,) = read(scan(page(1, on_paper)))

    assert reading.draft is not None
    assert reading.draft.subject_party == "青枫中学"
    assert reading.draft.region.name == "常州市"
    assert reading.draft.title == "关于操场照明问题的来信"
    assert reading.draft.content is not None
    assert reading.draft.content.startswith("常州市武进区白塔小学\n尊敬的教育局领导：")
    assert "信纸" not in reading.draft.content


def test_a_salutation_without_colon_is_no_part_of_the_heading() -> None:
    (reading,) = read(scan(page(1, FULL.replace("尊敬的教育局领导：", "市教育局"))))

    assert reading.draft is not None
    assert (reading.draft.title, reading.draft.addressee) == ("关于操场照明问题的来信", "市教育局")


def test_a_letters_times_are_told_in_china() -> None:
    taken = Source(**{**SOURCE.__dict__, "received_at": datetime.fromisoformat("2026-03-02T01:00:00+00:00")})
    seen = Source(
        **{**SOURCE.__dict__, "received_at": None, "fetched_at": datetime.fromisoformat("2026-03-03T01:00:00+00:00")}
    )

    told = [
        reading.draft.received_at.isoformat()
        for s in (taken, seen)
        for reading in read(scan(page(1, FULL)), s)
        if reading.draft
    ]

    assert told == ["2026-03-02T09:00:00+08:00", "2026-03-03T09:00:00+08:00"]


def test_warnings_of_a_letter_are_in_the_clerks_language() -> None:
    unsure = FULL.replace("电话：", "身份证号：110105194912310021\n?电话：").replace("关于操场照明问题的来信", "")
    without_time = Source(**{**SOURCE.__dict__, "received_at": None})

    (reading,) = read(scan(page(1, unsure)), without_time)

    assert reading.draft is not None
    assert len(reading.draft.warnings) == 4
    assert not [each.text for each in reading.draft.warnings if not any("\u4e00" <= c <= "\u9fff" for c in each.text)]


def test_a_letter_without_heading_takes_its_first_sentence() -> None:
    (reading,) = read(scan(page(1, "尊敬的局长：\n　　学校门口没有红绿灯，孩子过马路很危险。请装一个。")))

    assert reading.draft is not None
    assert reading.draft.title == "学校门口没有红绿灯，孩子过马路很危险。"
    assert reading.draft.addressee == "局长"
    assert codes(reading) == ["title_derived"]


def test_a_letter_nobody_signed_is_anonymous() -> None:
    (reading,) = read(scan(page(1, "关于食堂的问题\n　　青枫中学食堂的饭菜总是凉的，请你们来看一看。\n>一名学生家长")))

    assert reading.draft is not None
    assert reading.draft.anonymous is True
    assert reading.draft.petitioners == ()


def test_several_who_sign_are_joint() -> None:
    (reading,) = read(scan(page(1, "请求开设校车的信\n　　我们住得远，请开一路校车到村口。\n>顾晓岚、秦怀远、沈知秋")))

    assert reading.draft is not None
    assert [each.name for each in reading.draft.petitioners] == ["顾晓岚", "秦怀远", "沈知秋"]
    assert (reading.draft.joint, reading.draft.petitioner_count) == (True, 3)


def test_an_unsure_line_asks_for_an_eye_and_says_where() -> None:
    (reading,) = read(scan(page(1, FULL.replace("电话：", "?电话："))))

    assert reading.draft is not None
    assert codes(reading) == ["low_confidence"]
    assert reading.draft.reading.needs_review is True
    assert reading.draft.source_fields["unsure_lines"] == [{"page": 1, "text": "电话：13800001234", "confidence": 0.7}]


def test_a_scan_without_text_is_a_case_to_be_reviewed() -> None:
    (reading,) = read(scan(page(1, "")))

    assert reading.disposition is Disposition.CASE
    assert reading.draft is not None
    assert reading.draft.content is None
    assert reading.draft.reading.needs_review is True
    assert codes(reading) == ["no_text"]
    assert reading.parts[0].whole


def test_a_separator_sheet_parts_letters_and_numbers_the_next() -> None:
    sheet = page(2, "分隔页", barcodes=["XINQIAO-SEP|2026-000123"])
    found = read(
        scan(
            page(1, "请求修路的信\n　　路坏了。"),
            sheet,
            page(3, ""),
            page(4, "请求修灯的信\n　　灯坏了。"),
            page(5, ""),
        )
    )

    assert [reading.identity for reading in found] == ["sha256:ab12", "sha256:ab12#2"]
    assert [reading.draft.title for reading in found if reading.draft] == ["请求修路的信", "请求修灯的信"]
    assert [reading.draft.source_no for reading in found if reading.draft] == [None, "2026-000123"]
    assert [reading.draft.reading.pages for reading in found if reading.draft] == [1, 1]


def test_a_bought_separator_sheet_with_its_instructions_is_no_letter() -> None:
    sheet = page(2, "Insert this page between documents\n" * 20, barcodes=["PATCHT"])

    found = read(scan(page(1, "请求修路的信\n　　路坏了。"), sheet, page(3, "请求修灯的信\n　　灯坏了。")))

    assert [reading.draft.content for reading in found if reading.draft] == ["路坏了。", "灯坏了。"]


def test_a_letter_with_the_barcode_stuck_on_it_is_kept_whole() -> None:
    first = page(
        2, FULL + "　　这条路上没有灯，孩子们晚上走路很危险，请修好它。\n" * 4, barcodes=["XINQIAO-SEP|2026-000124"]
    )

    found = read(scan(page(1, "请求修路的信\n　　路坏了。"), first))

    assert found[1].draft is not None
    assert (found[1].draft.title, found[1].draft.source_no) == ("关于操场照明问题的来信", "2026-000124")


@pytest.mark.parametrize("code", ["PATCHT", "Patch T", "XINQIAO-SEP", "OFFICE-SEP|x"])
def test_a_separator_at_either_end_makes_no_letter(code: str) -> None:
    sheets = page(1, "", barcodes=[code]), page(3, "", barcodes=[code])

    found = read(scan(sheets[0], page(2, "请求修路的信\n　　路坏了。"), sheets[1]))

    assert len(found) == 1


def test_a_barcode_of_another_kind_parts_nothing() -> None:
    found = read(
        scan(
            page(1, "请求修路的信\n　　路坏了。", barcodes=["https://x.example", "XF20260001"]),
            page(2, "　　真的坏了。"),
        )
    )

    assert len(found) == 1
    assert found[0].draft is not None
    assert found[0].draft.source_no == "XF20260001"


def test_a_page_that_begins_as_a_letter_after_one_that_ended_as_one_is_a_letter() -> None:
    other = "关于校车的请求\n县教育局领导：\n　　请开一路校车。\n写信人：秦怀远\n>2026年2月28日"

    found = read(scan(page(1, FULL), page(2, other)))

    assert [reading.draft.title for reading in found if reading.draft] == ["关于操场照明问题的来信", "关于校车的请求"]
    assert all("shared_scan" in codes(reading) for reading in found)


def test_a_scan_is_attached_whole_with_its_size() -> None:
    (reading,) = read_letter(scan(page(1, FULL)), SOURCE, LetterRules(), b"the scan's bytes")

    (part,) = reading.parts
    assert (part.whole, part.content, part.size) == (True, None, 16)


def test_letters_that_share_a_scan_show_their_own_pages_only() -> None:
    frames = [Image.new("L", (60, 80), grey) for grey in (10, 20, 30)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "TIFF", save_all=True, append_images=frames[1:])
    there = Scan("image/tiff", (page(1, FULL), page(2, "", barcodes=["PATCHT"]), page(3, "请求修灯的信\n　　灯坏了。")))

    found = read_letter(there, SOURCE, LetterRules(), buffer.getvalue())

    shown = [part for reading in found for part in reading.parts]
    assert [(part.name, part.pages, part.whole) for part in shown] == [
        ("0001-p1.pdf", 1, False),
        ("0001-p3.pdf", 1, False),
    ]
    assert [Image.open(io.BytesIO(part.content or b"")).getpixel((5, 5)) for part in shown] == [10, 30]
    assert all("shared_scan" not in codes(reading) for reading in found)


def test_the_same_pages_cut_from_a_pdf_twice_are_the_same_bytes() -> None:
    document = pdfium.PdfDocument.new()
    for width in (100, 200, 300):
        document.new_page(width, 400)
    buffer = io.BytesIO()
    document.save(buffer)
    document.close()

    once, again = (cut(buffer.getvalue(), "application/pdf", [2, 3]) for _ in range(2))

    assert once == again
    kept = pdfium.PdfDocument(once)
    assert [kept[n].get_width() for n in range(len(kept))] == [200, 300]
    kept.close()


def test_an_enclosure_stays_with_its_letter() -> None:
    found = read(scan(page(1, FULL), page(2, "收费收据\n今收到伙食费叁佰元。\n2026年2月1日")))

    assert len(found) == 1


def test_nothing_but_separators_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="只有分隔页"):
        read(scan(page(1, "", barcodes=["PATCHT"])))


def test_a_file_the_door_refused_is_unreadable_with_its_reason() -> None:
    source = Source(**{**SOURCE.__dict__, "meta": {**SOURCE.meta, "refused": "the file is empty"}})

    with pytest.raises(Unreadable, match="letters: the file is empty"):
        read(scan(page(1, FULL)), source)


@pytest.mark.parametrize("at", [None, NOW + timedelta(days=400), datetime(2000, 1, 1, tzinfo=UTC)])
def test_a_scan_without_a_believable_time_was_received_when_it_was_seen(at: datetime | None) -> None:
    (reading,) = read(scan(page(1, FULL)), Source(**{**SOURCE.__dict__, "received_at": at}))

    assert reading.draft is not None
    assert reading.draft.received_at == NOW
    assert codes(reading) == ["received_at_assumed"]


def test_a_born_digital_letter_says_so() -> None:
    (reading,) = read(scan(page(1, FULL, method="text_layer", sure=1.0)))

    assert reading.draft is not None
    assert reading.draft.reading.method is ReadingMethod.TEXT_LAYER
    assert reading.draft.reading.confidence == 1.0


def test_a_scan_survives_the_border_between_processes() -> None:
    there = scan(page(1, FULL), page(2, "", barcodes=["PATCHT"]))

    assert Scan.from_json(there.to_json()) == there
