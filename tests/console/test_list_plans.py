"""How the database finds a page of the list: with millions of cases, by an index alone."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, select

from dispatch.addressees import addressees
from ingest import listings
from ingest.accounts import Role
from ingest.alarms.digest import look_back
from ingest.console.originals import suspected
from ingest.console.search import Place, Wanted, find_cases
from store.engine import Store
from store.schema import delivery
from tests.console.town import NOW, populate
from tests.plans import plan_of


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Wanted(), "ix_cases_received"),
        (Wanted(channel="sunshine"), "ix_cases_channel"),
        (Wanted(request_type="complaint"), "ix_cases_request_type"),
        (Wanted(state="review"), "ix_cases_needs_review"),
        (Wanted(state="restricted"), "ix_cases_restricted"),
        (Wanted(state="withdrawn"), "ix_cases_withdrawn"),
        (Wanted(state="urgent"), "ix_cases_urgent"),
    ],
    ids=["all", "channel", "request_type", "review", "restricted", "withdrawn", "urgent"],
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


@pytest.mark.parametrize(
    "wanted",
    [Wanted(words="2026-000001"), Wanted(words="13900007788"), Wanted(words="赵一鸣"), Wanted(overdue=True)],
    ids=["number", "phone", "name", "overdue"],
)
@pytest.mark.parametrize("role", [Role.OPERATOR, Role.CLERK, Role.DISCIPLINE])
@pytest.mark.parametrize("before", [None, Place(NOW, "X")], ids=["first page", "later page"])
def test_few_cases_are_found_without_walking_over_the_others(
    store: Store, wanted: Wanted, role: Role, before: Place | None
) -> None:
    populate(store)

    plan = store.read_now(
        lambda conn: plan_of(
            conn, lambda: find_cases(conn, store.sealer, role, wanted, NOW, before=before), "FROM cases"
        )
    )

    walks = [step for step in plan if step.startswith("SCAN") and "cases" in step]
    titles = 1 if wanted.words and role is not Role.OPERATOR else 0  # the newest, so many at most
    assert len(walks) == titles, plan


def test_what_is_overdue_and_soon_due_is_counted_by_its_index(store: Store) -> None:
    populate(store)

    plan = store.read_now(lambda conn: plan_of(conn, lambda: listings.deadlines(conn, NOW)))

    assert plan
    assert not [step for step in plan if "cases" in step and "ix_cases_next_due_at" not in step], plan


@pytest.mark.parametrize(
    "act",
    [
        listings.queues,
        lambda conn: listings.deliveries(conn, state="rejected"),
        lambda conn: look_back(conn, ZoneInfo("Asia/Shanghai"), NOW, NOW),
    ],
    ids=["queues", "rejected", "digest"],
)  # fmt: skip
def test_deliveries_that_wait_for_somebody_are_found_without_walking_over_the_others(
    store: Store, act: Callable[[Connection], object]
) -> None:
    populate(store)

    plan = store.read_now(lambda conn: plan_of(conn, lambda: act(conn), "delivery"))

    assert plan
    assert not [step for step in plan if step.startswith("SCAN delivery")], plan


def test_every_target_that_has_a_delivery_is_an_addressee(store: Store) -> None:
    before = store.read_now(addressees)
    populate(store)
    named = select(delivery.c.target).distinct().order_by(delivery.c.target)

    assert before == []
    assert store.read_now(addressees) == store.read_now(lambda conn: conn.execute(named).scalars().all())
