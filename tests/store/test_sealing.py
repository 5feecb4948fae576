"""Sealed bytes open with their key, in their place, unharmed, and in no other case."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from store.engine import open_store
from store.schema import data_key
from store.sealing import RENEW_AFTER, SealBroken, Sealer, wrap
from tests.place import Place
from tests.store.keys import MASTER, NOW, OTHER_MASTER

SEALER = Sealer({1: MASTER}, 1, OTHER_MASTER)
PLAIN = "李某某，13800000000，反映乱收费".encode()


@given(st.binary(max_size=2000), st.text(max_size=50))
def test_what_was_sealed_opens_in_its_place(plain: bytes, context: str) -> None:
    assert SEALER.open(SEALER.seal(plain, context), context) == plain


def test_nothing_of_it_shows_and_no_two_seals_are_alike() -> None:
    sealed = [SEALER.seal(PLAIN, "cases:1") for _ in range(3)]

    assert len(set(sealed)) == 3
    assert not any(PLAIN[start : start + 4] in one for one in sealed for start in range(len(PLAIN) - 4))


def test_moved_to_another_place_it_is_refused() -> None:
    sealed = SEALER.seal(PLAIN, "cases:1")

    with pytest.raises(SealBroken, match="cases:2: does not open; it was damaged or moved"):
        SEALER.open(sealed, "cases:2")


def test_any_damaged_byte_is_noticed() -> None:
    sealed = SEALER.seal(b"short", "cases:1")

    for place in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[place] ^= 1
        with pytest.raises(SealBroken, match="cases:1"):
            SEALER.open(bytes(damaged), "cases:1")


def test_cut_off_anywhere_it_is_refused() -> None:
    sealed = SEALER.seal(b"short", "cases:1")

    for length in range(len(sealed)):
        with pytest.raises(SealBroken, match="cases:1"):
            SEALER.open(sealed[:length], "cases:1")


def test_a_key_this_store_does_not_have_is_named() -> None:
    other = Sealer({7: MASTER}, 7, OTHER_MASTER)

    with pytest.raises(SealBroken, match="data key 7, which this store does not have"):
        SEALER.open(other.seal(PLAIN, "cases:1"), "cases:1")


def test_another_master_key_says_what_to_do_and_leaves_the_store_free(tmp_path: Path) -> None:
    open_store("sqlite", tmp_path, MASTER).close()

    with pytest.raises(SealBroken, match="does not open this store's data keys; use the key it was made with"):
        open_store("sqlite", tmp_path, OTHER_MASTER)
    open_store("sqlite", tmp_path, MASTER).close()


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
def test_a_master_key_of_another_length_is_refused(tmp_path: Path, length: int) -> None:
    with pytest.raises(SealBroken, match=f"{length} bytes, expected 32"):
        open_store("sqlite", tmp_path, b"k" * length)


def test_the_master_key_is_not_in_the_folder(tmp_path: Path) -> None:
    open_store("sqlite", tmp_path, MASTER).close()

    assert not any(MASTER in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_after_a_quarter_a_new_key_seals_and_the_old_one_still_opens(tmp_path: Path) -> None:
    first = open_store("sqlite", tmp_path, MASTER, now=NOW)
    sealed, found = first.sealer.seal(PLAIN, "cases:1"), first.sealer.lookup("phone", "13800000000")
    first.close()
    same = open_store("sqlite", tmp_path, MASTER, now=NOW + RENEW_AFTER)
    assert _key_of(same.sealer.seal(PLAIN, "cases:1")) == _key_of(sealed)
    same.close()

    renewed = open_store("sqlite", tmp_path, MASTER, now=NOW + RENEW_AFTER + timedelta(seconds=1))

    assert renewed.sealer.open(sealed, "cases:1") == PLAIN
    assert _key_of(renewed.sealer.seal(PLAIN, "cases:1")) != _key_of(sealed)
    assert renewed.sealer.lookup("phone", "13800000000") == found
    purposes = renewed.read_now(lambda conn: list(conn.execute(select(data_key.c.purpose).order_by("id")).scalars()))
    assert purposes == ["seal", "lookup:0", "seal"]
    renewed.close()


async def test_a_store_that_stays_open_renews_its_key_when_asked_after_a_quarter(place: Place) -> None:
    store = open_store(place.database, place.folder, MASTER, now=NOW)
    sealed = store.sealer.seal(PLAIN, "cases:1")

    assert await store.renew_key(MASTER, NOW + RENEW_AFTER) is False
    assert await store.renew_key(MASTER, NOW + RENEW_AFTER + timedelta(seconds=1)) is True
    assert await store.renew_key(MASTER, NOW + RENEW_AFTER + timedelta(seconds=2)) is False

    fresh = store.sealer.seal(PLAIN, "cases:1")
    assert _key_of(fresh) != _key_of(sealed)
    assert store.sealer.open(sealed, "cases:1") == store.sealer.open(fresh, "cases:1") == PLAIN
    store.close()
    again = open_store(place.database, place.folder, MASTER, now=NOW + RENEW_AFTER + timedelta(days=1))
    assert again.sealer.open(fresh, "cases:1") == PLAIN
    assert _key_of(again.sealer.seal(PLAIN, "cases:1")) == _key_of(fresh)
    again.close()


@pytest.mark.parametrize("database", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
async def test_of_several_processes_one_makes_the_new_key_and_all_seal_with_it(place: Place) -> None:
    stores = [open_store(place.database, place.folder, MASTER, now=NOW) for _ in range(3)]
    later = NOW + RENEW_AFTER + timedelta(days=1)

    turned = await asyncio.gather(*(one.renew_key(MASTER, later) for one in stores))

    sealed = [one.sealer.seal(PLAIN, "cases:1") for one in stores]
    keys = stores[0].read_now(lambda conn: conn.execute(select(data_key.c.purpose)).scalars().all())
    assert turned == [True] * 3
    assert len({_key_of(one) for one in sealed}) == 1
    assert sorted(keys) == ["lookup:0", "seal", "seal"]
    for one in stores:
        one.close()


@pytest.mark.parametrize("other_process", [True, False])
@pytest.mark.parametrize("database", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
async def test_what_was_sealed_with_a_key_that_a_fail_over_lost_opens_for_all_once_it_is_put_back(
    place: Place, other_process: bool
) -> None:
    store = open_store(place.database, place.folder, MASTER, now=NOW)
    later = NOW + RENEW_AFTER + timedelta(days=1)
    await store.renew_key(MASTER, later)
    sealed = store.sealer.seal(PLAIN, "cases:1")
    number = int.from_bytes(_key_of(sealed)[1:])
    await store.write(lambda conn: conn.execute(delete(data_key).where(data_key.c.id == number)))
    if other_process:
        open_store(place.database, place.folder, MASTER, now=later).close()  # makes one of its own

    assert await store.renew_key(MASTER, later) is other_process
    assert await store.renew_key(MASTER, later) is False
    again = open_store(place.database, place.folder, MASTER, now=later)
    assert again.sealer.open(sealed, "cases:1") == PLAIN
    assert again.sealer.open(store.sealer.seal(PLAIN, "cases:1"), "cases:1") == PLAIN
    for one in (store, again):
        one.close()


@pytest.mark.parametrize("database", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
async def test_of_two_keys_under_one_number_all_seal_with_the_one_the_database_has(place: Place) -> None:
    store = open_store(place.database, place.folder, MASTER, now=NOW)
    ours = store.sealer.seal(PLAIN, "cases:1")
    other = {"wrapped": wrap(MASTER, "seal", OTHER_MASTER)}
    await store.write(lambda conn: conn.execute(update(data_key).where(data_key.c.purpose == "seal").values(other)))

    assert await store.renew_key(MASTER, NOW) is True
    again = open_store(place.database, place.folder, MASTER, now=NOW)
    theirs = again.sealer.seal(PLAIN, "cases:1")
    assert store.sealer.open(ours, "cases:1") == store.sealer.open(theirs, "cases:1") == PLAIN
    assert again.sealer.open(store.sealer.seal(PLAIN, "cases:1"), "cases:1") == PLAIN
    for one in (store, again):
        one.close()


def test_a_value_is_looked_up_alike_after_reopening_and_by_kind_and_store_apart(tmp_path: Path) -> None:
    def look(folder: Path, kind: str = "phone") -> bytes:
        store = open_store("sqlite", folder, MASTER)
        found = store.sealer.lookup(kind, "13800000000")
        store.close()
        return found

    first = look(tmp_path / "a")

    assert look(tmp_path / "a") == first
    assert look(tmp_path / "a", "id_no") != first
    assert look(tmp_path / "b") != first


def _key_of(sealed: bytes) -> bytes:
    return sealed[:5]
