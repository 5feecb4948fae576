"""Files of records: whatever they are, their records come out, or one line that says why not."""

from __future__ import annotations

import zipfile
from io import BytesIO

import pytest

from adapters import record_file
from adapters.record_file import NotRecords, records_in
from tests.adapters.spreadsheets import MAIN, sheet, workbook

XML = """<?xml version="1.0" encoding="{encoding}"?>
<数据><列表>
  <工单 编号="GD-1"><标题>路灯不亮</标题><附件><名>一.jpg</名></附件><附件><名>二.jpg</名></附件></工单>
  <工单 编号="GD-2"><标题>操场扬尘</标题></工单>
</列表></数据>"""


def refusal(data: bytes) -> str:
    with pytest.raises(NotRecords) as refused:
        records_in(data)
    return str(refused.value)


def test_json_is_taken_as_it_is() -> None:
    assert records_in('[{"编号": "GD-1"}]'.encode("gb18030")) == [{"编号": "GD-1"}]


@pytest.mark.parametrize("encoding", ["utf-8", "GBK", "gb2312", "gb18030", "utf-16"])
def test_of_xml_each_element_that_repeats_is_a_record(encoding: str) -> None:
    assert records_in(XML.format(encoding=encoding).encode(encoding)) == [
        {"编号": "GD-1", "标题": "路灯不亮", "附件": [{"名": "一.jpg"}, {"名": "二.jpg"}]},
        {"编号": "GD-2", "标题": "操场扬尘"},
    ]


def test_xml_in_which_nothing_repeats_is_one_record() -> None:
    data = "<r xmlns='urn:x'><编号>1</编号><标题>路灯</标题><空/></r>".encode()

    assert records_in(data) == [{"编号": "1", "标题": "路灯", "空": None}]


def test_of_a_spreadsheet_each_row_is_a_record_under_the_words_of_its_head() -> None:
    data = sheet(
        [["十一月工单"], ["工单编号", "标题", "来电号码"], ["GD-1", "路灯不亮", 13800001111], [], ["GD-2", "扬尘", ""]]
    )

    assert records_in(data) == [
        {"工单编号": "GD-1", "标题": "路灯不亮", "来电号码": "13800001111"},
        {"工单编号": "GD-2", "标题": "扬尘", "来电号码": None},
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<a>\n<b></a>", "XML 不完整或有错误，第 2 行第 "),
        (b"<a>\xff\xfe</a>", "XML 不完整或有错误"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "XML 不完整或有错误"),
        (b"<a>" * 101 + b"</a>" * 101, "嵌套超过 100 层"),
        (b"<!doctype html><html></html>", "a login page?"),
        (b"", "are empty"),
        (b"PK\x03\x04 no zip", "表格损坏"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 no workbook", "另存为不带密码的 .xlsx"),
        (sheet([["只有一格"]]), "没有表头"),
        (workbook("<worksheet><sheetData><row>"), "表格损坏"),
        (workbook(f'<worksheet xmlns="{MAIN}"><sheetData><row r="1"><c r="?"/></row></sheetData></worksheet>'), "表格"),
        (sheet([["编号", "标题"], ["1", "路灯"]])[:-40], "表格损坏"),
    ],
)
def test_what_holds_no_records_says_why(data: bytes, reason: str) -> None:
    assert reason in refusal(data)


@pytest.mark.parametrize(
    "definition",
    [
        '<!ENTITY a "{}"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">',
        '<!ENTITY b SYSTEM "file:///etc/passwd">',
        '<!ENTITY % far SYSTEM "http://192.0.2.1/x.dtd"> %far;',
    ],
)
def test_an_xml_that_defines_entities_is_not_read(definition: str) -> None:
    bomb = f"<!DOCTYPE x [{definition.format('a' * 10_000)}]><x><y>&b;</y></x>"

    assert "DTD" in refusal(bomb.encode())
    assert "DTD" in refusal(f'<?xml version="1.0" encoding="gbk"?>{bomb}'.encode("gbk"))


def test_a_spreadsheet_that_swells_is_not_unpacked_whatever_size_it_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_file, "LARGEST_UNPACKED", 2**20)
    data = workbook("<worksheet>" + " " * 2**21 + "</worksheet>")
    with zipfile.ZipFile(BytesIO(data)) as archive:
        honest = archive.getinfo("xl/worksheets/sheet1.xml").file_size
    lying = data.replace(honest.to_bytes(4, "little"), (100).to_bytes(4, "little"))

    assert lying != data
    assert "解压后超过 1 MB" in refusal(data)
    assert "解压后超过 1 MB" in refusal(lying)


def test_a_cell_at_the_far_corner_takes_no_more_than_its_row() -> None:
    row = '<row r="{0}"><c r="A{0}"><v>1</v></c><c r="B{0}"><v>2</v></c></row>'
    far = '<row r="1048576"><c r="XFD1048576"><v>3</v></c></row>'
    data = workbook(f'<worksheet xmlns="{MAIN}"><sheetData>{row.format(1)}{row.format(2)}{far}</sheetData></worksheet>')

    assert "格，请分成几个文件" in refusal(data)


def test_a_sheet_of_more_cells_than_anybody_writes_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_file, "MOST_VALUES", 10)

    assert "超过 10 格" in refusal(sheet([["编号", "标题"], *[["1", "路灯"]] * 5]))
    assert "超过 10 个标签" in refusal(b"<a>" + b"<b/>" * 10 + b"</a>")
