"""Holds what the OA has against what the sources said: nothing missing, nothing twice, everything in its last words."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.endtoend.letterbox import Letter
from tests.endtoend.recorder import Attempt
from tests.endtoend.standins import Standins

Case = Mapping[str, Any]


async def cases_at_the_oa(standins: Standins) -> dict[str, list[Case]]:
    """The last revision of every case the OA has, by kind of channel; each case_id once."""
    matters = [*await standins.oa_cases(), *await standins.oa_cases("discipline")]
    assert [name for name, times in Counter(one["case_id"] for one in matters).items() if times > 1] == []
    found: dict[str, list[Case]] = {}
    for one in matters:
        found.setdefault(one["case"]["channel_kind"], []).append(one["case"])
    return found


def each_once(cases: Iterable[Case], field: str, expected: Iterable[str]) -> dict[str, Case]:
    """The cases by a field that names them at their source: exactly those expected, none twice."""
    listed = list(cases)
    counted = Counter(str(case[field]) for case in listed)
    assert {name: times for name, times in counted.items() if times > 1} == {}
    assert set(counted) == set(expected)
    return {str(case[field]): case for case in listed}


def check_mails(cases: Iterable[Case], letters: Iterable[Letter]) -> None:
    by_id = {letter.message_id: letter for letter in letters}
    for message_id, case in each_once(cases, "source_no", by_id).items():
        letter = by_id[message_id]
        assert case["title"] == letter.title
        assert squeezed(case["content"]) == squeezed(letter.content)
        assert [person["name"] for person in case["petitioners"]] == [letter.name]
        assert case["petitioners"][0]["phones"] == [letter.phone]
        assert sorted(part["name"] for part in case["attachments"] if part["role"] == "evidence") == sorted(
            letter.files
        )
        assert case["confidential_requested"] is letter.confidential
        assert case["restricted"] is letter.confidential


def check_petitions(cases: Iterable[Case], records: Mapping[str, Mapping[str, Any]]) -> None:
    for number, case in each_once(cases, "source_no", records).items():
        record = records[number]
        assert case["title"] == record["bt"]
        assert squeezed(case["content"]) == squeezed(record["tsnr"])
        assert case["source_status"]["raw"] == record["xfjzt"]
        assert [part["name"] for part in case["attachments"]] == [file["fjmc"] for file in record["xgfj"]]
        assert {part["state"] for part in case["attachments"]} <= {"stored"}


def check_orders(cases: Iterable[Case], orders: Mapping[str, Mapping[str, Any]]) -> None:
    for number, case in each_once(cases, "source_no", orders).items():
        order = orders[number]
        assert case["title"] == order["payroll_title"]
        assert squeezed(case["content"]) == squeezed(order["roll_content"])
        assert case["source_status"]["raw"] == order["state"]
        paths = [path for path in str(order["attachments"]).split(",") if path]
        stored = [part for part in case["attachments"] if part["state"] == "stored"]
        assert len(stored) == len(paths)


def check_scans(cases: Iterable[Case], scans: Iterable[Path]) -> None:
    """One letter in each scan: its case holds the scan itself."""
    digests = {hashlib.sha256(scan.read_bytes()).hexdigest() for scan in scans}
    held = [part["sha256"] for case in cases for part in case["attachments"] if part["role"] in ("scan", "original")]
    assert sorted(held) == sorted(digests)


def check_bodies(attempts: Iterable[Attempt]) -> None:
    """Every attempt was signed; all attempts of an event carried the same bytes; a case's events came in order."""
    bodies: dict[tuple[str, str], bytes] = {}
    for attempt in attempts:
        assert attempt.forged is None
        first = bodies.setdefault((attempt.route, attempt.event_id), attempt.body)
        assert attempt.body == first
    told: dict[tuple[str, str], list[tuple[str, int, str]]] = {}
    for (route, _), body in bodies.items():  # in the order of their first attempts
        event = json.loads(body)
        case = event["data"]["case"]
        told.setdefault((route, case["case_id"]), []).append((event["type"], case["revision"], event["timestamp"]))
    for events in told.values():
        assert [kind for kind, _, _ in events].index("case.created") == 0
        assert [kind for kind, _, _ in events].count("case.created") == 1
        assert [revision for _, revision, _ in events] == sorted(revision for _, revision, _ in events)
        assert [at for _, _, at in events] == sorted(at for _, _, at in events)


def check_nothing_waits(status: Mapping[str, Any]) -> None:
    assert status["stages"]["ledger"] == {}
    assert status["stages"]["held"] == 0
    assert status["quarantine"] == []
    assert set(status["stages"]["raws"]) <= {"read"}
    assert {door["name"]: door["state"] for door in status["doors"]} == dict.fromkeys(
        ("sunshine", "hotline", "director_mailbox", "letters"), "open"
    )
    assert [target["state"] for target in status["targets"]] == ["open", "open"]
    assert [target["waiting"] + target["rejected"] for target in status["targets"]] == [0, 0]


def check_secrecy(folder: Path, log: Path, words: Iterable[str]) -> None:
    """Neither the data folder nor the log holds any of the citizens' words, in any charset they came in."""
    told = log.read_text("utf-8", "replace")
    files = [(path, path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()]
    assert sum(len(content) for _, content in files) > 100_000
    for word in words:
        assert word not in told
        spelled = {word.encode(charset) for charset in ("utf-8", "gb18030", "utf-16-le")}
        spelled.add(json.dumps(word)[1:-1].encode())
        for path, content in files:
            assert not any(one in content for one in spelled), f"{path.name} holds a citizen's words in plain"


def squeezed(text: str) -> str:
    """A text without its white space, which every mail program and reader sets anew."""
    return "".join(text.split())
