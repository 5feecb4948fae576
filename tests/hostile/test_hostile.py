"""The whole catalogue goes through a real daemon at once; each thing is looked at by itself."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import lru_cache

import pytest
import pytest_asyncio

from adapters.document import at_pointer, parse
from ingest.sayings.rewording import rewording
from normalize.case import Case
from tests.hostile import gifts
from tests.hostile.catalogue import ASIDE, ASKED_AGAIN, CASE, ITEMS
from tests.hostile.town import OF, PAGES, Kept, Seen, everything_sent, memory_of, seen, sound

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.dovecot, pytest.mark.timeout(300)]
NAMES = {
    door: [name for name, item in ITEMS.items() if item.door == door] for door in ("mail", "scan", "record", "page")
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Seen]:
    async with everything_sent(tmp_path_factory.mktemp("hostile")) as installation:
        largest = memory_of(installation.process.pid)
        assert await installation.stop() < 10
        yield seen(installation, largest)


def kept_of(office: Seen, name: str) -> Kept:
    """The one Raw that holds this thing, byte for byte as it was handed over."""
    item, content = ITEMS[name], ITEMS[name].content()
    if item.door == "record":
        (found,) = [one for one in office.kept if one.channel == "records" and _record(one) == item.made()]
    else:
        (found,) = [one for one in office.kept if one.content == content]
    return found


def _record(one: Kept) -> object:
    return at_pointer(_parsed(one.content), one.pointer)


_parsed = lru_cache(maxsize=1)(parse)


def case_of(office: Seen, name: str) -> Case:
    case = kept_of(office, name).case
    assert case is not None
    return case


@pytest.mark.parametrize("name", [name for name, item in ITEMS.items() if item.becomes == ASIDE])
async def test_it_is_kept_aside_whole_and_the_reason_is_clear(office: Seen, name: str) -> None:
    kept = kept_of(office, name)

    assert kept.state == "quarantined"
    english, chinese = (rewording(language)(str(kept.reason)) for language in ("en", "zh"))
    assert ITEMS[name].says in english
    assert ITEMS[name].says_zh in chinese
    assert not re.search("[\u4e00-\u9fff]", english)
    assert not re.search("[a-z]{2,} [a-z]{2,}", chinese)
    assert "failed" not in english


@pytest.mark.parametrize("name", [name for name, item in ITEMS.items() if item.becomes == CASE])
async def test_it_becomes_a_case_whose_warnings_say_what_was_wrong(office: Seen, name: str) -> None:
    kept = kept_of(office, name)

    assert (kept.state, kept.reason) == ("read", None)
    assert kept.case is not None
    said = ITEMS[name].says
    assert not said or said in {one.code for one in kept.case.warnings}


@pytest.mark.parametrize("name", [name for name, item in ITEMS.items() if item.becomes == ASKED_AGAIN])
async def test_nothing_is_taken_of_an_answer_that_is_none_and_it_is_asked_for_again(office: Seen, name: str) -> None:
    said = [line for line in office.log if line.get("channel") == name and line["event"] == "channel unavailable"]

    assert [ITEMS[name].says in str(line["error"]) for line in said] == [True]
    assert [ITEMS[name].says_zh in rewording("zh")(str(line["error"])) for line in said] == [True]
    assert [(one.key, one.state) for one in office.kept if one.channel == name] == [(f"sound-{name}", "read")]


async def test_every_door_goes_on_after_each_of_them(office: Seen) -> None:
    mails = {one.case.title for one in office.kept if one.channel == "mailbox" and one.case}
    scans = {one.content for one in office.kept if one.channel == "letters" and one.case}
    records = {one.key for one in office.kept if one.channel == "records" and one.case}

    assert {f"完好来信{number}" for number in range(len(OF["mail"]))} <= mails
    assert {gifts.sound_scan(number) for number in range(len(OF["scan"]))} <= scans
    assert {str(sound(number)["id"]) for number in range(len(OF["record"]))} <= records
    assert {f"sound-{name}" for name in PAGES} <= {one.key for one in office.kept if one.case}


async def test_no_bug_of_ours_was_found_and_nobody_had_to_act(office: Seen) -> None:
    assert [line for line in office.log if line["level"] in ("error", "critical")] == []
    assert not [one for one in office.kept if one.state not in ("read", "quarantined")]


async def test_the_daemon_itself_did_not_swell(office: Seen) -> None:
    """Mails of 60 MB, pages of 30 MB and bombs went through it; what they spell was unfolded elsewhere, or nowhere."""
    assert office.largest < 900 * 2**20


@pytest.mark.parametrize("name", ["odd_names", "path_tricks"])
async def test_names_of_files_are_harmless(office: Seen, name: str) -> None:
    names = [one.name for one in case_of(office, name).attachments]

    assert len(names) >= 4
    for one in names:
        assert re.search(r"[\x00-\x1f\x7f/\\\u200b-\u200f\u202a-\u202e\ud800-\udfff]", one) is None
        assert one not in ("", ".", "..", "con.txt")


async def test_words_are_as_databases_and_receivers_can_keep_them(office: Seen) -> None:
    case = case_of(office, "odd_words")
    written = case.model_dump_json().encode()

    assert (case.title, case.petitioners[0].name) == ("题目", "顾晓棠")
    assert b"\\u0000" not in written


async def test_gb18030_that_calls_itself_utf_8_is_read(office: Seen) -> None:
    assert case_of(office, "wrong_encoding_page").content == gifts.record("mojibake")["words"]
    assert str(case_of(office, "wrong_encoding_mail").content).startswith("校车每天早上要等很久")


async def test_a_mail_of_60_mb_keeps_its_attachment(office: Seen) -> None:
    (attachment,) = case_of(office, "large_mail").attachments

    assert (attachment.name, attachment.state.value) == ("a.bin", "stored")
    assert attachment.size is not None
    assert attachment.size > 40 * 2**20


async def test_a_clock_ahead_carries_no_cursor_with_it(office: Seen) -> None:
    registered, cursor = case_of(office, "clock_ahead").source_registered_at, office.cursors["records"]

    assert registered is not None
    assert cursor is not None
    assert datetime.fromisoformat(str(cursor["modified"])) <= datetime.now(UTC) < registered
