"""Reading records: what the golden files do not say one by one."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.base import Json, RawKind
from adapters.fieldmap import FieldMap
from normalize.case import ChannelKind, Draft, RequestTypeCode
from normalize.feed import read_feed, read_record
from normalize.places import PlaceRules
from normalize.reading import Disposition, Reading, Source, Unreadable, is_withdrawn
from normalize.rules import Rules
from normalize.titles import first_sentence
from normalize.understand import understand
from tests.normalize.test_feed_golden import MAPS

FETCHED = datetime.fromisoformat("2026-03-10T12:00:00+08:00")
SOURCE = Source("door", ChannelKind.SUNSHINE, RawKind.RECORD, "x1", None, FETCHED)
BASE: dict[str, Json] = {"xfjid": "x1", "bt": "标题", "djsj": "2026-03-01 09:00:00"}


def read(**fields: Json) -> Reading:
    return read_record({**BASE, **fields}, SOURCE, MAPS["sunshine"], PlaceRules())


def draft(**fields: Json) -> Any:
    reading = read(**fields)
    assert reading.draft is not None
    return reading.draft


def codes(found: Any) -> list[str]:
    return [warning.code for warning in found.warnings]


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("求决", "appeal"),
        ("意见建议", "suggestion"),
        ("申诉", "appeal"),
        ("揭发控告", "accusation"),
        ("检举控告", "accusation"),
        ("其他", "other"),
    ],
)
def test_older_words_for_the_purpose_are_known(word: str, code: str) -> None:
    purpose = draft(xfmdmc=word).purpose

    assert (purpose.code, purpose.raw) == (code, word)


@pytest.mark.parametrize(("word", "code"), [("咨询", "consult"), ("投诉类", "complaint"), ("举报类", "report")])
def test_a_request_type_the_source_names_is_certain(word: str, code: str) -> None:
    record: dict[str, Json] = {"roll_number": "1", "payroll_title": "标题", "payroll_type": word}
    found = read_record(record, SOURCE, MAPS["hotline"]).draft
    assert found is not None

    assert found.request_type.code is RequestTypeCode(code)
    assert (found.request_type.raw, found.request_type.confidence) == (word, 1.0)


def test_a_word_without_code_is_kept_and_told() -> None:
    found = draft(xfmdmc="反映")

    assert (found.purpose.code, found.purpose.raw) == (None, "反映")
    assert codes(found) == ["code_unknown"]


BLAND = "花桥中学食堂的承包情况请查一下，请依法处理。"


def understood(platform: str, **fields: Json) -> Draft:
    words: dict[str, Json] = {"tsnr": BLAND} if platform == "sunshine" else {"roll_number": "1", "roll_content": BLAND}
    found = read_record({**BASE, **words, **fields}, SOURCE, MAPS[platform], PlaceRules()).draft
    assert found is not None
    return understand(found, Rules())


@pytest.mark.parametrize(
    "word",
    "检举控告 检举控告类 检举揭发 揭发 控告检举 检举、控告 举报 信访举报 检举控告(纪检)".split(),  # noqa: SIM905
)
def test_a_purpose_that_names_an_accusation_is_one_however_it_is_put(word: str) -> None:
    case = understood("sunshine", xfmdmc=word)

    assert (case.restricted, case.restricted_reason) == (True, "purpose accusation")
    assert (case.purpose.code, case.purpose.raw, case.triage) == ("accusation", word, "discipline")


@pytest.mark.parametrize(
    "word",
    "检举 检举控告 检举类 控告 揭发 举报 举报投诉 违纪举报 信访举报 纪检监察".split(),  # noqa: SIM905
)
def test_a_type_that_names_a_report_is_one_however_it_is_put(word: str) -> None:
    case = understood("hotline", payroll_type=word)

    assert case.restricted
    assert (case.request_type.code, case.request_type.raw) == ("report", word)
    assert (case.purpose.code == "accusation") == ("举报" not in word)


@pytest.mark.parametrize(
    "fields",
    [
        *(
            {"payroll_type": word}
            for word in ("投诉", "投诉类", "投诉举报", "投诉举报类", "求助类", "业务咨询", "批评建议")
        ),
        *({"event_type2_id": path} for path in ("教育_收费_乱收费", "投诉举报_教育_师德师风", "党的建设_廉政建设")),
        *({"is_secret": word} for word in ("否", "0", "无", "不需要", "无需保密", "未要求", "公开", "×")),
    ],
)
def test_an_ordinary_order_stays_open(fields: dict[str, Json]) -> None:
    case = understood("hotline", **fields)

    assert (case.restricted, case.restricted_reason, case.reading.needs_review) == (False, None, False)


@pytest.mark.parametrize("path", ["纪检监察_违纪违法_检举控告", "纪检监察/干部作风/其他", "教育_信访举报"])
def test_a_category_that_names_an_accusation_restricts(path: str) -> None:
    case = understood("sunshine", nrflmc=path)

    assert (case.restricted, case.restricted_reason) == (True, "called an accusation by its source")


@pytest.mark.parametrize("code", ["03", "3", "300000", 3, ["02"]])
def test_a_purpose_told_in_an_unknown_code_may_be_an_accusation(code: Json) -> None:
    case = understood("sunshine", xfmddm=code)

    assert (case.restricted, case.restricted_reason) == (True, "confidentiality or purpose unreadable")
    assert case.reading.needs_review
    assert {"code_unknown", "text_unreadable"} & {*codes(case)}
    assert not understood("sunshine", xfmddm="99").restricted
    assert not understood("sunshine", xfmdmc="反映情况", xfmddm=code).restricted


@pytest.mark.parametrize("value", ["也许", "不便透露", "3", ["是"], {"v": 1}])
def test_a_wish_for_confidentiality_that_cannot_be_read_restricts_and_is_reviewed(value: Json) -> None:
    case = understood("hotline", is_secret=value)

    assert (case.restricted, case.restricted_reason) == (True, "confidentiality or purpose unreadable")
    assert case.confidential_requested is None
    assert case.reading.needs_review
    assert case.source_fields["is_secret"] == value
    assert {"flag_unreadable", "text_unreadable"} & {*codes(case)}


@pytest.mark.parametrize("value", ["下周", "0000-00-00", "1900-01-01 00:00:00", "2026-13-45", 12])
def test_a_date_that_is_none_is_left_over_and_told(value: Json) -> None:
    found = draft(xbjzsj=value)

    assert found.source_deadline_at is None
    assert found.source_fields["xbjzsj"] == value
    assert codes(found) == ["date_unreadable"]


@pytest.mark.parametrize(
    ("fields", "received"),
    [
        ({"zssj": "2026-03-02 10:00:00"}, "2026-03-02T10:00:00+08:00"),
        ({}, "2026-03-01T09:00:00+08:00"),
        ({"zssj": "2031-03-02 10:00:00"}, "2026-03-01T09:00:00+08:00"),
        ({"djsj": "不详"}, "2026-03-10T12:00:00+08:00"),
        ({"djsj": "1772336400000"}, "2026-03-01T11:40:00+08:00"),
    ],
)
def test_the_clock_starts_when_the_source_says(fields: dict[str, Json], received: str) -> None:
    found = draft(**fields)

    assert found.received_at == datetime.fromisoformat(received)
    assert ("received_at_assumed" in codes(found)) == (found.received_at == FETCHED)


def test_what_the_channel_received_counts_before_what_we_fetched() -> None:
    at = FETCHED - timedelta(days=1)
    source = Source("door", ChannelKind.SUNSHINE, RawKind.RECORD, "x1", at, FETCHED)
    found = read_record({"xfjid": "x1", "bt": "标题"}, source, MAPS["sunshine"]).draft
    assert found is not None

    assert found.received_at == at
    assert codes(found) == []


def test_a_deadline_without_clock_is_the_end_of_its_day() -> None:
    assert draft(xbjzsj="2026-04-30").source_deadline_at.isoformat() == "2026-04-30T23:59:59+08:00"


@pytest.mark.parametrize(
    ("written", "due"),
    [
        ("2026-04-30 00:00:00", "2026-04-30T23:59:59+08:00"),
        ("2026-04-29T16:00:00Z", "2026-04-30T23:59:59+08:00"),
        (1777478400000, "2026-04-30T23:59:59+08:00"),
        ("2026-04-30 00:00:01", "2026-04-30T00:00:01+08:00"),
        ("2026-04-30 24:00", "2026-05-01T00:00:00+08:00"),
        ("2026年4月30日晚上12点", "2026-05-01T00:00:00+08:00"),
    ],
)
def test_a_deadline_at_midnight_is_the_end_of_its_day(written: Json, due: str) -> None:
    assert draft(xbjzsj=written).source_deadline_at.isoformat() == due


def test_a_spreadsheets_number_with_a_fraction_names_the_hour_it_is_due() -> None:
    by_sheet = MAPS["sunshine"].model_copy(update={"excel_dates": True})
    due = [
        read_record({**BASE, "xbjzsj": value}, SOURCE, by_sheet).draft.source_deadline_at.isoformat()  # type: ignore[union-attr]
        for value in (46142, 46142.0, "46142.5")
    ]

    assert due == ["2026-04-30T23:59:59+08:00", "2026-04-30T23:59:59+08:00", "2026-04-30T12:00:00+08:00"]


def test_what_is_not_mapped_is_kept_as_told() -> None:
    found = draft(ssxt="教育", djr="0012", extra={"a": [1, None]}, empty="")

    assert found.source_fields == {"ssxt": "教育", "djr": "0012", "extra": {"a": [1, None]}}


def test_a_second_spelling_with_other_content_is_kept() -> None:
    assert draft(xfmdmc="申诉求决", xfmddm="03").source_fields == {"xfmddm": "03"}


def test_a_change_of_the_time_of_change_alone_changes_nothing_else() -> None:
    one, other = (read(lastmodifytime=f"2026-03-0{day} 10:00:00") for day in (2, 3))

    assert one.draft == other.draft
    assert one.modified_at != other.modified_at


def test_channels_on_one_platform_know_a_record_by_one_identity() -> None:
    def identity(channel: str, platform: str | None) -> str:
        source = Source(channel, ChannelKind.SUNSHINE, RawKind.RECORD, "x1", None, FETCHED, platform)
        return read_record(BASE, source, MAPS["sunshine"]).identity

    assert identity("one", "province") == identity("two", "province") == "province:x1"
    assert identity("one", None) == "one:x1"


def test_without_title_and_words_it_is_kept_aside() -> None:
    reading = read(bt="无", tsnr=" ")

    assert reading.disposition is Disposition.QUARANTINE
    assert reading.reason is not None
    assert "bt、tsnr" in reading.reason


def test_a_record_that_is_no_object_is_kept_aside_not_lost() -> None:
    readings = read_feed(b'["text", {"xfjid": "1", "bt": "x"}]', "", SOURCE, MAPS["sunshine"])

    assert [reading.disposition for reading in readings] == [Disposition.QUARANTINE, Disposition.CASE]


def test_a_pointer_names_one_record_of_a_page() -> None:
    page = json.dumps({"data": {"rows": [{"xfjid": "1", "bt": "甲"}, {"xfjid": "2", "bt": "乙"}]}}).encode()

    (reading,) = read_feed(page, "/data/rows/1", SOURCE, MAPS["sunshine"])

    assert reading.identity == "door:2"
    with pytest.raises(Unreadable, match="/data/rows/2"):
        read_feed(page, "/data/rows/2", SOURCE, MAPS["sunshine"])


def test_bytes_that_are_no_json_are_unreadable_and_not_quoted() -> None:
    with pytest.raises(Unreadable, match="不是 JSON") as caught:
        read_feed("秘密".encode(), "", SOURCE, MAPS["sunshine"])

    assert "秘密" not in str(caught.value)


def test_times_are_told_in_china_whoever_tells_them() -> None:
    in_utc = datetime.fromisoformat("2026-03-02T01:00:00+00:00")
    told = Source("door", ChannelKind.SUNSHINE, RawKind.RECORD, "x1", in_utc, in_utc)
    silent = Source("door", ChannelKind.SUNSHINE, RawKind.RECORD, "x1", None, in_utc)

    readings = [read_record({"xfjid": "x1", "bt": "标题"}, source, MAPS["sunshine"]) for source in (told, silent)]

    assert [each.draft.received_at.isoformat() for each in readings if each.draft] == ["2026-03-02T09:00:00+08:00"] * 2


def test_warnings_and_reasons_are_in_the_clerks_language() -> None:
    person: Json = {"xm": "某人", "sjh": "没有", "dzyj": "没有", "zjlx": "111", "zjhm": "110105194912310021"}
    odd = draft(xbjzsj="下周", xfrs="许多", lmbz="也许", xfr=[person])
    nothing = read(bt="")
    said = [warning.text for warning in odd.warnings] + [nothing.reason or ""]

    assert len(said) >= 6
    assert not [text for text in said if not re.search("[\u4e00-\u9fff]", text)]


def test_gbk_bytes_are_read() -> None:
    (reading,) = read_feed('{"xfjid": "1", "bt": "收费"}'.encode("gbk"), "", SOURCE, MAPS["sunshine"])

    assert reading.draft is not None
    assert reading.draft.title == "收费"


def test_characters_no_database_takes_are_dropped() -> None:
    assert draft(bt="收\x00费\ud800").title == "收费"


def test_a_signal_without_key_has_the_same_id_every_time() -> None:
    steps: Json = [{"blfs": "催办", "blsj": "2026-03-05 09:00:00"}, {"blfs": "催办", "blsj": "2026-03-06 09:00:00"}]
    first, again = read(blfs=steps), read(blfs=steps)

    assert [signal.id for signal in first.signals] == [signal.id for signal in again.signals]
    assert len({signal.id for signal in first.signals}) == 2


STEPS: dict[str, dict[str, Json]] = {
    "taken back": {"blfsid": "1", "blfs": "撤回", "blsj": "2026-03-03 10:00:00"},
    "to be redone": {"blfsid": "2", "blfs": "退回重办", "blsj": "2026-03-04 10:00:00"},
}


@pytest.mark.parametrize(
    ("status", "steps", "withdrawn"),
    [
        ("待受理", ["taken back"], False),  # given out again, by a step of another name
        (None, ["taken back"], True),
        ("已办结", ["taken back"], True),
        ("已作出处理意见", ["taken back"], True),
        ("已撤回", ["taken back"], True),
        ("已撤回", [], True),
        (None, ["taken back", "to be redone"], False),
        (None, ["to be redone", "taken back"], False),  # listed latest first
        ("已撤回", ["taken back", "to be redone"], True),
    ],
)
def test_whether_a_matter_is_taken_back_is_told_by_its_status_then_by_the_last_step(
    status: str | None, steps: list[str], withdrawn: bool
) -> None:
    found = read(xfjzt=status, blfs=[STEPS[one] for one in steps], lastmodifytime="2026-03-05 10:00:00")

    assert is_withdrawn(found.signals) is withdrawn


@pytest.mark.parametrize(
    ("field", "path", "word", "told"),
    [
        ("confidential_requested", "isbm", "保密", True),
        *(
            ("confidential_requested", "isbm", word, True)
            for word in "不公开 秘密 需要 要求 要 严格保密 保密处理 保密件 隐名 不愿公开 内部 1.0 T √".split()  # noqa: SIM905
        ),
        *(
            ("confidential_requested", "isbm", word, False)
            for word in ("不保密", "不需要保密", "未要求", "可公开", "0.0")
        ),
        ("allow_public", "gkbz", "公开", True),
        ("allow_public", "gkbz", "不公开", False),
        ("anonymous", "nmbz", "匿名", True),
        ("anonymous", "nmbz", "实名", False),
    ],
)
def test_a_flag_is_read_also_in_its_own_words(field: str, path: str, word: str, told: bool) -> None:
    found = draft(**{path: word})

    assert getattr(found, field) is told
    assert codes(found) == []


def test_several_main_petitioners_leave_one() -> None:
    found = draft(xfr=[{"xm": "甲某", "xfjzfrbz": "1"}, {"xm": "乙某", "xfjzfrbz": "1"}])

    assert [person.primary for person in found.petitioners] == [True, False]
    assert codes(found) == ["several_primary"]


def test_a_field_list_may_stand_within_the_record() -> None:
    shape = {"list": "fields", "name": "n", "value": "v"}
    field_map = FieldMap.model_validate({"key": "id", "title": "标题", "descriptors": shape})
    record = {"id": 7, "fields": [{"n": "标题", "v": "甲"}]}

    (reading,) = read_feed(json.dumps(record).encode(), "", SOURCE, field_map)

    assert reading.identity == "door:7"
    assert reading.draft is not None
    assert reading.draft.title == "甲"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["1", "2026-03-01", "催办"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["xm", "sjh", "url", "blfs"]), inner),
    max_leaves=8,
)
FIELDS = [*BASE, "tsnr", "xfr", "blfs", "xgfj", "xfrs", "nmbz", "zssj", "xbjzsj", "xfmdmc", "nrflmc", "wtsddm", "xfjzt"]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # says only how busy the machine is
@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_whatever_a_record_holds_it_is_read_or_kept_aside(record: dict[str, Json]) -> None:
    reading = read_record(record, SOURCE, MAPS["sunshine"], PlaceRules())

    assert reading.identity.startswith("door:")
    assert (reading.disposition is Disposition.CASE) <= (reading.draft is not None)
    if reading.draft:
        json.dumps(reading.draft.model_dump(mode="json"), allow_nan=False).encode()


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("尊敬的局长：\n您好！\n我要反映收费问题。谢谢。", "我要反映收费问题。"),
        ("学校早读太早", "学校早读太早"),
        ("长" * 80, "长" * 49 + "…"),
    ],
)
def test_a_derived_title_is_the_first_sentence_that_says_something(text: str, title: str) -> None:
    assert first_sentence(text) == title


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("退回重办", "returned"),
        ("提出复查意见", "answered"),
        ("超期未作出复查意见", "reexamination"),
        ("提出复核意见", "answered"),
        ("超期未作出复核意见", "final_review"),
        ("超期未申请复查", "closed"),
        ("超期未申请复核", "closed"),
    ],
)
def test_the_states_of_a_petition_after_its_answer_are_known(word: str, code: str) -> None:
    assert draft(xfjzt=word).source_status.code == code


def test_a_step_tells_when_it_was_signed_for_or_accepted() -> None:
    steps: Json = [
        {"action": "签收", "time": "2026-03-03 08:30:00"},
        {"action": "签收", "time": "2026-03-02 11:00:00"},  # platforms list the latest first or last
        {"action": "签收", "time": "2026-03-01 11:00:00"},  # by whoever passed it on
        {"action": "签收", "time": "2027-03-01 11:00:00"},  # not yet
        {"action": "签收", "time": "昨天"},
    ]
    order: dict[str, Json] = {"roll_number": "1", "payroll_title": "标题", "dispatch_time": "2026-03-02 09:00:00"}
    signed = read_record({**order, "workflow": steps}, SOURCE, MAPS["hotline"]).draft
    accepted = draft(zssj="2026-03-02 09:00:00", blfs={"blfs": "受理", "blsj": "2026-03-04 10:00:00"})
    assert signed is not None

    assert (signed.signed_at, signed.accepted_at) == (datetime.fromisoformat("2026-03-02T11:00:00+08:00"), None)
    assert signed.source_fields["workflow"] == steps
    assert accepted.accepted_at == datetime.fromisoformat("2026-03-04T10:00:00+08:00")


def test_a_field_of_its_own_stands_above_the_steps() -> None:
    shape = {"list": "steps", "word": "w", "at": "t", "times": {"受理": "accepted_at"}}
    field_map = FieldMap.model_validate({"key": "id", "title": "标题", "accepted_at": "受理时间", "steps": shape})
    record: dict[str, Json] = {
        "id": 7,
        "标题": "甲",
        "受理时间": "2026-03-03 10:00:00",
        "steps": [{"w": "受理", "t": "2026-03-04 10:00:00"}],
    }
    found = read_record(record, SOURCE, field_map).draft
    assert found is not None

    assert found.accepted_at == datetime.fromisoformat("2026-03-03T10:00:00+08:00")
