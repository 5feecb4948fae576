"""The control page: where each stand-in listens, what it does wrong on demand, what came last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from yarl import URL

from sandbox.control_words import WORDS
from sandbox.director import Director
from sandbox.faults import Fault, Switchboard
from sandbox.journal import Act, Entry
from sandbox.matters import matter
from sandbox.pages import language, page
from sandbox.web import Listener


@dataclass(frozen=True)
class Place:
    """Where a stand-in is found; `browsable` if a person can look at it."""

    address: str
    browsable: bool = False


class ControlPage:
    """`POST /faults {"sunshine": "500", "share": 0.3}`, `POST /arrivals {"door": "hotline", "count": 5}`,
    `POST /changes {"share": 0.3}`; the same from the page.
    """

    def __init__(self, board: Switchboard, director: Director, places: Mapping[str, Place], port: int = 0) -> None:
        self._board, self._director, self._places = board, director, places
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_get("/faults", self._faults)
        app.router.add_post("/faults", self._set_faults)
        app.router.add_get("/arrivals", self._arrivals)
        app.router.add_post("/arrivals", self._arrive)
        app.router.add_post("/changes", self._change)
        self._listener = Listener(app, port)

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

    async def _page(self, request: web.Request) -> web.Response:
        words = WORDS[language(request)]
        return page(
            request,
            "control.html",
            [(words["refresh"], "/")],
            title=words["title"],
            subtitle=words["subtitle"],
            refresh=None,
            t=words,
            error=request.query.get("error"),
            standins=[self._standin(name, words) for name in self._places],
            doors=self._director.doors.open_doors(),
            latest=[_told(entry, words) for entry in self._director.entries[:-31:-1]],
        )

    def _standin(self, name: str, words: Mapping[str, Any]) -> dict[str, object]:
        switch, place = self._board.switches[name], self._places[name]
        acts = [entry for entry in self._director.entries if entry.door == name]
        arrived = sum(entry.act is Act.ARRIVE for entry in acts)
        return {
            "name": name,
            "badge": {"letters": "letter"}.get(name, name),
            "address": place.address,
            "link": place.browsable,
            "told": words["counts"].format(arrived, len(acts) - arrived) if acts else "—",
            "knows": [Fault.NONE.value, *sorted(switch.knows)],
            "fault": switch.fault.value,
            "share": switch.share,
            "hits": switch.hits,
        }

    async def _faults(self, _request: web.Request) -> web.Response:
        return web.json_response(self._board.state())

    async def _set_faults(self, request: web.Request) -> web.Response:
        asked, from_page = await _asked(request)
        try:
            share = float(asked.pop("share", None) or 1)
            for name, fault in asked.items():
                self._board.set(name, str(fault), share)
        except ValueError as error:
            return _back(str(error)) if from_page else web.json_response({"error": str(error)}, status=400)
        return _back() if from_page else web.json_response(self._board.state())

    async def _arrivals(self, _request: web.Request) -> web.Response:
        acts = self._director.entries
        return web.json_response(
            [
                {"at": one.at.isoformat(), "act": one.act, "door": one.door, "number": one.number, "step": one.step}
                for one in acts
            ]
        )

    async def _arrive(self, request: web.Request) -> web.Response:
        asked, from_page = await _asked(request)
        door, doors = asked.get("door"), self._director.doors.open_doors()
        count = str(asked.get("count", 1))
        if door not in doors or not count.isdigit():
            problem = f"door {door!r}, count {count!r}: expected one of {', '.join(doors)} and a number"
            return _back(problem) if from_page else web.json_response({"error": problem}, status=400)
        made = [await self._director.arrive(str(door)) for _ in range(int(count))]
        return _back() if from_page else web.json_response({"numbers": [one.number for one in made]})

    async def _change(self, request: web.Request) -> web.Response:
        asked, _ = await _asked(request)
        try:
            share = float(str(asked.get("share", 1)))
        except ValueError:
            return web.json_response({"error": "share: expected a number between 0 and 1"}, status=400)
        return web.json_response({"changed": await self._director.revise(min(1.0, max(0.0, share)))})


async def _asked(request: web.Request) -> tuple[dict[str, Any], bool]:
    """The request's fields, and whether they came from the page's form."""
    if request.content_type == "application/json":
        body = await request.json()
        return (dict(body) if isinstance(body, dict) else {}), False
    return dict(await request.post()), True


def _back(error: str | None = None) -> web.Response:
    address = URL("/").with_query({"error": error} if error else {})
    return web.Response(status=303, headers={"Location": str(address)})


def _told(entry: Entry, words: Mapping[str, Any]) -> dict[str, str]:
    return {
        "at": f"{entry.at:%H:%M:%S}",
        "door": entry.door,
        "what": entry.step or words["acts"][entry.act],
        "title": "" if entry.act is Act.NOISE else matter(entry.seed, entry.number).title,
    }
