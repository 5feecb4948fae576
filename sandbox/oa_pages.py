"""The OA inbox in a browser: newest first, one page a case, the discipline line apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aiohttp
from aiohttp import web

from sandbox.oa import Ledger
from sandbox.oa_reports import TYPES, Reporter
from sandbox.oa_words import WORDS
from sandbox.pages import language, page

_BASES = {"": "", "discipline": "/discipline"}
_TIMEOUT = aiohttp.ClientTimeout(total=20)


class OaPages:
    """Adds the pages to the OA's application; `tokens` (by route) open the files at xinqiao.

    With a reporter a case's page has buttons that report back.
    """

    def __init__(
        self, app: web.Application, ledger: Ledger, tokens: Mapping[str, str], reporter: Reporter | None = None
    ) -> None:
        self._ledger, self._tokens, self._reporter = ledger, tokens, reporter
        for base in _BASES.values():
            app.router.add_get(base or "/", self._list)
            app.router.add_get(f"{base}/cases/{{case_id}}", self._case)
            app.router.add_get(f"{base}/cases/{{case_id}}/files/{{sha256}}", self._file)
            app.router.add_post(f"{base}/cases/{{case_id}}/report", self._report)

    async def _list(self, request: web.Request) -> web.Response:
        route, words = _route(request), WORDS[language(request)]
        return page(
            request,
            "oa_list.html",
            _links(words),
            title=words["title_discipline" if route else "title"],
            subtitle=words["subtitle"],
            refresh=5,
            t=words,
            base=_BASES[route],
            discipline=bool(route),
            cases=self._ledger.cases(route, limit=300),
            stats=self._ledger.stats(),
            earliest=_earliest,
        )

    async def _case(self, request: web.Request) -> web.Response:
        route, words = _route(request), WORDS[language(request)]
        row = self._find(request)
        return page(
            request,
            "oa_case.html",
            _links(words),
            title=row["oa_id"],
            subtitle=words["subtitle"],
            refresh=None,
            t=words,
            base=_BASES[route],
            row=row,
            case=row["case"],
            events=self._ledger.events(route, row["case_id"]),
            types=TYPES if self._reporter else (),
            reports=self._ledger.reports(route, row["case_id"]),
            pretty=_pretty,
        )

    async def _report(self, request: web.Request) -> web.Response:
        """What became of it; without a type, what was not answered is sent again."""
        route, case_id = _route(request), self._find(request)["case_id"]
        type_ = str((await request.post()).get("type", ""))
        if self._reporter is None or type_ not in ("", *TYPES):
            raise web.HTTPBadRequest(text="there is no such report")
        if type_:
            await self._reporter.report(route, case_id, type_)
        else:
            await self._reporter.send_again(route, case_id)
        raise web.HTTPSeeOther(f"{_BASES[route]}/cases/{case_id}")

    async def _file(self, request: web.Request) -> web.Response:
        """Fetch a file as an OA would: the address from the case, the bearer token of this target."""
        asked = request.match_info["sha256"]
        files = [file for file in self._find(request)["case"].get("attachments", []) if file.get("sha256") == asked]
        if not files or not files[0].get("url"):
            raise web.HTTPNotFound(text="the case has no such file")
        headers = {"Authorization": f"Bearer {self._tokens.get(_route(request), '')}"}
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as session,
                session.get(files[0]["url"], headers=headers) as answer,
            ):
                content = await answer.read()
        except aiohttp.ClientError as error:
            raise web.HTTPBadGateway(text=f"the file could not be fetched: {error}") from error
        return web.Response(body=content, status=answer.status, content_type=answer.content_type)

    def _find(self, request: web.Request) -> dict[str, Any]:
        row = self._ledger.case(_route(request), request.match_info["case_id"])
        if row is None:
            raise web.HTTPNotFound(text="no such case")
        return row


def _route(request: web.Request) -> str:
    return "discipline" if request.path.startswith("/discipline") else ""


def _links(words: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(words["title"], "/"), (words["title_discipline"], "/discipline")]


def _earliest(case: Mapping[str, Any]) -> str:
    due = sorted(one["due_at"] for one in case.get("deadlines") or [] if one.get("due_at"))
    return due[0][:16].replace("T", " ") if due else "—"


def _pretty(body: str) -> str:
    return json.dumps(json.loads(body), ensure_ascii=False, indent=2)
