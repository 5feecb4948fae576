"""`python -m tests.fuzz`: every target at length, each in a process of its own, and a table of what came of it."""

from __future__ import annotations

import argparse
import json
import mmap
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.mangling import LONGEST
from tests.fuzz.running import run
from tests.fuzz.targets import TARGETS

HEAD = ("target", "runs", "seconds", "findings", "longest input")


@dataclass(frozen=True)
class Row:
    target: str
    runs: int
    seconds: float
    findings: tuple[str, ...]
    longest: float

    def __str__(self) -> str:
        return f"| {self.target} | {self.runs:,} | {self.seconds:.0f} | {len(self.findings)} | {self.longest:.2f} s |"


def main() -> int:
    """The table on standard output; 1 if anything was found. What was found lies in `--keep`."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", default=[*TARGETS], metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--keep", type=Path, default=Path("fuzz-findings"), help="where inputs that broke something lie"
    )
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if unknown := [name for name in asked.targets if name not in TARGETS]:
        parser.error(f"no target {unknown[0]}; there are {', '.join(TARGETS)}")
    if asked.alone:
        print(json.dumps(_alone(asked.targets[0], asked.runs, asked.seed, asked.keep)))
        return 0
    print(f"| {' | '.join(HEAD)} |\n| --- | ---: | ---: | ---: | ---: |", flush=True)
    rows = [_apart(name, asked.runs, asked.seed, asked.keep) for name in asked.targets]
    return int(any(row.findings for row in rows))


def _apart(name: str, runs: int, seed: int, keep: Path) -> Row:
    """In a process of its own: a reader of pixels may take it along."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz", name, "--alone"]
    options = ["--runs", str(runs), "--seed", str(seed), "--keep", str(keep)]
    done = subprocess.run([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if done.returncode == 0:
        row = Row(**json.loads(done.stdout))
    else:
        row = Row(name, 0, 0, (f"its process ended with {done.returncode}; the last input lies in {keep}",), 0)
    print(row, flush=True)
    for said in row.findings:
        print(f"  {said}", file=sys.stderr, flush=True)
    return row


def _alone(name: str, runs: int, seed: int, keep: Path) -> dict[str, object]:
    """What is being read stands in a file, for whoever finds this process dead."""
    keep.mkdir(parents=True, exist_ok=True)
    stem = name.replace(" ", "-")
    with (keep / f"{stem}.last").open("w+b") as file:
        file.truncate(LONGEST)
        with mmap.mmap(file.fileno(), LONGEST) as last:

            def note(data: bytes) -> None:
                last[: len(data)] = data
                last[len(data) :] = bytes(LONGEST - len(data))

            ran = run(TARGETS[name], runs, seed, note)
    (keep / f"{stem}.last").unlink()
    for number, finding in enumerate(ran.findings, start=1):
        (keep / f"{stem}-{number}").write_bytes(finding.data)
    (keep / f"{stem}.longest").write_bytes(ran.longest_input)
    said = [one.said for one in ran.findings]
    return {"target": name, "runs": ran.runs, "seconds": ran.seconds, "findings": said, "longest": ran.longest}


if __name__ == "__main__":
    sys.exit(main())
