"""What was kept aside is read again, registered by hand or laid aside, and nothing automatic undoes that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from adapters.base import Batch, Raw, RawKind
from ingest import channels, inbox
from ingest.cases import Read
from ingest.inbox import End
from ingest.office import Office, open_office
from ingest.operations import Answer, OperationRefused, perform
from ingest.readings import prepare
from normalize.case import AttachmentRole, ReadingMethod
from normalize.reading import Disposition, Reading
from store import ledger
from store.schema import history, raw
from tests.ingest.config_files import MAILBOX, SEALING, loaded
from tests.ingest.desk import Desk, draft, reading
from tests.place import Place

TYPED = {
    "title": "要求核实课后服务收费",
    "content": "孩子在桃溪小学就读，\r\n延时服务费用没有公示。",
    "name": "顾晓棠",
    "phones": "13900000000",
    "region": "天宁区",
}
CONFIG = """
channels:
  box: MAILBOX
  scans: {kind: letters, folder: FOLDER/scans}
  hotline: {kind: hotline, base_url: http://127.0.0.1:1/, app_id: x, app_secret: '${TOKEN}'}
targets:
  oa: {url: 'http://127.0.0.1:1/w', secret: '${SECRET}'}
  line: {url: 'http://127.0.0.1:1/l', secret: '${SECRET}', restricted: only}
"""


@pytest.fixture
async def office(place: Place) -> AsyncIterator[Office]:
    head = f"database: '{place.database}'\ndata: {{folder: {place.folder / 'data'}}}\n{SEALING}"
    text = head + CONFIG.replace("MAILBOX", MAILBOX).replace("FOLDER", str(place.folder))
    opened = open_office(loaded(place.folder, text))
    yield opened
    await opened.close()


@pytest.fixture
def desk(office: Office) -> Desk:
    return Desk(office.store, office.desk, office.clock())


def keep_aside(
    desk: Desk, kind: RawKind = RawKind.LETTER, channel: str = "scans", content: bytes = b"%PDF-1.7 blurred",
    reason: str = "the scan cannot be read", key: str = "k1", **more: Any,
) -> int:  # fmt: skip
    """A Raw that nobody could read; its id."""
    one = Raw(kind, key, "v0", 0, f"{channel}/来信-{key}.pdf", **more)
    kept = {0: desk.store.blobs.prepare(content)}

    def write(conn: Connection) -> int:
        channels.enrol(conn, channel, desk.now, desk.now)
        batch = Batch((content,), (one,), {"at": 1})
        (number,) = inbox.store_batch(
            conn, channel, batch, [one], kept, blobs=desk.store.blobs, sealer=desk.store.sealer, now=desk.now
        )
        lane = inbox.read_lane(kind)
        for held in ledger.claim(conn, lane, now=desk.now, lease=timedelta(minutes=1)):
            ledger.done(conn, held)
        inbox.mark(conn, [End(number, "quarantined", reason)], desk.now)
        return number

    number: int = desk.write(write)
    return number


def read_by_program(desk: Desk, number: int, *found: Reading) -> list[str]:
    """The program reads the Raw again, whoever told it to."""

    def accept(conn: Connection) -> list[str]:
        row = inbox.load(conn, desk.store.sealer, number)
        made = [prepare(one, row.sha256, desk.store.blobs, desk.store.sealer) for one in found]
        return [case_id for _, case_id in desk.desk.accept(conn, [Read(row, made)], desk.now)]

    touched: list[str] = desk.write(accept)
    return touched


def state(desk: Desk, number: int) -> tuple[str, str | None, str | None]:
    row = desk.store.read_now(lambda conn: conn.execute(select(raw).where(raw.c.id == number)).one())
    return row.state, row.reason, row.closed_by


async def register(office: Office, number: int, fields: dict[str, Any] | None = None, **more: Any) -> Answer:
    return await perform(office, "quarantine-register", {"raw": number, "fields": fields or TYPED, **more}, "wang")


async def dismiss(office: Office, number: int, reason: str, note: str = "") -> Answer:
    return await perform(office, "quarantine-dismiss", {"raw": number, "reason": reason, "note": note}, "wang")


async def read_again(office: Office, number: int) -> Answer:
    return await perform(office, "quarantine-read", {"raw": number}, "li")


async def test_what_was_typed_becomes_a_case_with_number_deadlines_event_and_original(
    office: Office, desk: Desk
) -> None:
    number = keep_aside(desk)
    answer = await register(office, number, part=1)
    case = desk.case(answer["case_id"])

    assert answer["case_no"] == case.case_no == f"{office.clock():%Y}-000001"
    assert (case.title, case.content) == (TYPED["title"], "孩子在桃溪小学就读，\n延时服务费用没有公示。")
    assert (case.petitioners[0].name, case.petitioners[0].primary) == ("顾晓棠", True)
    assert (case.reading.method, case.reading.needs_review) == (ReadingMethod.TYPED, False)
    assert (case.channel, case.channel_kind, case.form.code) == ("scans", "letter", "letter")
    assert case.topics == ("after_school", "fees")  # what a person does not say, the rules do
    assert [one.kind for one in case.deadlines if one.due_at]
    (scan,) = case.attachments
    assert (scan.name, scan.role, scan.media_type) == ("来信-k1.pdf", AttachmentRole.SCAN, "application/pdf")
    assert desk.events() == ["case.created"]
    assert [row[0] for row in desk.deliveries()] == ["oa"]
    assert state(desk, number) == ("read", None, "wang")
    assert desk.happenings(case.case_id) == ["created", "registered"]


@pytest.mark.parametrize(
    ("kind", "channel", "identity", "attached"),
    [
        (RawKind.MAIL, "box", "sha256:", ["original-1.eml"]),
        (RawKind.RECORD, "hotline", "hotline:k1", []),  # its page holds other citizens' records
    ],
)
async def test_a_mail_is_attached_a_record_is_not(
    office: Office, desk: Desk, kind: RawKind, channel: str, identity: str, attached: list[str]
) -> None:
    number = keep_aside(desk, kind, channel, b"not what was expected")
    case = desk.case((await register(office, number))["case_id"])

    assert case.source_id.startswith(identity)
    assert [one.name for one in case.attachments] == attached


async def test_the_person_begins_with_what_the_program_made_out(office: Office, desk: Desk) -> None:
    number = keep_aside(desk, RawKind.RECORD, "hotline", b"{}")
    aside = reading("hotline:k1", disposition=Disposition.QUARANTINE, source_no="260301", title="读出的标题")
    read_by_program(desk, number, aside)
    answer = await register(office, number, {"title": "读出的标题", "content": "补上的内容"})
    case = desk.case(answer["case_id"])

    assert (case.title, case.content, case.source_no) == ("读出的标题", "补上的内容", "260301")
    assert case.reading.method is ReadingMethod.TYPED


async def test_a_mail_taken_for_an_automatic_one_is_listed_with_the_reason_and_registered(
    office: Office, desk: Desk
) -> None:
    """Whoever waits for a letter that never became a case finds it, with all the program made out of it."""
    number = keep_aside(desk, RawKind.MAIL, "box", b"From: a@b.example\n\n")
    reason = "邮件列表或订阅邮件（List-Id: jzxx），不是来信"
    read_by_program(desk, number, replace(reading("sha256:m", disposition=Disposition.AUTO), reason=reason))
    listed = await perform(office, "quarantine-list", {"state": "auto"}, "li")
    answer = await register(office, number, {"title": "食堂"}, part=1)

    assert [(one["raw_id"], one["reason"]) for one in listed["items"]] == [(number, reason)]
    assert (await perform(office, "quarantine-list", {}, "li"))["items"] == []
    case = desk.case(answer["case_id"])
    assert (case.title, case.petitioners[0].name) == ("食堂", "顾晓棠")
    assert state(desk, number) == ("read", None, "wang")

    read_by_program(desk, number, reading("sha256:m", disposition=Disposition.AUTO))

    assert (desk.case(answer["case_id"]).title, state(desk, number)) == ("食堂", ("read", None, "wang"))


async def test_a_mail_taken_for_an_automatic_one_is_read_again_when_it_is_named(office: Office, desk: Desk) -> None:
    number = keep_aside(desk, RawKind.MAIL, "box", b"From: a@b.example\n\n")
    read_by_program(desk, number, reading("sha256:m", disposition=Disposition.AUTO))
    await read_again(office, number)

    assert state(desk, number)[0] == "waiting"


async def test_an_accusation_that_is_typed_is_restricted_like_one_that_is_read(office: Office, desk: Desk) -> None:
    number = keep_aside(desk)
    answer = await register(
        office, number, {**TYPED, "content": "实名举报校长王某某贪污课后服务费，收受回扣二十万元，证据确凿。"}
    )

    assert answer["restricted"] is not None
    assert desk.case(answer["case_id"]).restricted
    assert {row[0] for row in desk.deliveries()} == {"line"}


async def test_what_the_person_says_goes_before_what_the_rules_say(office: Office, desk: Desk) -> None:
    number = keep_aside(desk)
    said = {**TYPED, "request_type": "praise", "topics": ["safety"], "urgency": "urgent", "purpose": "suggestion"}
    case = desk.case((await register(office, number, said))["case_id"])

    assert (case.request_type.code, case.topics, case.urgency) == ("praise", ("safety",), "urgent")
    assert case.purpose.code == "suggestion"


async def test_a_type_that_makes_it_an_accusation_restricts_it(office: Office, desk: Desk) -> None:
    number = keep_aside(desk)
    answer = await register(office, number, {**TYPED, "purpose": "accusation"})

    assert answer["restricted"] == "purpose accusation"


async def test_a_later_reading_does_not_undo_what_was_typed(office: Office, desk: Desk) -> None:
    """Neither one that is asked for nor a stray one, whether it finds something or nothing."""
    number = keep_aside(desk)
    case_id = (await register(office, number))["case_id"]
    answer = await perform(office, "replay-read", {"since": "2000-01-01T00:00:00+00:00"}, "li")
    assert answer["raws"] == []
    read_by_program(desk, number, reading(f"sha256:{number}", title="机器读出的标题"))
    read_by_program(desk, number, reading(f"sha256:{number}", disposition=Disposition.QUARANTINE))
    desk.write(lambda conn: inbox.mark(conn, [End(number, "quarantined", "unreadable")], desk.now))

    assert desk.case(case_id).title == TYPED["title"]
    assert desk.case(case_id).revision == 1
    assert desk.count() == 1
    assert state(desk, number) == ("read", None, "wang")
    with pytest.raises(OperationRefused, match="not in quarantine"):
        await read_again(office, number)


async def test_a_scan_of_several_letters_is_registered_letter_by_letter(office: Office, desk: Desk) -> None:
    number = keep_aside(desk)
    first = await register(office, number, {"title": "第一封"}, part=1, more=True)
    assert (first["left"], state(desk, number)[0]) == (True, "quarantined")
    with pytest.raises(OperationRefused, match="somebody has just registered that matter"):
        await register(office, number, {"title": "又是第一封"}, part=1)
    with pytest.raises(OperationRefused, match="wang is registering it by hand"):
        await read_again(office, number)
    second = await register(office, number, {"title": "第二封"}, part=2)

    assert (second["left"], state(desk, number)) == (False, ("read", None, "wang"))
    titles = [desk.case(one["case_id"]).title for one in (first, second)]
    assert titles == ["第一封", "第二封"]
    assert [one.code for one in desk.case(second["case_id"]).warnings] == ["received_at_assumed", "shared_scan"]


async def test_the_part_the_program_gave_up_is_registered_beside_what_it_read(office: Office, desk: Desk) -> None:
    number = keep_aside(desk)
    aside = Reading(Disposition.QUARANTINE, "sha256:x#2", "not legible", None)
    (read,) = read_by_program(desk, number, reading("sha256:x", title="读懂的一封"), aside)
    answer = await register(office, number, {"title": "没读懂的一封"}, part=2)

    assert state(desk, number)[0] == "read"
    assert answer["case_id"] != read
    assert desk.case(answer["case_id"]).source_id == "sha256:x#2"
    assert desk.case(read).title == "读懂的一封"


async def test_what_does_not_fit_is_told_and_nothing_is_registered(office: Office, desk: Desk) -> None:
    number = keep_aside(desk)
    with pytest.raises(OperationRefused) as refused:
        await register(office, number, {"content": "没有标题", "petition_date": "昨天"})

    assert refused.value.problems == {"title": "empty", "petition_date": "day"}
    assert (desk.count(), state(desk, number)[0]) == (0, "quarantined")


async def test_a_new_version_at_the_source_revises_what_was_typed(office: Office, desk: Desk) -> None:
    number = keep_aside(desk, RawKind.RECORD, "hotline", b"{}")
    case_id = (await register(office, number))["case_id"]
    touched = desk.take_in(reading("hotline:k1", title="来源的第二版"), channel="hotline", key="k1")

    assert touched == [case_id]
    assert desk.case(case_id).title == "来源的第二版"


async def test_an_item_is_laid_aside_with_a_reason_and_a_sealed_note(office: Office, desk: Desk) -> None:
    number = keep_aside(desk)
    await dismiss(office, number, "other", "顾晓棠来电说是误寄")
    row = desk.store.read_now(lambda conn: conn.execute(select(raw).where(raw.c.id == number)).one())
    happened = desk.store.read_now(lambda conn: conn.execute(select(history)).all())

    assert state(desk, number) == ("dismissed", "other", "wang")
    assert desk.store.read_now(lambda conn: inbox.note_of(conn, desk.store.sealer, number)) == "顾晓棠来电说是误寄"
    assert "顾晓棠".encode() not in row.sealed_note
    assert [(one.kind, one.actor, one.detail) for one in happened] == [
        ("dismissed", "wang", {"raw": number, "reason": "other"})
    ]
    listed = await perform(office, "quarantine-list", {"state": "dismissed"}, "li")
    assert [(one["raw_id"], one["reason"]) for one in listed["items"]] == [(number, "other")]
    assert (await perform(office, "quarantine-list", {}, "li"))["items"] == []


@pytest.mark.parametrize(("reason", "note"), [("boring", ""), ("other", "  "), ("duplicate", "x" * 501)])
async def test_laying_aside_needs_a_reason(office: Office, desk: Desk, reason: str, note: str) -> None:
    number = keep_aside(desk)

    with pytest.raises(OperationRefused, match="expected a"):
        await dismiss(office, number, reason, note)
    assert state(desk, number)[0] == "quarantined"


async def test_what_was_laid_aside_is_read_again_only_when_it_is_named(office: Office, desk: Desk) -> None:
    number = keep_aside(desk)
    await dismiss(office, number, "duplicate")
    asked = await perform(office, "replay-read", {"since": "2000-01-01T00:00:00+00:00"}, "li")
    assert (asked["raws"], state(desk, number)[0]) == ([], "dismissed")

    await read_again(office, number)

    assert state(desk, number) == ("waiting", None, None)
    assert desk.store.read_now(ledger.counts) == {"read:letter": {"ready": 1}}
    (touched,) = read_by_program(desk, number, Reading(Disposition.CASE, "sha256:k1", None, draft()))
    assert (state(desk, number)[0], desk.case(touched).revision) == ("read", 1)


async def test_one_item_is_read_again_by_its_number(office: Office, desk: Desk) -> None:
    first, second = keep_aside(desk), keep_aside(desk, key="k2")
    await read_again(office, second)
    rows = desk.store.read_now(lambda conn: conn.execute(select(history)).all())

    assert (state(desk, first)[0], state(desk, second)[0]) == ("quarantined", "waiting")
    assert [(one.kind, one.actor, one.detail) for one in rows] == [("replayed", "li", {"raw": second})]
    for act in (read_again(office, second), dismiss(office, second, "test"), register(office, second)):
        with pytest.raises(OperationRefused, match="about to be read"):
            await act


async def test_what_waits_in_a_long_line_to_be_read_again_is_read_at_once_when_it_is_named(
    office: Office, desk: Desk
) -> None:
    keep_aside(desk)
    second = keep_aside(desk, key="k2")
    await perform(office, "replay-read", {"quarantine": True, "rate": 1 / 1000}, "li")

    await read_again(office, second)

    assert desk.store.read_now(ledger.counts) == {"again:letter": {"ready": 1}, "read:letter": {"ready": 1}}


async def test_a_reason_is_listed_in_the_installations_language_whatever_it_was_stored_in(
    office: Office, desk: Desk
) -> None:
    keep_aside(desk, reason="the scan cannot be read: 图片文件头无法读取，文件损坏或不完整")
    keep_aside(desk, reason="scans: the file is empty; it stays in the folder", key="k2")

    listed = await perform(office, "quarantine-list", {}, "li")
    status = await perform(office, "status", {}, "li")

    said = ["scans：文件是空的；留在原文件夹", "扫描件无法读取：图片文件头无法读取，文件损坏或不完整"]
    assert [one["reason"] for one in listed["items"]] == said
    assert [one["reason"] for one in status["quarantine"]] == said
