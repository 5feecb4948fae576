"""`xinqiao check`: everything that is wrong with the configuration and, if asked, a knock at all it leads to.

It speaks the language the configuration asks for; where that cannot be read, the one of who gives the command.
"""

from __future__ import annotations

import asyncio
import json
import sys
from argparse import Namespace
from collections.abc import Coroutine, Sequence, Sized
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from ingest.alarms.sinks import Message
from ingest.alarms.watch import Speaker
from ingest.alarms.words import FOLDER as WORDS
from ingest.catalogue import Language, load_words
from ingest.config import Config, ConfigErrors, Problem, load
from ingest.office import scan_workers
from ingest.probing import Probe, probe_channel, probe_scans, probe_sink, probe_target
from ingest.probing_clamd import probe_clamd
from ingest.probing_store import probe_blobs, probe_blobs_folder, probe_database, probe_database_folder
from ingest.sayings.check import FOLDER as CHECK_WORDS
from ingest.sayings.problems import as_warnings, language_for, said_in
from ingest.sayings.rewording import rewording


def check(args: Namespace) -> int:
    """Check `args.config`; with `args.connect` also what it leads to, with `args.tell` so that each sink of alarms gets
    a test message; with `args.json` one object on standard output.

    Returns 0 when it can be used and everything asked answered, else 1.
    """
    path = Path(args.config)
    try:
        config = load(path)
    except ConfigErrors as errors:
        language = language_for(errors)
        problems = said_in(language, errors.problems)
        if args.json:
            _print_json(None, problems, said_in(language, errors.warnings), [])
        else:
            _complain(*problems, *as_warnings(language, errors.warnings))
        return 1
    language = config.service.language
    said = Saying(language)
    probes = asyncio.run(probe_all(config, tell=args.tell)) if args.connect or args.tell else []
    probes = [said.probe(probe) for probe in probes]
    if args.json:
        _print_json(config, [], said_in(language, config.warnings), probes)
    else:
        _complain(*as_warnings(language, config.warnings))
        _say(
            said.words(
                "fine",
                file=path,
                channels=said.count("channel", config.channels),
                targets=said.count("target", config.targets),
            )
        )
        _print_probes(config, probes, said)
    return 0 if all(probe.ok for probe in probes) else 1


class Saying:
    """Says in one language what was found."""

    def __init__(self, language: Language) -> None:
        self.words = load_words(CHECK_WORDS, language)
        self.again = rewording(language)

    def probe(self, probe: Probe) -> Probe:
        return replace(probe, text=self.again(probe.text), doubts=tuple(map(self.again, probe.doubts)))

    def seen(self, probe: Probe, title: str | None, outcome: str, text: str) -> str:
        """A line about one of the places."""
        what = self.words.label("what", probe.what)
        name = self.words.label("what", probe.name) if probe.what == "scans" else probe.name
        key = "probe" if title is None else "probe_titled"
        return self.words(key, what=what, name=name, title=title, outcome=self.words(outcome), text=text)

    def count(self, word: str, things: Sized) -> str:
        count = len(things)
        return self.words(word if count == 1 else f"{word}s", count=count)


async def probe_all(config: Config, *, tell: bool = False) -> list[Probe]:
    """Knock at database, bucket and virus scanner, every enabled door and target, every sink of alarms at once; the
    answers in the order of the file.
    """
    doors = [one for one in config.channels.values() if one.settings.enabled]
    scanned = any(one.settings.kind == "letters" for one in doors)
    test = _test_message(config) if tell else None
    return await asyncio.gather(
        *_of_the_store(config),
        *([probe_clamd(clamd, datetime.now(UTC))] if (clamd := config.attachments.clamd) else []),
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
        return [*found, probe_blobs(config.bucket, removing=config.retention.originals is not None)]
    return [*found, probe_blobs_folder(folder)] if config.shared else found


def _test_message(config: Config) -> Message:
    service = config.service
    speaker = Speaker(load_words(WORDS, service.language), service.name, service.zone)
    return speaker.message("raised", "test", {}, datetime.now(UTC))


def _print_probes(config: Config, probes: Sequence[Probe], said: Saying) -> None:
    for probe in probes:
        title = config.channels[probe.name].title if probe.what == "channel" else None
        line = said.seen(probe, title, "ok" if probe.ok else "failed", probe.text)
        (_say if probe.ok else _complain)(line)
        for doubt in probe.doubts:
            _complain(said.seen(probe, title, "warning", doubt))


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


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _complain(*lines: object) -> None:
    sys.stdout.flush()
    sys.stderr.writelines(f"{line}\n" for line in lines)
