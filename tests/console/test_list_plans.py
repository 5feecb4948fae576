"""How the database finds a page of the list: with millions of cases, by an index alone."""

from __future__ import annotations

import pytest

from ingest import listings
from ingest.accounts import Role
from ingest.console.originals import suspected
from ingest.console.search import Place, Wanted, find_cases
from store.engine import Store
from tests.console.town import NOW, populate
from tests.plans import plan_of


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Wanted(), "ix_cases_received"),
        (Wanted(channel="sunshine"), "ix_cases_channel"),
        (Wanted(request_type="complaint"), "ix_cases_request_type"),
        (Wanted(state="review"), "ix_cases_needs_review"),
    ],
    ids=["all", "channel", "request_type", "review"],
)
@pytest.mark.parametrize("role", [Role.CLERK, Role.DISCIPLINE])
@pytest.mark.parametrize("before", [None, Place(NOW, "X")], ids=["first page", "later page"])
def test_a_page_is_read_by_its_index_in_its_order(
    store: Store, wanted: Wanted, index: str, role: Role, before: Place | None
) -> None:
    populate(store)

    plan = store.read_now(
        lambda conn: plan_of(conn, lambda: find_cases(conn, store.sealer, role, wanted, NOW, before=before))
    )

    assert len(plan) == 1, plan  # a sort would be a step of its own
    assert f"USING INDEX {index}" in plan[0]


def test_what_is_to_be_reviewed_is_counted_by_its_index(store: Store) -> None:
    populate(store)

    plan = store.read_now(lambda conn: plan_of(conn, lambda: listings.stages(conn)))

    assert any("COVERING INDEX ix_cases_needs_review" in step for step in plan), plan


def test_what_no_case_is_made_of_is_found_without_walking_over_the_cases(store: Store) -> None:
    town = populate(store)

    plan = store.read_now(
        lambda conn: plan_of(conn, lambda: suspected(conn, store.sealer, town.suspected), "FROM reading")
    )

    assert plan
    assert not [step for step in plan if step.startswith("SCAN")], plan
