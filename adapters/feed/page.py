"""One page of a listing: its records as Raws, and the times the paging goes by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from adapters.base import ChannelUnavailable, Json, Raw, RawKind
from adapters.document import at_path, content_hash, fit, pointer_to
from adapters.feed.dialect import Listing
from adapters.feed.times import TimeFormat
from adapters.signed import unsigned


@dataclass(frozen=True)
class Page:
    content: bytes
    raws: tuple[Raw, ...]
    times: tuple[datetime, ...]
    """When its records were last changed, as listed; a record whose time cannot be read has none."""
    total: int | None
    """How many records the whole window holds; None: the platform does not say."""

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(raw.key for raw in self.raws)


def read_page(
    content: bytes, document: Json, listing: Listing, times: TimeFormat, where: str, *, all_is_well: bool
) -> Page:
    """Find the records in an answer; `all_is_well`: it said so itself.

    Raises ChannelUnavailable when it is not the list that was expected.
    """
    total = _total(document, listing, where)
    records = at_path(document, listing.records)
    if records is None and (total == 0 or (total is None and (all_is_well or _has_place(document, listing.records)))):
        records = []  # how many platforms write an empty list
    if not isinstance(records, list):
        raise ChannelUnavailable(f"{where}: no list of records at {listing.records or 'the top'}; expected one")
    steps = tuple(listing.records.split(".")) if listing.records else ()
    raws = tuple(_raw(record, listing, pointer_to((*steps, index))) for index, record in enumerate(records))
    told = (times.read(at_path(fields(record, listing), listing.modified)) for record in records)
    return Page(content, raws, tuple(at for at in told if at is not None), total)


def fields(record: Json, listing: Listing) -> Json:
    """A record as one object, also when it is told as a list of `{name, value}`."""
    if listing.descriptors is None or not isinstance(record, list):
        return record
    name, value = listing.descriptors
    return {str(one[name]): one.get(value) for one in record if isinstance(one, dict) and name in one}


def _has_place(document: Json, path: str) -> bool:
    """Whether an answer has at least a place for what stands at the path: one that has none may tell of an error."""
    return path == "" or (isinstance(document, dict) and path.partition(".")[0] in document)


def _total(document: Json, listing: Listing, where: str) -> int | None:
    told = at_path(document, listing.total) if listing.total else None
    if told is None:
        return None
    try:
        return int(str(told))
    except ValueError as error:
        raise ChannelUnavailable(f"{where}: the total at {listing.total} is not a number; expected one") from error


def _raw(record: Json, listing: Listing, pointer: str) -> Raw:
    told = fields(record, listing)
    steady = {k: v for k, v in told.items() if k not in listing.volatile} if isinstance(told, dict) else told
    version = content_hash(unsigned(steady))
    # cleaned as the reader does: a key must be storable, and one key must stay one case
    parts = [fit(str(part)).strip() for part in (at_path(told, path) for path in listing.key) if part is not None]
    key = "/".join(parts) if len(parts) == len(listing.key) and all(parts) else version
    return Raw(RawKind.RECORD, key=key, version=version, blob=0, locator=key, pointer=pointer)
