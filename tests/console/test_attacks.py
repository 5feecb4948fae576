# ruff: noqa: E501 - attacks as they are written
"""What strangers send, looked at in a real browser: nothing runs, nothing is asked for, nothing leads away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Error, Page

from ingest.console.viewing import PATIENCE, Viewer
from ingest.workers import WorkerPool
from tests.chromium import running_chromium
from tests.console.conftest import Browser, House, log_in
from tests.console.town import PASSWORD, attach, set_aside

pytestmark = pytest.mark.browser
ATTACKS = """
<script>fetch("LURE/script"); document.title = "ran"; alert(1)</script>
<img src="LURE/img.png" onerror="fetch('LURE/onerror')" srcset="LURE/set 2x"><img src=x onerror=alert(1)>
<svg onload="fetch('LURE/svg')"><image href="LURE/svgimage"/><script href="LURE/svgscript"></script></svg>
<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=LURE/mutation onerror=alert(1)&gt;"></table></math>
<iframe src="LURE/frame" srcdoc="<script>parent.document.title='ran'</script>"></iframe><object data="LURE/object"></object>
<embed src="LURE/embed"><video src="LURE/video" poster="LURE/poster" autoplay></video><audio src="LURE/audio" autoplay></audio>
<link rel="stylesheet" href="LURE/css"><style>@import "LURE/import"; body {background: url(LURE/background)}</style>
<meta http-equiv="refresh" content="0; url=LURE/refresh"><base href="LURE/"><body background="LURE/body" onload="alert(1)">
<div style="background: url(LURE/style); position: fixed; inset: 0">over everything</div>
<form action="LURE/form" method="post"><input name="a" autofocus onfocus="this.form.submit()"><button>ok</button></form>
<a href="javascript:fetch('LURE/link')" id="link">click</a><a href="LURE/away" ping="LURE/ping" target="_top">away</a>
<details open ontoggle="fetch('LURE/toggle')"><summary>x</summary></details><marquee onstart="fetch('LURE/marquee')">x</marquee>
<noscript><p title="</noscript><img src=LURE/noscript onerror=alert(1)>"></noscript><template><img src="LURE/template"></template>
<table background="LURE/table"><tr><td background="LURE/td">the words themselves</td></tr></table>
"""


@asynccontextmanager
async def a_lure() -> AsyncIterator[tuple[str, list[str]]]:
    """A server that strangers' mails lead to, and what it was asked for."""
    asked: list[str] = []

    async def note(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(text="document.title = 'ran'", content_type="text/javascript")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", note)
    server = TestServer(app)
    await server.start_server()
    try:
        yield str(server.make_url("")).rstrip("/"), asked
    finally:
        await server.close()


@asynccontextmanager
async def a_page(browser: Browser, account: str) -> AsyncIterator[Page]:
    async with running_chromium() as chromium:
        page = await chromium.new_page()
        await page.goto(str(browser.make_url("/login")))
        await page.get_by_label("账号").fill(account)
        await page.get_by_label("密码").fill(PASSWORD)
        await page.get_by_role("button", name="登录").click()
        yield page


def hostile_mail(lure: str) -> bytes:
    head = f'From: "<img src={lure}/from onerror=alert(1)>" <a@b.example>\r\nSubject: <script>alert(1)</script>\r\n'
    return (head + "Content-Type: text/html; charset=utf-8\r\n\r\n" + ATTACKS.replace("LURE", lure)).encode()


async def test_of_a_mail_full_of_attacks_only_the_words_reach_the_browser(house: House, browser: Browser) -> None:
    asked_for: list[str] = []
    said: list[str] = []
    async with a_lure() as (lure, visits), a_page(browser, "discipline") as page:
        number = set_aside(house.store, hostile_mail(lure))
        page.on("request", lambda request: asked_for.append(request.url))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        await page.goto(str(browser.make_url(f"/quarantine/{number}")), wait_until="networkidle")
        shown = await page.locator(".letter.html").inner_text()
        active = (
            await page.locator(".letter").locator("a, img, svg, script, style, form, iframe, [style], [title]").count()
        )
        title, address = await page.title(), page.url

    assert "the words themselves" in shown
    assert (active, said, visits) == (0, [], [])
    assert title != "ran"
    assert address.endswith(f"/quarantine/{number}")
    assert {urlsplit(url).netloc for url in asked_for} == {urlsplit(address).netloc}


@pytest.mark.parametrize("media_type", ["text/html", "image/svg+xml"])
async def test_a_foreign_file_is_saved_and_never_opened(house: House, browser: Browser, media_type: str) -> None:
    async with a_lure() as (lure, visits), a_page(browser, "discipline") as page:
        content = f'<html xmlns="http://www.w3.org/1999/xhtml"><script src="{lure}/x"></script></html>'.encode()
        sha = attach(house.store, house.town.fees, content, media_type)
        with pytest.raises(Error, match="Download is starting"):
            await page.goto(str(browser.make_url(f"/files/{house.town.fees}/{sha}")))

    assert visits == []


async def test_every_file_and_page_says_that_nothing_of_it_may_run(house: House, browser: Browser) -> None:
    await log_in(browser, "discipline")
    sha = attach(house.store, house.town.fees, b"<script>alert(1)</script>", "text/html")
    number = set_aside(house.store, b"From: a@b.example\r\n\r\n<script>")
    files = (
        f"/files/{house.town.fees}/{sha}",
        f"/quarantine/{number}/original",
        f"/cases/{house.town.fees}/originals/1",
    )
    for path in files:
        headers = (await browser.get(path)).headers
        assert headers["Content-Disposition"].startswith("attachment")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox; frame-ancestors 'none'"
        assert "html" not in headers["Content-Type"]
    for path in ("/", "/quarantine", f"/quarantine/{number}", f"/cases/{house.town.bus}", "/login", "/nowhere"):
        headers = (await browser.get(path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'; img-src 'self';")


async def test_an_original_that_hangs_its_parser_is_not_shown_and_the_next_one_is() -> None:
    """Elements nested within each other take the sanitiser's parser seconds, and with a few more minutes."""
    deep = b"From: a@b.example\r\nContent-Type: text/html\r\n\r\n" + b"<div>" * 39_000
    async with WorkerPool("normalize.showing") as pool:
        viewer = Viewer(pool, timedelta(milliseconds=200))
        hung = await viewer.mail(deep)
        shown = await replace(viewer, patience=PATIENCE).mail(b"From: a@b.example\r\n\r\nwords")

    assert hung is None
    assert shown is not None
    assert shown.text == "words"
