"""Coming in and going out: sessions, forms, throttling, passwords."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from argon2 import PasswordHasher
from multidict import CIMultiDict
from sqlalchemy import select, update

from ingest import accounts
from ingest.accounts import disable_account, set_password, set_role
from ingest.console import ConsoleSettings
from ingest.console.roles import Role
from ingest.office import Office
from store.schema import account, history, session
from tests.console.conftest import Browser, House, build, form_token, log_in, origin, read
from tests.console.town import PASSWORD, populate


def happened(house: House, kind: str) -> list[tuple[str, str | None, dict[str, str]]]:
    wanted = select(history).where(history.c.kind == kind).order_by(history.c.id)
    return house.store.read_now(lambda conn: [(row.actor, row.case_id, row.detail) for row in conn.execute(wanted)])


async def test_a_stranger_is_led_to_the_login_and_back(browser: Browser) -> None:
    first = await browser.get("/cases?state=urgent", allow_redirects=False)
    assert first.status == 303
    assert first.headers["Location"] == "/login?next=/cases?state%3Durgent"

    welcome = await log_in(browser, "clerk", follow="/cases?state=urgent")
    assert (welcome.status, welcome.headers["Location"]) == (303, "/cases?state=urgent")


async def test_the_cookie_is_out_of_reach_and_only_its_hash_is_kept(house: House, browser: Browser) -> None:
    welcome = await log_in(browser, "clerk")

    cookie = welcome.cookies["xinqiao_session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    rows = house.store.read_now(lambda conn: conn.execute(select(session)).all())
    assert len(rows) == 1
    assert cookie.value not in str(rows)


async def test_a_session_brought_along_is_not_taken_over(house: House, browser: Browser) -> None:
    brought = (await log_in(browser, "clerk")).cookies["xinqiao_session"].value
    form = {"csrf": await form_token(browser, "/password"), "name": "clerk", "password": PASSWORD}
    again = await browser.post("/login", data=form, headers=origin(browser), allow_redirects=False)

    assert again.cookies["xinqiao_session"].value != brought
    assert len(house.store.read_now(lambda conn: conn.execute(select(session)).all())) == 1


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        (["1.1.1.1, 203.0.113.7"], "203.0.113.7"),
        (["1.1.1.1", "203.0.113.7"], "203.0.113.7"),
        (["1.1.1.1, 203.0.113.7", "127.0.0.2"], "203.0.113.7"),
    ],
)
async def test_behind_a_trusted_proxy_the_last_hop_counts_on_whatever_line(
    office: Office, lines: list[str], address: str
) -> None:
    settings = ConsoleSettings(secure_cookies=False, trusted_proxies=("127.0.0.0/8",))
    house = build(office, populate(office.store), settings)
    async with TestClient(TestServer(house.app)) as client:
        form = {"csrf": await form_token(client, "/login"), "name": "clerk", "password": "not the password"}
        headers = CIMultiDict(origin(client))
        for line in lines:
            headers.add("X-Forwarded-For", line)
        await client.post("/login", data=form, headers=headers)

    assert [detail["address"] for _, _, detail in happened(house, "login_failed")] == [address]


async def test_wrong_unknown_and_disabled_get_the_same_answer(house: House, browser: Browser) -> None:
    house.store.submit(lambda conn: disable_account(conn, "leader", by="t", now=house.clock())).result()
    answers = []
    for name, password in (("clerk", "not the password"), ("nobody", PASSWORD), ("leader", PASSWORD)):
        answer = await log_in(browser, name, password)
        answers.append((answer.status, (await answer.text()).replace(f'value="{name}"', "")))

    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == 401
    assert [detail["account"] for _, _, detail in happened(house, "login_failed")] == ["clerk", "no…", "leader"]


async def test_an_unknown_name_costs_a_verification_too(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []
    real = accounts.verify_password

    def watch(hashed: str, password: str) -> bool:
        verified.append(hashed)
        return real(hashed, password)

    monkeypatch.setattr(accounts, "verify_password", watch)
    await log_in(browser, "nobody", "whatever it is")

    assert len(verified) == 1
    assert verified[0].startswith("$argon2id$")


@pytest.mark.parametrize("what", ["password", "disabled", "renewed"])
async def test_what_changes_while_a_password_is_verified_counts(
    house: House, browser: Browser, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    real, now = accounts.verify_password, house.clock()
    changes: list[Any] = {
        "password": [lambda conn: set_password(conn, "clerk", hash_of("another"), by="t", now=now)],
        "disabled": [lambda conn: disable_account(conn, "clerk", by="t", now=now)],
        "renewed": [lambda conn: conn.execute(update(account).values(password=hash_of(PASSWORD)))],
    }[what]

    def meanwhile(hashed: str, password: str) -> bool:
        right = real(hashed, password)
        while changes:
            house.store.submit(changes.pop()).result()
        return right

    monkeypatch.setattr(accounts, "verify_password", meanwhile)
    answer = await log_in(browser, "clerk")

    assert answer.status == (303 if what == "renewed" else 401)
    assert len(house.store.read_now(lambda conn: conn.execute(select(session)).all())) == (what == "renewed")


async def test_a_password_that_was_taken_away_meanwhile_sets_no_other(
    house: House, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await log_in(browser, "clerk")
    real, mine = accounts.hash_password, hash_of("another")

    def meanwhile(name: str, password: str) -> str:
        house.store.submit(lambda conn: set_password(conn, "clerk", mine, by="t", now=house.clock())).result()
        return real(name, password)

    monkeypatch.setattr(accounts, "hash_password", meanwhile)
    new = "a quite new pass phrase"
    form = {"csrf": await form_token(browser, "/password"), "old": PASSWORD, "new": new, "again": new}
    answer = await browser.post("/password", data=form, headers=origin(browser), allow_redirects=False)

    assert answer.status == 400
    wanted = select(account.c.password).where(account.c.name == "clerk")
    assert house.store.read_now(lambda conn: conn.execute(wanted).scalar_one()) == mine


def hash_of(password: str) -> str:
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)


async def test_logins_and_logouts_are_in_the_history_of_no_case(house: House, browser: Browser) -> None:
    await log_in(browser, "clerk")
    form = {"csrf": await form_token(browser, "/")}
    await browser.post("/logout", data=form, headers=origin(browser))

    assert happened(house, "login") == [("clerk", None, {"address": "127.0.0.1"})]
    assert happened(house, "logout") == [("clerk", None, {})]


async def test_after_logout_the_old_cookie_opens_nothing(browser: Browser) -> None:
    token = (await log_in(browser, "clerk")).cookies["xinqiao_session"].value
    await browser.post("/logout", data={"csrf": await form_token(browser, "/")}, headers=origin(browser))

    again = await browser.get("/", cookies={"xinqiao_session": token}, allow_redirects=False)
    assert again.status == 303


async def test_a_form_without_its_token_or_from_elsewhere_changes_nothing(house: House, browser: Browser) -> None:
    await log_in(browser, "clerk")
    token = await form_token(browser, "/")
    attempts = [
        ({"csrf": "x" * 43}, origin(browser)),
        ({}, origin(browser)),
        ({"csrf": token}, {"Origin": "https://elsewhere.example"}),
        ({"csrf": token}, {"Origin": "null"}),
        ({"csrf": token}, {}),
    ]

    for form, headers in attempts:
        answer = await browser.post("/logout", data=form, headers=headers, allow_redirects=False)
        assert answer.status == 403
    await read(browser, "/")


async def test_another_sessions_token_does_not_fit(house: House, browser: Browser) -> None:
    await log_in(browser, "leader")
    others = await form_token(browser, "/")
    browser.session.cookie_jar.clear()
    await log_in(browser, "clerk")

    answer = await browser.post("/logout", data={"csrf": others}, headers=origin(browser), allow_redirects=False)
    assert answer.status == 403


async def test_an_idle_session_ends_and_a_used_one_lasts_twelve_hours(house: House, browser: Browser) -> None:
    await log_in(browser, "clerk")
    for _ in range(7):
        house.clock.pass_(timedelta(minutes=100))
        await read(browser, "/")
    house.clock.pass_(timedelta(minutes=25))
    ended = await browser.get("/", allow_redirects=False)
    assert ended.status == 303

    await log_in(browser, "clerk")
    house.clock.pass_(timedelta(hours=2, seconds=1))
    assert (await browser.get("/", allow_redirects=False)).status == 303


async def test_a_cookie_made_younger_is_no_cookie(house: House, browser: Browser) -> None:
    token = (await log_in(browser, "clerk")).cookies["xinqiao_session"].value
    head, _, issued = token.rpartition(".")

    browser.session.cookie_jar.clear()
    forged = await browser.get("/", cookies={"xinqiao_session": f"{head}.{int(issued) + 3600}"}, allow_redirects=False)
    assert forged.status == 303


async def test_disabling_a_role_change_and_a_new_password_end_the_session_at_once(
    house: House, browser: Browser
) -> None:
    hashed = accounts.hash_password("clerk", PASSWORD)
    now = house.clock()
    for act in (
        lambda conn: set_password(conn, "clerk", hashed, by="t", now=now),
        lambda conn: set_role(conn, "clerk", Role.CLERK, by="t", now=now),
        lambda conn: disable_account(conn, "clerk", by="t", now=now),
    ):
        await log_in(browser, "clerk")
        await read(browser, "/")
        house.store.submit(act).result()
        assert (await browser.get("/", allow_redirects=False)).status == 303


async def test_failures_make_an_account_wait_ever_longer_whatever_the_password(house: House, browser: Browser) -> None:
    for _ in range(5):
        assert (await log_in(browser, "clerk", "wrong password")).status == 401
    refused = await log_in(browser, "clerk")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    house.clock.pass_(timedelta(seconds=1))
    assert (await log_in(browser, "clerk", "wrong password")).status == 401

    refused = await log_in(browser, "clerk")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "2")
    assert (await log_in(browser, "leader")).status == 303
    house.clock.pass_(timedelta(seconds=2))
    assert (await log_in(browser, "clerk")).status == 303


async def test_one_address_trying_many_names_must_wait(browser: Browser) -> None:
    statuses = [(await log_in(browser, f"guess{number}", "wrong password")).status for number in range(21)]

    assert statuses == [401] * 20 + [429]


async def test_a_person_changes_his_password_and_logs_in_anew(house: House, browser: Browser) -> None:
    await log_in(browser, "clerk")
    fresh = "柳堤-春天-42-船"
    form = {"csrf": await form_token(browser, "/password"), "old": PASSWORD, "new": fresh, "again": fresh}
    changed = await browser.post("/password", data=form, headers=origin(browser), allow_redirects=False)

    assert (changed.status, changed.headers["Location"]) == (303, "/login")
    assert (await log_in(browser, "clerk")).status == 401
    assert (await log_in(browser, "clerk", fresh)).status == 303


async def test_a_password_change_is_refused_with_its_reason_and_a_wrong_password_is_on_record(
    house: House, browser: Browser
) -> None:
    await log_in(browser, "clerk")
    for form, word in (
        ({"old": "not it at all", "new": "a fresh password", "again": "a fresh password"}, "当前密码不正确"),
        ({"old": PASSWORD, "new": "a fresh password", "again": "another password"}, "不一致"),
        ({"old": PASSWORD, "new": "short", "again": "short"}, "不符合要求"),
    ):
        form["csrf"] = await form_token(browser, "/password")
        answer = await browser.post("/password", data=form, headers=origin(browser))
        assert answer.status == 400
        assert word in await answer.text()
    assert happened(house, "login_failed") == [("clerk", None, {"account": "clerk", "address": "127.0.0.1"})]


async def test_a_weaker_hash_is_renewed_at_login(house: House, browser: Browser) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8192).hash(PASSWORD)
    change = update(account).where(account.c.name == "clerk").values(password=weak)
    house.store.submit(lambda conn: conn.execute(change)).result()
    await log_in(browser, "clerk")

    kept = house.store.read_now(lambda conn: accounts.password_of(conn, "clerk"))
    assert kept is not None
    assert kept != weak
    assert not accounts.needs_rehash(kept)
    browser.session.cookie_jar.clear()
    assert (await log_in(browser, "clerk")).status == 303


async def test_login_never_leads_to_another_site(browser: Browser) -> None:
    for elsewhere in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "\t//evil"):
        browser.session.cookie_jar.clear()
        welcome = await log_in(browser, "clerk", follow=elsewhere)
        assert welcome.headers["Location"] == "/"
