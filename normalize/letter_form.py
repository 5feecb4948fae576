"""The form of a letter: its heading, and whom it addresses."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LONGEST_HEADING = 50
_OFFICE = (
    "领导|局长|书记|市长|县长|区长|省长|厅长|部长|主任|科长|处长|股长|校长|院长|园长|站长|镇长|组长|同志|老师|"
    "部门|信访局|局|厅|委|办|科|处|股|组|室|会|政府|中心|机关|法院|检察院|学校|工作人员|负责人"
)
_SALUTATION = re.compile(
    rf"^(?:尊敬的|敬爱的|亲爱的|致|呈)?[\s:：]*(?P<who>[\u4e00-\u9fffA-Za-z0-9、，,（）() ]{{0,30}}?"
    rf"(?:{_OFFICE})(?:同志|大人)?们?)"
    r"\s*(?P<end>(?:(?:您|你|你们|大家)好)?[：:，,！!。]|(?:您|你|你们|大家)好|$)"
)
_LABELLED = re.compile(r"^[^：:]{1,8}[：:]")
_CLOSING = re.compile(r"^(?:此致|敬礼|致敬|谢谢|落款)")


def heading(paragraphs: Sequence[str]) -> tuple[str | None, list[str]]:
    """The letter's heading (None: it has none) and the paragraphs after it.

    A heading is a short paragraph that neither greets, labels nor ends as a sentence does, with more after it: the
    one before the salutation (a printed letterhead may stand over it), else the first.
    """
    greeting = next((place for place in (1, 2, 3) if _is_salutation(paragraphs[place : place + 1])), 1)
    if len(paragraphs) > greeting and _is_heading(paragraphs[greeting - 1]):
        letterhead = list(paragraphs[: greeting - 1])
        return paragraphs[greeting - 1].strip(" 　《》【】"), letterhead + list(paragraphs[greeting:])
    return None, list(paragraphs)


def begins_letter(paragraphs: Sequence[str]) -> bool:
    """Whether a page begins as a letter does: a heading and a salutation under it."""
    return any(
        _is_heading(paragraphs[place - 1]) and _is_salutation(paragraphs[place : place + 1])
        for place in range(1, min(4, len(paragraphs)))
    )


def _is_salutation(paragraph: Sequence[str]) -> bool:
    return bool(paragraph) and addressee(paragraph) is not None


def addressee(paragraphs: Sequence[str]) -> str | None:
    """Whom the letter addresses in its salutation, within its first three paragraphs."""
    for paragraph in paragraphs[:3]:
        if (found := _SALUTATION.match(paragraph.strip())) and found["end"]:
            return found["who"].strip()
    return None


def _is_heading(text: str) -> bool:
    text = text.strip()
    if not 3 <= len(text) <= _LONGEST_HEADING or re.search(r"[：:。，,；;、.]$", text) or "。" in text:
        return False
    greets = _SALUTATION.match(text)
    greeting = (
        greets is not None and (bool(greets["end"]) or len(text) < 12) and not re.match("关于|对|请|投诉|举报", text)
    )
    return not (greeting or _LABELLED.match(text) or _CLOSING.match(text) or re.search(r"(?:您|你)好", text))
