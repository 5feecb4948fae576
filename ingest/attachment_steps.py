"""How a step over an attachment ends, whichever stage took it: in the transaction in which its case shows what came."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from ingest import attachments, register
from ingest.attachments import Unvetted, Wanted
from ingest.cases import CaseDesk
from store import ledger
from store.ledger import Claim


def hold(conn: Connection, about: Wanted | Unvetted) -> None:
    """Before anything of the attachment is written, as whoever reads its record anew does. Of two steps that end at
    once the second sees that the first has.
    """
    register.hold(conn, about.case_id)


def end(conn: Connection, held: Claim, desk: CaseDesk, about: Wanted | Unvetted, now: datetime) -> None:
    """Its state is written; this step has nothing left to do."""
    ledger.done(conn, held)
    _show(conn, desk, about.case_id, now)


def refuse(conn: Connection, held: Claim, desk: CaseDesk, about: Wanted | Unvetted, reason: str, now: datetime) -> None:
    """It will not be handed on."""
    hold(conn, about)
    attachments.refused(conn, about.id, reason)
    end(conn, held, desk, about, now)


def put_off(
    conn: Connection, held: Claim, desk: CaseDesk, about: Wanted | Unvetted, reason: str, wait: timedelta, now: datetime
) -> None:
    """It did not work this time: again after `wait`."""
    hold(conn, about)
    first = attachments.delayed(conn, about.id, reason)
    ledger.postpone(conn, held, due=now + wait, reason=reason)
    if first:  # which need not be the first attempt: that may have died under us
        _show(conn, desk, about.case_id, now)


def _show(conn: Connection, desk: CaseDesk, case_id: str, now: datetime) -> None:
    """Once every attachment has been tried, the case is shown with what came: one revision, not one for each."""
    if attachments.all_tried(conn, case_id):
        desk.refresh(conn, case_id, now)
