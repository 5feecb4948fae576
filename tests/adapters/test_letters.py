"""The letters door, before real folders."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest

from adapters.base import Batch, ChannelRefused, ChannelUnavailable, Cursor, Json, RawKind, Unobtainable
from adapters.letters import LettersAdapter, LettersSettings
from tests.adapters.conformance import Promises
from tests.rights import ordinary

BEFORE = datetime(2000, 1, 1, tzinfo=UTC)
PDF = b"%PDF-1.7\n" + b"1 0 obj\n" * 50 + b"%%EOF\n"


@pytest.fixture
def ordinary_rights() -> Iterator[None]:
    with ordinary():
        yield


@dataclass
class Time:
    """A clock that goes on by waiting; `meanwhile` happens during the next wait."""

    now: float = 1000.0
    meanwhile: list[Callable[[], object]] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.meanwhile:
            self.meanwhile.pop(0)()


@dataclass
class Folder:
    path: Path
    time: Time = field(default_factory=Time)

    def door(self, **settings: object) -> LettersAdapter:
        told = LettersSettings.model_validate({"folder": self.path, **settings})
        return LettersAdapter("letters", told, self.time, self.time.sleep)

    def put(self, name: str, content: bytes = PDF, at: str = "2026-03-02T09:00:00+08:00") -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        moment = datetime.fromisoformat(at).timestamp()
        os.utime(path, (moment, moment))
        return path

    @property
    def archived(self) -> dict[str, bytes]:
        archive = self.path / ".archive"
        return {str(p.relative_to(archive)): p.read_bytes() for p in sorted(archive.rglob("*")) if p.is_file()}

    @property
    def files(self) -> list[str]:
        found = (path for path in self.path.rglob("*") if path.is_file() and ".archive" not in path.parts)
        return sorted(str(path.relative_to(self.path)) for path in found)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "in").mkdir()
    return Folder(tmp_path / "in")


async def polled(door: LettersAdapter, cursor: Cursor | None = None, start_from: datetime = BEFORE) -> list[Batch]:
    return [batch async for batch in door.poll(cursor, start_from)]


def names(batches: list[Batch]) -> list[str]:
    return [raw.locator for batch in batches for raw in batch.raws]


def token(batch: Batch) -> Json:
    assert batch.settle is not None
    return batch.settle


class Stand:
    """A folder as the promises of every door want it."""

    def __init__(self, folder: Folder) -> None:
        self.start_from = BEFORE
        self._folder = folder
        self._number = 0

    def adapter(self) -> LettersAdapter:
        return self._folder.door()

    async def arrive(self, count: int) -> None:
        for _ in range(count):
            self._number += 1
            self._folder.put(f"scan{self._number:03}.pdf", PDF + b"%d" % self._number)

    async def shown(self) -> object:
        return [(name, (self._folder.path / name).read_bytes()) for name in self._folder.files]

    def absent(self) -> LettersAdapter:
        return LettersSettings(folder=self._folder.path / "nowhere").build("letters")

    def refused(self) -> LettersAdapter:
        self._folder.path.chmod(0)
        return self._folder.door()


class TestLettersPromises(Promises):
    @pytest.fixture
    def stand(self, folder: Folder, ordinary_rights: None) -> Iterator[Stand]:
        yield Stand(folder)
        folder.path.chmod(0o700)


async def test_a_scan_is_handed_over_with_what_its_bytes_do_not_say(folder: Folder) -> None:
    folder.put("三月/来信 01.pdf")

    _, batch = await polled(folder.door())

    (raw,) = batch.raws
    assert raw.kind is RawKind.LETTER
    assert raw.key == raw.version == hashlib.sha256(PDF).hexdigest()
    assert raw.locator == "三月/来信 01.pdf"
    assert raw.received_at == datetime.fromisoformat("2026-03-02T09:00:00+08:00")
    assert raw.meta == {"file_name": "来信 01.pdf", "batch": "三月", "sha256": raw.key}
    assert batch.blobs == (PDF,)


async def test_a_file_still_being_written_waits_until_it_rests(folder: Folder) -> None:
    scan = folder.put("scan.pdf", b"%PDF-1.7 half")
    door = folder.door(settle_after=timedelta(seconds=10))
    folder.time.meanwhile.append(lambda: scan.write_bytes(PDF))

    (first,) = await polled(door)
    again = await polled(door, first.cursor)

    assert names([first]) == []
    assert [batch.blobs for batch in again] == [(PDF,)]


async def test_a_file_without_its_end_waits_for_the_writer_that_stalled(folder: Folder) -> None:
    scan = folder.put("scan.pdf", PDF[:40])
    door = folder.door(patience=timedelta(minutes=5))

    (first,) = await polled(door)
    scan.write_bytes(PDF)
    again = await polled(door, first.cursor)

    assert [batch.blobs for batch in again] == [(PDF,)]


def two_pages(order: Literal["little", "big"]) -> bytes:
    """A TIFF as scanners write it: each page's strip, then its directory."""

    def directory(strip: int, then: int) -> bytes:
        entry = b"".join(number.to_bytes(size, order) for number, size in ((273, 2), (4, 2), (1, 4), (strip, 4)))
        return (1).to_bytes(2, order) + entry + then.to_bytes(4, order)

    mark = b"II*\x00" if order == "little" else b"MM\x00*"
    pages = b"x" * 100 + directory(8, 226) + b"y" * 100 + directory(126, 0)
    return mark + (108).to_bytes(4, order) + pages


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("cut", [60, 120, 126, 200, 230])
async def test_a_scan_of_several_pages_waits_for_the_last_of_them(
    folder: Folder, order: Literal["little", "big"], cut: int
) -> None:
    whole = two_pages(order)
    scan = folder.put("scan.tif", whole[:cut])
    door = folder.door(patience=timedelta(minutes=5))

    (first,) = await polled(door)
    scan.write_bytes(whole)
    again = await polled(door, first.cursor)

    assert [batch.blobs for batch in again] == [(whole,)]


@pytest.mark.parametrize("content", [PDF[:40], b"\xff\xd8\xff\xe0 a photo", b"\x89PNG\r\n\x1a\n cut off", b""])
async def test_a_file_whose_end_never_comes_is_handed_over_as_it_is(folder: Folder, content: bytes) -> None:
    folder.put("scan.jpg", content)
    door = folder.door(patience=timedelta(minutes=5))

    (first,) = await polled(door)
    folder.time.now += 300
    (late,) = await polled(door, first.cursor)

    assert late.blobs == (content,)


async def test_every_empty_file_is_reported_and_filed_away(folder: Folder) -> None:
    folder.put("a.pdf", b"")
    folder.put("b.pdf", b"")
    door = folder.door(patience=timedelta(0))

    _, one, two = await polled(door)
    for batch in (one, two):
        await door.settle(token(batch))

    assert one.raws[0].key != two.raws[0].key
    assert one.raws[0].meta["refused"] == "the file is empty"
    assert folder.archived == {"2026-03/a.pdf": b"", "2026-03/b.pdf": b""}


async def test_a_file_that_is_no_scan_is_handed_over_for_the_reader_to_judge(folder: Folder) -> None:
    folder.put("letter.docx", b"PK\x03\x04 not a scan")

    _, batch = await polled(folder.door())

    assert batch.blobs == (b"PK\x03\x04 not a scan",)


async def test_a_file_too_large_is_reported_once_and_left_until_it_may_be_taken(folder: Folder) -> None:
    folder.put("huge.pdf", PDF + b"x" * 2000 + b"%%EOF")
    folder.put("small.pdf")
    door = folder.door(max_bytes=1024)

    first, *batches = await polled(door)
    again = await polled(door, first.cursor)

    huge = next(batch for batch in batches if names([batch]) == ["huge.pdf"])
    assert huge.blobs == (b"",)
    assert huge.settle is None
    assert huge.raws[0].meta["refused"] == "the file has 2420 bytes; at most 1024 are taken; it stays in the folder"
    assert names(again) == ["small.pdf"]
    assert names(await polled(folder.door(), first.cursor)) == ["huge.pdf", "small.pdf"]


@pytest.mark.parametrize(
    "name", [".hidden.pdf", "scan.pdf.part", "~$scan.pdf", "scan.tmp", ".sub/scan.pdf", "Thumbs.db"]
)
async def test_a_name_that_says_unfinished_is_passed_over_until_it_is_renamed(folder: Folder, name: str) -> None:
    scan = folder.put(name)
    door = folder.door()

    (first,) = await polled(door)
    scan.rename(folder.path / "scan.pdf")

    assert names(await polled(door, first.cursor)) == ["scan.pdf"]


async def test_only_the_patterns_are_taken(folder: Folder) -> None:
    folder.put("scan.PDF")
    folder.put("notes.txt")

    assert names(await polled(folder.door(patterns=["*.pdf"]))) == ["scan.PDF"]


async def test_a_link_is_not_followed(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "secret.pdf").write_bytes(PDF)
    (folder.path / "scan.pdf").symlink_to(tmp_path / "secret.pdf")
    (folder.path / "below").symlink_to(tmp_path)

    assert names(await polled(folder.door())) == []


async def test_what_lay_there_before_is_left_and_counted(folder: Folder) -> None:
    folder.put("old.pdf", at="2020-01-01T00:00:00+08:00")
    later = datetime.now(UTC) + timedelta(seconds=60)
    door = folder.door()

    (first,) = await polled(door, start_from=later)
    folder.put("copied.pdf", at="2019-01-01T00:00:00+08:00")
    more = await polled(door, first.cursor, start_from=later)

    assert (first.raws, first.skipped) == ((), 1)
    assert names(more) == ["copied.pdf"]
    assert folder.files == ["copied.pdf", "old.pdf"]


async def test_what_lay_on_a_share_that_was_not_mounted_at_the_first_look_is_left_and_counted(folder: Folder) -> None:
    later = datetime.now(UTC) + timedelta(seconds=60)
    (empty,) = await polled(folder.door(), start_from=later)
    folder.put("old.pdf", at="2020-01-01T00:00:00+08:00")
    device = empty.cursor["empty_on"]
    assert isinstance(device, int)

    (first,) = await polled(folder.door(), {**empty.cursor, "empty_on": device + 1}, start_from=later)
    folder.put("new.pdf", PDF + b"new %%EOF")
    more = await polled(folder.door(), first.cursor, start_from=later)

    assert (first.raws, first.skipped) == ((), 1)
    assert names(more) == ["new.pdf"]


async def test_what_comes_into_a_folder_that_was_empty_is_taken_whatever_its_time(folder: Folder) -> None:
    """The share's clock may be behind, and a scan that is copied keeps its time."""
    later = datetime.now(UTC) + timedelta(seconds=60)
    (empty,) = await polled(folder.door(), start_from=later)
    folder.put("copied.pdf", at="2020-01-01T00:00:00+08:00")

    (batch,) = await polled(folder.door(), empty.cursor, start_from=later)

    assert names([batch]) == ["copied.pdf"]
    assert batch.cursor["left"] == []
    assert "empty_on" not in batch.cursor


async def test_what_comes_into_sight_by_another_folder_is_left_as_at_a_first_poll(folder: Folder) -> None:
    folder.put("archive/2019.pdf", PDF + b"2019 %%EOF")
    folder.put("inbox/old.pdf", PDF + b"old %%EOF")
    later = datetime.now(UTC) + timedelta(seconds=60)
    (narrow,) = await polled(folder.door(folder=folder.path / "inbox"), start_from=later)

    (first,) = await polled(folder.door(), narrow.cursor, start_from=later)
    folder.put("inbox/new.pdf", at="2019-01-01T00:00:00+08:00")
    more = await polled(folder.door(), first.cursor, start_from=later)

    assert (first.raws, first.skipped) == ((), 2)
    assert names(more) == ["inbox/new.pdf"]


@pytest.mark.parametrize("key", ["patterns", "ignore"])
async def test_what_comes_into_sight_by_other_names_is_left_as_at_a_first_poll(folder: Folder, key: str) -> None:
    narrow, wide = {"patterns": (["*.pdf"], ["*"]), "ignore": (["*.tif"], ["*.tmp"])}[key]
    folder.put("old.tif")
    later = datetime.now(UTC) + timedelta(seconds=60)
    (before,) = await polled(folder.door(**{key: narrow}), start_from=later)

    (first,) = await polled(folder.door(**{key: wide}), before.cursor, start_from=later)

    assert (first.raws, first.skipped) == ((), 1)
    assert names(await polled(folder.door(**{key: wide}), first.cursor, start_from=later)) == []


async def test_a_folder_under_another_name_is_read_on_where_it_was(folder: Folder, tmp_path: Path) -> None:
    """What was left stays so, also where the copying of it is new; what waits to be taken is taken."""
    folder.put("old.pdf")
    (before,) = await polled(folder.door(), start_from=datetime.now(UTC) + timedelta(seconds=60))
    folder.put("new.pdf", PDF + b"new %%EOF")
    folder.path.rename(tmp_path / "elsewhere")

    first, batch = await polled(folder.door(folder=tmp_path / "elsewhere"), before.cursor)

    assert (first.raws, first.skipped, first.cursor["left"]) == ((), 0, before.cursor["left"])
    assert names([batch]) == ["new.pdf"]


async def test_another_folder_that_is_not_mounted_yet_is_looked_at_when_it_is(folder: Folder, tmp_path: Path) -> None:
    later = datetime.now(UTC) + timedelta(seconds=60)
    (tmp_path / "share").mkdir()
    (before,) = await polled(folder.door(), start_from=later)
    door = folder.door(folder=tmp_path / "share")
    (empty,) = await polled(door, before.cursor, start_from=later)
    (tmp_path / "share/old.pdf").write_bytes(PDF)
    device = empty.cursor["empty_on"]
    assert isinstance(device, int)

    (first,) = await polled(door, {**empty.cursor, "empty_on": device + 1}, start_from=later)

    assert (first.raws, first.skipped) == ((), 1)


@pytest.mark.parametrize("cursor", [{"uidvalidity": 1, "uid": 7}, {"uidvalidity": 1, "uid": 7, "left": [3]}, {}])
async def test_the_cursor_of_another_kind_of_channel_is_none(folder: Folder, cursor: Cursor) -> None:
    folder.put("old.pdf")

    (first,) = await polled(folder.door(), cursor, start_from=datetime.now(UTC) + timedelta(seconds=60))

    assert (first.raws, first.skipped) == ((), 1)


async def test_a_cursor_from_before_it_was_noted_what_is_looked_at_goes_on_and_has_it_noted(folder: Folder) -> None:
    folder.put("scan.pdf")
    later = datetime.now(UTC) + timedelta(seconds=60)

    first, batch = await polled(folder.door(), {"left": ["file:0"]}, start_from=later)

    assert (first.raws, first.skipped, first.cursor["left"]) == ((), 0, ["file:0"])
    assert (names([batch]), batch.cursor) == (["scan.pdf"], first.cursor)
    assert names(await polled(folder.door(), batch.cursor, start_from=later)) == ["scan.pdf"]


async def test_what_was_left_is_taken_when_it_is_written_anew(folder: Folder) -> None:
    folder.put("scan.pdf", at="2020-01-01T00:00:00+08:00")
    later = datetime.now(UTC) + timedelta(seconds=60)
    (first,) = await polled(folder.door(), start_from=later)

    folder.put("scan.pdf", PDF + b"new %%EOF")

    assert names(await polled(folder.door(), first.cursor)) == ["scan.pdf"]


async def test_a_file_s_name_stands_in_nothing_that_is_not_sealed(folder: Folder, ordinary_rights: None) -> None:
    for name in ("顾晓棠旧信.pdf", "顾晓棠空信.pdf", "顾晓棠大信.pdf", "顾晓棠/信.pdf"):
        folder.put(name, {"空": b"", "大": PDF * 9}.get(name[3], PDF + name.encode()), at="2026-03-02T09:00:00+08:00")
    old = folder.path / "顾晓棠旧信.pdf"
    door = folder.door(patience=timedelta(0), max_bytes=1024)
    (look,) = [batch async for batch in folder.door().poll(None, datetime.now(UTC) + timedelta(minutes=1))]
    (folder.path / "顾晓棠").chmod(0)
    poll = door.poll(None, BEFORE)
    batches = [await anext(poll) for _ in range(4)]
    with pytest.raises(ChannelRefused) as closed:
        await anext(poll)
    (folder.path / "顾晓棠").chmod(0o700)
    (folder.path / ".archive").write_bytes(b"not a folder")
    with pytest.raises(ChannelUnavailable) as stuck:
        await door.settle(next(token(batch) for batch in batches if names([batch]) == [old.name]))

    assert look.skipped == 4
    keys = [(raw.key, raw.version, raw.meta.get("refused")) for batch in batches for raw in batch.raws]
    assert "顾晓棠" not in f"{look.cursor} {[batch.cursor for batch in batches]} {keys} {closed.value} {stuck.value}"


async def test_a_first_poll_of_an_empty_folder_settles_where_the_channel_begins(folder: Folder) -> None:
    (first,) = await polled(folder.door())

    assert (first.blobs, first.raws, first.skipped) == ((), (), 0)
    assert (first.cursor["left"], first.cursor["empty_on"]) == ([], folder.path.stat().st_dev)


async def test_a_settled_scan_lies_in_the_archive_under_its_month_and_folder(folder: Folder) -> None:
    folder.put("batch7/0001.pdf")
    door = folder.door()
    _, batch = await polled(door)

    await door.settle(token(batch))

    assert folder.files == []
    assert folder.archived == {"2026-03/batch7/0001.pdf": PDF}
    assert names(await polled(door, batch.cursor)) == []


async def test_a_name_used_again_overwrites_nothing(folder: Folder) -> None:
    door = folder.door()
    contents = [PDF + b"%d %%%%EOF" % number for number in range(3)]
    for content in contents:
        folder.put("scan.pdf", content)
        *_, batch = await polled(door)
        await door.settle(token(batch))

    assert folder.archived == {
        "2026-03/scan.pdf": contents[0],
        "2026-03/scan-2.pdf": contents[1],
        "2026-03/scan-3.pdf": contents[2],
    }


async def test_the_same_scan_dropped_twice_is_one_key_and_both_are_filed_away(folder: Folder) -> None:
    folder.put("a.pdf")
    folder.put("b.pdf")
    door = folder.door()

    _, one, two = await polled(door)
    for batch in (one, two):
        await door.settle(token(batch))

    assert one.raws[0].key == two.raws[0].key
    assert folder.files == []
    assert len(folder.archived) == 2


async def test_another_file_at_the_same_path_is_left_to_be_polled(folder: Folder) -> None:
    folder.put("scan.pdf")
    door = folder.door()
    _, batch = await polled(door)
    folder.put("scan.pdf", PDF.replace(b"1 0 obj", b"2 0 obj"))

    await door.settle(token(batch))

    assert folder.archived == {}
    assert len(await polled(door, batch.cursor)) == 1


async def test_a_settling_cut_short_is_finished(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.put("scan.pdf")
    door = folder.door()
    _, batch = await polled(door)

    def break_off(source: Path, target: Path) -> Path:
        raise OSError(errno.EIO, "the share went away")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", break_off)
        with pytest.raises(ChannelUnavailable, match="the share went away"):
            await door.settle(token(batch))
    assert names(await polled(door, batch.cursor)) == []
    await folder.door().settle(token(batch))

    assert folder.files == []
    assert folder.archived == {"2026-03/scan.pdf": PDF}


async def test_an_archive_on_another_disk_is_as_good(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.put("scan.pdf")
    door = folder.door()
    _, batch = await polled(door)
    replace = Path.replace

    def across(source: Path, target: Path) -> Path:
        if source.name.startswith(".settling"):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", across)
    await door.settle(token(batch))

    assert folder.files == []
    assert folder.archived == {"2026-03/scan.pdf": PDF}


async def test_settling_waits_for_a_folder_that_is_away(folder: Folder, tmp_path: Path) -> None:
    folder.put("scan.pdf")
    door = folder.door()
    _, batch = await polled(door)
    folder.path.rename(tmp_path / "unmounted")

    with pytest.raises(ChannelUnavailable):
        await door.settle(token(batch))


async def test_a_name_from_windows_is_shown_and_settled(folder: Folder) -> None:
    raw_name = os.fsdecode("来信.pdf".encode("gb18030"))
    folder.put(raw_name)
    door = folder.door()

    _, batch = await polled(door)
    await door.settle(token(batch))

    assert names([batch]) == ["来信.pdf"]
    assert str(token(batch)).isprintable()
    assert folder.files == []


@pytest.mark.usefixtures("ordinary_rights")
async def test_a_file_that_may_not_be_read_holds_up_nobody(folder: Folder) -> None:
    folder.put("locked.pdf").chmod(0)
    folder.put("scan.pdf")
    door = folder.door(patience=timedelta(minutes=1))

    first, *batches = await polled(door)
    folder.time.now += 60
    late = await polled(door, first.cursor)

    assert names(batches) == ["scan.pdf"]
    locked = next(batch.raws[0] for batch in late if names([batch]) == ["locked.pdf"])
    assert "Permission denied" in str(locked.meta["refused"])


@pytest.mark.usefixtures("ordinary_rights")
async def test_a_subfolder_that_may_not_be_read_is_told_after_the_rest(folder: Folder) -> None:
    folder.put("shut/scan.pdf").parent.chmod(0)
    folder.put("scan.pdf")
    poll = folder.door().poll(None, BEFORE)

    assert names([await anext(poll), await anext(poll)]) == ["scan.pdf"]
    with pytest.raises(ChannelRefused, match="1 of the subfolders"):
        await anext(poll)
    (folder.path / "shut").chmod(0o700)


async def test_a_scan_refers_to_nothing(folder: Folder) -> None:
    with pytest.raises(Unobtainable):
        await folder.door().fetch("elsewhere.pdf")


async def test_an_archive_inside_the_folder_is_not_read(folder: Folder) -> None:
    folder.put("scan.pdf")
    door = folder.door(archive=folder.path / "done")
    _, batch = await polled(door)

    await door.settle(token(batch))

    assert names(await polled(door, batch.cursor)) == []
    assert folder.files == ["done/2026-03/scan.pdf"]
