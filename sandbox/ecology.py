"""泛微 e-cology 9 as far as an integrator meets it, bad habits included: HTTP 200 to everything, `code` in three forms,
error messages that point at the wrong field, and a second request for whoever posts twice.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sandbox.chinatime import now, stamp
from sandbox.faults import ANSWERS, Fault, Switch
from sandbox.web import FAULT, Listener, faulty

RESERVED = frozenset({"requestname", "requestlevel", "messagetype"})
"""Fields of every form that must not stand in mainData."""
FORMS = {
    "23": ("xfjbh", "ly", "bt", "nr", "xfr", "lxdh", "sjrq", "xbrq", "fj"),
    "24": ("xfjbh", "lx", "sm"),
}
"""The fields of two workflows' forms: a petition, and news of one; `fj` takes files."""
TOKEN_LIFE = timedelta(minutes=30)
_BUSY = {"code": "SYSTEM_INNER_ERROR", "data": {}, "errMsg": {"message": "系统繁忙"}}
_WRONG = {"workflowId": "0"}
"""What is said of whatever cannot be read, wherever the mistake is."""


class Refused(Exception):
    """The answer says no, with HTTP 200: a code and what is wrong."""

    def __init__(self, code: str, said: Mapping[str, str]) -> None:
        super().__init__(code)
        self.code, self.said = code, dict(said)


@dataclass(frozen=True)
class Request:
    """A workflow request (流程) somebody started."""

    id: int
    workflow: str
    name: str
    creator: str
    main: dict[str, Any]
    details: tuple[dict[str, Any], ...]
    files: dict[str, bytes]
    """By their names."""
    at: datetime


@dataclass
class Application:
    """A row of ECOLOGY_BIZ_EC: who may ask for a token."""

    secrit: str = field(default_factory=lambda: secrets.token_hex(16))
    tokens: dict[str, datetime] = field(default_factory=dict)
    """Until when each is good."""


class Ecology:
    """`async with Ecology(port=0) as oa: oa.url`; what was started is `oa.requests`."""

    def __init__(
        self,
        port: int = 0,
        *,
        appid: str = "xinqiao",
        users: tuple[str, ...] = ("1024",),
        forms: Mapping[str, Sequence[str]] = FORMS,
        upload_folder: bool = True,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """`upload_folder`: the forms say where files go; without it files are refused."""
        self.switch = Switch("ecology", ANSWERS | {Fault.EXPIRED})
        self.login_switch = Switch("ecology-login", ANSWERS)
        self.requests: list[Request] = []
        self.applications = {appid: Application()}
        self._users, self._forms, self._upload_folder, self._clock = users, forms, upload_folder, clock
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        calls = faulty(self.switch, lambda: _BUSY, "/api/workflow/", after=True)
        logins = faulty(self.login_switch, lambda: _no("系统繁忙"), "/api/ec/", after=True)
        app = web.Application(middlewares=[calls, logins], client_max_size=80 * 2**20)
        app.router.add_post("/api/ec/dev/auth/regist", self._regist)
        app.router.add_post("/api/ec/dev/auth/applytoken", self._apply_token)
        app.router.add_post("/api/workflow/paService/doCreateRequest", self._create)
        app.router.add_post("/api/workflow/paService/getMyWorkflowRequestList", self._list)
        app.router.add_get("/", self._show)
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

    def started(self, workflow: str = "23") -> dict[str, int]:
        """How many requests there are by the number of their case: more than one is once too often."""
        return dict(Counter(str(one.main.get("xfjbh")) for one in self.requests if one.workflow == workflow))

    def forget_logins(self) -> None:
        """As after a restart: every token and every secrit handed out is void."""
        self.applications = {appid: Application() for appid in self.applications}

    async def _regist(self, request: web.Request) -> web.Response:
        known = self.applications.get(request.headers.get("appid", ""))
        if known is None:
            return web.json_response(_no("appid不存在"))
        if not request.headers.get("cpk"):
            return web.json_response(_no("cpk不能为空"))
        public = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return web.json_response(_yes("ok") | {"secrit": known.secrit, "spk": base64.b64encode(public).decode()})

    async def _apply_token(self, request: web.Request) -> web.Response:
        known = self.applications.get(request.headers.get("appid", ""))
        if known is None or self._decrypted(request.headers.get("secret", "")) != known.secrit:
            return web.json_response(_no("secret校验失败"))
        asked = request.headers.get("time", "")
        life = timedelta(seconds=int(asked)) if asked.isdecimal() else TOKEN_LIFE
        token = secrets.token_hex(16)
        known.tokens[token] = self._clock() + life
        return web.json_response(_yes("获取成功!") | {"token": token})

    async def _create(self, request: web.Request) -> web.Response:
        if not self._let_in(request):
            return web.json_response(_no("token不存在或者已超时"))
        try:
            made = self._started(self._user(request), {**await request.post()})
        except Refused as no:
            return web.json_response({"code": self._written(no.code), "data": {}, "errMsg": no.said})
        code = self._written("SUCCESS")
        self.requests.append(made)
        return web.json_response({"code": code, "data": {"requestid": made.id}, "errMsg": {}})

    async def _list(self, request: web.Request) -> web.Response:
        """所发起流程列表: a bare list; the condition `requestname` is looked for anywhere in the name."""
        if not self._let_in(request):
            return web.json_response(_no("token不存在或者已超时"))
        asked = await request.post()
        try:
            user, wanted = self._user(request), _parsed(asked.get("conditions", "{}"), dict)
        except Refused as no:
            return web.json_response({"code": no.code, "data": {}, "errMsg": no.said})
        size = int(str(asked.get("pageSize", "10")))
        mine = [
            {"requestId": str(one.id), "requestName": one.name, "creatorId": user, "createTime": stamp(one.at)}
            for one in reversed(self.requests)
            if one.creator == user and str(wanted.get("requestname", "")) in one.name
        ]
        return web.json_response(mine[:size])

    async def _show(self, _request: web.Request) -> web.Response:
        return web.json_response(
            [{"requestid": one.id, "requestname": one.name, **one.main, "files": [*one.files]} for one in self.requests]
        )

    def _let_in(self, request: web.Request) -> bool:
        known = self.applications.get(request.headers.get("appid", ""))
        until = known.tokens.get(request.headers.get("token", "")) if known else None
        return until is not None and self._clock() < until and request[FAULT] is not Fault.EXPIRED

    def _user(self, request: web.Request) -> str:
        user = self._decrypted(request.headers.get("userid", ""))
        if user not in self._users:
            raise Refused("USER_EXCEPTION", {"userid": "用户不存在"})
        return user

    def _decrypted(self, text: str) -> str | None:
        try:
            return self._key.decrypt(base64.b64decode(text, validate=True), padding.PKCS1v15()).decode()
        except (ValueError, binascii.Error):
            return None

    def _started(self, user: str, asked: Mapping[str, object]) -> Request:
        """What a form makes. A request whose body is JSON has no fields and is told that its workflowId is 0."""
        main, workflow = _parsed(asked.get("mainData"), list), str(asked.get("workflowId"))
        if workflow not in self._forms or not main:
            raise Refused("PARAM_ERROR", _WRONG)
        name = str(asked.get("requestName") or "")
        if not name:
            raise Refused("PARAM_ERROR", {"requestName": "不能为空"})
        values: dict[str, Any] = {}
        files: dict[str, bytes] = {}
        for one in main:
            field_name, value = self._field(one, self._forms[workflow])
            values[field_name] = value
            if field_name == "fj":
                files = self._uploaded(value)
                values[field_name] = [*files]
        details = tuple(_parsed(asked.get("detailData") or "[]", list))
        return Request(8888 + len(self.requests), workflow, name, user, values, details, files, self._clock())

    def _field(self, one: object, known: Sequence[str]) -> tuple[str, Any]:
        if not isinstance(one, dict) or one.keys() != {"fieldName", "fieldValue"}:
            raise Refused("PARAM_ERROR", _WRONG)
        name = str(one["fieldName"])
        if name.lower() in RESERVED or name not in known:
            raise Refused("PARAM_ERROR", {name: "字段不存在"})
        return name, one["fieldValue"]

    def _uploaded(self, value: object) -> dict[str, bytes]:
        if not self._upload_folder:
            raise Refused("PARAM_ERROR", {"fj": "字段未设置附件上传目录"})
        if not isinstance(value, list):
            raise Refused("PARAM_ERROR", _WRONG)
        try:
            return {
                str(one["fileName"]): base64.b64decode(str(one["filePath"]).removeprefix("base64:"), validate=True)
                for one in value
            }
        except (KeyError, TypeError, binascii.Error) as error:
            raise Refused("PARAM_ERROR", {"fj": "附件上传失败"}) from error

    def _written(self, code: str) -> object:
        """One server writes it in three ways."""
        return (code, {"name": code}, {"statusCode": code})[len(self.requests) % 3]


def _parsed(value: object, kind: type[Any]) -> Any:  # noqa: ANN401 - JSON
    try:
        found = json.loads(str(value))
    except ValueError as error:
        raise Refused("PARAM_ERROR", _WRONG) from error
    if not isinstance(found, kind):
        raise Refused("PARAM_ERROR", _WRONG)
    return found


def _yes(said: str) -> dict[str, object]:
    return {"status": True, "code": 0, "msg": said, "msgShowType": "none"}


def _no(said: str) -> dict[str, object]:
    return {"status": False, "code": -1, "msg": said, "msgShowType": "none"}
