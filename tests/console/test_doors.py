"""What machines ask the console: probes, numbers, and the files of a case."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import pytest
import structlog
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from ingest.console import ConsoleSettings, FileAccess
from ingest.console.probes import Probed, create_probes
from ingest.console.settings import is_within
from ingest.health import Health, Readiness
from ingest.office import Office
from store.engine import Store
from tests.console.conftest import Browser, House, build, log_in
from tests.console.town import SECRET_WORDS, populate
from tests.ingest.desk import target

OA = {"Authorization": "Bearer token-of-the-oa-0001"}
VAULT = {"Authorization": "Bearer token-of-vault-0002"}


async def test_healthz_says_the_process_lives(browser: Browser) -> None:
    answer = await browser.get("/healthz")

    assert (answer.status, await answer.json()) == (200, {"status": "alive"})


async def test_readyz_names_what_is_not_ready(house: House, browser: Browser) -> None:
    assert (await browser.get("/readyz")).status == 200

    house.health[0] = Health(
        {"sunshine": Readiness(ready=False, state="unavailable")}, {"oa": Readiness(ready=True, state="open")}
    )
    answer = await browser.get("/readyz")
    assert answer.status == 503
    assert await answer.json() == {
        "ready": False,
        "doors": {"sunshine": {"ready": False, "state": "unavailable"}},
        "targets": {"oa": {"ready": True, "state": "open"}},
        "database": {"ready": True, "state": "open"},
        "blobs": {"ready": True, "state": "open"},
    }

    house.health[0] = Health(blobs=Readiness(ready=False, state="unavailable"))
    assert (await browser.get("/readyz")).status == 503


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_a_probe_cannot_be_posted_to(browser: Browser, path: str) -> None:
    assert (await browser.post(path)).status == 405


async def test_metrics_are_for_the_local_scraper_only(store: Store, browser: Browser) -> None:
    local = await browser.get("/metrics")
    assert local.status == 200
    assert "petitions_total 3.0" in await local.text()
    assert (await browser.get("/metrics", headers={"X-Forwarded-For": "10.1.1.1"})).status == 403


async def test_metrics_are_refused_to_other_addresses(office: Office) -> None:
    house = build(office, populate(office.store), ConsoleSettings(secure_cookies=False, metrics_from=("10.0.0.0/8",)))
    async with TestClient(TestServer(house.app)) as client:
        assert (await client.get("/metrics")).status == 403


async def test_probes_alone_go_by_the_addresses_in_force() -> None:
    allowed: list[tuple[str, ...]] = [("127.0.0.0/8",)]
    app = create_probes(Probed(Health, CollectorRegistry(), lambda: allowed[0]))
    async with TestClient(TestServer(app)) as client:
        assert (await client.get("/metrics")).status == 200

        allowed[0] = ("10.0.0.0/8",)
        assert (await client.get("/metrics")).status == 403
        assert (await client.get("/readyz")).status == 200


@pytest.mark.parametrize(
    ("address", "within"),
    [
        ("127.0.0.1", True),
        ("::ffff:127.0.0.1", True),
        ("10.2.3.4", False),
        ("fe80::1%eth0", False),
        (None, False),
        ("x", False),
    ],
)
def test_an_address_lies_in_a_network_or_not(address: str | None, within: bool) -> None:
    assert is_within(address, ("127.0.0.0/8", "::1/128")) is within


async def test_a_target_fetches_an_attachment_with_its_token(house: House, browser: Browser) -> None:
    answer = await browser.get(f"/files/{house.town.fees}/{house.town.photo_sha}", headers=OA)

    assert answer.status == 200
    assert answer.content_type == "image/png"
    assert (await answer.read()).startswith(b"\x89PNG")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"].startswith(
        "attachment; filename=\"file.png\"; filename*=UTF-8''%E6%94%B6"
    )
    assert "sandbox" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}, {"Authorization": "Basic dG9rZW4="},
     {"Authorization": "token-of-the-oa-0001"}, {"Authorization": "Bearer token-of-the-oa-00011"}],
)  # fmt: skip
async def test_without_a_good_token_there_is_no_file(
    house: House, browser: Browser, headers: Mapping[str, str]
) -> None:
    answer = await browser.get(f"/files/{house.town.fees}/{house.town.photo_sha}", headers=headers)

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_wrong_token_is_not_mended_by_a_session(house: House, browser: Browser) -> None:
    await log_in(browser, "clerk")
    path = f"/files/{house.town.fees}/{house.town.photo_sha}"

    assert (await browser.get(path, headers={"Authorization": "Bearer wrong"})).status == 401


async def test_restricted_files_go_only_to_a_target_that_takes_them(house: House, browser: Browser) -> None:
    town, evidence = house.town, sha256(SECRET_WORDS.encode()).hexdigest()

    assert (await browser.get(f"/files/{town.accusation}/{evidence}", headers=OA)).status == 404
    assert (await browser.get(f"/files/{town.accusation}/{evidence}", headers=VAULT)).status == 200
    assert (await browser.get(f"/files/{town.fees}/{evidence}", headers=OA)).status == 404
    assert (await browser.get(f"/files/{town.letter}/{town.scan_sha}", headers=OA)).status == 404
    assert (await browser.get(f"/files/{town.letter}/{town.scan_sha}", headers=VAULT)).status == 200


async def test_a_file_of_another_case_is_not_found_under_this_one(house: House, browser: Browser) -> None:
    assert (await browser.get(f"/files/{house.town.bus}/{house.town.photo_sha}", headers=OA)).status == 404


def test_an_empty_token_is_refused_when_it_is_configured() -> None:
    with pytest.raises(ValueError, match="file access token"):
        FileAccess(("",), target())


async def test_over_tls_cookies_are_bound_to_the_host(office: Office) -> None:
    house = build(office, populate(office.store), ConsoleSettings(public_url="https://xinqiao.example"))
    async with TestClient(TestServer(house.app)) as client:
        answer = await client.get("/login")

        cookie = answer.cookies["__Host-xinqiao_form"]
        assert cookie["secure"]
        assert cookie["httponly"]
        assert "max-age" in answer.headers["Strict-Transport-Security"]


class FailingHealth(Health):
    @property
    def ready(self) -> bool:
        raise RuntimeError("顾晓棠 13900000000")


async def test_a_page_that_fails_says_so_and_quotes_nothing(
    house: House, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    house.health[0] = FailingHealth()
    with structlog.testing.capture_logs() as logged:
        answer = await browser.get("/readyz")

    assert answer.status == 500
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert [(line["event"], line["page"]) for line in logged] == [("request failed", "/readyz")]
    assert "顾晓棠" not in f"{await answer.text()} {logged} {caplog.text}"
