"""The office's people at their desks: one Chromium, a session of its own for each role, everything done by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from playwright.async_api import Browser, Page

from tests.chromium import running_chromium


@dataclass
class Desks:
    """Whoever sits down logs in once, through the form."""

    browser: Browser
    url: str
    password: str
    complaints: list[str] = field(default_factory=list)
    """What the browser refused to do for our pages."""
    _pages: dict[str, Page] = field(default_factory=dict)

    async def of(self, role: str) -> Page:
        """The page this role has open; the account is named like it."""
        if role not in self._pages:
            context = await self.browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
            page = await context.new_page()
            page.set_default_timeout(15_000)
            page.on("console", lambda message: self._listen(message.text))
            await page.goto(f"{self.url}/login")
            await page.get_by_label("账号").fill(role)
            await page.get_by_label("密码").fill(self.password)
            await page.get_by_role("button", name="登录").click()
            self._pages[role] = page
        return self._pages[role]

    async def at(self, role: str, path: str) -> Page:
        page = await self.of(role)
        await page.goto(f"{self.url}{path}")
        return page

    def _listen(self, text: str) -> None:
        if not text.startswith("Failed to load resource"):  # how it says that an answer was 403 or 404
            self.complaints.append(text)


@asynccontextmanager
async def desks(url: str, password: str) -> AsyncIterator[Desks]:
    """Nobody has logged in yet."""
    async with running_chromium() as browser:
        yield Desks(browser, url, password)
