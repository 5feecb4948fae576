"""Compares what a target should have with what it says it has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ulid import ULID
from yarl import URL

from dispatch.answer import document_of
from dispatch.client import PAGE_LIMIT, Client, Silence
from dispatch.expressions import TemplateFailed, as_text, fill_text, look_up
from dispatch.reckoning import Meant
from dispatch.settings import HoldingsSettings, TargetSettings
from dispatch.webhook import sign

PAGES = 10_000
"""Who names a next page for ever is asked no more."""


class HoldingsUnknown(Exception):
    """The receiver did not say what it has; the message says what was expected."""


@dataclass(frozen=True)
class Comparison:
    """Case ids by what is the matter with them."""

    agreed: int
    missing: tuple[str, ...]
    """It took them, and does not have them."""
    behind: tuple[str, ...]
    """It has an older revision than it took."""
    waiting: tuple[str, ...]
    """It did not have them yet, or not their last revision: they are on their way, came while it was asked, or wait
    for a person."""
    skipped: tuple[str, ...]
    """It was never sent them: a person has skipped them."""
    unsent: tuple[str, ...]
    """It was never sent them, and will not be before their next event: it had no right to them, and has it by now."""
    surplus: tuple[str, ...]
    """It has them, and they are not, or not any more, for it."""


async def ask_holdings(
    settings: TargetSettings, since: datetime | None, clock: Callable[[], datetime]
) -> dict[str, int | None]:
    """Which cases the receiver says it has: case_id -> revision (None: it does not say).

    All pages together may take longer than a signature is good for: each is signed when it is asked for.

    Raises HoldingsUnknown, TrustBroken.
    """
    if settings.holdings is None:
        raise HoldingsUnknown("how to ask what it has is not configured; expected holdings: {url: …} in its block")
    client = Client(settings)
    try:
        return await _ask(client, settings, settings.holdings, since, clock)
    finally:
        await client.close()


def compare(
    meant: Iterable[Meant],
    held: Mapping[str, int | None],
    *,
    asked_at: datetime,
    all_of_it: Iterable[str],
    since: datetime | None = None,
) -> Comparison:
    """`meant` are the cases to look for; `all_of_it` every case it may have: what else it has is surplus.

    Of what it has taken since it was asked it could not say that it has it. Asked for what changed `since`, it need not
    name what it took before: a case also changes here by its own report, or when its dates are counted anew.
    """
    groups: dict[str | None, list[str]] = defaultdict(list)
    for one in meant:
        groups[_group(one, held, asked_at, since)].append(one.case_id)
    lists = {name: tuple(groups[name]) for name in ("missing", "behind", "waiting", "skipped", "unsent")}
    surplus = tuple(sorted(set(held) - set(all_of_it)))
    return Comparison(agreed=len(groups["agreed"]), surplus=surplus, **lists)


def _group(one: Meant, held: Mapping[str, int | None], asked_at: datetime, since: datetime | None) -> str | None:
    """What is the matter with a case; None: it need not be named."""
    there = held.get(one.case_id)
    unsaid = one.delivered_at is not None and one.delivered_at >= asked_at
    if one.case_id in held:
        behind = there is not None and one.delivered is not None and there < one.delivered
        if behind and not unsaid:
            return "behind"
        return "waiting" if behind or one.pending else "agreed"
    if since is not None and one.delivered_at is not None and one.delivered_at < since:
        return "waiting" if one.pending else None
    if one.delivered is None and not one.pending:
        return "skipped" if one.skipped else "unsent"
    return "waiting" if unsaid or one.delivered is None else "missing"


async def _ask(
    client: Client,
    settings: TargetSettings,
    holdings: HoldingsSettings,
    since: datetime | None,
    clock: Callable[[], datetime],
) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    cursor: object = None
    seen: set[str] = set()
    for _ in range(PAGES):
        document = await _page(
            client, settings, holdings, {"since": since and since.isoformat(), "cursor": cursor}, clock()
        )
        cases = look_up(holdings.cases, document)
        if not isinstance(cases, list):
            raise HoldingsUnknown(f"holdings: no list at {holdings.cases} in its answer")
        for one in cases:
            case_id = look_up(holdings.case_id, one)
            if isinstance(case_id, str):
                found[case_id] = _revision_of(look_up(holdings.revision, one))
        cursor = look_up(holdings.next, document)
        if cursor is None or cursor is False or cursor in ("", [], {}):  # nothing, in JMESPath's sense
            return found
        if as_text(cursor) in seen:
            raise HoldingsUnknown(
                f"holdings: it names a page again that was asked for already; expected null at {holdings.next} on the"
                " last page, and cursor in params"
            )
        seen.add(as_text(cursor))
    raise HoldingsUnknown(
        f"holdings: there is a next page after {PAGES}; it should answer in larger pages, or be asked only for what"
        " changed since a day (--since)"
    )


def _revision_of(value: object) -> int | None:
    """A number, or its digits; None: it does not say."""
    text = as_text(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


async def _page(
    client: Client, settings: TargetSettings, holdings: HoldingsSettings, values: Mapping[str, object], now: datetime
) -> object:
    try:
        params = {n: fill_text(text, values, ("holdings", "params", n)) for n, text in holdings.params.items()}
        headers = {n: fill_text(text, values, ("holdings", "headers", n)) for n, text in holdings.headers.items()}
    except TemplateFailed as error:
        raise HoldingsUnknown(str(error)) from error
    if settings.secret:
        headers |= sign(settings.secret, f"ask_{ULID()}", now, b"")
    try:
        response = await client.exchange(URL(holdings.url).update_query(params), None, headers, "GET", limit=PAGE_LIMIT)
    except Silence as silence:
        raise HoldingsUnknown(f"holdings: {silence}") from silence
    if response.status != 200:
        raise HoldingsUnknown(f"holdings: HTTP {response.status}, expected 200")
    if not response.whole:
        raise HoldingsUnknown("holdings: its answer was cut off or too large; it should answer in smaller pages")
    return document_of(response)
