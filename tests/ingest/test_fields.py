"""What a person may write into a field, and what is read of it."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ingest.fields import CASE_FIELDS, DECIDED, Fields, document_of
from ingest.written import FieldRefused, Pen, Written
from normalize.case import Draft
from normalize.places import PlaceRules
from tests.ingest.desk import draft

FIELDS = Fields(("fees", "after_school"))
PEN = Pen(ZoneInfo("Asia/Shanghai"), PlaceRules())


def read(name: str, written: Written, **values: Any) -> Any:
    document = document_of(draft(**values))
    field = FIELDS.named(name, document)
    assert field is not None
    return PEN.read(field, written, document.get(name))


@pytest.mark.parametrize(
    ("name", "written", "value"),
    [
        ("title", "  收费  ", "收费"),
        ("content", "第一行\r\n\r\n第二行\x00", "第一行\n\n第二行"),
        ("summary", "", None),
        ("request_type", "help", "help"),
        ("purpose", "", None),
        ("topics", ["fees", "after_school", "fees"], ["fees", "after_school"]),
        ("topics", "fees, after_school", ["fees", "after_school"]),
        ("topics", [], []),
        ("anonymous", "是", True),
        ("restricted", "no", False),
        ("confidential_requested", "", None),
        ("restricted_reason", DECIDED, DECIDED),
        ("petition_date", "2026-02-28", "2026-02-28"),
        ("received_at", "2026-03-01T09:00", "2026-03-01T09:00:00+08:00"),
        ("received_at", "2026-03-01T01:00:00Z", "2026-03-01T09:00:00+08:00"),
        ("petitioner_count", "12", 12),
        ("name", "买买提·艾力", "买买提·艾力"),
        ("phones", "138 0000 1234，0519-81234567\n12345", ["13800001234", "0519-81234567", "12345"]),
        ("phones", "", []),
        ("petitioners.1.id_no", " 320402 19900101 0041 ", "320402199001010041"),
        ("id_no", "G12345678", "G12345678"),
        ("region", "天宁区", {"code": "320402", "name": "天宁区", "raw": None}),
        ("region", "某某镇", {"code": None, "name": "某某镇", "raw": None}),
        ("region", "", {"code": None, "name": None, "raw": None}),
        ("reading.needs_review", "no", False),
    ],
)
def test_what_is_written_is_read_as_meant(name: str, written: Written, value: Any) -> None:
    assert read(name, written) == value


@pytest.mark.parametrize(
    ("name", "written", "code"),
    [
        ("title", " \u3000 ", "empty"),
        ("title", "长" * 501, "long"),
        ("name", "王\u202e兰", "unseen"),
        ("request_type", "anger", "code"),
        ("topics", ["fees", "weather"], "code"),
        ("restricted", "maybe", "truth"),
        ("restricted", "", "empty"),
        ("petition_date", "2026-02-30", "day"),
        ("petition_date", "昨天", "day"),
        ("received_at", "9 o'clock", "moment"),
        ("petitioner_count", "0", "count"),
        ("petitioner_count", "二", "count"),
        ("phones", "打我手机", "phone"),
        ("id_no", "320402199001010042", "identity"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_was_expected(name: str, written: Written, code: str) -> None:
    with pytest.raises(FieldRefused) as refused:
        read(name, written)

    assert refused.value.code == code
    assert str(refused.value).startswith(refused.value.field.name)
    assert "{" not in str(refused.value)


@pytest.mark.parametrize("name", ["channel", "case_no", "warnings", "petitioners.20.name", "petitioners.0.gender", ""])
def test_what_is_no_field_a_person_corrects_has_no_name(name: str) -> None:
    assert FIELDS.named(name, {}) is None


def test_what_a_form_shows_is_read_as_the_value_it_showed() -> None:
    document = document_of(
        draft(
            topics=("fees", "weather"), region={"code": "320402", "name": "天宁区", "raw": "天宁"}, anonymous=False,
            restricted=True, restricted_reason="configured term", petition_date="2026-02-28",
        )
    )  # fmt: skip
    for field in (*FIELDS.of_case(document), *FIELDS.of_person(0)):
        value: Any = document
        for step in field.name.split("."):
            value = value[int(step)] if step.isdecimal() else value[step]
        assert PEN.read(field, PEN.shown(field, value), value) == value, field.name


def test_every_field_is_one_of_the_case() -> None:
    for field in CASE_FIELDS:
        assert field.name.split(".")[0] in Draft.model_fields
