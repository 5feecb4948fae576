"""Proves the history: no entry changed, taken out, put in or cut off; and what entries name is as they name it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, select, tuple_

from ingest.chaining import anchor
from ingest.verifying.finding import Finding, Proof
from store import chain
from store.chain import BEGINNING, Link
from store.schema import cases, history, raw, revision

LINKS = 50
REMEMBERED = 20
"""So many numbers of missing entries a finding names."""
LARGEST = 2**63
_RESTORE = "compare with a backup and the log; who could write to the database?"


def prove_history(proof: Proof, expected: tuple[int, str] | None = None) -> Iterator[Finding]:
    """`expected`: an anchor that was told before, through which the chain must pass."""
    before, met = BEGINNING, expected is None
    first = proof.look.read(partial(chain.links_behind, place=-1, limit=1))
    begun = [row.crown for row in first if _link(row) == BEGINNING and proof.look.sealer.unstamped is not None]
    if not begun:
        yield _gone("the beginning of the chain, which was made with the store")
    crown = begun[0] if begun else None
    while links := proof.look.read(partial(chain.links_behind, place=before.place, limit=LINKS)):
        for row in links:
            one = _link(row)
            if one.place != before.place + 1:
                yield _gone(f"links {before.place + 1} to {one.place - 1} of the chain, with what they held")
            yield from _prove_link(proof, before, one)
            met = met or expected == (one.upto, one.mac.hex())
            before, crown = one, row.crown
            proof.counted("links")
    if before is not BEGINNING:
        proof.anchor = anchor(before)
    if crown != chain.crown_of(proof.look.sealer, before.mac) and not _went_on(proof, before):
        yield _gone(f"what came behind entry {before.upto}: the end of the history was cut off")
    if not met and expected is not None:
        yield _gone(f"entry {expected[0]} as it was when the anchor was told, or what came behind it")
    yield from _prove_rest(proof, before.upto)


def _link(row: Row[Any]) -> Link:
    return Link(row.place, row.upto, row.entries, row.mac)


def _went_on(proof: Proof, last: Link) -> bool:
    """While we looked the daemon has added a link, to which the crown went."""
    return proof.look.read(chain.last_link).place > last.place


def _prove_link(proof: Proof, before: Link, one: Link) -> list[Finding]:
    """What is amiss among the entries of a link."""

    def read(conn: Connection) -> tuple[list[Row[Any]], list[Finding]]:
        entries = chain.entries_between(conn, before.upto, one.upto)
        return entries, _prove_named(conn, entries)

    try:
        entries, found = proof.look.read(read)
    except ValueError:
        return [_unreadable(before.upto, one.upto)]
    own = _prove_entries(proof, entries)
    if len(entries) < one.entries:
        found.append(_taken_out(before, one, entries))
    elif len(entries) > one.entries:
        span = f"between entries {before.upto + 1} and {one.upto} of the history"
        found.append(Finding("history", f"{len(entries) - one.entries} entries too many {span}", _RESTORE))
    elif not own and chain.mac_of(proof.look.sealer, before, one.upto, entries) != one.mac:
        what = f"link {one.place} does not hold entries {before.upto + 1} to {one.upto}: it or one of them was changed"
        found.append(Finding("history", what, _RESTORE))
    proof.counted("entries", len(entries))
    return own + found


def _prove_entries(proof: Proof, entries: Sequence[Row[Any]]) -> list[Finding]:
    """Each by its stamp. Those of before there were stamps, up to the number vouched for, have their link alone."""
    found, unstamped = [], proof.look.sealer.unstamped or 0
    for entry in entries:
        named = f"entry {entry.id} ({entry.kind}, case {entry.case_id or '—'})"
        if entry.stamp is None and entry.id > unstamped:
            found.append(Finding("history", f"{named} has no stamp: somebody else wrote it", _RESTORE))
        elif entry.stamp is not None and entry.stamp != chain.stamp(proof.look.sealer, entry._asdict()):
            found.append(Finding("history", f"{named} was changed, or somebody else wrote it", _RESTORE))
    return found


def _prove_rest(proof: Proof, after: int) -> Iterator[Finding]:
    """What was written since the last link: the stamps alone."""

    def read(conn: Connection) -> tuple[list[Row[Any]], list[Finding]]:
        wanted = select(history).where(history.c.id > after).order_by(history.c.id).limit(chain.LONGEST)
        entries = list(conn.execute(wanted).all())
        return entries, _prove_named(conn, entries)

    while True:
        try:
            entries, found = proof.look.read(read)
        except ValueError:
            yield _unreadable(after, None)
            return
        if not entries:
            return
        yield from _prove_entries(proof, entries) + found
        after = entries[-1].id
        proof.counted("entries", len(entries))
        proof.counted("entries not linked yet", len(entries))


def _prove_named(conn: Connection, entries: Sequence[Row[Any]]) -> list[Finding]:
    """The cases, revisions and originals that entries name are there, and the originals are those."""
    created = {one.case_id for one in entries if one.kind == "created"}
    revisions = {(one.case_id, number) for one in entries if (number := _number(one, "revision"))}
    originals = {number: one for one in entries if (number := _number(one, "raw")) and "blob" in one.detail}
    there = set(conn.execute(select(cases.c.case_id).where(cases.c.case_id.in_(created))).scalars())
    key = (revision.c.case_id, revision.c.revision)
    kept = {tuple(row) for row in conn.execute(select(*key).where(tuple_(*key).in_(list(revisions))))}
    lying = {row.id: row.blob for row in conn.execute(select(raw.c.id, raw.c.blob).where(raw.c.id.in_(originals)))}
    gone = [f"case {case_id}, which the history says was created" for case_id in sorted(created - there)]
    gone += [f"revision {number} of case {case_id}" for case_id, number in sorted(revisions - kept)]
    gone += [f"arrival {number} of case {originals[number].case_id}" for number in sorted(originals.keys() - lying)]
    changed = [number for number in lying if lying[number] != originals[number].detail["blob"]]
    return [
        *map(_gone, gone),
        *(Finding("original", f"arrival {number} refers to another original than it came with", _RESTORE)
          for number in changed),
    ]  # fmt: skip


def _number(entry: Row[Any], name: str) -> int | None:
    found = entry.detail.get(name) if isinstance(entry.detail, dict) else None
    return found if isinstance(found, int) and 0 < found < LARGEST and entry.case_id is not None else None


def _taken_out(before: Link, one: Link, entries: Sequence[Row[Any]]) -> Finding:
    there = {entry.id for entry in entries}
    absent = [number for number in range(before.upto + 1, one.upto + 1) if number not in there]
    named = ", ".join(map(str, absent[:REMEMBERED])) + (" …" if len(absent) > REMEMBERED else "")
    return _gone(f"{one.entries - len(entries)} entries of the history, of the numbers {named}")


def _unreadable(after: int, upto: int | None) -> Finding:
    """Of something that is no entry at all, such as a detail that is no JSON."""
    which = f"among entries {after + 1} to {upto}" if upto else f"behind entry {after}"
    return Finding("history", f"{which} there is one that cannot be read: somebody else wrote it", _RESTORE)


def _gone(what: str) -> Finding:
    return Finding("history", f"missing: {what}", _RESTORE)
