"""The 12345 work-order platform: signed requests, orders by time of change, attachments, as in docs/platforms.md."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from mimetypes import guess_type
from types import TracebackType
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Handler

from sandbox.chinatime import now, parse_stamp, stamp
from sandbox.faults import ANSWERS, Fault, Switch
from sandbox.hotline_records import Order, act, content_of, order
from sandbox.matters import Matter
from sandbox.paging import page_of, repeated
from sandbox.web import FAULT, Listener, faulty

TIMESTAMP_LIFE = timedelta(minutes=10)
WIDEST_WINDOW = timedelta(days=30)


class Refused(Exception):
    """A business error: its code and its sentence, told with HTTP 200."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.body = {"success": False, "code": code, "message": message, "resultData": None}


def sign(parameters: Mapping[str, str], secret: str) -> str:
    """MD5 in upper case over the sorted parameters but `sign`, with the secret appended."""
    joined = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters) if name != "sign")
    return hashlib.md5(f"{joined}&appSecret={secret}".encode(), usedforsecurity=False).hexdigest().upper()


class Hotline:
    """`async with Hotline(port=0, secret="…") as hotline: hotline.url`."""

    def __init__(
        self,
        port: int = 0,
        *,
        app_id: str = "xinqiao",
        secret: str = "hotline-secret",  # noqa: S107  # a stand-in's default, for tests
        clock: Callable[[], datetime] = now,
    ) -> None:
        self.switch = Switch("hotline", ANSWERS | {Fault.DUPLICATE})
        self.orders: dict[str, Order] = {}
        self._app_id, self._secret, self._clock = app_id, secret, clock
        self._nonces: dict[str, datetime] = {}
        app = web.Application(middlewares=[faulty(self.switch, self._busy), _refusals])
        app.router.add_get("/openapi/orders", self._list)
        app.router.add_get("/file/{rest:.+}", self._file)
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
        """A new order; answers its roll_number."""
        new = order(matter, at)
        key = str(new["roll_number"])
        self.orders[key] = new
        return key

    def act(self, key: str, action: str, at: datetime, matter: Matter) -> None:
        """Something happens to an order: 签收, 催办, 督办, 退回重办, 延期, 补充, 撤单…"""
        self.orders[key] = act(self.orders[key], action, at, matter.dice(f"{action}{at}"))

    async def _list(self, request: web.Request) -> web.Response:
        self._verify(request.query)
        begin, end, page, size = _window(request.query)
        found = [one for one in self.orders.values() if begin <= str(one["update_time"]) <= end]
        found.sort(key=lambda one: (str(one["update_time"]), str(one["roll_number"])))
        cut = repeated if request[FAULT] is Fault.DUPLICATE else page_of
        data = {"total": len(found), "list": cut(found, page, size)}
        return web.json_response({"success": True, "code": 10000, "message": "操作成功!", "resultData": data})

    async def _file(self, request: web.Request) -> web.Response:
        self._verify(request.query)
        path = request.path.removeprefix("/")
        if not any(path in str(one["attachments"]).split(",") for one in self.orders.values()):
            return web.Response(status=404, text="附件不存在")
        return web.Response(body=content_of(path), content_type=guess_type(path)[0] or "application/octet-stream")

    def _verify(self, query: Mapping[str, str]) -> None:
        """Raises Refused unless the request is signed by us, fresh, and told for the first time."""
        expected = sign(query, self._secret)
        if query.get("appId") != self._app_id or not hmac.compare_digest(
            expected.encode(), query.get("sign", "").encode()
        ):
            raise Refused(40001, "签名错误")
        now_ = self._clock()
        if not query.get("timeStamp", "").isdigit() or abs(int(query["timeStamp"]) - now_.timestamp()) > 600:
            raise Refused(40001, "签名错误: timeStamp超出有效期")
        self._nonces = {nonce: told for nonce, told in self._nonces.items() if now_ - told < 2 * TIMESTAMP_LIFE}
        nonce = query.get("nonceStr", "")
        if not nonce or nonce in self._nonces:
            raise Refused(40003, "nonceStr重复")
        self._nonces[nonce] = now_

    def _busy(self) -> object:
        """Both ways of the platform to say "later", in turn."""
        code, message = ((40029, "调用过于频繁"), (50000, "系统繁忙"))[self.switch.hits % 2]
        return Refused(code, message).body


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as refused:
        return web.json_response(refused.body)


def _window(query: Mapping[str, str]) -> tuple[str, str, int, int]:
    try:
        begin, end = parse_stamp(query["startTime"]), parse_stamp(query["endTime"])
        page, size = int(query["page"]), int(query["pageSize"])
    except (KeyError, ValueError) as error:
        raise Refused(40010, f"参数错误: {error}") from error
    if page < 1 or not 1 <= size <= 1000:
        raise Refused(40010, f"参数错误: page {page}, pageSize {size}")
    if end - begin > WIDEST_WINDOW:
        raise Refused(40010, "查询时间跨度不能超过30天")
    return stamp(begin), stamp(end), page, size
