"""Whom the opening words of a letter greet."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PERSON = (
    "领导|局长|书记|市长|县长|区长|省长|厅长|部长|主任|科长|处长|股长|校长|院长|园长|站长|镇长|组长|"
    "同志|老师|负责人|工作人员"
)
_BODY = "部门|信访局|局|厅|委|委员会|办|办公室|科|处|股|组|室|会|政府|中心|机关|法院|检察院|学校"
# What greets without a mark behind it: a school's name alone on a line is a letterhead or a heading.
_ALONE = (
    "领导|局长|书记|市长|县长|区长|省长|厅长|部长|处长|科长|同志|负责人|工作人员|部门|(?<![结格骗僵布饭大])局|厅|[市县区省党工纪]委|"
    "委员会|[访查导检道政党]办|办公室|(?:[局厅委]|政府)[\u4e00-\u9fff]{1,8}[科处股室组]|(?:教育|人事|财务|信访|监察|督导|安全)[科处股]|"
    "纪检组|监察室|政府"
)
_MOST, _MOST_BARE, _MOST_ALONE = 60, 15, 20
_WELL = r"(?:您|你|您们|你们|大家|各位)好"
# One character is easily misread in handwriting: 暮敬的, 尊散的.
_HONOURED = (
    r"(?:[^\s，。]敬[的地得]|尊[^\s，。][的地得]|尊敬(?=各位|领导)|亲爱的|致(?![使富力电歉病远谢])|"
    r"呈(?![现递报请送交]))"
)
_MEMBER = r"[\u4e00-\u9fffA-Za-z0-9、（）() ]"
_HONORIFIC = "(?:同志|大人)?们?"
_FORMAL = re.compile(
    rf"{_HONOURED}[\s:：]*(?P<who>(?:(?![我把被]){_MEMBER}){{0,30}}?(?:{_PERSON}|{_BODY}){_HONORIFIC})"
    rf"\s*(?:[：:，,！!。；;]\s*(?:{_WELL}[！!。，,]?)?|{_WELL}[！!。，,]?|$)"
)
_BARE = re.compile(
    rf"(?P<who>(?:(?![我在把被的]){_MEMBER}){{0,14}}?(?:{_PERSON}|{_BODY}){_HONORIFIC})"
    rf"\s*(?P<end>[：:]\s*(?:{_WELL}[！!。，,]?)?|[，,！!。]?\s*{_WELL}[！!。，,]?|[，,。！!；;]$)"
)
_ALONE_LINE = re.compile(
    rf"(?:{_HONOURED}[\s:：]*)?(?:(?![我在把被的不没无是]|有(?!关)|问题){_MEMBER}){{0,18}}?(?:{_ALONE}){_HONORIFIC}"
)
_TITLE_LINE = re.compile(r"(?:[\u4e00-\u9fff]{1,2})(?:主任|校长|园长|院长|老师)")
_SAYS_WHAT_ABOUT = re.compile(
    "关于|对|就|请|求|投诉|举报|反映|反应|控告|检举|揭发|揭露|质疑|感谢|表扬|建议|咨询|申请|要求|希望|呼吁|取消|信访|曝光|告"
)
_LABEL = re.compile("被|就读|所在|涉及|涉事|联系|收信|主管|责任|承办|工作|主办|班主任|任课")
_GREETS_ON = re.compile(
    rf"(?:领导|局长|书记|[市县区省厅部处科镇]长|同志|局|厅|委|政府|办|科|处|.(?:主任|[校园院]长|老师)){_HONORIFIC}$"
)
_SHORT_VALUE = 20


@dataclass(frozen=True)
class Salutation:
    """Whom it greets, where it ends in the text, and whether it says so itself: by 尊敬的, a colon or 您好."""

    who: str
    end: int
    marked: bool


def salutation(text: str) -> Salutation | None:
    """The salutation a paragraph begins with; a line of its own is one without any mark, too (市教育局).

    A sentence that merely speaks of an office or a school greets nobody: without 尊敬的 a comma or full stop ends a
    salutation only where the paragraph ends as well, or 您好 follows.
    """
    start = len(text) - len(text.lstrip())
    words = text[start : start + _MOST]
    if formal := _FORMAL.match(words):
        return Salutation(formal["who"].strip(), start + formal.end(), marked=True)
    if (bare := _BARE.match(words)) and len(bare["who"]) <= _MOST_BARE and _believed(bare, text[start:].rstrip()):
        return Salutation(bare["who"].strip(), start + bare.end(), marked=True)
    if is_alone(text):
        return Salutation(text.strip(), len(text), marked=False)
    return None


def is_alone(line: str) -> bool:
    """Whether a line holds nothing but whom it greets, with or without a mark behind."""
    words = line.strip().rstrip("：:，,！!。；; ")
    if not 2 <= len(words) <= _MOST_ALONE or _SAYS_WHAT_ABOUT.match(words) or words[0] in "（(":
        return False
    return any(pattern.fullmatch(words) for pattern in (_FORMAL, _ALONE_LINE, _TITLE_LINE))


def is_salutation_line(line: str) -> bool:
    """Whether a line is a salutation, marked or not, and nothing else."""
    greets = salutation(line)
    return greets is not None and greets.end >= len(line.rstrip())


def opens_formally(line: str) -> bool:
    """Whether a line begins with 尊敬的 and whom it honours, whatever follows."""
    return _FORMAL.match(line.lstrip()[:_MOST]) is not None


def greeted(text: str) -> str | None:
    """Whom a text greets with so many words (尊敬的…, …：, …您好) in its first three lines that are not empty."""
    lines = [line for line in text[:2000].splitlines() if line.strip()][:3]
    told = (salutation(line) for line in lines)
    return next((each.who for each in told if each and each.marked), None)


def _believed(bare: re.Match[str], text: str) -> bool:
    """Whether this is no label with its value (就读学校：花桥中学) and nothing one complains of."""
    if _SAYS_WHAT_ABOUT.match(bare["who"]):
        return False
    rest = text[bare.end() :].strip()
    if "好" in bare["end"] or (not rest and bare["end"].startswith(("：", ":"))):
        return True
    office = _GREETS_ON.search(bare["who"]) is not None and not _LABEL.match(bare["who"])
    return office and (not rest or len(rest) > _SHORT_VALUE)
