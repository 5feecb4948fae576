"""What an OA may ask with its token: a case, and which cases it should have."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import jsonschema
import pytest
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import update

from dispatch.settings import TargetSettings
from ingest.console import ConsoleSettings, FileAccess
from ingest.office import Office
from normalize.case import Case
from store.engine import Store
from store.schema import delivery
from tests.console.conftest import Browser, build
from tests.console.town import populate
from tests.ingest.desk import NOW, Desk, desk_over, reading, target
from tests.ingest.test_cases import ACCUSATION

OA, DISCIPLINE, STATS = ({"Authorization": f"Bearer token-of-{name}-0001"} for name in ("oa", "discipline", "stats"))
SECRET = "举报桃溪小学校长收受回扣"
TOWN = "01CASE"
"""How the numbers of the cases begin that were there before."""
TARGETS: dict[str, TargetSettings] = {
    "oa": target(),
    "discipline": target(restricted="only"),
    "stats": target(restricted="numbers"),
}


@pytest.fixture
def desk(store: Store) -> Desk:
    return desk_over(store, TARGETS)


@pytest.fixture
async def client(office: Office, desk: Desk) -> Any:
    access = {name: FileAccess((f"token-of-{name}-0001",), one) for name, one in TARGETS.items()}
    house = build(office, populate(office.store), ConsoleSettings(secure_cookies=False, targets=access))
    async with TestClient(TestServer(house.app)) as opened:
        yield opened


async def listed(client: Browser, headers: dict[str, str], query: str = "") -> list[dict[str, Any]]:
    answer = await client.get(f"/api/v1/cases{query}", headers=headers)
    assert answer.status == 200
    return [one for one in (await answer.json())["cases"] if not one["case_id"].startswith(TOWN)]


@pytest.mark.parametrize("path", ["/api/v1/cases", "/api/v1/cases/01J"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
async def test_nobody_asks_without_a_token_and_is_told_so_in_json(
    client: Browser, path: str, headers: dict[str, str]
) -> None:
    answer = await client.get(path, headers=headers)

    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert (await answer.json())["error"] == "expected the header Authorization: Bearer TOKEN, with a target's token"


async def test_a_target_reads_a_case_as_it_now_is(client: Browser, desk: Desk) -> None:
    (case_id,) = desk.take_in(reading("x:1"), key="1")
    desk.take_in(reading("x:1", title="第二版"), key="1")

    answer = await client.get(f"/api/v1/cases/{case_id}", headers=OA)

    shown = await answer.json()
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert (shown["title"], shown["revision"]) == ("第二版", 2)
    jsonschema.Draft202012Validator(Case.model_json_schema(mode="serialization")).validate(shown)


async def test_while_one_token_replaces_the_other_both_are_good(office: Office) -> None:
    access = {"oa": FileAccess(("new-token-of-the-oa", "old-token-of-the-oa"), target())}
    house = build(office, populate(office.store), ConsoleSettings(secure_cookies=False, targets=access))
    async with TestClient(TestServer(house.app)) as client:
        answers = [
            await client.get("/api/v1/cases", headers={"Authorization": f"Bearer {token}"})
            for token in ("new-token-of-the-oa", "old-token-of-the-oa", "new-token")
        ]

    assert [answer.status for answer in answers] == [200, 200, 401]


async def test_each_target_sees_of_a_restricted_case_what_it_may(client: Browser, desk: Desk) -> None:
    (case_id,) = desk.take_in(reading("x:1", title=SECRET, **ACCUSATION), key="1")
    path = f"/api/v1/cases/{case_id}"

    oa, discipline, stats = [await client.get(path, headers=one) for one in (OA, DISCIPLINE, STATS)]

    assert [oa.status, discipline.status, stats.status] == [404, 200, 200]
    assert (await discipline.json())["title"] == SECRET
    numbers = await stats.json()
    assert numbers["restricted"] is True
    assert SECRET not in json.dumps(numbers, ensure_ascii=False)
    assert [one["case_id"] for one in await listed(client, OA)] == []
    assert [one["case_id"] for one in await listed(client, DISCIPLINE)] == [case_id]
    (told,) = await listed(client, STATS)
    assert (told["case_id"], told["revision"]) == (case_id, None)


async def test_a_case_taken_back_is_not_to_be_had_any_more(client: Browser, desk: Desk) -> None:
    (case_id,) = desk.take_in(reading("x:1"), key="1")
    desk.write(lambda conn: conn.execute(update(delivery).values(state="delivered")))
    desk.take_in(reading("x:1", **ACCUSATION), key="1")

    assert (await client.get(f"/api/v1/cases/{case_id}", headers=OA)).status == 404
    assert await listed(client, OA) == []


async def test_an_oa_learns_what_it_should_have_and_what_is_on_its_way(client: Browser, desk: Desk) -> None:
    (first,) = desk.take_in(reading("x:1"), key="1")
    (second,) = desk.take_in(reading("x:2"), key="2")
    desk.write(lambda conn: conn.execute(update(delivery).where(delivery.c.case_id == first).values(state="delivered")))
    desk.take_in(reading("x:1", title="第二版"), key="1")

    found = {one["case_id"]: one for one in await listed(client, OA)}

    assert [found[first][name] for name in ("revision", "delivered_revision", "pending")] == [2, 1, 1]
    assert [found[second][name] for name in ("revision", "delivered_revision", "pending")] == [1, None, 1]


async def test_pages_follow_each_other_and_lose_nothing(client: Browser, desk: Desk) -> None:
    taken = [desk.take_in(reading(f"x:{number}"), key=str(number))[0] for number in range(7)]
    seen, cursor = [], ""
    while True:
        answer = await (await client.get(f"/api/v1/cases?limit=3{cursor}", headers=OA)).json()
        seen += [one["case_id"] for one in answer["cases"]]
        if answer["next"] is None:
            break
        cursor = f"&cursor={answer['next']}"

    assert [one for one in seen if not one.startswith(TOWN)] == taken
    assert len(seen) == len(set(seen))


async def test_only_what_changed_since_is_listed(client: Browser, desk: Desk) -> None:
    desk.take_in(reading("x:1"), key="1")
    between = desk.now + timedelta(seconds=30)
    (later,) = desk.take_in(reading("x:2"), key="2")

    found = await listed(client, OA, f"?since={quote(between.isoformat())}")

    assert [one["case_id"] for one in found] == [later]
    assert datetime.fromisoformat(found[0]["updated_at"]) > NOW


@pytest.mark.parametrize(
    "query", ["since=yesterday", "since=2026-03-02T09:00:00", "cursor=abc", "limit=0", "limit=1000"]
)
async def test_a_question_that_is_not_understood_is_answered_with_what_was_expected(
    client: Browser, query: str
) -> None:
    answer = await client.get(f"/api/v1/cases?{query}", headers=OA)

    assert answer.status == 400
    assert "expected" in (await answer.json())["error"]
