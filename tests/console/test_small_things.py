"""Masks, moments, throttles, accounts, revisions: what pages are made of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ingest import accounts, listings
from ingest.accounts import AccountRefused, Role
from ingest.catalogue import load_words
from ingest.console import masks
from ingest.console.case_view import full_view, numbers_view
from ingest.console.context import HERE
from ingest.console.looks import Look
from ingest.console.revisions import LONGEST_COMPARED, compare, pieces
from ingest.console.throttle import Throttle
from normalize.calendar import WorkCalendar
from store.engine import Store
from tests.console.town import NOW, populate
from tests.ingest.desk import open_desk, reading

LOOK = Look(load_words(HERE / "words", "zh"), ZoneInfo("Asia/Shanghai"), NOW)


def test_masks_leave_enough_to_recognise() -> None:
    assert masks.name("张三") == "张**"
    assert masks.name("欧阳小明") == "欧**"
    assert masks.phone("13800001234") == "138****1234"
    assert masks.phone("12345") == "***45"
    assert masks.id_no("32040219900101123X") == "3204**********123X"
    assert masks.id_no("G1234567") == "********"
    assert masks.text("王秀兰13800001234和32040219900101123X", ["王秀兰"]) == "王**138****1234和3204**********123X"
    assert masks.text("工单260306101500112233", []) == "工单2603**********2233"


@pytest.mark.parametrize(
    ("gap", "said"),
    [
        (timedelta(seconds=20), "刚刚"),
        (timedelta(minutes=3), "3 分钟前"),
        (timedelta(hours=5, minutes=59), "5 小时前"),
        (timedelta(days=2), "2 天前"),
        (-timedelta(hours=2), "2 小时后"),
    ],
)
def test_a_distance_in_time_is_said_as_people_do(gap: timedelta, said: str) -> None:
    assert LOOK.ago(NOW - gap) == said


@pytest.mark.parametrize(
    ("due", "said", "tone"),
    [
        (datetime(2026, 3, 9, 15, 59, tzinfo=UTC), "今天到期", "soon"),
        (datetime(2026, 3, 9, 16, 0, tzinfo=UTC), "剩 1 天", "soon"),
        (datetime(2026, 3, 12, 15, 59, tzinfo=UTC), "剩 3 天", "calm"),
        (datetime(2026, 3, 9, 2, 29, tzinfo=UTC), "今天已逾期", "over"),
        (datetime(2026, 3, 8, 15, 59, tzinfo=UTC), "逾期 1 天", "over"),
        (datetime(2026, 3, 1, 0, 0, tzinfo=UTC), "逾期 8 天", "over"),
    ],
)
def test_remaining_days_count_in_chinese_days(due: datetime, said: str, tone: str) -> None:
    assert (LOOK.left(due), LOOK.urgency(due)) == (said, tone)


def test_waits_double_up_to_a_minute_for_an_account_and_are_forgotten_in_an_hour() -> None:
    throttle, now, waits = Throttle(), NOW, []
    for _ in range(13):
        waits.append(throttle.wait("a", "1", now).total_seconds())
        now += throttle.wait("a", "1", now)
        throttle.charge("a", "1", now)

    assert waits == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert throttle.wait("a", "1", now + timedelta(hours=1)) == timedelta()
    throttle.forgive("a", "1")
    assert throttle.wait("a", "1", now) == timedelta()


@pytest.mark.parametrize("name", ["a", "-ab", "a b", "a" * 33, "<b>", "", "a\nb", "管理员/1"])
def test_a_name_that_could_be_misread_is_refused(name: str) -> None:
    with pytest.raises(AccountRefused, match="expected 2 to 32"):
        accounts.clean_name(name)


def test_names_are_kept_in_one_form() -> None:
    assert accounts.clean_name(" Ｌi.Na ") == "li.na"
    assert accounts.clean_name("李娜") == "李娜"


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaa", "operator123", "x" * 257])
def test_a_weak_password_is_refused_without_being_quoted(password: str) -> None:
    with pytest.raises(AccountRefused) as refused:
        accounts.hash_password("operator", password)

    assert password not in str(refused.value)


def test_an_account_is_made_once_and_changed_only_if_it_is_there(store: Store) -> None:
    hashed = accounts.hash_password("li.na", "a decent password")
    store.submit(lambda conn: accounts.add_account(conn, "Li.Na", Role.CLERK, hashed, by="setup", now=NOW)).result()

    with pytest.raises(AccountRefused, match="exists already"):
        store.submit(lambda conn: accounts.add_account(conn, "li.na", Role.CLERK, hashed, by="s", now=NOW)).result()
    with pytest.raises(AccountRefused, match="no such account"):
        store.submit(lambda conn: accounts.set_role(conn, "wang", Role.CLERK, by="s", now=NOW)).result()
    store.submit(lambda conn: accounts.disable_account(conn, "li.na", by="s", now=NOW)).result()
    assert store.read_now(lambda conn: accounts.password_of(conn, "li.na")) is None
    store.submit(lambda conn: accounts.enable_account(conn, "li.na", by="s", now=NOW)).result()
    assert store.read_now(accounts.list_accounts) == [accounts.Account("li.na", Role.CLERK, NOW, disabled=False)]


def test_a_change_shows_what_went_and_what_came() -> None:
    assert pieces("没有公示收费依据", "未公示收费依据") == [("gone", "没有"), ("come", "未"), ("same", "公示收费依据")]
    assert pieces("", "新") == [("come", "新")]
    assert pieces("甲" * (LONGEST_COMPARED + 1), "乙")[0][0] == "gone"
    assert [change.field for change in compare({"a": "1", "b": "2"}, {"a": "1", "c": "3"})] == ["c", "b"]


def test_the_listings_agree_with_the_town(store: Store) -> None:
    populate(store)
    stages = store.read_now(listings.stages)
    deadlines = store.read_now(lambda conn: listings.deadlines(conn, NOW))

    assert (stages.cases, stages.needs_review, stages.held) == (6, 2, 0)
    assert dict(stages.raws) == {"read": 4, "quarantined": 2}
    assert (deadlines.overdue, deadlines.soon) == (1, 1)
    assert [due.case_no for due in deadlines.first] == ["2026-000101", "2026-000105"]
    assert [door.name for door in store.read_now(listings.doors)] == [
        "city_hotline",
        "director_mailbox",
        "letters",
        "sunshine",
    ]
    assert [row.lane for row in store.read_now(listings.oldest_waiting)] == ["fetch:city_hotline"]
    target = store.read_now(lambda conn: listings.targets(conn, {}))[0]
    assert (target.waiting, target.delivered, target.rejected) == (2, 1, 1)


def test_a_case_shows_all_its_deliveries(tmp_path: Path) -> None:
    """The oldest of them may be the one that holds back all others."""
    with open_desk(tmp_path) as desk:
        for number in range(60):
            (case_id,) = desk.take_in(reading(title=f"第 {number} 版"))
        sealer = desk.store.sealer
        numbers = desk.store.read_now(lambda conn: numbers_view(conn, sealer, case_id))
        full = desk.store.read_now(lambda conn: full_view(conn, sealer, Role.CLERK, case_id, WorkCalendar()))

    assert full is not None
    for shown in (numbers.deliveries, full.deliveries):
        assert (len(shown), shown[-1].event_type) == (60, "case.created")
