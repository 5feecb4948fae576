"""Two small real platforms, speaking as docs/platforms.md says, that can be told to misbehave."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web
from aiohttp.test_utils import TestServer

CHINA = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 3, 31, 10, 0, tzinfo=CHINA)
LOGIN_PAGE = "<!DOCTYPE html><html><body>请登录</body></html>"
Record = dict[str, Any]
Fault = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


def written(at: datetime) -> str:
    return at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")


@dataclass
class Platform:
    """What both have in common: records by key, files, what was asked, and the faults still to come."""

    key: str
    modified: str
    records: dict[str, Record] = field(default_factory=dict)
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    after_page: Callable[[int], None] | None = None
    """Called after each page has been composed: what changes while somebody pages."""
    page_cap: int = 1000
    repeats_last_page: bool = False
    tells_total: bool = True
    base_url: str = ""

    def put(self, key: str, at: datetime, **fields: object) -> None:
        self.records[key] = {**self.records.get(key, {}), self.key: key, self.modified: written(at), **fields}

    def listed(self, begin: str, end: str, page: int, size: int) -> tuple[int, list[Record]]:
        size = min(size, self.page_cap)
        within = sorted(
            (r for r in self.records.values() if begin <= r[self.modified] <= end),
            key=lambda r: (r[self.modified], r[self.key]),
        )
        last = max((len(within) - 1) // size + 1, 1)
        number = min(page, last) if self.repeats_last_page else page
        rows = within[(number - 1) * size : number * size]
        if self.after_page:
            self.after_page(page)
        return len(within), rows

    async def misbehaves(self, request: web.Request) -> web.StreamResponse | None:
        return await self.faults.pop(0)(request) if self.faults else None


@dataclass
class Sunshine(Platform):
    key: str = "xfjid"
    modified: str = "lastmodifytime"
    tokens: set[str] = field(default_factory=set)
    logins: int = 0
    token_life: int = 1800
    envelope: Callable[[Record], Any] = lambda answer: answer

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/api/auth/token", self.token)
        app.router.add_post("/api/xfj/list", self.list)
        app.router.add_get("/files/{tail:.*}", self.file)
        return app

    async def token(self, request: web.Request) -> web.Response:
        said = await request.json()
        if said != {"appId": "bureau", "appSecret": "s3cret"}:
            return web.json_response({"code": 403, "msg": "appSecret错误"})
        self.logins += 1
        token = f"token-{self.logins}"
        self.tokens.add(token)
        return web.json_response({"code": 0, "msg": "ok", "data": {"token": token, "expiresIn": self.token_life}})

    async def list(self, request: web.Request) -> web.StreamResponse:
        if wrong := await self.misbehaves(request):
            return wrong
        if request.headers.get("token") not in self.tokens:
            return web.json_response({"code": 401, "msg": "token失效"})
        said = await request.json()
        self.asked.append(said)
        total, rows = self.listed(
            said["lastmodifytimeBegin"], said["lastmodifytimeEnd"], said["pageNo"], said["pageSize"]
        )
        data = {"total": total, "rows": rows} if self.tells_total else {"rows": rows}
        return web.json_response(self.envelope({"code": 0, "msg": "ok", "data": data}))

    async def file(self, request: web.Request) -> web.StreamResponse:
        if wrong := await self.misbehaves(request):
            return wrong
        if request.headers.get("token") not in self.tokens:
            return web.json_response({"code": 401, "msg": "token失效"})
        return _file(self.files, request)


@dataclass
class Hotline(Platform):
    key: str = "roll_number"
    modified: str = "update_time"
    nonces: set[str] = field(default_factory=set)

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/openapi/orders", self.orders)
        app.router.add_get("/file/{tail:.*}", self.file)
        return app

    def refuses(self, request: web.Request) -> web.Response | None:
        said = dict(request.query)
        text = "&".join(f"{k}={said[k]}" for k in sorted(said) if k != "sign") + "&appSecret=s3cret"
        fresh = abs(NOW.timestamp() - int(said.get("timeStamp", "0"))) <= 600
        right = said.get("sign") == hashlib.md5(text.encode()).hexdigest().upper() and said.get("appId") == "bureau"
        if not (right and fresh):
            return web.json_response({"success": False, "code": 40001, "message": "签名错误"})
        if said["nonceStr"] in self.nonces:
            return web.json_response({"success": False, "code": 40003, "message": "nonce重复"})
        self.nonces.add(said["nonceStr"])
        return None

    async def orders(self, request: web.Request) -> web.StreamResponse:
        if wrong := await self.misbehaves(request) or self.refuses(request):
            return wrong
        said = dict(request.query)
        self.asked.append(said)
        begin, end = (datetime.fromisoformat(said[name]) for name in ("startTime", "endTime"))
        if end - begin > timedelta(days=30):
            return web.json_response({"success": False, "code": 40010, "message": "时间跨度过大"})
        total, rows = self.listed(said["startTime"], said["endTime"], int(said["page"]), int(said["pageSize"]))
        answer = {"success": True, "code": 10000, "message": "操作成功!", "resultData": {"total": total, "list": rows}}
        return web.json_response(answer)

    async def file(self, request: web.Request) -> web.StreamResponse:
        return await self.misbehaves(request) or self.refuses(request) or _file(self.files, request)


def _file(files: dict[str, tuple[str, bytes]], request: web.Request) -> web.Response:
    if request.path not in files:
        return web.Response(status=404)
    media_type, content = files[request.path]
    return web.Response(body=content, content_type=media_type)


@asynccontextmanager
async def serving(platform: Sunshine | Hotline) -> AsyncIterator[None]:
    server = TestServer(platform.application())
    await server.start_server()
    platform.base_url = str(server.make_url("/")).rstrip("/")
    try:
        yield
    finally:
        await server.close()


def answering(status: int, body: str = "", **headers: str) -> Fault:
    async def fault(_: web.Request) -> web.StreamResponse:
        kind = "text/html" if body.startswith("<") else "application/json"
        return web.Response(status=status, body=body.encode(), headers={"Content-Type": kind, **headers})

    return fault


def saying(document: object) -> Fault:
    return answering(200, json.dumps(document, ensure_ascii=False))


async def cut(request: web.Request) -> web.StreamResponse:
    """Promise a body, send half of it, hang up."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"code": 0, "data": {"total"')
    assert request.transport is not None
    request.transport.close()
    return response


def utc(at: datetime) -> datetime:
    return at.astimezone(UTC)
