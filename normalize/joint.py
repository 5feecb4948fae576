"""Whether several people petition together, and how many."""

from __future__ import annotations

import re
from dataclasses import dataclass

from normalize.hinted import Hinted

_HAN = "〇零一二两三四五六七八九十百千"
_COUNT = rf"(?<![\d.{_HAN}第])(\d{{1,5}}|[{_HAN}]{{1,7}})"
_SAID = Hinted(
    rf"\d{_HAN}等联签署",
    rf"{_COUNT}\s*[多余来]?[名位个户]?(?:学生)?(?:家长|业主|家庭|教师|老师|群众|居民|村民|职工|员工|考生|人|户)(?:[的共]|一起|已)?(?:联名|联合|集体|共同|签名|签字|署名)"
    rf"|等\s*{_COUNT}\s*[名位]?(?:人|户|学?生?家长|业主|居民|村民|教师|职工)"
    rf"|(?:联名|签名|签字|署名)(?:人|家长|业主|的)?(?:数|共|共有|共计|有|达|为|：|:)*\s*{_COUNT}\s*[多余来]?[名位]?(?:人|户|家长|业主)",
)
_TOGETHER = re.compile(
    r"联名(?!学校|品牌|款)|联合署名|集体(?:反映|投诉|举报|信访|请愿|签名|上访|申诉)|全体(?:家长|业主|教师|老师|村民|居民|职工)"
)
_DIGITS = dict(zip("〇零一二两三四五六七八九", (0, 0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9), strict=True))
_TENS = {"十": 10, "百": 100, "千": 1000}


@dataclass(frozen=True)
class Together:
    """`joint`: several petition; None: nobody is known and nobody says. `count`: how many, as said or as signed."""

    joint: bool | None
    count: int | None


def together(title: str, text: str, known: int) -> Together:
    """How many petition, of whom `known` are told."""
    said = joint_count(text) or joint_count(title)
    joint = known > 1 or (said or 0) > 1 or any(_TOGETHER.search(each) for each in (title, text))
    return Together(True if joint else (False if known else None), said or known or None)


def joint_count(text: str) -> int | None:
    """How many people or households sign together (32名家长联名, 张三等15人, 236户签名); None: nobody says."""
    found = _SAID.search(text)
    return _number(next(group for group in found.groups() if group)) if found else None


def _number(text: str) -> int:
    if text.isdecimal():
        return int(text)
    total = digit = 0
    for character in text:
        if character in _TENS:
            total += (digit or 1) * _TENS[character]
            digit = 0
        else:
            digit = _DIGITS[character]
    return total + digit
