"""How well the shipped rules understand: against a labelled set of messages in `$XINQIAO_DATA/messages`.

    python bench/understanding.py [--misses accusation|type|topic|urgent|contact]

The word lists were tuned with an eye on this set: on unseen messages expect a few points less.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from normalize.case import ChannelKind, Draft, PurposeCode, ReadingMethod, ReadingNote, Triage, Urgency  # noqa: E402
from normalize.rules import Rules  # noqa: E402
from normalize.triage import needs_contact  # noqa: E402
from normalize.understand import understand  # noqa: E402

DATA = Path(os.environ.get("XINQIAO_DATA", ROOT.parent / "shared" / "data")) / "messages"
RECEIVED = datetime(2026, 3, 2, tzinfo=UTC)
DECLARED = {
    "咨询": "consult",
    "求助": "help",
    "投诉": "complaint",
    "举报": "report",
    "建议": "suggestion",
    "表扬": "praise",
}


@dataclass(frozen=True)
class Judged:
    gold: dict[str, Any]
    case: Draft


def draft(title: str, content: str, number: int) -> Draft:
    return Draft(
        channel="bench",
        channel_kind=ChannelKind.MAILBOX,
        source_id=str(number),
        title=title.strip(),
        content=content.strip() or None,
        received_at=RECEIVED,
        reading=ReadingNote(method=ReadingMethod.MIME),
    )


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text("utf-8").splitlines()]


def judged(rules: Rules) -> list[Judged]:
    messages = {message["id"]: message for message in lines("edu_dev.jsonl")}
    result = []
    for number, gold in enumerate(lines("dev_gold.jsonl")):
        message = messages[gold["id"]]
        result.append(Judged(gold, understand(draft(message["subject"], message["body"], number), rules)))
    return result


def of_yes_and_no(cases: Iterable[Judged], gold: Callable[[Judged], bool], said: Callable[[Judged], bool]) -> str:
    counts = Counter((gold(case), said(case)) for case in cases)
    right, missed, wrong = counts[True, True], counts[True, False], counts[False, True]
    recall = right / (right + missed) if right + missed else 0.0
    precision = right / (right + wrong) if right + wrong else 0.0
    return f"recall {recall:.3f} precision {precision:.3f} ({right} right, {missed} missed, {wrong} too many)"


def is_accused(case: Judged) -> bool:
    return bool(case.gold["accusation"])


def says_accused(case: Judged) -> bool:
    return case.case.purpose.code is PurposeCode.ACCUSATION


def withheld(case: Judged) -> bool:
    return is_accused(case) or case.gold["request_type"] == "report"


def urgent(case: Judged) -> bool:
    return case.case.urgency is not Urgency.NORMAL


def report(cases: list[Judged], rules: Rules) -> None:
    total = len(cases)
    types = sum(case.case.request_type.code == case.gold["request_type"] for case in cases) / total
    main = sum(case.case.topics[0] == case.gold["topics"][0] for case in cases) / total
    among = sum(case.case.topics[0] in case.gold["topics"] for case in cases) / total
    both = sum(len(set(case.case.topics) & set(case.gold["topics"])) for case in cases)
    all_topics = sum(len(case.case.topics) + len(case.gold["topics"]) for case in cases)
    print(f"messages          {total}")
    print(f"request type      accuracy {types:.3f}")
    print(f"topics            main {main:.3f}, among the labelled {among:.3f}, F1 of all {2 * both / all_topics:.3f}")
    print(f"accusation        {of_yes_and_no(cases, is_accused, says_accused)}")
    print(f"restricted        {of_yes_and_no(cases, withheld, lambda c: c.case.restricted)}")
    print(f"leaked            {sum(is_accused(c) and not c.case.restricted for c in cases)} accusations not restricted")
    print(f"urgent            {of_yes_and_no(cases, lambda c: bool(c.gold['urgent']), urgent)}")
    contact = of_yes_and_no(
        cases, lambda c: bool(c.gold["needs_contact"]), lambda c: needs_contact(c.case, rules.triage)
    )
    print(f"needs contact     {contact}")
    print(f"triage            {dict(Counter(case.case.triage.value for case in cases))}")


def report_declared(rules: Rules) -> None:
    """The type its writer named in the subject; also judged by the body alone, where nothing names it."""
    messages = lines("selfdeclared_type.jsonl")
    right = Counter[str]()
    for number, message in enumerate(messages):
        wanted = DECLARED[message["type_from_subject"]]
        whole = understand(draft(message["留言主题"], message["留言详情"], number), rules)
        body = understand(draft("-", message["留言详情"], number), rules)
        right["whole"] += whole.request_type.code == wanted
        right["body"] += body.request_type.code == wanted
    share = {name: f"{count / len(messages):.3f}" for name, count in right.items()}
    print(f"self-declared     {len(messages)} messages, with subject {share['whole']}, by the body {share['body']}")


def speed(rules: Rules) -> None:
    drafts = [draft(message["subject"], message["body"], n) for n, message in enumerate(lines("edu_dev.jsonl"))]
    best = min(_seconds(drafts, rules) for _ in range(3))
    print(f"speed             {best / len(drafts) * 1000:.2f} ms a case")


def _seconds(drafts: list[Draft], rules: Rules) -> float:
    start = time.perf_counter()
    for one in drafts:
        understand(one, rules)
    return time.perf_counter() - start


MISSES: dict[str, Callable[[Judged], bool]] = {
    "accusation": lambda c: is_accused(c) != says_accused(c),
    "type": lambda c: c.case.request_type.code != c.gold["request_type"],
    "topic": lambda c: c.case.topics[0] != c.gold["topics"][0],
    "urgent": lambda c: bool(c.gold["urgent"]) != urgent(c),
    "contact": lambda c: bool(c.gold["needs_contact"]) != (c.case.triage is Triage.NEED_CONTACT),
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--misses", choices=sorted(MISSES), help="also list the messages it gets wrong")
    chosen = arguments.parse_args()
    if not DATA.is_dir():
        sys.exit(f"no messages at {DATA}; set XINQIAO_DATA to the folder that holds messages/")
    rules = Rules()
    cases = judged(rules)
    report(cases, rules)
    report_declared(rules)
    speed(rules)
    if chosen.misses:
        for case in filter(MISSES[chosen.misses], cases):
            print(
                case.gold, "|", case.case.title, "|", case.case.request_type.code, case.case.topics, case.case.urgency
            )


if __name__ == "__main__":
    main()
