"""What closes a form under its content: labels, rules, attachments, a system's notices."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from normalize.label_marks import Mark

_RULE = re.compile(r"[-=_*~—－·\s]{3,}")
_NOTHING = re.compile(
    r"(?:[一二三四五六七八九十\d]{1,2}[、.])?\s*[【\[]?(?:附件(?:信息|列表|材料|名称)?|无|暂无|无附件|办理信息|其他信息|基本信息)[】\]]?[:：]?\s*(?:无|暂无|\d{1,2}\s*个?)?"
)
_NOTICE = re.compile(
    r"(?:本|此)(?:邮件|信件|消息)(?:由|为|是|系)|(?:系统|程序)自动|自动(?:发送|发出|生成)|请勿(?:直接)?回复|请(?:及时|尽快)?(?:登录|点击)|发自我的|"
    r"来自.{0,12}(?:网站|邮箱|信箱|平台)|技术支持|版权所有|^.{0,14}(?:网站|信箱)$"
)
_OFFICE = re.compile(r"(?:时限|期限|状态|方式|部门|编号|单号)$")
_LONGEST_VALUE, _LONGEST_NOTICE, _LONGEST_UNDER = 60, 80, 30


def tail(text: str, begin: int, marks: Sequence[Mark], taken: frozenset[str]) -> int:
    """Where the lines that close the form begin: from the end up, past labels, rules and notices.

    They begin with a known label, a rule, 附件 or a notice: a line such as `建议：…` above them stays the citizen's,
    and so does a label that the form gave before (`taken`).
    """
    by_line: dict[int, list[Mark]] = {}
    for mark in marks:
        by_line.setdefault(text.rfind("\n", max(0, mark.start - _LONGEST_NOTICE), mark.start) + 1, []).append(mark)
    closing = len(text)
    under = False  # a short line that may be the value of a label alone on the line above
    for start, line in _lines_upwards(text, begin):
        stripped = line.strip()
        here = by_line.get(start, [])
        if not stripped:
            continue
        alone = bool(here) and not line[here[-1].end - start :].strip()
        if under and not alone:
            break
        under = False
        if _RULE.fullmatch(stripped) or _NOTHING.fullmatch(stripped) or _is_notice(stripped):
            closing = start
        elif here and _closes(text, line, start, here, taken):
            closing = start if any(mark.field or _OFFICE.search(mark.words) for mark in here) else closing
        elif not here and len(stripped) <= _LONGEST_UNDER and not re.search("[。！？!?，,]", stripped):
            under = True
        else:
            break
    return closing


def _closes(text: str, line: str, start: int, here: Sequence[Mark], taken: frozenset[str]) -> bool:
    if any(mark.field in taken for mark in here) or text[start : here[0].start].strip(" \t　"):
        return False
    return _is_short(line, start, here[-1])


def _is_short(line: str, start: int, mark: Mark) -> bool:
    value = line[mark.end - start :].strip()
    return len(value) <= _LONGEST_VALUE and not re.search(r"[。！？!?]$", value)


def _is_notice(line: str) -> bool:
    return len(line) <= _LONGEST_NOTICE and _NOTICE.search(line) is not None and not re.search("我(?!的)|孩子", line)


def _lines_upwards(text: str, begin: int) -> Iterator[tuple[int, str]]:
    end = len(text)
    while end > begin:
        start = text.rfind("\n", begin, end) + 1
        if start <= 0:
            return
        yield start, text[start:end]
        end = start - 1
