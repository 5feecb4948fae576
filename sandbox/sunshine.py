"""The petition platform: token login, a list by time of last change, attachments; docs/platforms.md is its manual."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from mimetypes import guess_type
from types import TracebackType
from typing import Self, cast

from aiohttp import web

from sandbox.chinatime import now, parse_stamp, stamp
from sandbox.evidence import evidence
from sandbox.faults import ANSWERS, Fault, Switch
from sandbox.matters import Matter
from sandbox.paging import page_of, repeated
from sandbox.sunshine_records import Record, advance, record
from sandbox.web import FAULT, Listener, faulty

_BUSY = {"code": 500, "msg": "系统繁忙"}
_LOG_IN = {"code": 401, "msg": "token失效"}


class SunshinePlatform:
    """`async with SunshinePlatform(port=0, secret="…") as platform: platform.url`."""

    def __init__(
        self,
        port: int = 0,
        *,
        app_id: str = "xinqiao",
        secret: str = "sunshine-secret",  # noqa: S107  # a stand-in's default, for tests
        token_life: timedelta = timedelta(seconds=1800),
        clock: Callable[[], datetime] = now,
    ) -> None:
        self.switch = Switch("sunshine", ANSWERS | {Fault.DUPLICATE})
        self.records: dict[str, Record] = {}
        self._app_id, self._secret, self._life, self._clock = app_id, secret, token_life, clock
        self._tokens: dict[str, datetime] = {}
        app = web.Application(middlewares=[faulty(self.switch, lambda: _BUSY)])
        app.router.add_post("/api/auth/token", self._log_in)
        app.router.add_post("/api/xfj/list", self._list)
        app.router.add_get("/files/{ident}/{name}", self._file)
        self._listener = Listener(app, port, self.switch)

    @property
    def url(self) -> str:
        return self._listener.url

    async def __aenter__(self) -> Self:
        await self._listener.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._listener.stop()

    async def turned(self) -> None:
        """Returns when the last change of the switch has taken effect."""
        await self._listener.turned()

    def register(self, matter: Matter, at: datetime) -> str:
        """A new matter; answers its xfjid."""
        new = record(matter, at)
        key = str(new["xfjid"])
        self.records[key] = new
        return key

    def advance(self, key: str, step: str, at: datetime, matter: Matter) -> None:
        """Something happens to a matter: 催办, 督办, 补充, 办结, 退回重办, 撤回…"""
        self.records[key] = advance(self.records[key], step, at, matter.dice(f"{step}{at}"))

    async def _log_in(self, request: web.Request) -> web.Response:
        asked = await _body(request)
        right = hmac.compare_digest(str(asked.get("appSecret", "")).encode(), self._secret.encode())
        if asked.get("appId") != self._app_id or not right:
            return web.json_response({"code": 403, "msg": "appId或appSecret错误"})
        token = secrets.token_hex(16)
        self._tokens[token] = self._clock() + self._life
        data = {"token": token, "expiresIn": int(self._life.total_seconds())}
        return web.json_response({"code": 0, "msg": "ok", "data": data})

    async def _list(self, request: web.Request) -> web.Response:
        if not self._logged_in(request):
            return web.json_response(_LOG_IN)
        try:
            begin, end, page, size = _window(await _body(request))
        except (KeyError, ValueError) as error:
            return web.json_response({"code": 403, "msg": f"参数错误: {error}"})
        found = [one for one in self.records.values() if begin <= str(one["lastmodifytime"]) <= end]
        found.sort(key=lambda one: (str(one["lastmodifytime"]), str(one["xfjid"])))
        cut = repeated if request[FAULT] is Fault.DUPLICATE else page_of
        return web.json_response(
            {"code": 0, "msg": "ok", "data": {"total": len(found), "rows": cut(found, page, size)}}
        )

    async def _file(self, request: web.Request) -> web.Response:
        if not self._logged_in(request):
            return web.json_response(_LOG_IN)
        ident, name = request.match_info["ident"], request.match_info["name"]
        files = cast("list[dict[str, object]]", self.records.get(ident.partition("f")[0], {}).get("xgfj", []))
        if not any(file["fjid"] == ident and file["fjmc"] == name for file in files):
            return web.Response(status=404, text="附件不存在")
        return web.Response(body=evidence(name, ident), content_type=guess_type(name)[0] or "application/octet-stream")

    def _logged_in(self, request: web.Request) -> bool:
        expires = self._tokens.get(request.headers.get("token", ""))
        return expires is not None and self._clock() < expires


async def _body(request: web.Request) -> dict[str, object]:
    try:
        body = await request.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _window(asked: dict[str, object]) -> tuple[str, str, int, int]:
    begin, end = parse_stamp(str(asked["lastmodifytimeBegin"])), parse_stamp(str(asked["lastmodifytimeEnd"]))
    page, size = int(str(asked["pageNo"])), int(str(asked["pageSize"]))
    if page < 1 or not 1 <= size <= 1000:
        raise ValueError(f"pageNo {page}, pageSize {size}")
    return stamp(begin), stamp(end), page, size
