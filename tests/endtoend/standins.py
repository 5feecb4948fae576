"""The stand-ins as a process of their own, and what a test asks of them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp

from sandbox.chinatime import now, stamp
from sandbox.hotline import sign
from sandbox.keyring import keyring
from tests.program import Process, start

ROOT = Path(__file__).resolve().parents[2]
SEED = 7
PAGE = 1000
_PORTS = "oa=0,control=0,sunshine=0,hotline=0,mailbox=0"


@dataclass(frozen=True)
class Standins:
    """Where they listen; `keys` are the secrets they made, by environment variable."""

    data: Path
    places: dict[str, str]
    keys: dict[str, str]

    @property
    def letters(self) -> Path:
        return self.data / "letters"

    async def get(self, place: str, path: str, **query: str) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.places[place]}{path}", params=query) as answer,
        ):
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def post(self, place: str, path: str, body: object, headers: dict[str, str] | None = None) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.places[place]}{path}", json=body, headers=headers) as answer,
        ):
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def arrive(self, door: str, count: int) -> None:
        if count:
            await self.post("control", "/arrivals", {"door": door, "count": count})

    async def change(self, share: float) -> int:
        """This share of petitions and orders changes at its source; how many did."""
        return int((await self.post("control", "/changes", {"share": share}))["changed"])

    async def fault(self, standin: str, fault: str, share: float = 1.0) -> None:
        await self.post("control", "/faults", {standin: fault, "share": share})

    async def hits(self, standin: str) -> int:
        """How often the fault set last has struck."""
        return int((await self.get("control", "/faults"))[standin]["hits"])

    async def arrivals(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = await self.get("control", "/arrivals")
        return entries

    async def oa_cases(self, route: str = "") -> list[dict[str, Any]]:
        cases: list[dict[str, Any]] = await self.get("oa", "/api/cases", route=route)
        return cases

    async def petitions(self) -> dict[str, dict[str, Any]]:
        """What the petition platform says now, by xfjbh, asked as any client would."""
        login = {"appId": "xinqiao", "appSecret": self.keys["SUNSHINE_APP_SECRET"]}
        token = (await self.post("sunshine", "/api/auth/token", login))["data"]["token"]
        asked = {"lastmodifytimeBegin": "2000-01-01 00:00:00", "lastmodifytimeEnd": "2099-01-01 00:00:00"}

        async def page(number: int) -> list[dict[str, Any]]:
            wanted = {**asked, "pageNo": number, "pageSize": PAGE}
            answer = await self.post("sunshine", "/api/xfj/list", wanted, {"token": token})
            rows: list[dict[str, Any]] = answer["data"]["rows"]
            return rows

        return {row["xfjbh"]: row for row in await _all_pages(page)}

    async def orders(self) -> dict[str, dict[str, Any]]:
        """What the hotline says now, by order number."""

        async def page(number: int) -> list[dict[str, Any]]:
            moment = now()
            query = {
                "appId": "xinqiao",
                "timeStamp": str(int(moment.timestamp())),
                "nonceStr": f"test-{moment.timestamp()}",
                "startTime": stamp(moment - timedelta(days=2)),
                "endTime": stamp(moment),
                "page": str(number),
                "pageSize": str(PAGE),
            }
            signed = {**query, "sign": sign(query, self.keys["HOTLINE_APP_SECRET"])}
            listed: list[dict[str, Any]] = (await self.get("hotline", "/openapi/orders", **signed))["resultData"][
                "list"
            ]
            return listed

        return {row["roll_number"]: row for row in await _all_pages(page)}


async def _all_pages(page: Callable[[int], Awaitable[list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    number = 1
    while more := await page(number):
        found += more
        if len(more) < PAGE:
            break
        number += 1
    return found


@asynccontextmanager
async def standins(data: Path, only: str, *options: str) -> AsyncIterator[Standins]:
    """`xinqiao sandbox` without the daemon, on free ports, until the end of the block."""
    log = data.with_suffix(".log")
    places = ("--data", str(data), "--ports", _PORTS, "--only", only)
    with log.open("wb") as output:
        arguments = ("sandbox", *places, "--rate", "0", "--seed", str(SEED), *options)
        process = await start(arguments, os.environ, ROOT, None, output, output)
    try:
        yield Standins(data, await _places(process, data, log), keyring(data))
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 20) == 0, log.read_text("utf-8")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _places(process: Process, data: Path, log: Path) -> dict[str, str]:
    async with asyncio.timeout(60):
        while not (data / "sandbox.json").exists():
            assert process.returncode is None, f"the stand-ins ended, see {log}"
            await asyncio.sleep(0.05)
    addresses: dict[str, str] = json.loads((data / "sandbox.json").read_text("utf-8"))["addresses"]
    return addresses
