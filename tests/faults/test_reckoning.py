"""The reckoning sees what it is there to see."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults.oa import standing_in
from tests.faults.reckoning import Entry, Reckoning, hold_books

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CREATED, UPDATED = ("case.created", "full"), ("case.updated", "full")
TAKEN_BACK, WITHDRAWN_AT_ITS_SOURCE = ("case.withdrawn", "numbers"), ("case.withdrawn", "full")


@pytest.mark.parametrize(
    ("told", "doubled"),
    [
        ((CREATED, UPDATED), 0),
        ((CREATED, CREATED), 1),
        ((CREATED, UPDATED, CREATED, CREATED), 2),
        ((CREATED, TAKEN_BACK, CREATED), 0),
        ((CREATED, TAKEN_BACK, CREATED, CREATED), 1),
        ((CREATED, WITHDRAWN_AT_ITS_SOURCE, CREATED), 1),
        ((("case.created", "numbers"), CREATED), 0),
    ],
)
async def test_a_case_is_opened_once_at_a_target_unless_it_was_taken_back(
    tmp_path: Path, told: tuple[tuple[str, str], ...], doubled: int
) -> None:
    entries = [
        Entry(number, "workflow", "case 1", f"evt_{number}", "delivered", view, kind)
        for number, (kind, view) in enumerate(told)
    ]
    found = Reckoning()
    async with standing_in(tmp_path, {}, 0) as oa:
        for number, one in enumerate(entries):
            case = {"case_id": one.case_id} | ({"revision": number} if one.view == "full" else {})
            body = json.dumps({"type": one.type, "data": {"case": case}}).encode()
            oa.ledger.take(one.event_id, "workflow", body, NOW)

        hold_books(found, oa, entries, frozenset())

    assert found.findings == found.doubled == ["workflow: case case 1 opened twice"] * doubled
