"""Envelope encryption at rest: a master key, kept outside, wraps the data keys that seal rows and files."""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, insert, select, update

from store.schema import data_key, history

KEY_BYTES = 32
NONCE_BYTES = 12
_HEAD = struct.Struct(">BI")  # format, data key's number
_FORMAT = 1
RENEW_AFTER = timedelta(days=90)
"""A data key seals for so long: random 96-bit nonces allow 2^32 seals a key, far more than a quarter brings."""
LOOKUP = "lookup"
"""The lookup key's purpose; once the history has its beginning the number that it vouches for is added: `lookup:17`."""
LoadKeys = Callable[[], Mapping[int, bytes]]


class SealBroken(Exception):
    """Sealed bytes do not open: another key, another place, or damage."""


class Sealer:
    """Seals and opens with AES-256-GCM; each seal is bound to its context (table, column, row) and cannot be moved."""

    def __init__(
        self,
        keys: dict[int, bytes],
        current: int,
        lookup_key: bytes,
        load_keys: LoadKeys = dict[int, bytes],
        unstamped: int | None = None,
    ) -> None:
        """`load_keys` looks for keys that another process has made since."""
        self.unstamped = unstamped
        """Up to this number entries of the history may be without a stamp; None: it has no beginning yet."""
        self._keys = dict(keys)
        self._ciphers = {number: AESGCM(key) for number, key in keys.items()}
        self._replaced: dict[int, AESGCM] = {}
        """Of numbers under which the store has other keys than we had."""
        self._current = current
        self._lookup_key = lookup_key
        self._voucher = hmac.digest(lookup_key, b"\0history", hashlib.sha256)  # no kind looked up begins with a NUL
        self._load_keys = load_keys

    def seal(self, plain: bytes, context: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        number = self._current  # which a renewal may change
        return _HEAD.pack(_FORMAT, number) + nonce + self._ciphers[number].encrypt(nonce, plain, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        if len(sealed) < _HEAD.size + NONCE_BYTES:
            raise SealBroken(f"{context}: {len(sealed)} bytes are too few to be sealed ones; it was cut off")
        form, number = _HEAD.unpack_from(sealed)
        if form == _FORMAT and number not in self._ciphers:
            self._take_up(self._load_keys())
        if form != _FORMAT or number not in self._ciphers:
            raise SealBroken(
                f"{context}: sealed in format {form} with data key {number}, which this store does not have"
            )
        nonce, rest = sealed[_HEAD.size : _HEAD.size + NONCE_BYTES], sealed[_HEAD.size + NONCE_BYTES :]
        for cipher in (self._ciphers[number], self._replaced.get(number)):
            with suppress(InvalidTag):
                if cipher is not None:
                    return cipher.decrypt(nonce, rest, context.encode())
        raise SealBroken(f"{context}: does not open; it was damaged or moved from another place")

    def turn_to(self, number: int, keys: Mapping[int, bytes]) -> bool:
        """Seal with this one of the store's keys from now on; False: it is so already.

        Where the store has another key under a number of ours (a fail-over lost ours), the store's counts.
        """
        if number == self._current and keys[number] == self._keys[number]:
            return False
        self._take_up(keys)
        self._current = number
        return True

    def lost(self, keys: Mapping[int, bytes]) -> dict[int, bytes]:
        """What we seal or have sealed with under numbers that are not among the store's keys: a fail-over lost it."""
        return {number: key for number, key in self._keys.items() if number not in keys and key != self._lookup_key}

    def _take_up(self, keys: Mapping[int, bytes]) -> None:
        fresh = {number: key for number, key in keys.items() if self._keys.get(number) != key}
        self._replaced |= {number: self._ciphers[number] for number in fresh if number in self._ciphers}
        self._ciphers |= {number: AESGCM(key) for number, key in fresh.items()}
        self._keys |= fresh

    def lookup(self, kind: str, value: str) -> bytes:
        """Keyed hash under which a phone or identity number is found without being stored."""
        return hmac.digest(self._lookup_key, f"{kind}:{value}".encode(), hashlib.sha256)[:16]

    def vouch(self, content: bytes, context: str) -> bytes:
        """Keyed hash that nobody makes without the master key; of one context it is none of another."""
        return hmac.digest(self._voucher, context.encode() + b"\0" + content, hashlib.sha256)


def load_sealer(conn: Connection, master: bytes, now: datetime, load_keys: LoadKeys = dict[int, bytes]) -> Sealer:
    """Open the store's data keys with the master key; makes the first ones, and a fresh one to seal with each quarter.

    Old keys stay and open what they sealed; the lookup key is never renewed, or nobody would be found again.

    Raises:
        SealBroken: the master key is not the one this store was made with, or its keys were taken out.
    """
    if len(master) != KEY_BYTES:
        raise SealBroken(f"sealing key: {len(master)} bytes, expected {KEY_BYTES}")
    new = conn.execute(select(data_key.c.id).limit(1)).first() is None
    if new and conn.execute(select(history.c.id).limit(1)).first() is not None:
        raise SealBroken("this store has a history but no data keys: they were taken out; restore a backup")
    renew_seal(conn, master, now)
    if new:
        _add_key(conn, master, LOOKUP, now)
    return opened_sealer(conn, master, load_keys)


def renew_seal(conn: Connection, master: bytes, now: datetime) -> int:
    """The number of the data key to seal with; a fresh one if the last is a quarter old, or there is none."""
    seals = select(data_key.c.id, data_key.c.created_at).where(data_key.c.purpose == "seal")
    newest = conn.execute(seals.order_by(data_key.c.id.desc()).limit(1)).first()
    if newest is not None and now - newest.created_at <= RENEW_AFTER:
        return int(newest.id)
    return _add_key(conn, master, "seal", now)


def put_back(conn: Connection, master: bytes, keys: Mapping[int, bytes], now: datetime) -> None:
    """Give the store again what it has lost, under the numbers that stand in what was sealed with it."""
    for number, key in keys.items():
        row = {"id": number, "purpose": "seal", "wrapped": wrap(master, "seal", key), "created_at": now}
        conn.execute(insert(data_key).values(row))


def opened_sealer(conn: Connection, master: bytes, load_keys: LoadKeys = dict[int, bytes]) -> Sealer:
    """As `load_sealer`, of a store that has its keys: none is made."""
    rows = conn.execute(select(data_key).order_by(data_key.c.id)).all()
    keys = data_keys(conn, master)
    current = max(row.id for row in rows if row.purpose == "seal")
    lookup = next((row for row in rows if row.purpose.startswith(LOOKUP)), None)
    if lookup is None:
        raise SealBroken("this store's lookup key was taken out; restore a backup")
    _, _, unstamped = lookup.purpose.partition(":")
    return Sealer(keys, current, keys[lookup.id], load_keys, int(unstamped) if unstamped else None)


def vouch_for_beginning(conn: Connection, master: bytes, unstamped: int) -> None:
    """Wrap the lookup key anew, with this number: from now on it opens with it alone, and nothing opens without it."""
    row = conn.execute(select(data_key).where(data_key.c.purpose == LOOKUP)).one()
    purpose = f"{LOOKUP}:{unstamped}"
    wrapped = wrap(master, purpose, unwrap(master, row.purpose, row.wrapped))
    conn.execute(update(data_key).where(data_key.c.id == row.id).values(purpose=purpose, wrapped=wrapped))


def data_keys(conn: Connection, master: bytes) -> dict[int, bytes]:
    """Every data key of the store, by its number. Raises SealBroken: this is not its master key."""
    rows = conn.execute(select(data_key))
    return {row.id: unwrap(master, row.purpose, row.wrapped) for row in rows}


def _add_key(conn: Connection, master: bytes, purpose: str, now: datetime) -> int:
    wrapped = wrap(master, purpose, os.urandom(KEY_BYTES))
    made = insert(data_key).values(purpose=purpose, wrapped=wrapped, created_at=now).returning(data_key.c.id)
    return int(conn.execute(made).scalar_one())


def wrap(master: bytes, purpose: str, key: bytes) -> bytes:
    """A data key under the master key, bound to its purpose."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(master).encrypt(nonce, key, f"data_key:{purpose}".encode())


def unwrap(master: bytes, purpose: str, wrapped: bytes) -> bytes:
    """A data key. Raises SealBroken: this is not its master key."""
    try:
        return AESGCM(master).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], f"data_key:{purpose}".encode())
    except InvalidTag as error:
        raise SealBroken(
            "sealing key: it does not open this store's data keys; use the key it was made with"
        ) from error
