"""How well and how fast letters are read: `python -m bench.ocr FOLDER [--only PREFIX]`.

The folder holds `pages.jsonl` (image, truth, kind, condition), `rendered/manifest.jsonl` (files, lines, font), `files/`
and `barcodes_paperless/`, each if it is there. Error rates count characters, marks and blanks aside.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from ingest.workers import WorkerFailed, WorkerPool
from normalize.scan import Scan

LONG = timedelta(minutes=10)


@dataclass(frozen=True)
class Sample:
    name: str
    group: str
    files: tuple[Path, ...]
    truth: str


@dataclass
class Tally:
    errors: int = 0
    characters: int = 0
    pages: int = 0
    seconds: float = 0.0
    lines: int = 0
    unsure: int = 0
    confidence: list[float] = field(default_factory=list)


def samples(folder: Path) -> Iterator[Sample]:
    if (listed := folder / "pages.jsonl").exists():
        for row in map(json.loads, listed.read_text(encoding="utf-8").splitlines()):
            truth = (folder / row["truth"]).read_text(encoding="utf-8")
            yield Sample(row["id"], f"{row['kind']} {row['condition']}", (folder / row["image"],), truth)
    if (listed := folder / "rendered" / "manifest.jsonl").exists():
        for row in map(json.loads, listed.read_text(encoding="utf-8").splitlines()):
            files = tuple(listed.parent / name for name in row["files"])
            yield Sample(row["id"], f"rendered {row['font']}", files, "\n".join(row["lines"]))


def counted(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", text) if c.isalnum())


def distance(one: str, other: str) -> int:
    before = list(range(len(other) + 1))
    for row, a in enumerate(one, 1):
        now = [row]
        for column, b in enumerate(other, 1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (a != b)))
        before = now
    return before[-1]


async def read(pool: WorkerPool, file: Path) -> Scan:
    return Scan.from_json(await pool.call({}, await asyncio.to_thread(file.read_bytes), LONG))


async def measure(pool: WorkerPool, sample: Sample, tally: Tally) -> None:
    started = time.perf_counter()
    pages = [page for file in sample.files for page in (await read(pool, file)).pages]
    tally.seconds += time.perf_counter() - started
    text = "\n".join(line.text for page in pages for line in page.lines)
    truth = counted(sample.truth)
    tally.errors += distance(truth, counted(text))
    tally.characters += len(truth)
    tally.pages += len(pages)
    tally.lines += sum(len(page.lines) for page in pages)
    tally.unsure += sum(line.confidence < 0.95 for page in pages for line in page.lines)


def memory(pool: WorkerPool) -> str:
    rows = dict(row.split(":", 1) for row in Path(f"/proc/{pool.pids[0]}/status").read_text().splitlines())
    resident, reserved = (int(rows[name].split()[0]) >> 10 for name in ("VmHWM", "VmPeak"))
    return f"resident at most {resident} MiB, address space {reserved} MiB"


def containers(folder: Path) -> list[Path]:
    found = [*folder.glob("files/*"), *folder.glob("barcodes_paperless/**/samples/**/*.*")]
    return sorted(file for file in found if file.suffix.lower() in (".pdf", ".tif", ".tiff", ".png", ".jpg"))


async def others(pool: WorkerPool, folder: Path) -> None:
    """Containers and barcodes: what became of each."""
    for file in containers(folder):
        try:
            pages = (await read(pool, file)).pages
        except WorkerFailed as error:
            print(f"{file.name:48} {error}")
            continue
        told = "; ".join(f"{p.method} {len(p.lines)} lines {' '.join(p.barcodes)}{' blank' * p.blank}" for p in pages)
        print(f"{file.name:48} {told}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="samples whose name begins so")
    parser.add_argument("--others", action="store_true", help="containers and barcodes too")
    told = parser.parse_args()
    tallies: dict[str, Tally] = defaultdict(Tally)
    async with WorkerPool("normalize.ocr") as pool:
        for sample in samples(told.folder):
            if sample.name.startswith(told.only):
                await measure(pool, sample, tallies[sample.group])
        for group, tally in sorted(tallies.items()):
            print(
                f"{group:36} {100 * tally.errors / tally.characters:6.2f} % of {tally.characters:5} characters"
                f"  {tally.seconds / tally.pages:5.2f} s a page  {100 * tally.unsure / tally.lines:3.0f} % unsure lines"
            )
        if tallies:
            print(memory(pool))
        if told.others:
            await others(pool, told.folder)


if __name__ == "__main__":
    asyncio.run(main())
