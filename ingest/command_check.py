"""`xinqiao check`: everything that is wrong with the configuration and, if asked, a knock at all it leads to."""

from __future__ import annotations

import asyncio
import json
import sys
from argparse import Namespace
from collections.abc import Coroutine, Sequence, Sized
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from ingest.alarms.sinks import Message
from ingest.alarms.watch import Speaker
from ingest.alarms.words import FOLDER as WORDS
from ingest.catalogue import load_words
from ingest.config import Config, ConfigErrors, Problem, load
from ingest.office import scan_workers
from ingest.probing import Probe, probe_channel, probe_scans, probe_sink, probe_target
from ingest.probing_store import probe_blobs, probe_blobs_folder, probe_database, probe_database_folder


def check(args: Namespace) -> int:
    """Check `args.config`; with `args.connect` also what it leads to, with `args.tell` so that each sink of alarms gets
    a test message; with `args.json` one object on standard output.

    Returns 0 when it can be used and everything asked answered, else 1.
    """
    path = Path(args.config)
    try:
        config = load(path)
    except ConfigErrors as errors:
        if args.json:
            _print_json(None, errors.problems, errors.warnings, [])
        else:
            _complain(*errors.problems, *_as_warnings(errors.warnings))
        return 1
    probes = asyncio.run(probe_all(config, tell=args.tell)) if args.connect or args.tell else []
    if args.json:
        _print_json(config, [], config.warnings, probes)
    else:
        _complain(*_as_warnings(config.warnings))
        _say(f"{path}: ok, {_count(config.channels, 'channel')}, {_count(config.targets, 'target')}")
        _print_probes(config, probes)
    return 0 if all(probe.ok for probe in probes) else 1


async def probe_all(config: Config, *, tell: bool = False) -> list[Probe]:
    """Knock at database and bucket, every enabled door and target, every sink of alarms at once; the answers in the
    order of the file.
    """
    doors = [one for one in config.channels.values() if one.settings.enabled]
    scanned = any(one.settings.kind == "letters" for one in doors)
    test = _test_message(config) if tell else None
    return await asyncio.gather(
        *_of_the_store(config),
        *([probe_scans(scan_workers())] if scanned else []),
        *map(probe_channel, doors),
        *(probe_target(name, target) for name, target in config.targets.items() if target.enabled),
        *(probe_sink(name, sink, test) for name, sink in config.alarms.sinks.items()),
    )


def _of_the_store(config: Config) -> list[Coroutine[None, None, Probe]]:
    """Of database and large blobs, wherever they lie."""
    folder = config.data.folder
    found = [probe_database(config.database) if config.shared else probe_database_folder(folder)]
    if config.bucket:
        return [*found, probe_blobs(config.bucket)]
    return [*found, probe_blobs_folder(folder)] if config.shared else found


def _test_message(config: Config) -> Message:
    service = config.service
    speaker = Speaker(load_words(WORDS, service.language), service.name, service.zone)
    return speaker.message("raised", "test", {}, datetime.now(UTC))


def _print_probes(config: Config, probes: Sequence[Probe]) -> None:
    for probe in probes:
        title = f" ({config.channels[probe.name].title})" if probe.what == "channel" else ""
        line = f"{probe.what} {probe.name}{title}: {'ok' if probe.ok else 'failed'}: {probe.text}"
        (_say if probe.ok else _complain)(line)
        for doubt in probe.doubts:
            _complain(f"{probe.what} {probe.name}{title}: warning: {doubt}")


def _print_json(
    config: Config | None, errors: Sequence[Problem], warnings: Sequence[Problem], probes: Sequence[Probe]
) -> None:
    report = {
        "ok": not errors and all(probe.ok for probe in probes),
        "errors": [asdict(problem) for problem in errors],
        "warnings": [asdict(problem) for problem in warnings],
        "channels": list(config.channels) if config else [],
        "targets": list(config.targets) if config else [],
        "probes": [asdict(probe) for probe in probes],
    }
    _say(json.dumps(report, ensure_ascii=False, indent=2))


def _as_warnings(problems: Sequence[Problem]) -> list[str]:
    return [str(problem).replace(": ", ": warning: ", 1) for problem in problems]


def _count(things: Sized, word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _complain(*lines: object) -> None:
    sys.stdout.flush()
    sys.stderr.writelines(f"{line}\n" for line in lines)
