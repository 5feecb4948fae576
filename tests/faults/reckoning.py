"""What it came to: what the sources said held against what the OA has, and the daemon's books against both."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.endtoend import accounting
from tests.endtoend.accounting import squeezed
from tests.endtoend.letterbox import Letter
from tests.faults.backlog import Backlog
from tests.faults.oa import ROUTES, StandIn
from tests.faults.town import Town

BOOKS = (
    "SELECT delivery.id, target, delivery.case_id, event_id, delivery.state, view, event.type FROM delivery "
    "JOIN event ON event.id = event_id ORDER BY delivery.id"
)
SOME = 12
OVER = ("delivered", "dropped")
KINDS = {"mailbox": "mail", "sunshine": "petition", "hotline": "order", "letter": "scan"}


@dataclass
class Reckoning:
    """All that must be none is a list of what it is about."""

    matters: int = 0
    unique: int = 0
    events: int = 0
    posts: int = 0
    duplicate_posts: int = 0
    waiting: int = 0
    """Events of a backlog that are still in the ledger, each with its step."""
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    """After idempotency: a matter or event that the OA has as two."""
    order: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    forged: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """A case that does not say what its source said."""

    @property
    def findings(self) -> list[str]:
        return self.lost + self.doubled + self.order + self.changed + self.forged + self.wrong


@dataclass(frozen=True)
class Entry:
    """A delivery in the daemon's books."""

    id: int
    target: str
    case_id: str
    event_id: str
    state: str
    view: str
    type: str


async def reckon(town: Town, backlog: Backlog | None = None) -> Reckoning:
    """When no daemon runs and nothing waits any more, unless of a backlog, whose events may be in the ledger still."""
    petitions, orders = await town.standins.petitions(), await town.standins.orders()
    scans = sorted(path for path in town.archive.rglob("*.*") if path.is_file())
    found = Reckoning(matters=town.sources.brought + (backlog.cases if backlog else 0))
    cases = _last_words(town)
    by_kind: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for case in cases.values():
        by_kind[case["channel_kind"]].append(case)
    found.unique = len(cases)
    mails = {letter.message_id: letter for letter in town.sources.mails}
    _compare(found, "mail", {name: squeezed(one.content) for name, one in mails.items()}, by_kind["mailbox"])
    _compare(found, "petition", {no: squeezed(one["tsnr"]) for no, one in petitions.items()}, by_kind["sunshine"])
    _compare(found, "order", {no: squeezed(one["roll_content"]) for no, one in orders.items()}, by_kind["hotline"])
    left = list(town.standins.letters.iterdir())
    if len(scans) + len(left) != town.sources.counts["letters"] or left:
        found.lost.append(f"scans: {len(scans)} archived, {len(left)} left of {town.sources.counts['letters']}")
    _see(found, lambda: accounting.check_mails(by_kind["mailbox"], mails.values()))
    _see(found, lambda: accounting.check_petitions(by_kind["sunshine"], petitions))
    _see(found, lambda: accounting.check_orders(by_kind["hotline"], orders))
    _see(found, lambda: accounting.check_scans(by_kind["letter"], scans))
    if backlog is None:
        secrets = list(_said_in_confidence(mails.values(), petitions, orders))
        for worker in town.workers:
            _see(found, lambda worker=worker: accounting.check_secrecy(town.data, worker.log, secrets))  # type: ignore[misc]
    entries = books(town)
    hold_books(found, town.oa, entries, in_ledger(town) if backlog else frozenset())
    if backlog is not None and len(entries) < backlog.events:
        found.lost.append(f"the books hold {len(entries)} of {backlog.events} deliveries")
    return found


def books(town: Town) -> list[Entry]:
    """The daemon's deliveries, in order."""
    return [Entry(*row) for row in _asked(town, BOOKS)]


def for_a_person(town: Town) -> list[Entry]:
    """The deliveries laid aside until somebody decides; of others the daemon will."""
    aside = _steps(town, " AND state = 'dead'")
    return [one for one in books(town) if one.id in aside]


def in_ledger(town: Town) -> frozenset[int]:
    """The deliveries that still have a step before them."""
    return _steps(town)


def _steps(town: Town, which: str = "") -> frozenset[int]:
    rows = _asked(town, f"SELECT payload FROM ledger WHERE lane LIKE 'push:%'{which}")
    payloads = (json.loads(row[0]) if isinstance(row[0], str) else row[0] for row in rows)
    return frozenset(payload["delivery"] for payload in payloads)


def _asked(town: Town, question: str) -> list[Any]:
    if town.base is not None:
        return town.base.say(question)
    database = sqlite3.connect(f"file:{town.data}/xinqiao.db?mode=ro", uri=True)
    try:
        return database.execute(question).fetchall()
    finally:
        database.close()


def _last_words(town: Town) -> dict[str, dict[str, Any]]:
    """Of each case the last revision that any route has; taken back, it counts where it went."""
    found: dict[str, dict[str, Any]] = {}
    for route in ("", "discipline"):
        for one in town.oa.ledger.cases(route, limit=10**7):
            case = one["case"]
            if "content" in case and case["revision"] >= found.get(case["case_id"], case)["revision"]:
                found[case["case_id"]] = case
    return found


def _compare(found: Reckoning, what: str, said: Mapping[str, str], cases: Iterable[Mapping[str, Any]]) -> None:
    """By number: each once, in its source's last words."""
    had: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        had[str(case["source_no"])].append(squeezed(str(case["content"])))
    found.lost += [f"{what} {number}" for number in said if number not in had]
    found.lost += [
        f"{what} {number}: its last words" for number, text in said.items() if text not in had.get(number, [text])
    ]
    found.doubled += [f"{what} {number}" for number, texts in had.items() if len(texts) > 1]
    found.wrong += [f"{what} {number}: unheard of" for number in had if number not in said]


def hold_books(found: Reckoning, oa: StandIn, entries: list[Entry], waiting: frozenset[int]) -> None:
    """What the daemon says it has delivered, and in which order, against what came."""
    stats = oa.ledger.stats()
    found.events, found.posts, found.duplicate_posts = stats["events"], oa.posts, stats["duplicates"]
    found.changed += ["an event came again with another body"] * stats["altered"]
    found.forged += ["a signature did not verify"] * stats["bad_signatures"]
    found.doubled += [f"event {event} opened twice" for event in oa.opened_twice()]
    for target, route in ROUTES.items():
        came = {one["webhook_id"]: one["sequence"] for one in oa.ledger.events(route)}
        ours = [one for one in entries if one.target == target]
        stuck = [one for one in ours if one.state not in OVER and one.id not in waiting]
        found.lost += [f"{target}: event {one.event_id} is {one.state}" for one in stuck]
        found.waiting += sum(one.state not in OVER and one.id in waiting for one in ours)
        told = [one for one in ours if one.state == "delivered"]
        found.lost += [f"{target}: event {one.event_id} never came" for one in told if one.event_id not in came]
        known = {one.event_id for one in ours}
        found.wrong += [f"{target}: event {event} is not in the books" for event in came if event not in known]
        found.doubled += [f"{target}: case {case} opened twice" for case in _opened_again(ours, came)]
        last: dict[str, int] = {}
        for one in told:
            sequence = came.get(one.event_id, 0)
            if sequence < last.get(one.case_id, 0):
                found.order.append(f"{target}: event {one.event_id} came late")
            last[one.case_id] = max(sequence, last.get(one.case_id, 0))
    if stats["out_of_order"] and not found.order:
        found.order += ["a revision came after a later one"] * stats["out_of_order"]


def _opened_again(entries: Iterable[Entry], came: Mapping[str, int]) -> Iterator[str]:
    """Cases that came as new ones, be it under another id, to a target from which they had not been taken back."""
    had: set[str] = set()
    for one in sorted((one for one in entries if one.event_id in came), key=lambda one: came[one.event_id]):
        match one.type, one.view:
            case "case.created", "full":
                if one.case_id in had:
                    yield one.case_id
                had.add(one.case_id)
            case "case.withdrawn", "numbers":
                had.discard(one.case_id)


def _said_in_confidence(
    mails: Iterable[Letter], petitions: Mapping[str, Mapping[str, Any]], orders: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """Words of citizens that stand nowhere in the clear; a few dozen of each kind tell as much as all."""
    for one in list(mails)[:SOME]:
        yield from (one.name, one.phone, one.title)
    for record in list(petitions.values())[:SOME]:
        yield str(record["bt"])
        yield from (person["xm"] for person in record["xfr"] if len(person["xm"]) > 2)
    yield from (phone for one in list(orders.values())[:SOME] if (phone := one["company_tel"]))
    yield "柳荫里"


def _see(found: Reckoning, check: Callable[[], None]) -> None:
    """What the strict comparison objects to first."""
    try:
        check()
    except AssertionError as error:
        found.wrong.append(" ".join(str(error).split())[:400] or "a case says something else than its source")
