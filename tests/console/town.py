"""An invented bureau: a few cases of every kind, written through the same functions the daemon uses."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert

from adapters.base import Raw, RawKind
from ingest import register
from ingest.accounts import Role, add_account, hash_password
from ingest.fields import document_of
from ingest.history import record_history
from ingest.register import NewCase, Timing
from normalize.case import (
    Attachment,
    AttachmentRole,
    AttachmentState,
    Case,
    ChannelKind,
    Deadline,
    DeadlineKind,
    Petitioner,
    Purpose,
    PurposeCode,
    ReadingMethod,
    ReadingNote,
    Receipt,
    Related,
    Relation,
    RequestType,
    RequestTypeCode,
    Triage,
    Urgency,
    Warning_,
)
from store import ledger
from store.engine import Store
from store.schema import attachment, attempt, channel, correction, delivery, event, raw, reading, target

NOW = datetime(2026, 3, 9, 2, 30, tzinfo=UTC)
PASSWORD = "纸船-過河-2026"

SECRET_NAME = "钱守拙"
SECRET_PHONE = "13900007788"
SECRET_WORDS = "食堂采购回扣"
"""What nobody but the discipline line may ever read."""


def person(name: str, phone: str, **more: Any) -> Petitioner:
    return Petitioner(primary=True, name=name, phones=(phone,), **more)


@dataclass(frozen=True)
class Town:
    """The ids of what was written."""

    fees: str
    bus: str
    praise: str
    letter: str
    accusation: str
    shared_accusation: str
    scan_raw: int
    quarantined: int
    suspected: int
    photo_sha: str
    scan_sha: str


def png(width: int = 320, height: int = 440) -> bytes:
    """A pale sheet with grey lines, as a scan."""
    rows = b"".join(
        b"\0" + bytes((120 if y % 28 < 3 and 30 < x < width - 30 else 246) for x in range(width)) for y in range(height)
    )

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


MAIL = """\
From: =?utf-8?b?6ZmI5pmT5Y2X?= <chen.xn@mail.example>
To: director@edu.example
Date: Sat, 07 Mar 2026 19:20:11 +0800
Subject: =?utf-8?b?5qCh6L2m57q/6Lev5bu66K6u?=
Message-ID: <bus-1@mail.example>
Content-Type: text/html; charset=utf-8

<p>局长您好：</p><p>建议校车线路经过<b>柳堤新村</b>东门。</p><script>alert('run')</script>
<img src="https://tracker.example/p.gif" onerror="alert(1)"><a href="javascript:alert(2)">点我</a>
<table style="position:fixed"><tr><td colspan="2">7:10</td></tr></table>
""".replace("\n", "\r\n").encode()

RECORD = {"roll_number": "260306101500112233", "payroll_title": "课后服务收费问题", "call_number": "13800001234"}


def deadline(due: datetime | None, kind: DeadlineKind = DeadlineKind.REPLY, **more: Any) -> Deadline:
    return Deadline(rule=f"t.{kind.value}", kind=kind, starts="received_at", due_at=due, **more)


def make_case(number: int, at: datetime, title: str, **fields: Any) -> Case:
    values: dict[str, Any] = {
        "case_id": f"01CASE{number:020d}",
        "case_no": f"2026-{number:06d}",
        "revision": 1,
        "channel": "city_hotline",
        "channel_kind": ChannelKind.HOTLINE,
        "source_id": f"city:{number}",
        "source_no": f"2603{number:014d}",
        "title": title,
        "content": f"{title}。请有关部门核实后答复。",
        "received_at": at,
        "ingested_at": at + timedelta(minutes=2),
        "receipts": (Receipt(channel="city_hotline", locator=f"order {number}", received_at=at, fetched_at=at),),
        "deadlines": (deadline(at + timedelta(days=15)),),
        "reading": ReadingNote(method=ReadingMethod.RECORD),
        "request_type": RequestType(code=RequestTypeCode.COMPLAINT, raw="投诉"),
    }
    return Case(**{**values, **fields})


def populate(store: Store, now: datetime = NOW) -> Town:
    """Write the town; returns what tests ask for."""
    store.submit(lambda conn: _accounts(conn, now)).result()
    return store.submit(lambda conn: _Writer(store, conn, now).write()).result()


def fill(store: Store, count: int, now: datetime = NOW) -> None:
    """Many ordinary cases, an hour apart, older than the town's own."""

    def write(conn: Connection) -> None:
        for number in range(1000, 1000 + count):
            at = now - timedelta(days=10, hours=number - 1000)
            case = make_case(number, at, f"第 {number} 号来电咨询入学材料", deadlines=())
            register.add(conn, store.sealer, [NewCase(case, case.model_dump_json(), f"fill:{number}")], now)

    store.submit(write).result()


def set_aside(store: Store, mail: bytes, now: datetime = NOW) -> int:
    """A mail that was kept aside; its number."""
    aside = {"state": "quarantined", "reason": "a mail nobody could read"}
    key = f"sha256:{_sha(mail)}"
    number: int = store.submit(
        lambda conn: _Writer(store, conn, now)._raw(RawKind.MAIL, "director_mailbox", key, mail, **aside)
    ).result()
    return number


def attach(store: Store, case_id: str, content: bytes, media_type: str, now: datetime = NOW) -> str:
    """One more file of a case; its hash."""
    prepared = store.blobs.prepare(content)

    def write(conn: Connection) -> None:
        store.blobs.keep(conn, prepared, now)
        _Writer(store, conn, now)._attach(case_id, prepared.sha256, media_type, prepared.size)

    store.submit(write).result()
    return prepared.sha256


_HASHED = hash_password("anybody", PASSWORD)


def _accounts(conn: Connection, now: datetime) -> None:
    for role in Role:
        add_account(conn, role.value, role, _HASHED, by="setup", now=now - timedelta(days=30))


@dataclass
class _Writer:
    store: Store
    conn: Connection
    now: datetime

    def write(self) -> Town:
        self._doors()
        fees, bus, praise = self._fees(), self._bus(), self._praise()
        letter, shared, scan_raw, scan_sha = self._letters()
        accusation = self._accusation(related=fees)
        photo = self._photo(fees)
        quarantined, suspected = self._quarantine()
        self._deliveries([fees, bus, praise, accusation])
        ledger.enqueue(self.conn, "fetch:city_hotline", {"attachment": 1}, now=self.now - timedelta(minutes=7))
        return Town(fees, bus, praise, letter, accusation, shared, scan_raw, quarantined, suspected, photo, scan_sha)

    def _ago(self, **gap: float) -> datetime:
        return self.now - timedelta(**gap)

    def _doors(self) -> None:
        ago = self._ago
        start = {"start_from": ago(days=60), "failures": 0, "skipped": 0}
        open_ = {
            "state": "open",
            "since": ago(days=12),
            "last_success_at": ago(minutes=3),
            "last_poll_at": ago(minutes=3),
        }
        rows = [
            {"name": "city_hotline", **start, **open_, "last_new_at": ago(minutes=41), "error": None},
            {"name": "director_mailbox", **start, **open_, "last_new_at": ago(hours=5), "error": None, "skipped": 214},
            {"name": "letters", **start, **open_, "last_new_at": ago(days=1), "error": None},
            {
                "name": "sunshine",
                **start,
                "state": "unavailable",
                "since": ago(minutes=50),
                "failures": 4,
                "last_success_at": ago(minutes=55),
                "last_poll_at": ago(minutes=2),
                "last_new_at": ago(days=2),
                "error": "sunshine: https://xf.example/api/xfj/list: no answer within 30 s",
            },
        ]
        for row in rows:
            self.conn.execute(insert(channel).values(row))
        self.conn.execute(
            insert(target).values(name="oa", state="open", since=ago(days=12), last_success_at=ago(minutes=1))
        )

    def _raw(self, kind: RawKind, channel_name: str, key: str, content: bytes, **more: Any) -> int:
        prepared = self.store.blobs.prepare(content)
        self.store.blobs.keep(self.conn, prepared, self.now)
        one = Raw(kind, key, "1", 0, f"{channel_name}:{key}")
        meta = json.dumps({"locator": one.locator, "meta": {}}).encode()
        row = {
            "channel": channel_name,
            "kind": kind.value,
            "key": key,
            "version": "1",
            "blob": prepared.sha256,
            "pointer": more.pop("pointer", ""),
            "received_at": self.now,
            "fetched_at": self.now,
            "state": "read",
            "sealed_meta": self.store.sealer.seal(meta, f"raw:{channel_name}:{key}:1"),
            **more,
        }
        return int(self.conn.execute(insert(raw).values(row).returning(raw.c.id)).scalar_one())

    def _enter(self, case: Case, raw_id: int | None = None, part: int = 1) -> str:
        new = NewCase(case, case.model_dump_json(), f"town:{case.case_no}")
        register.add(self.conn, self.store.sealer, [new], self.now)
        if raw_id is not None:
            register.add_receipt(self.conn, case.case_id, raw_id, part)
        detail = {"channel": case.channel, "raw": raw_id, "revision": 1}
        record_history(self.conn, case.case_id, "created", "xinqiao", detail, case.ingested_at)
        return case.case_id

    def _fees(self) -> str:
        page = json.dumps({"resultData": {"list": [{"other": SECRET_WORDS}, RECORD]}}, ensure_ascii=False).encode()
        raw_id = self._raw(RawKind.RECORD, "city_hotline", "260306", page, pointer="/resultData/list/1")
        at = self.now - timedelta(days=3)
        case = make_case(
            101, at, "课后服务收费没有公示，家长王秀兰要求退费，电话13800001234",
            petitioners=(
                person("王秀兰", "13800001234", id_no="32040219900101123X", address="天宁区柳堤新村 3 幢 502 室"),
                Petitioner(name="李建国", phones=("13700005678",)),
            ),
            content="孩子在花桥中学读初二。学校本学期课后服务每月收取三百元，没有公示收费依据，也不开发票。\n\n"
            "家长多次询问，班主任只说是统一安排。希望教育局核实收费标准，退还多收的部分。",
            urgency=Urgency.URGENT, topics=("fees", "after_school"), subject_party="花桥中学",
            deadlines=(
                deadline(self.now - timedelta(days=1, hours=1), DeadlineKind.SIGN, basis="热线办理规范"),
                deadline(self.now + timedelta(days=2), basis="信访工作条例 第二十三条"),
                deadline(None, DeadlineKind.CLOSE, provisional=True),
            ),
            warnings=(Warning_(code="deadline_differs", text="来源期限早于本单位计算的期限。"),),
            attachments=(
                Attachment(
                    name="收费通知照片.png", media_type="image/png", size=812, sha256=_sha(png(80, 60)),
                    role=AttachmentRole.EVIDENCE, state=AttachmentState.STORED,
                ),
            ),
            related=(
                Related(case_id=f"01CASE{105:020d}", relation=Relation.SAME_MATTER, score=0.91, reasons=("phone",)),
                Related(case_id=f"01CASE{102:020d}", relation=Relation.SAME_PERSON, score=0.62),
            ),
            source_fields={"gkbz": "1", "note": "市民要求回电"},
        )  # fmt: skip
        self._enter(case, raw_id)
        later = case.model_copy(
            update={"revision": 2, "title": case.title.replace("没有公示", "未公示"), "topics": ("fees",)}
        )
        register.revise(self.conn, self.store.sealer, later, "clerk", Timing(), self.now - timedelta(hours=20))
        sealed = self.store.sealer.seal('"未公示"'.encode(), f"correction:{case.case_id}:title")
        row = {"case_id": case.case_id, "field": "title", "sealed": sealed, "author": "clerk"}
        self.conn.execute(insert(correction).values(**row, at=self.now - timedelta(hours=20)))
        return case.case_id

    def _bus(self) -> str:
        raw_id = self._raw(RawKind.MAIL, "director_mailbox", "sha256:bus", MAIL)
        at = self.now - timedelta(hours=30)
        case = make_case(
            102, at, "校车线路建议", channel="director_mailbox", channel_kind=ChannelKind.MAILBOX,
            source_no="<bus-1@mail.example>",
            petitioners=(Petitioner(primary=True, name="陈晓南", email="chen.xn@mail.example"),),
            request_type=RequestType(code=RequestTypeCode.SUGGESTION, raw="意见", confidence=0.88),
            deadlines=(deadline(self.now + timedelta(days=13)),), reading=ReadingNote(method=ReadingMethod.MIME),
        )  # fmt: skip
        return self._enter(case, raw_id)

    def _praise(self) -> str:
        at = self.now - timedelta(hours=2)
        anonymous = make_case(103, at, "表扬杨老师课后耐心辅导", anonymous=True, deadlines=())
        return self._enter(anonymous.model_copy(update={"request_type": RequestType(code=RequestTypeCode.PRAISE)}))

    def _letters(self) -> tuple[str, str, int, str]:
        raw_id = self._raw(RawKind.LETTER, "letters", "sha256:batch", png())
        shown = {"channel": "letters", "channel_kind": ChannelKind.LETTER, "source_no": None}
        note = ReadingNote(method=ReadingMethod.OCR, confidence=0.71, needs_review=True, pages=1)
        scan = Attachment(
            name="批次.png", media_type="image/png", size=len(png()), sha256=_sha(png()),
            role=AttachmentRole.SCAN, state=AttachmentState.STORED,
        )  # fmt: skip
        letter = make_case(
            104, self.now - timedelta(days=1), "操场夜间照明不足", reading=note, attachments=(scan,),
            petitioners=(person("孙有田", "051988880000"),), triage=Triage.NEED_CONTACT, **shown,
        )  # fmt: skip
        hidden = make_case(
            106, self.now - timedelta(days=1), f"反映{SECRET_WORDS}（第二封）", reading=note, restricted=True,
            restricted_reason="text accuses someone", petitioners=(person(SECRET_NAME, SECRET_PHONE),), **shown,
        )  # fmt: skip
        ids = self._enter(letter, raw_id, 1), self._enter(hidden, raw_id, 2)
        self._attach(letter.case_id, _sha(png()), "image/png", len(png()))
        return *ids, raw_id, _sha(png())

    def _accusation(self, related: str) -> str:
        mail = f"From: a@mail.example\r\nSubject: x\r\n\r\n{SECRET_WORDS}，{SECRET_NAME}".encode()
        raw_id = self._raw(RawKind.MAIL, "director_mailbox", "sha256:accusation", mail)
        case = make_case(
            105, self.now - timedelta(hours=6), f"实名举报：{SECRET_WORDS}", channel="director_mailbox",
            channel_kind=ChannelKind.MAILBOX, source_no="<secret@mail.example>", restricted=True,
            restricted_reason="type report",
            petitioners=(person(SECRET_NAME, SECRET_PHONE, email="secret@mail.example"),),
            request_type=RequestType(code=RequestTypeCode.REPORT), purpose=Purpose(code=PurposeCode.ACCUSATION),
            deadlines=(deadline(self.now + timedelta(days=1)),), triage=Triage.DISCIPLINE, urgency=Urgency.CRITICAL,
            related=(Related(case_id=related, relation=Relation.SAME_MATTER, score=0.91),),
        )  # fmt: skip
        evidence = self.store.blobs.prepare(SECRET_WORDS.encode())
        self.store.blobs.keep(self.conn, evidence, self.now)
        self._enter(case, raw_id)
        self._attach(case.case_id, evidence.sha256, "text/plain", evidence.size)
        return case.case_id

    def _photo(self, case_id: str) -> str:
        prepared = self.store.blobs.prepare(png(80, 60))
        self.store.blobs.keep(self.conn, prepared, self.now)
        self._attach(case_id, prepared.sha256, "image/png", prepared.size)
        return prepared.sha256

    def _attach(self, case_id: str, sha: str, media_type: str, size: int) -> None:
        row = {"case_id": case_id, "key": f"sha256:{sha}", "channel": "x", "state": "stored", "sha256": sha}
        self.conn.execute(insert(attachment).values(**row, media_type=media_type, size=size))

    def _quarantine(self) -> tuple[int, int]:
        plain = self._raw(
            RawKind.MAIL, "director_mailbox", "sha256:odd", b"From: b@mail.example\r\n\r\n\xff\xfe",
            state="quarantined", reason="不是邮件：找不到 From、Subject、Date 等邮件头",
        )  # fmt: skip
        closed = self._raw(
            RawKind.LETTER, "letters", "sha256:blur", b"%PDF-1.4 " + SECRET_WORDS.encode(), state="quarantined",
            reason="scan: page 2 is not legible",
        )  # fmt: skip
        draft = document_of(make_case(900, self.now, "x", restricted=True, restricted_reason="text accuses someone"))
        self._reading(closed, draft)
        return plain, closed

    def _reading(self, raw_id: int, draft: dict[str, Any]) -> None:

        sealed = self.store.sealer.seal(
            json.dumps({"draft": draft, "parts": [], "signals": [], "follows": []}).encode(), f"reading:{raw_id}:1"
        )
        row = {"raw_id": raw_id, "part": 1, "identity": "sha256:blur", "disposition": "quarantine", "sealed": sealed}
        self.conn.execute(insert(reading).values(**row, read_at=self.now))

    def _deliveries(self, ids: Sequence[str]) -> None:
        for number, case_id in enumerate(ids):
            restricted = case_id.endswith("105")
            made = self.now - timedelta(hours=number + 1)
            row: dict[str, Any] = {
                "id": f"evt_{number}",
                "case_id": case_id,
                "revision": 1,
                "type": "case.created",
                "created_at": made,
            }
            sealed = self.store.sealer.seal(b"{}", f"event:evt_{number}")
            self.conn.execute(insert(event).values(**row, restricted=restricted, sealed_full=sealed))
            state = ("delivered", "waiting", "rejected", "waiting")[number]
            sent: dict[str, Any] = {
                "event_id": f"evt_{number}",
                "case_id": case_id,
                "target": "oa",
                "view": "full",
                "state": state,
            }
            if state == "delivered":
                sent |= {"delivered_at": made, "receiver_id": "OA-77120"}
            if state == "rejected":
                sent |= {"error": "HTTP 422: unknown request type"}
            ident = self.conn.execute(insert(delivery).values(**sent, attempts=1).returning(delivery.c.id)).scalar_one()
            if state != "waiting":
                tried: dict[str, Any] = {"delivery_id": ident, "at": made, "milliseconds": 84, "outcome": state}
                self.conn.execute(insert(attempt).values(**tried, status=200 if state == "delivered" else 422))


def _sha(content: bytes) -> str:

    return hashlib.sha256(content).hexdigest()
