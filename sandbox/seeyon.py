"""致远 A8 as far as an integrator meets it, bad habits included: forms keyed by their Chinese names, numbers within a
JSON text within JSON, tokens of a quarter of an hour, and a second process for whoever posts twice.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from sandbox.chinatime import now
from sandbox.faults import ANSWERS, Fault, Switch
from sandbox.web import FAULT, Listener, faulty

TOKEN_LIFE = timedelta(minutes=15)
TEMPLATE = "XF_01"
FORM, TABLE = "formmain_0124", "formson_0125"
FIELDS = ("信访件编号", "来源", "标题", "内容", "收到日期", "限办日期")
COLUMNS = ("序号", "姓名", "电话")
_BUSY = {"code": 500, "message": "系统繁忙，请稍后再试", "data": None}
_WRONG_PASSWORD = "-1"  # noqa: S105  # what is answered in a token's place


class Refused(Exception):
    """The answer says no, with HTTP 200; the message says what is wrong."""


@dataclass(frozen=True)
class Process:
    """A process (流程) somebody started."""

    id: int
    subject: str
    sender: str
    form: dict[str, Any]
    rows: tuple[dict[str, Any], ...]
    draft: bool


class Seeyon:
    """`async with Seeyon(port=0, password="…") as oa: oa.url`; what was started is `oa.processes`."""

    def __init__(
        self,
        port: int = 0,
        *,
        user: str = "rest",
        password: str = "seeyon-password",  # noqa: S107  # a stand-in's default, for tests
        members: tuple[str, ...] = ("xinfang",),
        clock: Callable[[], datetime] = now,
        routes: Iterable[web.AbstractRouteDef] = (),
    ) -> None:
        """`members`: login names in whose name processes may be started; `routes`: what an integrator has added."""
        self.switch = Switch("seeyon", ANSWERS | {Fault.EXPIRED})
        self.login_switch = Switch("seeyon-login", ANSWERS)
        self.processes: list[Process] = []
        self._user, self._password, self._members, self._clock = user, password, members, clock
        self._tokens: dict[str, tuple[str, datetime]] = {}
        calls = faulty(self.switch, lambda: _BUSY, "/seeyon/rest/bpm/", after=True)
        logins = faulty(self.login_switch, lambda: _BUSY, "/seeyon/rest/token", after=True)
        app = web.Application(middlewares=[calls, logins], client_max_size=80 * 2**20)
        app.router.add_post("/seeyon/rest/token", self._token)
        app.router.add_get("/seeyon/rest/token/{user}/{password}", self._bare_token)
        app.router.add_post("/seeyon/rest/bpm/process/start", self._start)
        app.router.add_get("/", self._show)
        app.router.add_routes(routes)
        self._listener = Listener(app, port, self.switch)

    @property
    def url(self) -> str:
        return self._listener.url

    async def turned(self) -> None:
        """Returns when the last change of the switch has taken effect."""
        await self._listener.turned()

    async def __aenter__(self) -> Self:
        await self._listener.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._listener.stop()

    def started(self) -> dict[str, int]:
        """How many processes there are by the number of the case: more than one is once too often."""
        return dict(Counter(str(one.form.get("信访件编号")) for one in self.processes))

    def forget_logins(self) -> None:
        """As after a restart: every token handed out is void."""
        self._tokens.clear()

    async def _token(self, request: web.Request) -> web.Response:
        asked = await _body(request)
        given = (str(asked.get(name, "")) for name in ("userName", "password", "loginName"))
        return web.json_response({"id": self._logged_in(*given)})

    async def _bare_token(self, request: web.Request) -> web.Response:
        """The older form: text, unless JSON is asked for."""
        found = self._logged_in(
            request.match_info["user"], request.match_info["password"], request.query.get("loginName", "")
        )
        if "json" in request.headers.get("Accept", ""):
            return web.json_response({"id": found})
        return web.Response(text=found)

    def _logged_in(self, user: str, password: str, member: str) -> str:
        right = hmac.compare_digest(password.encode(), self._password.encode())
        if user != self._user or not right or member not in self._members:
            return _WRONG_PASSWORD
        token = secrets.token_hex(16)
        self._tokens[token] = (member, self._clock() + TOKEN_LIFE)
        return token

    async def _start(self, request: web.Request) -> web.Response:
        member = self._member(request)
        if member is None:
            return web.Response(status=401, text="token invalid")
        try:
            made = self._made(member, await _body(request))
        except Refused as no:
            return web.json_response({"code": 1, "message": str(no), "data": None})
        self.processes.append(made)
        numbers = {"affairId": str(made.id + 1), "summaryId": str(made.id)}
        data = {
            "processId": str(made.id + 2),
            "subject": made.subject,
            "app_bussiness_data": json.dumps(numbers),  # sic
            "workitems": [],
            "errorMsg": "",
        }
        return web.json_response({"code": 0, "message": "", "data": data})

    def _member(self, request: web.Request) -> str | None:
        token = request.headers.get("token") or request.query.get("token", "")
        member, until = self._tokens.get(token, ("", None))
        good = until is not None and self._clock() < until and request[FAULT] is not Fault.EXPIRED
        return member if good else None

    def _made(self, member: str, asked: Mapping[str, Any]) -> Process:
        data = asked.get("data")
        if asked.get("appName") != "collaboration" or not isinstance(data, dict):
            raise Refused("appName不正确")
        if data.get("templateCode") != TEMPLATE:
            raise Refused(f"模板{data.get('templateCode')}不存在")
        tables = data.get("data")
        if not isinstance(tables, dict) or not isinstance(tables.get(FORM), dict) or tables.keys() - {FORM, TABLE}:
            raise Refused("表单数据不正确")
        form, rows = tables[FORM], tables.get(TABLE, [])
        unknown = [name for name in form if name not in FIELDS]
        unknown += [name for row in rows for name in row if name not in COLUMNS]
        if unknown:
            raise Refused(f"表单字段[{unknown[0]}]不存在")
        number = -5512594795463686679 + 1000 * len(self.processes)
        return Process(number, str(data.get("subject", "")), member, form, tuple(rows), data.get("draft") == "1")

    async def _show(self, _request: web.Request) -> web.Response:
        return web.json_response(
            [{"summaryId": str(one.id), "subject": one.subject, **one.form, TABLE: one.rows} for one in self.processes]
        )


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
