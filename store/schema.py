"""Every table, in one place; the functions that read and write one stand with the package that owns it.

Columns named `sealed…` hold ciphertext (see `store.sealing`); all moments are UTC microseconds.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TextClause,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy import event as database_event
from sqlalchemy.types import TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Moment(TypeDecorator[datetime]):
    """An aware datetime, kept as microseconds since 1970 UTC: orders and compares alike on every engine."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else EPOCH + value * MICROSECOND


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _among(condition: TextClause) -> dict[str, TextClause]:
    """Of an index of some rows only: which, by dialect."""
    return {"sqlite": condition, "postgresql": condition}


def _that(column: str) -> dict[str, TextClause]:
    """Of those where this is true, in the words a query says it in."""
    return {"sqlite": text(f"{column} = 1"), "postgresql": text(column)}


@database_event.listens_for(metadata, "before_create")
def _say_among(_metadata: MetaData, conn: Connection, **_: object) -> None:
    """In the words of the dialect at hand: an index that names another's loads it, 3 MB that few need."""
    name = conn.dialect.name
    for index in (one for table in metadata.tables.values() for one in table.indexes if name in one.info):
        index.dialect_options[name]["where"] = index.info[name]


Id = BigInteger().with_variant(Integer(), "sqlite")  # only INTEGER PRIMARY KEY counts up by itself on SQLite

BY_PEOPLE = text("actor <> 'xinqiao'")
"""Rows of the history that are not the program's own."""

data_key = Table(
    "data_key",
    metadata,
    Column("id", Integer, primary_key=True),
    # seal | lookup:N, entries of the history up to N may be without a stamp | lookup, of before migration 0013
    Column("purpose", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
)

_READY, _KEYED = text("state = 'ready'"), text("key IS NOT NULL")
ledger = Table(
    "ledger",
    metadata,
    Column("id", Id, primary_key=True),
    Column("lane", Text, nullable=False),
    Column("key", Text),
    Column("state", Text, nullable=False),  # ready | blocked | dead
    Column("due", Moment, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("fence", Integer, nullable=False, default=0),
    Column("payload", JSON, nullable=False),
    Column("reason", Text),
    Column("created_at", Moment, nullable=False),
    Column("leased", Boolean, nullable=False, default=False, server_default=false()),  # claimed, and not ended since
    Index("ix_ledger_claim", "lane", "state", "due", "id", info={"postgresql": _READY}),
    Index("ix_ledger_order", "lane", "key", "id", info=_among(_KEYED)),
    sqlite_autoincrement=True,
)

blob = Table(
    "blob",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("sealed", LargeBinary),  # null: in a file of the blob folder
    Column("created_at", Moment, nullable=False),
    Column("removed_at", Moment),  # its time had come; `sealed` holds but the proof that this store removed it
)

channel = Table(
    "channel",
    metadata,
    Column("name", Text, primary_key=True),
    Column("cursor", JSON(none_as_null=True)),
    Column("start_from", Moment, nullable=False),
    Column("state", Text, nullable=False),  # new | open | unavailable | refused | paused
    Column("since", Moment, nullable=False),
    Column("error", Text),  # paused: the reason
    Column("failures", Integer, nullable=False, default=0),
    Column("skipped", Integer, nullable=False, default=0),
    Column("last_poll_at", Moment),
    Column("last_success_at", Moment),
    Column("last_new_at", Moment),
    Column("kept_until", Moment),  # of several processes one keeps the door: until then, unless it renews
    Column("fence", Integer, nullable=False, default=0, server_default=text("0")),  # counts who took it
    Column("enrolled_at", Moment),  # null: before this was noted
    Column("paused_by", Text),
)

raw = Table(
    "raw",
    metadata,
    Column("id", Id, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("blob", Text, ForeignKey("blob.sha256"), nullable=False),
    Column("pointer", Text, nullable=False),
    Column("received_at", Moment),
    Column("fetched_at", Moment, nullable=False),
    Column("sealed_meta", LargeBinary, nullable=False),  # locator and meta: file names can be people's
    Column("state", Text, nullable=False),  # waiting | read | auto | quarantined | dismissed
    Column("reason", Text),
    Column("read_at", Moment),
    Column("closed_by", Text),  # who registered it by hand or laid it aside: the program leaves it alone
    Column("sealed_note", LargeBinary),  # what he wrote about it
    UniqueConstraint("channel", "key", "version"),
    Index("ix_raw_state", "state", "id"),
    Index("ix_raw_blob", "blob"),
)

reading = Table(
    "reading",
    metadata,
    Column("id", Id, primary_key=True),
    Column("raw_id", Id, ForeignKey("raw.id"), nullable=False),
    Column("part", Integer, nullable=False),
    Column("identity", Text, nullable=False, index=True),
    Column("disposition", Text, nullable=False),
    Column("reason", Text),
    Column("modified_at", Moment),
    Column("sealed", LargeBinary, nullable=False),
    Column("read_at", Moment, nullable=False),
    Column("typed_by", Text),  # who read it; null: the program
    UniqueConstraint("raw_id", "part"),
)

_DUE = text("next_reminder_at IS NOT NULL")
URGENT = text("urgency IN ('urgent', 'critical')")
RUNNING = text("next_due_at IS NOT NULL AND NOT withdrawn")
"""Cases with a clock that runs: neither closed nor taken back, however long its date has passed."""
cases = Table(
    "cases",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("case_no", Text, nullable=False, unique=True),
    Column("identity", Text, nullable=False, unique=True),
    Column("channel", Text, nullable=False),
    Column("channel_kind", Text, nullable=False),
    Column("source_no", Text, index=True),
    Column("revision", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("restricted", Boolean, nullable=False),
    Column("restricted_reason", Text),
    Column("withdrawn", Boolean, nullable=False, default=False),
    Column("needs_review", Boolean, nullable=False, default=False),
    Column("request_type", Text, nullable=False),
    Column("triage", Text, nullable=False),
    Column("urgency", Text, nullable=False),
    Column("source_status", Text),
    Column("received_at", Moment, nullable=False),
    Column("next_due_at", Moment),
    Column("ingested_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("reading_id", Id, ForeignKey("reading.id"), index=True),
    Column("modified_at", Moment),
    Column("sealed_title", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("next_reminder_at", Moment),  # when it must be looked at; null: nothing of it is due any more
    Column("dated_by", Text),  # names the calendar and rules its deadlines were counted by; null: before that was noted
    Index("ix_cases_next_reminder_at", "next_reminder_at", info=_among(_DUE)),
    Index("ix_cases_dated_by", "dated_by", info=_among(RUNNING)),
    Index("ix_cases_next_due_at", "next_due_at", info=_among(RUNNING)),
    Index("ix_cases_received", "received_at", "case_id"),
    Index("ix_cases_updated", "updated_at", "case_id"),
    # A page of the list under each of its usual filters, in its order, without reading the other cases.
    Index("ix_cases_channel", "channel", "received_at", "case_id"),
    Index("ix_cases_request_type", "request_type", "received_at", "case_id"),
    Index("ix_cases_needs_review", "needs_review", "received_at", "case_id"),
    # Of the rare ones only, since the others need not pay for it.
    Index("ix_cases_restricted", "received_at", "case_id", info=_that("restricted")),
    Index("ix_cases_withdrawn", "received_at", "case_id", info=_that("withdrawn")),
    Index("ix_cases_urgent", "received_at", "case_id", info=_among(URGENT)),
)

case_number = Table(
    "case_number",
    metadata,
    Column("year", Integer, primary_key=True, autoincrement=False),
    Column("last", Integer, nullable=False),
)

revision = Table(
    "revision",
    metadata,
    Column("case_id", Text, ForeignKey("cases.case_id"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("why", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("restricted", Boolean, nullable=False, default=False, server_default=false()),
)

receipt = Table(
    "receipt",
    metadata,
    Column("raw_id", Id, ForeignKey("raw.id"), primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("case_id", Text, ForeignKey("cases.case_id"), nullable=False, index=True),
)

correction = Table(
    "correction",
    metadata,
    Column("id", Id, primary_key=True),
    Column("case_id", Text, ForeignKey("cases.case_id"), nullable=False, index=True),
    Column("field", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("author", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("undone_by", Text),  # who took it back
    Column("undone_at", Moment),
)

history = Table(
    "history",
    metadata,
    Column("id", Id, primary_key=True),
    Column("case_id", Text, index=True),
    Column("at", Moment, nullable=False),
    Column("kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("stamp", LargeBinary),  # keyed hash over the rest of the row; null: from before there were stamps
    # What people did is looked for by name and kind among millions of rows the program wrote.
    Index("ix_history_actor", "actor", "id", info=_among(BY_PEOPLE)),
    Index("ix_history_kind", "kind", "id", info=_among(BY_PEOPLE)),
    sqlite_autoincrement=True,
)

link = Table(
    "link",
    metadata,
    Column("place", Id, primary_key=True, autoincrement=False),  # 0: the beginning, made with the tables; 1, 2, 3 …
    Column("upto", BigInteger, nullable=False),  # the last entry of the history it covers; the first follows the last
    Column("entries", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("mac", LargeBinary, nullable=False),  # keyed hash over the link before and these entries
    Column("crown", LargeBinary),  # only the last link has one: whoever cuts the end off cannot make another
)

signal = Table(
    "signal",
    metadata,
    Column("case_id", Text, ForeignKey("cases.case_id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("at", Moment),
)

reminder = Table(  # what was told of a deadline
    "reminder",
    metadata,
    Column("case_id", Text, ForeignKey("cases.case_id"), primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("due_at", Moment, primary_key=True),
    Column("told_at", Moment, nullable=False),
)

report = Table(  # what an OA said of a case
    "report",
    metadata,
    Column("id", Id, primary_key=True),
    Column("case_id", Text, ForeignKey("cases.case_id"), nullable=False, index=True),
    Column("target", Text, nullable=False),
    Column("webhook_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("until", Moment),
    Column("received_at", Moment, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # its bytes, as they came
    UniqueConstraint("target", "webhook_id"),
)

duty = Table(  # of several processes one does what must be done once
    "duty",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("had_until", Moment, nullable=False),
)

attachment = Table(
    "attachment",
    metadata,
    Column("id", Id, primary_key=True),
    Column("case_id", Text, ForeignKey("cases.case_id"), nullable=False),
    Column("key", Text, nullable=False),  # sha256:… of its bytes, or ref:… keyed hash of its reference
    Column("channel", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("sha256", Text, index=True),
    Column("size", BigInteger),
    Column("media_type", Text),
    Column("sealed_ref", LargeBinary),
    Column("reason", Text),
    UniqueConstraint("case_id", "key"),
)

lookup = Table(
    "lookup",
    metadata,
    Column("kind", Text, primary_key=True),  # phone | id_no | email | name
    Column("digest", LargeBinary, primary_key=True),
    Column("case_id", Text, ForeignKey("cases.case_id"), primary_key=True),
)

event = Table(
    "event",
    metadata,
    Column("seq", Id, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("case_id", Text, ForeignKey("cases.case_id"), nullable=False, index=True),
    Column("revision", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("created_at", Moment, nullable=False, index=True),
    Column("restricted", Boolean, nullable=False),  # its words are a restricted case's, or were
    Column("held", Boolean, nullable=False, default=False, index=True),  # no target takes it yet
    Column("sealed_full", LargeBinary, nullable=False),
    Column("sealed_numbers", LargeBinary),
    Column("taken_in_at", Moment),  # of what opens a case: when the matter was taken in from its door
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", Id, primary_key=True),
    Column("event_id", Text, ForeignKey("event.id"), nullable=False),
    Column("case_id", Text, nullable=False, index=True),
    Column("target", Text, nullable=False),
    Column("view", Text, nullable=False),  # full | numbers
    Column("state", Text, nullable=False),  # waiting | sending | unknown | delivered | rejected | dropped | skipped
    Column("attempts", Integer, nullable=False, default=0),
    Column("delivered_at", Moment),
    Column("receiver_id", Text),
    Column("error", Text),
    UniqueConstraint("event_id", "target"),
    Index("ix_delivery_state", "target", "state", "id"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("id", Id, primary_key=True),
    Column("delivery_id", Id, ForeignKey("delivery.id"), nullable=False, index=True),
    Column("at", Moment, nullable=False),
    Column("milliseconds", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("status", Integer),
    Column("detail", Text),
    Column("sealed_answer", LargeBinary),  # the beginning of what the receiver said
)

target = Table(
    "target",
    metadata,
    Column("name", Text, primary_key=True),
    Column("state", Text, nullable=False),  # open | unavailable | paused
    Column("since", Moment, nullable=False),
    Column("error", Text),  # paused: the reason
    Column("last_success_at", Moment),
    Column("retry_at", Moment),  # nothing is sent before; then one event, to see
    Column("failures", Integer, nullable=False, default=0, server_default=text("0")),  # probes in a row
    Column("free_at", Moment),  # with a rate: when the next event may go
    Column("paused_by", Text),  # null: nobody did, it said it is gone (410)
)

alarm = Table(
    "alarm",
    metadata,
    Column("key", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("since", Moment, nullable=False),
    Column("told_at", Moment, nullable=False),
)

account = Table(
    "account",
    metadata,
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("password", Text, nullable=False),  # argon2id
    Column("created_at", Moment, nullable=False),
    Column("disabled", Boolean, nullable=False, default=False),
)

session = Table(
    "session",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("account", Text, ForeignKey("account.name"), nullable=False, index=True),
    Column("csrf", Text, nullable=False),
    Column("expires_at", Moment, nullable=False),
)
