"""In a real browser: log in, find a case, read it; nothing is blocked, nothing runs."""

from __future__ import annotations

import pytest
from playwright.async_api import async_playwright

from tests.console.conftest import CHROMIUM, Browser, House
from tests.console.town import PASSWORD

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.mark.browser
@pytest.mark.usefixtures("chromium_is_there")
async def test_a_clerk_finds_and_reads_a_case_in_a_browser(house: House, browser: Browser) -> None:
    complaints: list[str] = []
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, headless=True)
        page = await chromium.new_page(viewport={"width": 1366, "height": 768})
        page.on("console", lambda message: complaints.append(message.text))
        await page.goto(str(browser.make_url("/cases")))
        await page.get_by_label("账号").fill("clerk")
        await page.get_by_label("密码").fill(PASSWORD)
        await page.get_by_role("button", name="登录").click()
        await page.get_by_label("搜索").fill("王秀兰")
        await page.get_by_role("button", name="查找").click()
        await page.get_by_role("link", name="2026-000101").click()
        heading = await page.get_by_role("heading", level=1).inner_text()
        width = await page.evaluate("document.documentElement.scrollWidth")
        await page.set_viewport_size({"width": 360, "height": 740})
        narrow = await page.evaluate("document.documentElement.scrollWidth")
        await page.goto(str(browser.make_url(f"/cases/{house.town.bus}")))
        scripts = await page.locator("script").count()
        await page.get_by_role("button", name="退出").click()
        ended = page.url
        await chromium.close()

    assert heading.startswith("课后服务收费未公示")
    assert width <= 1366
    assert narrow <= 360
    assert scripts == 0
    assert ended.endswith("/login")
    assert complaints == []
