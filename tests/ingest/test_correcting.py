"""A person corrects a case's fields and takes corrections back, on both engines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from ingest import register
from ingest.compute import Correction
from ingest.office import Office, open_office
from ingest.operations import Answer, OperationRefused, perform
from normalize.case import (
    AttachmentRole,
    AttachmentState,
    Case,
    Category,
    Draft,
    Petitioner,
    Purpose,
    PurposeCode,
    RequestType,
    RequestTypeCode,
    Warning_,
)
from normalize.reading import Part, Reading, Signal, SignalKind
from normalize.rules import Rules
from normalize.understand import understand
from store.schema import correction, history
from tests.ingest.config_files import MAILBOX, SEALING, loaded
from tests.ingest.desk import Desk, reading
from tests.place import Place

TARGETS = """targets:
  oa: {url: 'http://127.0.0.1:1/w', secret: '${SECRET}'}
  line: {url: 'http://127.0.0.1:1/l', secret: '${SECRET}', restricted: only}
"""


@pytest.fixture
async def office(place: Place) -> AsyncIterator[Office]:
    text = f"database: '{place.database}'\ndata: {{folder: {place.folder / 'data'}}}\n"
    opened = open_office(loaded(place.folder, f"{text}{SEALING}channels: {{box: {MAILBOX}}}\n{TARGETS}"))
    yield opened
    await opened.close()


@pytest.fixture
def desk(office: Office) -> Desk:
    return Desk(office.store, office.desk, office.clock())


def taken_in(desk: Desk, **values: Any) -> str:
    (case_id,) = desk.take_in(reading("x:1", **values), key="1")
    return case_id


async def correct(office: Office, case_id: str, changes: Mapping[str, Any], **more: Any) -> Answer:
    return await perform(office, "correct", {"case": case_id, "changes": changes, **more}, "wang")


async def undo(office: Office, case_id: str, **which: Any) -> Answer:
    return await perform(office, "uncorrect", {"case": case_id, **which}, "li")


def revision_changes(desk: Desk, case_id: str) -> list[str]:
    """What the last event says has changed."""
    return [one["field"] for one in desk.bodies()[-1]["data"]["change"]]


async def test_topics_that_are_typed_stand_in_the_order_they_are_typed_in(office: Office, desk: Desk) -> None:
    case_id = taken_in(desk, topics=("meals", "fees"))

    await correct(office, case_id, {"topics": "fees, meals"})
    with pytest.raises(OperationRefused, match="everything stands so already"):
        await correct(office, case_id, {"topics": "fees,meals"})

    assert desk.case(case_id).topics == ("fees", "meals")


async def test_several_fields_are_corrected_in_one_revision_and_one_event(office: Office, desk: Desk) -> None:
    case_id = taken_in(desk)
    number = desk.case(case_id).case_no
    changes = {
        "title": "课后服务收费",
        "request_type": "complaint",
        "topics": ["fees"],
        "phones": "13911112222, 0519-81234567",
        "name": "顾晓堂",
        "region": "天宁区",
        "petition_date": "2026-02-28",
        "needs_review": "no",
    }
    answer = await correct(office, number, changes, revision=1)
    case = desk.case(case_id)

    assert (answer["case_no"], answer["revision"], answer["restricted"]) == (number, 2, None)
    assert (case.title, case.request_type.code, case.topics) == ("课后服务收费", "complaint", ("fees",))
    assert case.petitioners[0].name == "顾晓堂"
    assert case.petitioners[0].phones == ("13911112222", "0519-81234567")
    assert (case.region.code, case.region.name) == ("320402", "天宁区")
    assert str(case.petition_date) == "2026-02-28"
    assert desk.events() == ["case.created", "case.updated"]
    assert revision_changes(desk, case_id) == [
        "title", "request_type", "topics", "petitioners", "region", "petition_date",
    ]  # fmt: skip


async def test_who_corrected_what_stands_in_the_history_without_the_words(office: Office, desk: Desk) -> None:
    case_id = taken_in(desk)
    await correct(office, case_id, {"title": "更正后的标题"})
    await undo(office, case_id, field="title")

    rows = await office.store.read(
        lambda conn: conn.execute(
            select(history).where(history.c.case_id == case_id, history.c.actor != "xinqiao").order_by(history.c.id)
        ).all()
    )
    assert [(row.actor, row.kind, row.detail) for row in rows] == [
        ("wang", "corrected", {"field": "title"}),
        ("wang", "revised", {"revision": 2, "fields": ["title"]}),
        ("li", "uncorrected", {"field": "title"}),
        ("li", "revised", {"revision": 3, "fields": ["title"]}),
    ]


async def test_undoing_brings_back_what_was_before_and_keeps_who_did_it(office: Office, desk: Desk) -> None:
    case_id = taken_in(desk)
    read = desk.case(case_id).title
    await correct(office, case_id, {"title": "第一次更正"})
    await correct(office, case_id, {"title": "第二次更正"})

    await undo(office, case_id, field="title")
    assert desk.case(case_id).title == "第一次更正"
    await undo(office, case_id, field="title")
    assert desk.case(case_id).title == read
    with pytest.raises(OperationRefused, match="title has no correction to undo"):
        await undo(office, case_id, field="title")

    rows = await office.store.read(lambda conn: conn.execute(select(correction).order_by(correction.c.id)).all())
    assert [(row.author, row.undone_by, row.undone_at is not None) for row in rows] == [("wang", "li", True)] * 2


async def test_an_earlier_correction_is_not_undone_from_under_a_later_one(office: Office, desk: Desk) -> None:
    case_id = taken_in(desk)
    await correct(office, case_id, {"title": "第一次更正"})
    await correct(office, case_id, {"title": "第二次更正"})
    standing = await office.store.read(lambda conn: register.corrections(conn, office.store.sealer, case_id))

    with pytest.raises(OperationRefused, match="no correction to undo"):
        await undo(office, case_id, correction=standing[0].id)
    await undo(office, case_id, correction=standing[1].id, revision=3)

    assert desk.case(case_id).title == "第一次更正"


async def test_corrections_outlive_a_change_at_the_source_and_undoing_shows_it(office: Office, desk: Desk) -> None:
    case_id = taken_in(desk, title="旧标题")
    await correct(office, case_id, {"title": "更正后的标题"})
    desk.take_in(reading("x:1", title="来源的新标题"), key="1")
    assert desk.case(case_id).title == "更正后的标题"

    await undo(office, case_id, field="title")

    assert desk.case(case_id).title == "来源的新标题"


async def test_a_revision_that_is_not_the_last_is_not_corrected(office: Office, desk: Desk) -> None:
    case_id = taken_in(desk)
    await correct(office, case_id, {"title": "别人的更正"}, revision=1)

    for act in (
        correct(office, case_id, {"title": "我的更正"}, revision=1),
        undo(office, case_id, field="title", revision=1),
    ):
        with pytest.raises(OperationRefused, match="has changed meanwhile") as refused:
            await act
        assert refused.value.code == "changed"
    assert desk.case(case_id).title == "别人的更正"


async def test_all_that_does_not_fit_is_told_at_once_and_nothing_is_changed(office: Office, desk: Desk) -> None:
    case_id = taken_in(desk)
    changes = {"title": "", "petition_date": "昨天", "phones": "打我手机", "summary": "写得对"}

    with pytest.raises(OperationRefused) as refused:
        await correct(office, case_id, changes)

    assert refused.value.problems == {"title": "empty", "petition_date": "day", "petitioners.0.phones": "phone"}
    assert "petition_date: expected a date such as 2026-03-01" in str(refused.value)
    assert desk.case(case_id).revision == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"colour": "blue"}, "colour: no such field; there are title, content"),
        ({"petitioners.3.name": "甲"}, "no such field"),
        ({"title": "关于课后延时服务收费的疑问"}, "everything stands so already"),
        ({}, "everything stands so already"),
    ],
)
async def test_what_makes_no_sense_is_said(office: Office, desk: Desk, changes: dict[str, str], said: str) -> None:
    case_id = taken_in(desk)

    with pytest.raises(OperationRefused, match=said):
        await correct(office, case_id, changes)
    with pytest.raises(OperationRefused, match="there is no such case"):
        await correct(office, "2026-999999", {"title": "x"})


async def test_a_person_is_added_as_one_correction_and_found_by_his_phone(office: Office, desk: Desk) -> None:
    case_id = taken_in(desk, petitioners=())
    answer = await correct(office, case_id, {"name": "顾晓棠", "phones": "13911112222"})
    await correct(office, case_id, {"petitioners.1.name": "李建国"})
    case = desk.case(case_id)

    assert answer["changed"] == ["petitioners.0"]
    assert case.petitioners == (
        Petitioner(primary=True, name="顾晓棠", phones=("13911112222",)), Petitioner(name="李建国"),
    )  # fmt: skip
    await undo(office, case_id, field="petitioners.1")
    assert len(desk.case(case_id).petitioners) == 1


A = Petitioner(name="顾晓棠", primary=True, phones=("13900000000",))
B, C = Petitioner(name="李建国"), Petitioner(name="陈秋萍")


async def test_whom_a_clerk_added_stays_behind_all_whom_the_source_names_later(office: Office, desk: Desk) -> None:
    case_id = taken_in(desk, petitioners=(A,))
    await correct(office, case_id, {"petitioners.1.name": B.name})
    await correct(office, case_id, {"petitioners.1.phones": "13911112222"})

    desk.take_in(reading("x:1", petitioners=(A, C)), key="1")

    added = B.model_copy(update={"phones": ("13911112222",)})
    assert desk.case(case_id).petitioners == (A, C, added)
    desk.take_in(reading("x:1", petitioners=()), key="1")
    assert desk.case(case_id).petitioners == (added,)


async def test_a_correction_follows_its_person_and_is_never_anothers(office: Office, desk: Desk) -> None:
    case_id = taken_in(desk, petitioners=(A,))
    await correct(office, case_id, {"petitioners.1.name": B.name})
    desk.take_in(reading("x:1", petitioners=(A, C)), key="1")
    await correct(office, case_id, {"petitioners.1.phones": "13911112222"})  # C's, who stands there now
    await correct(office, case_id, {"petitioners.2.phones": "13922223333"})  # B's

    other = Petitioner(name="王小明")
    desk.take_in(reading("x:1", petitioners=(other, A, C)), key="1")

    by_name = {one.name: one.phones for one in desk.case(case_id).petitioners}
    assert by_name == {"王小明": (), A.name: A.phones, C.name: ("13911112222",), B.name: ("13922223333",)}
    desk.take_in(reading("x:1", petitioners=(A,)), key="1")
    case = desk.case(case_id)
    assert {one.name: one.phones for one in case.petitioners} == {A.name: A.phones, B.name: ("13922223333",)}
    (warning,) = case.warnings
    assert (warning.code, warning.text) == (
        "correction_not_applied",
        "更正 petitioners.1.phones 已不适用：所更正的人，来源已不再列出",
    )


async def test_what_is_corrected_of_one_person_at_once_follows_him_together(office: Office, desk: Desk) -> None:
    case_id = taken_in(desk, petitioners=(A, C))
    changes = {"name": "顾晓堂", "phones": "13911112222", "address": "桃溪路 1 号"}
    await correct(office, case_id, {f"petitioners.0.{name}": value for name, value in changes.items()})
    desk.take_in(reading("x:1", petitioners=(B, A, C)), key="1")
    case = desk.case(case_id)
    desk.take_in(reading("x:1", petitioners=(C, B)), key="1")  # A is gone, C stands in his place
    after = desk.case(case_id)

    assert (case.petitioners[1].name, case.petitioners[1].phones, case.petitioners[1].address) == (
        "顾晓堂", ("13911112222",), "桃溪路 1 号",
    )  # fmt: skip
    assert case.petitioners[0] == B
    assert after.petitioners == (C, B)
    assert [one.code for one in after.warnings] == ["correction_not_applied"] * 3


async def test_a_correction_of_an_added_person_from_before_it_said_whose_it_is_follows_him(
    office: Office, desk: Desk
) -> None:
    case_id = taken_in(desk, petitioners=(A,))
    await correct(office, case_id, {"petitioners.1.name": B.name})
    phone = Correction("petitioners.1.phones", ["13911112222"])
    desk.write(lambda conn: desk.desk.correct(conn, case_id, [phone], "wang", desk.now))
    desk.take_in(reading("x:1", petitioners=(A, C)), key="1")

    assert {one.name: one.phones for one in desk.case(case_id).petitioners}[B.name] == ("13911112222",)


async def test_a_name_corrected_and_taken_back_keeps_what_else_was_corrected_of_him(office: Office, desk: Desk) -> None:
    case_id = taken_in(desk, petitioners=(A,))
    await correct(office, case_id, {"petitioners.0.name": "顾晓堂"})
    await correct(office, case_id, {"petitioners.0.address": "桃溪路 1 号"})
    await undo(office, case_id, field="petitioners.0.name")

    (one,) = desk.case(case_id).petitioners
    assert (one.name, one.address) == (A.name, "桃溪路 1 号")


async def test_whom_the_source_names_by_now_is_not_there_twice(office: Office, desk: Desk) -> None:
    case_id = taken_in(desk, petitioners=())
    await correct(office, case_id, {"name": B.name, "phones": "13911112222"})
    known = B.model_copy(update={"address": "桃溪路 1 号"})

    desk.take_in(reading("x:1", petitioners=(A, known)), key="1")

    assert desk.case(case_id).petitioners == (A, known.model_copy(update={"phones": ("13911112222",)}))
    other = known.model_copy(update={"phones": ("13700000000",)})
    desk.take_in(reading("x:1", petitioners=(A, other)), key="1")
    namesake = B.model_copy(update={"phones": ("13911112222",)})
    assert desk.case(case_id).petitioners == (A, other, namesake)


async def test_dates_move_the_deadlines(office: Office, desk: Desk) -> None:
    case_id = taken_in(desk)
    before = desk.case(case_id).deadlines
    await correct(office, case_id, {"received_at": "2026-03-05T10:00"})

    assert {one.due_at for one in desk.case(case_id).deadlines} != {one.due_at for one in before}


async def test_a_correction_of_a_date_that_was_assumed_can_be_undone(office: Office, desk: Desk) -> None:
    assumed = (Warning_(code="received_at_assumed", text="…"),)
    case_id = taken_in(desk, warnings=assumed)
    before = desk.case(case_id)
    await correct(office, case_id, {"title": "更正后的标题"})
    await correct(office, case_id, {"received_at": "2026-02-08T09:00"})
    desk.take_in(reading("x:1", warnings=assumed, received_at=desk.now, topics=("fees",)), key="1")
    corrected = desk.case(case_id)
    await undo(office, case_id, field="received_at")
    after = desk.case(case_id)

    assert f"{corrected.received_at:%Y-%m-%d}" == "2026-02-08"
    assert after.received_at == before.received_at
    assert [one.due_at for one in after.deadlines] == [one.due_at for one in before.deadlines]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"purpose": "accusation"}, "purpose accusation"),
        ({"request_type": "report"}, "type report"),
        ({"confidential_requested": "yes"}, "confidentiality requested"),
        ({"content": "实名举报校长王某某贪污课后服务费，收受回扣二十万元，证据确凿。"}, "text accuses someone"),
    ],
)
async def test_a_correction_that_shows_an_accusation_closes_the_case(
    office: Office, desk: Desk, changes: dict[str, str], reason: str
) -> None:
    case_id = taken_in(desk)
    answer = await correct(office, case_id, changes)
    case = desk.case(case_id)

    assert answer["restricted"] == reason
    assert (case.restricted, case.restricted_reason, case.revision) == (True, reason, 2)
    by_target = [(row[0], row[1], row[3]) for row in desk.deliveries()]
    assert ("oa", "case.created", "dropped") in by_target  # it was taken back before it went
    assert ("line", "case.created", "waiting") in by_target or ("line", "case.updated", "waiting") in by_target
    assert not any(
        name == "oa" and state == "waiting" and type_ != "case.withdrawn" for name, type_, state in by_target
    )


@pytest.mark.parametrize("field", ["subject_party", "addressee", "summary"])
async def test_a_correction_that_names_one_of_the_offices_own_words_closes_the_case(
    office: Office, desk: Desk, field: str
) -> None:
    office.config = office.config.model_copy(update={"rules": named("王某某")})
    case_id = taken_in(desk)
    await correct(office, case_id, {field: "李某某"})
    assert not desk.case(case_id).restricted

    await correct(office, case_id, {field: "王某某同志"})

    case = desk.case(case_id)
    assert (case.restricted, case.restricted_reason) == (True, "configured term")


async def test_what_names_an_own_word_is_closed_by_whatever_correction_of_its_words(office: Office, desk: Desk) -> None:
    """The word was configured after the matter was read."""
    case_id = taken_in(desk, source_fields={"remark": "与王某某有关"})
    office.config = office.config.model_copy(update={"rules": named("王某某")})
    await correct(office, case_id, {"urgency": "urgent"})
    assert not desk.case(case_id).restricted

    await correct(office, case_id, {"title": "另一个标题"})

    assert desk.case(case_id).restricted


async def test_a_case_a_person_opened_is_closed_again_when_the_source_names_an_own_word(
    office: Office, desk: Desk
) -> None:
    rules = named("王某某")
    harmless = reading("x:1", content="附上控告材料一份。", request_type=RequestType(code=RequestTypeCode.COMPLAINT))
    more = replace(harmless, draft=draft_with(harmless, source_fields={"remark": "与王某某有关"}))
    (case_id,) = desk.take_in(understood(harmless, rules), key="1")
    await correct(office, case_id, {"restricted": "no"})
    desk.take_in(understood(harmless, rules), key="1")
    assert not desk.case(case_id).restricted

    desk.take_in(understood(more, rules), key="1")

    case = desk.case(case_id)
    assert (case.restricted, case.restricted_reason) == (True, "configured term")


@pytest.mark.parametrize(
    "values",
    [
        {"category": Category(path=("纪检监察", "干部作风"))},
        {"restricted": True, "restricted_reason": "confidentiality or purpose unreadable"},
    ],
)
async def test_a_case_a_person_opened_is_closed_again_when_its_source_calls_it_otherwise(
    office: Office, desk: Desk, values: dict[str, Any]
) -> None:
    harmless = reading("x:1", content="附上说明一份。", request_type=RequestType(code=RequestTypeCode.COMPLAINT))
    more = replace(harmless, draft=draft_with(harmless, **values))
    (case_id,) = desk.take_in(understood(harmless, Rules()), key="1")
    await correct(office, case_id, {"restricted": "yes", "restricted_reason": "decided by a person"})
    await correct(office, case_id, {"restricted": "no"})
    desk.take_in(understood(harmless, Rules()), key="1")
    assert not desk.case(case_id).restricted

    desk.take_in(understood(more, Rules()), key="1")

    assert desk.case(case_id).restricted


def named(term: str) -> Rules:
    return Rules.model_validate({"restrict": {"terms": [term]}})


def draft_with(one: Reading, **values: Any) -> Draft:
    assert one.draft is not None
    return one.draft.model_copy(update=values)


def understood(one: Reading, rules: Rules) -> Reading:
    return replace(one, draft=understand(draft_with(one), rules))


async def test_a_case_is_closed_and_opened_with_its_reason(office: Office, desk: Desk) -> None:
    case_id = taken_in(desk)
    with pytest.raises(OperationRefused) as refused:
        await correct(office, case_id, {"restricted": "yes"})
    assert refused.value.problems == {"restricted_reason": "empty"}
    with pytest.raises(OperationRefused) as refused:
        await correct(office, case_id, {"restricted_reason": "decided by a person"})
    assert refused.value.problems == {"restricted": "reason"}

    await correct(office, case_id, {"restricted": "yes", "restricted_reason": "decided by a person"})
    closed = desk.case(case_id)
    await correct(office, case_id, {"restricted": "no"})
    opened = desk.case(case_id)
    await undo(office, case_id, field="restricted")
    again = desk.case(case_id)

    assert [(one.restricted, one.restricted_reason) for one in (closed, opened, again)] == [
        (True, "decided by a person"), (False, None), (True, "decided by a person"),
    ]  # fmt: skip


async def test_a_case_a_person_opened_is_not_closed_again_for_the_same_words(office: Office, desk: Desk) -> None:
    case_id = taken_in(
        desk, restricted=True, restricted_reason="text accuses someone", content="举报校长贪污受贿。",
        request_type=RequestType(code=RequestTypeCode.COMPLAINT), purpose=Purpose(code=PurposeCode.APPEAL),
    )  # fmt: skip
    await correct(office, case_id, {"restricted": "no"})
    answer = await correct(office, case_id, {"content": "举报校长贪污受贿。（已核实为误会）"})
    assert (answer["restricted"], desk.case(case_id).restricted) == (None, False)

    answer = await correct(office, case_id, {"purpose": "accusation"})
    assert (answer["restricted"], desk.case(case_id).restricted) == ("purpose accusation", True)


async def test_a_case_a_person_opened_is_closed_again_when_the_source_says_something_else(
    office: Office, desk: Desk
) -> None:
    harmless: dict[str, Any] = {
        "restricted": True,
        "restricted_reason": "text accuses someone",
        "content": "食堂的菜太咸，受贿一般难受。",
    }
    case_id = taken_in(desk, **harmless)
    await correct(office, case_id, {"restricted": "no"})
    desk.take_in(reading("x:1", topics=("meals",), **harmless), key="1")
    assert not desk.case(case_id).restricted  # the same words: his decision stands

    desk.take_in(reading("x:1", **{**harmless, "content": "举报校长张某受贿。"}), key="1")

    case = desk.case(case_id)
    assert (case.restricted, case.restricted_reason) == (True, "text accuses someone")
    told = list(zip(desk.deliveries(), desk.bodies(), strict=True))
    assert {row[0] for row, body in told if body["data"]["case"].get("content") == "举报校长张某受贿。"} == {"line"}
    assert desk.happenings(case_id)[-3:] == ["uncorrected", "uncorrected", "revised"]


@pytest.mark.parametrize(
    "more",
    [
        {"summary": "市民举报校长张某受贿。"},
        {"subject_party": "校长张某"},
        {"parts": (Part("证据.png", AttachmentRole.EVIDENCE, AttachmentState.PENDING, ref="files/1.png"),)},
        {"signals": (Signal(SignalKind.SUPPLEMENTED, "s1", None, "校长张某受贿"),)},
    ],
)
async def test_whatever_the_source_adds_that_may_accuse_closes_the_case_again(
    office: Office, desk: Desk, more: dict[str, Any]
) -> None:
    harmless: dict[str, Any] = {"restricted": True, "restricted_reason": "text accuses someone"}
    case_id = taken_in(desk, **harmless)
    await correct(office, case_id, {"restricted": "no", "content": "由人改写"})
    reminded = Signal(SignalKind.REMINDER, "r1", None, "催办")
    desk.take_in(reading("x:1", signals=(reminded,), **harmless), key="1")
    assert not desk.case(case_id).restricted

    desk.take_in(reading("x:1", **{**harmless, **more}), key="1")

    assert desk.case(case_id).restricted


async def test_a_better_reading_of_the_same_original_closes_what_a_person_opened(office: Office, desk: Desk) -> None:
    harmless: dict[str, Any] = {"restricted": True, "restricted_reason": "text accuses someone"}
    raw_id = desk.arrive(key="1")
    (case_id,) = desk.read(raw_id, reading("x:1", **harmless))
    await correct(office, case_id, {"restricted": "no", "title": "由人改写"})
    desk.read(raw_id, reading("x:1", title="另一个标题", **harmless))
    assert not desk.case(case_id).restricted  # what he wrote over it is not compared

    desk.read(raw_id, reading("x:1", content="举报校长张某受贿。", **harmless))

    assert desk.case(case_id).restricted


async def test_a_correction_of_the_summary_is_judged_as_well(office: Office, desk: Desk) -> None:
    case_id = taken_in(desk)
    await correct(office, case_id, {"summary": "市民实名举报某校乱收费。"})

    assert desk.case(case_id).restricted


async def test_undoing_what_hid_an_accusation_closes_the_case(office: Office, desk: Desk) -> None:
    """The machine read an accusation, a person called it an appeal and opened the case; another takes that back."""
    accused = {
        "restricted": True,
        "restricted_reason": "purpose accusation",
        "purpose": Purpose(code=PurposeCode.ACCUSATION),
    }
    case_id = taken_in(desk, **accused)
    await correct(office, case_id, {"purpose": "appeal"})
    await correct(office, case_id, {"restricted": "no"})
    answer = await undo(office, case_id, field="purpose")
    case: Case = desk.case(case_id)

    assert answer["restricted"] == "purpose accusation"
    assert (case.purpose.code, case.restricted) == (PurposeCode.ACCUSATION, True)


async def test_a_target_that_takes_no_restricted_cases_gets_no_correction_of_one(office: Office, desk: Desk) -> None:
    case_id = taken_in(desk, restricted=True, restricted_reason="type report")
    await correct(office, case_id, {"title": "更正的举报"})

    assert {row[0] for row in desk.deliveries()} == {"line"}
