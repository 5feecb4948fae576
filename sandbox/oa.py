"""An OA's inbox, as an integrator would write one: verify the signature, take each event once, answer with a number.

What to copy: `verify` (Standard Webhooks), and the order of things in `OaInbox._receive`: verify, look whether this
`webhook-id` was taken before, store, answer. The sender repeats an event until it has the answer, so a repetition is
normal and gets the same answer again. Needs aiohttp and the standard library.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from sandbox.chinatime import now
from sandbox.faults import ANSWERS, Switch
from sandbox.web import Listener, faulty

TOLERANCE_SECONDS = 300
PAGE = 200


class BadSignature(Exception):
    """The request is not from xinqiao, or was changed or recorded on its way; the message says which check failed."""


def verify(secret: str, headers: Mapping[str, str], body: bytes, now_seconds: float) -> str:
    """The event's id, if the body was signed with `secret` (`whsec_` + base64) within the last five minutes."""
    try:
        event_id, sent, signatures = (headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as missing:
        raise BadSignature(f"header {missing} is missing") from missing
    if not sent.isdigit() or abs(now_seconds - int(sent)) > TOLERANCE_SECONDS:
        raise BadSignature(f"webhook-timestamp {sent!r} is not within five minutes of now")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{event_id}.{sent}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    # While a secret is being rotated there are several signatures, separated by spaces.
    given = [part.removeprefix("v1,").encode() for part in signatures.split() if part.startswith("v1,")]
    if not any(hmac.compare_digest(expected, one) for one in given):
        raise BadSignature("no signature matches the body")
    return event_id


@dataclass(frozen=True)
class Stored:
    """What the ledger made of an event."""

    oa_id: str
    first: bool
    same_body: bool


class Ledger:
    """What arrived, on disk: survives the OA being killed."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.row_factory = sqlite3.Row
        self._database.executescript(_TABLES)

    def close(self) -> None:
        self._database.close()

    def take(self, event_id: str, route: str, body: bytes, at: datetime) -> Stored:
        """Store an event the first time, count it every time. ValueError: the body is not an event."""
        event_type, case_id, told, case = _event(body)
        digest = hashlib.sha256(body).hexdigest()
        self._database.execute("BEGIN IMMEDIATE")
        with self._database:  # commits, or rolls back on an error
            known = self._one("SELECT body_sha256 FROM event WHERE webhook_id = ? AND route = ?", event_id, route)
            if known:
                same = known["body_sha256"] == digest
                self._run(
                    "UPDATE event SET times = times + 1, altered = altered + ? WHERE webhook_id = ? AND route = ?",
                    0 if same else 1,
                    event_id,
                    route,
                )
                if self._one("SELECT 1 FROM matter WHERE case_id = ? AND route = ?", case_id, route) is None:
                    self._keep(case_id, route, told or 0, event_type, case, at)  # we lost it and are given it back
                return Stored(self._oa_id(case_id, route), False, same)
            last = self._one("SELECT revision FROM matter WHERE case_id = ? AND route = ?", case_id, route)
            revision = told if told is not None else last["revision"] if last else 0
            late = last is not None and revision < last["revision"]
            self._run(
                "INSERT INTO event VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, 1, 0, ?)",
                event_id,
                route,
                event_type,
                case_id,
                revision,
                digest,
                body.decode(),
                at.isoformat(),
                int(late),
            )
            self._keep(case_id, route, revision, event_type, case, at)
        return Stored(self._oa_id(case_id, route), True, True)

    def refuse(self, route: str, event_id: str | None, reason: str, at: datetime) -> None:
        self._run("INSERT INTO refusal VALUES (?, ?, ?, ?)", at.isoformat(), route, event_id, reason)

    def cases(self, route: str, limit: int = 10_000) -> list[dict[str, Any]]:
        """Newest first, with their last revision."""
        rows = self._all(
            "SELECT * FROM matter WHERE route = ? ORDER BY updated_at DESC, number DESC LIMIT ?", route, limit
        )
        return [{**dict(row), "case": json.loads(row["case_json"]), "oa_id": _number(row)} for row in rows]

    def case(self, route: str, case_id: str) -> dict[str, Any] | None:
        row = self._one("SELECT * FROM matter WHERE route = ? AND case_id = ?", route, case_id)
        if row is None:
            return None
        return {**dict(row), "case": json.loads(row["case_json"]), "oa_id": _number(row)}

    def events(self, route: str | None = None, case_id: str | None = None) -> list[dict[str, Any]]:
        """In the order of arrival, without bodies unless one case is asked for."""
        rows = self._all(
            "SELECT * FROM event WHERE route = coalesce(?, route) AND case_id = coalesce(?, case_id) ORDER BY sequence",
            route,
            case_id,
        )
        return [{name: row[name] for name in row.keys() if case_id or name != "body"} for row in rows]  # noqa: SIM118

    def holdings(self, route: str, since: str, after: str, limit: int) -> list[dict[str, Any]]:
        """Cases and their last revisions, by case_id, from after one on; `since`: only what changed since.

        A case that was taken back, of which only the numbers are left, is none that we have.
        """
        rows = self._all(
            "SELECT case_id, revision FROM matter WHERE route = ? AND case_id > ? AND datetime(updated_at) >= "
            "datetime(coalesce(nullif(?, ''), '1970-01-01')) AND json_extract(case_json, '$.revision') IS NOT NULL "
            "ORDER BY case_id LIMIT ?",
            route,
            after,
            since,
            limit,
        )
        return [dict(row) for row in rows]

    def keep_report(self, report_id: str, route: str, case_id: str, type_: str, body: bytes, at: datetime) -> None:
        """What is about to be reported back."""
        values = (report_id, route, case_id, type_, body, at.isoformat())
        self._run("INSERT INTO report VALUES (?, ?, ?, ?, ?, ?, NULL, NULL)", *values)

    def answer_report(self, report_id: str, status: int | None, said: str) -> None:
        self._run("UPDATE report SET status = ?, said = ? WHERE report_id = ?", status, said, report_id)

    def reports(self, route: str, case_id: str) -> list[dict[str, Any]]:
        """In the order in which they were made."""
        rows = self._all("SELECT * FROM report WHERE route = ? AND case_id = ? ORDER BY rowid", route, case_id)
        return [dict(row) for row in rows]

    def stats(self) -> dict[str, int]:
        """Counts over both routes; `out_of_order`: first deliveries older than what the case already had."""
        counted = self._one(
            "SELECT count(*) AS events, coalesce(sum(times - 1), 0) AS duplicates, "
            "coalesce(sum(altered), 0) AS altered, coalesce(sum(out_of_order), 0) AS out_of_order FROM event"
        )
        others = self._one(
            "SELECT (SELECT count(*) FROM matter) AS cases, (SELECT count(*) FROM refusal) AS bad_signatures"
        )
        return {**dict(counted or {}), **dict(others or {})}

    def _keep(
        self, case_id: str, route: str, revision: int, event_type: str, case: dict[str, Any], at: datetime
    ) -> None:
        """The last revision wins; an older one that comes late changes nothing but the time."""
        self._run(
            "INSERT INTO matter (case_id, route, revision, last_type, case_json, created_at, updated_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (case_id, route) DO UPDATE SET updated_at = excluded.updated_at, "
            "last_type = iif(excluded.revision >= revision, excluded.last_type, last_type), "
            "case_json = iif(excluded.revision >= revision, excluded.case_json, case_json), "
            "revision = max(revision, excluded.revision)",
            case_id,
            route,
            revision,
            event_type,
            json.dumps(case, ensure_ascii=False),
            at.isoformat(),
            at.isoformat(),
        )

    def _oa_id(self, case_id: str, route: str) -> str:
        row = self._one("SELECT * FROM matter WHERE case_id = ? AND route = ?", case_id, route)
        if row is None:
            raise ValueError(f"case {case_id} is named by a repeated event but was never taken")
        return _number(row)

    def _run(self, statement: str, *values: object) -> None:
        self._database.execute(statement, values)

    def _one(self, statement: str, *values: object) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._database.execute(statement, values).fetchone()
        return row

    def _all(self, statement: str, *values: object) -> list[sqlite3.Row]:
        return self._database.execute(statement, values).fetchall()


class OaInbox:
    """`async with OaInbox(ledger, secrets={"": "whsec_…", "discipline": "whsec_…"}) as oa: oa.url`.

    The route "" is `/webhook`; "discipline" is `/webhook/discipline`, for restricted cases, with a secret of its own.
    """

    def __init__(self, ledger: Path, secrets: Mapping[str, str], port: int = 0) -> None:
        self.switch = Switch("oa", ANSWERS)
        self.ledger = Ledger(ledger)
        self._secrets = secrets
        busy = {"code": 1, "msg": "系统繁忙"}
        self.app = web.Application(middlewares=[faulty(self.switch, lambda: busy, "/webhook", after=True)])
        self.app.router.add_post("/webhook", self._receive)
        self.app.router.add_post("/webhook/{route}", self._receive)
        self.app.router.add_get("/holdings", self._holdings)
        self.app.router.add_get("/holdings/{route}", self._holdings)
        self.app.router.add_get("/api/cases", self._cases)
        self.app.router.add_get("/api/events", self._events)
        self.app.router.add_get("/api/stats", self._stats)
        self._listener = Listener(self.app, port, self.switch)

    @property
    def url(self) -> str:
        return self._listener.url

    async def turned(self) -> None:
        await self._listener.turned()

    async def __aenter__(self) -> Self:
        await self._listener.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._listener.stop()
        self.ledger.close()

    async def _receive(self, request: web.Request) -> web.Response:
        route = request.match_info.get("route", "")
        if route not in self._secrets:
            return web.json_response({"code": 404, "msg": f"no route {route}"}, status=404)
        body = await request.read()
        try:
            event_id = verify(self._secrets[route], request.headers, body, time.time())
        except BadSignature as reason:
            self.ledger.refuse(route, request.headers.get("webhook-id"), str(reason), now())
            return web.json_response({"code": 401, "msg": str(reason)}, status=401)
        try:
            stored = self.ledger.take(event_id, route, body, now())
        except (ValueError, KeyError, TypeError) as reason:
            return web.json_response({"code": 400, "msg": f"not an event: {reason!r}"}, status=400)
        return web.json_response({"code": 0, "id": stored.oa_id})

    async def _holdings(self, request: web.Request) -> web.Response:
        """`?since=TIME&cursor=CASE_ID`, signed as events are: which cases this OA has, so that xinqiao can compare."""
        route, query = request.match_info.get("route", ""), request.query
        try:
            verify(self._secrets[route], request.headers, b"", time.time())
        except (BadSignature, KeyError) as reason:
            return web.json_response({"code": 401, "msg": str(reason)}, status=401)
        found = self.ledger.holdings(route, query.get("since", ""), query.get("cursor", ""), PAGE)
        return web.json_response({"cases": found, "next": found[-1]["case_id"] if len(found) == PAGE else None})

    async def _cases(self, request: web.Request) -> web.Response:
        """`?route=discipline` for the restricted ones."""
        return web.json_response(self.ledger.cases(request.query.get("route", "")))

    async def _events(self, request: web.Request) -> web.Response:
        """`?case_id=…` for one case, then with bodies; `?route=…` for one route."""
        return web.json_response(self.ledger.events(request.query.get("route"), request.query.get("case_id")))

    async def _stats(self, _request: web.Request) -> web.Response:
        return web.json_response(self.ledger.stats())


def _event(body: bytes) -> tuple[str, str, int | None, dict[str, Any]]:
    """Type, case, revision and what is told of it.

    A restricted case of which only the numbers may be told has no revision: whatever we had of it is to be given up.
    """
    event = json.loads(body)
    case = event["data"]["case"]
    revision = case.get("revision")
    return str(event["type"]), str(case["case_id"]), None if revision is None else int(revision), case


def _number(row: sqlite3.Row) -> str:
    return f"OA-{row['created_at'][:4]}-{row['number']:05d}"


_TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA busy_timeout = 5000;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS event (sequence INTEGER PRIMARY KEY, webhook_id TEXT, route TEXT, type TEXT, case_id TEXT,
    revision INTEGER, body_sha256 TEXT, body TEXT, first_at TEXT, times INTEGER, altered INTEGER, out_of_order INTEGER,
    UNIQUE (webhook_id, route));
CREATE INDEX IF NOT EXISTS event_case ON event (case_id, route);
CREATE TABLE IF NOT EXISTS matter (number INTEGER PRIMARY KEY, case_id TEXT, route TEXT, revision INTEGER,
    last_type TEXT, case_json TEXT, created_at TEXT, updated_at TEXT, UNIQUE (case_id, route));
CREATE TABLE IF NOT EXISTS report (report_id TEXT PRIMARY KEY, route TEXT, case_id TEXT, type TEXT, body BLOB, at TEXT,
    status INTEGER, said TEXT);
CREATE TABLE IF NOT EXISTS refusal (at TEXT, route TEXT, webhook_id TEXT, reason TEXT);
"""
