"""What a sheet says: the case, and what the same person brought before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, func, or_, select

from ingest.clockwork import is_over
from ingest.register import keys_of, load_case
from normalize.case import Case
from store.schema import cases, lookup
from store.sealing import Sealer

EARLIER = 3
"""So many earlier matters are named, the rest counted."""
SAME_PERSON = ("id_no", "phone")
"""What tells a person; a name alone does not."""


class Form(StrEnum):
    READING = "reading"  # 呈阅单: put before the leader
    ASSIGNMENT = "assignment"  # 交办单: handed on to a unit


@dataclass(frozen=True)
class Earlier:
    case_no: str
    received_at: datetime
    channel_kind: str
    title: str


@dataclass(frozen=True)
class Facts:
    case: Case
    earlier: Sequence[Earlier]
    more: int
    """So many earlier matters beside those named."""
    over: bool = False
    """Its clocks run no more: it is closed at its source, or taken back."""


class SheetRefused(Exception):
    """There is no such case for this reader."""


def check(conn: Connection, case_id: str, *, restricted: bool) -> None:
    """Whether the reader may see the case; `restricted`: he may see such cases. Raises SheetRefused."""
    row = conn.execute(select(cases.c.case_no, cases.c.restricted).where(cases.c.case_id == case_id)).one()
    if row.restricted and not restricted:
        said = "is restricted, and who reads the sheet may not see such cases; expected --restricted, if he may"
        raise SheetRefused(f"case {row.case_no}: {said}")


def gather(conn: Connection, sealer: Sealer, case_id: str, *, restricted: bool, form: Form = Form.READING) -> Facts:
    """The facts, in one snapshot. Raises SheetRefused.

    That the same person accused somebody ties his name to it: on the sheet of an open case only who may see restricted
    cases finds those among the earlier ones, and no unit does that the case is handed to.
    """
    check(conn, case_id, restricted=restricted)
    case = load_case(conn, sealer, case_id)
    withdrawn = conn.execute(select(cases.c.withdrawn).where(cases.c.case_id == case_id)).scalar_one()
    over = is_over(case, withdrawn=withdrawn)
    among_restricted = restricted and (case.restricted or form is Form.READING)
    digests = [
        (lookup.c.kind == kind) & (lookup.c.digest == sealer.lookup(kind, value))
        for kind, value in sorted(set(keys_of(case)))
        if kind in SAME_PERSON
    ]
    if not digests:
        return Facts(case, (), 0, over)
    others = (
        cases.c.case_id.in_(select(lookup.c.case_id).where(or_(*digests))),
        cases.c.case_id != case_id,
        cases.c.received_at <= case.received_at,
        *(() if among_restricted else (~cases.c.restricted,)),
    )
    columns = ("case_id", "case_no", "received_at", "channel_kind", "sealed_title")
    wanted = select(*(cases.c[name] for name in columns)).where(*others)
    rows = conn.execute(wanted.order_by(cases.c.received_at.desc(), cases.c.case_id.desc()).limit(EARLIER)).all()
    total = conn.execute(select(func.count()).select_from(cases).where(*others)).scalar_one()
    earlier = [
        Earlier(
            row.case_no,
            row.received_at,
            row.channel_kind,
            sealer.open(row.sealed_title, f"cases.title:{row.case_id}").decode(),
        )
        for row in rows
    ]
    return Facts(case, earlier, total - len(rows), over)
