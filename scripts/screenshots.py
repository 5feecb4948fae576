"""Takes the pictures of the READMEs from a sandbox that runs: `python scripts/screenshots.py DATA CONSOLE_ADDRESS`.

DATA is the sandbox's folder (`xinqiao sandbox --run --data DATA`): its addresses and the demo password stand there.
"""

from __future__ import annotations

import io
import json
import shlex
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LARGEST = 200_000
SUFFIX = {"en": "", "zh": ".zh-CN"}


def main(data: Path, console: str) -> None:
    addresses = json.loads((data / "sandbox.json").read_text("utf-8"))["addresses"]
    words = shlex.split((data / "sandbox.env").read_text("utf-8"), comments=True)
    password = dict(word.split("=", 1) for word in words)["SANDBOX_DEMO_PASSWORD"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for language, suffix in SUFFIX.items():
            context = browser.new_context(viewport={"width": 1366, "height": 800})
            context.add_cookies([{"name": "xinqiao_language", "value": language, "url": console}])
            page = context.new_page()
            log_in(page, console, password)
            keep(page, console, f"console{suffix}")
            keep(page, f"{console}/cases", f"cases{suffix}")
            keep(page, f"{addresses['oa'].rstrip('/')}/?lang={language}", f"oa{suffix}")
            context.close()
        browser.close()


def log_in(page: Page, console: str, password: str) -> None:
    page.goto(f"{console}/login")
    page.fill("[name=name]", "clerk")
    page.fill("[name=password]", password)
    page.press("[name=password]", "Enter")
    page.wait_for_url(f"{console}/")


def keep(page: Page, address: str, name: str) -> None:
    """A screenshot with few colours: small, and as sharp as the page."""
    page.goto(address)
    picture = Image.open(io.BytesIO(page.screenshot()))
    path = IMAGES / f"{name}.png"
    picture.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    if size > LARGEST:
        raise SystemExit(f"{path}: {size} bytes, expected at most {LARGEST}")
    print(f"{path.name}: {size // 1000} KB")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    IMAGES.mkdir(parents=True, exist_ok=True)
    main(Path(sys.argv[1]), sys.argv[2].rstrip("/"))
